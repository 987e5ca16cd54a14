"""Customers, events and keys as the API shows them."""

from datetime import datetime

from pydantic import BaseModel, Field

from tellal.domain.channels import Channel
from tellal.domain.customers import ConsentState, Customer, CustomerKind
from tellal.domain.errors import Finding
from tellal.services.customers import REMOVED


class FindingView(BaseModel):
    """What was found in a rule file or a text, and how to mend it."""

    file: str
    line: int
    column: int
    message: str
    hint: str
    severity: str = Field(examples=["warning"])
    source: str = Field(default="", examples=["Law 6563, art. 8"])
    fine: str = Field(default="", examples=["up to 42930 TRY (2026)"])
    gravity: str = Field(default="", examples=["grave"])

    @classmethod
    def of(cls, found: Finding) -> "FindingView":
        """Show a finding."""
        return cls(
            file=found.file,
            line=found.line,
            column=found.column,
            message=found.message,
            hint=found.hint,
            severity=found.severity,
            source=found.source,
            fine=found.fine,
            gravity=found.gravity,
        )


class ContactView(BaseModel):
    """An address; `bad_reason` says why it is not used."""

    channel: Channel
    address: str
    bad_reason: str = ""


class ConsentView(BaseModel):
    """The record in force for a channel."""

    channel: Channel
    state: ConsentState
    source: str
    recorded_at: datetime


class PreferencesView(BaseModel):
    """What he does not want to hear; `complained` are topics that he complained of."""

    service_only: bool
    topics_off: list[str]
    complained: list[str]


class CustomerView(BaseModel):
    """A customer."""

    id: str = Field(examples=["01M837NRNXEYD9M2SCPHQYZW89"])
    ref: str = Field(examples=["customer-42"])
    kind: CustomerKind
    locale: str
    timezone: str
    country: str
    first_name: str
    contacts: list[ContactView]
    consents: list[ConsentView]
    preferences: PreferencesView
    facts: dict[str, object]


def customer_view(customer: Customer) -> CustomerView:
    """Show a customer."""
    return CustomerView(
        id=customer.id,
        ref=customer.ref,
        kind=customer.kind,
        locale=customer.locale,
        timezone=customer.timezone,
        country=customer.country,
        first_name=customer.first_name,
        contacts=[
            ContactView(channel=p.channel, address=p.address, bad_reason=p.bad_reason)
            for p in customer.contact_points
            if p.bad_reason != REMOVED
        ],
        consents=[
            ConsentView(
                channel=c.channel, state=c.state, source=c.source, recorded_at=c.recorded_at
            )
            for c in customer.consents.values()
        ],
        preferences=PreferencesView(
            service_only=customer.wishes.service_only,
            topics_off=sorted(customer.wishes.topics_off),
            complained=sorted(customer.wishes.complained),
        ),
        facts=dict(customer.facts),
    )
