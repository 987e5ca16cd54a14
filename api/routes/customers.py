"""Customers: who they are, how to reach them, what they want to hear."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from api.views import CustomerView, customer_view
from tellal.domain.channels import Channel
from tellal.domain.customers import CustomerKind
from tellal.persistence.people import find_customer, page_of_customers
from tellal.services.customers import Contact, CustomerInput
from tellal.services.keys import Scope

router = APIRouter(prefix="/customers", tags=["customers"])

Ref = Annotated[str, Path(max_length=200, description="Your own name for the customer")]
Reader = Annotated[Reading, may_read(Scope.CUSTOMERS_READ)]
Writer = Annotated[Writing, may_write(Scope.CUSTOMERS_WRITE)]


class ContactBody(BaseModel):
    """An address. SMS numbers may be written as people do; they are kept in E.164."""

    model_config = ConfigDict(extra="forbid")

    channel: Channel
    address: str = Field(max_length=4096, examples=["0532 123 45 67"])
    confirmed: bool = Field(default=False, description="Known to be good again, though it failed")


class CustomerBody(BaseModel):
    """Everything that you say of a customer; what you leave out is not so."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "locale": "tr-TR",
                    "first_name": "Ayşe",
                    "contacts": [
                        {"channel": "sms", "address": "0532 123 45 67"},
                        {"channel": "email", "address": "ayse@example.com"},
                    ],
                    "attributes": {"segment": "mass", "city": "Eskişehir"},
                }
            ]
        },
    )

    kind: CustomerKind = CustomerKind.INDIVIDUAL
    locale: str = Field(default="en", max_length=20, examples=["tr-TR"])
    timezone: str = Field(default="", description="IANA name; the brand's own if left out")
    country: str = Field(default="", description="ISO code; else the mobile number's, else yours")
    first_name: str = Field(default="", max_length=100)
    contacts: list[ContactBody] = Field(default=[], max_length=50)
    attributes: dict[str, object] = Field(
        default={}, description="What rules may read of him; the vocabulary names them"
    )


@router.put("/{ref}", responses=documented(409, 422), response_model=CustomerView)
async def put_customer(ref: Ref, body: CustomerBody, write: Writer) -> Response:
    """Create a customer, or replace what was said of him."""
    said = CustomerInput(
        kind=body.kind,
        locale=body.locale,
        timezone=body.timezone,
        country=body.country,
        first_name=body.first_name,
        contacts=[
            Contact(channel=c.channel, address=c.address, confirmed=c.confirmed)
            for c in body.contacts
        ],
        attributes=body.attributes,
    )

    async def effect(tx: AsyncSession) -> CustomerView:
        customer, _ = await write.desk.customers.put(tx, brand=write.brand, ref=ref, said=said)
        return customer_view(customer)

    return await write.once(200, effect)


@router.get("/{ref}", responses=documented(404))
async def get_customer(ref: Ref, read: Reader) -> CustomerView:
    """Read a customer."""
    async with read.session() as tx:
        return customer_view(await find_customer(tx, read.brand.id, ref))


@router.get("", responses=documented())
async def list_customers(read: Reader, after: After = "", limit: Limit = 50) -> Page[CustomerView]:
    """List your customers in the order in which they were created."""
    async with read.session() as tx:
        found = await page_of_customers(tx, read.brand.id, after=after, limit=limit + 1)
    return page_of([customer_view(customer) for customer in found], limit)


class PreferencesBody(BaseModel):
    """What a customer wants to hear. What the law orders to be told comes all the same."""

    model_config = ConfigDict(extra="forbid")

    service_only: bool = Field(
        default=False, description="Nothing that promotes, only what concerns what he has"
    )
    topics_off: list[str] = Field(
        default=[], max_length=200, description="Topics of which he wants to hear nothing"
    )


class PreferencesChange(BaseModel):
    """What changes of a customer's preferences; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    service_only: bool | None = None
    topics_off: list[str] | None = Field(
        default=None, max_length=200, description="All topics that are off from now on"
    )


@router.put("/{ref}/preferences", responses=documented(404, 409, 422), response_model=CustomerView)
async def put_preferences(ref: Ref, body: PreferencesBody, write: Writer) -> Response:
    """Note what a customer wants to hear; it holds for what waits to be sent, too."""
    return await _prefer(write, ref, body)


@router.patch(
    "/{ref}/preferences", responses=documented(404, 409, 422), response_model=CustomerView
)
async def change_preferences(ref: Ref, body: PreferencesChange, write: Writer) -> Response:
    """Change one of a customer's preferences, and leave the other as it is."""
    return await _prefer(write, ref, body)


async def _prefer(write: Writing, ref: str, said: PreferencesBody | PreferencesChange) -> Response:
    async def effect(tx: AsyncSession) -> CustomerView:
        customer = await write.desk.customers.prefer(
            tx,
            brand=write.brand,
            ref=ref,
            service_only=said.service_only,
            topics_off=None if said.topics_off is None else frozenset(said.topics_off),
        )
        return customer_view(customer)

    return await write.once(200, effect)
