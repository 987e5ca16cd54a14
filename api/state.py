"""What a process of the API holds for its requests."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Protocol, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Depends, Request

from api.event_streams import Pace
from api.key_uses import KeyUses
from rules.holder import RulebookHolder
from rules.web_forms import WebForms
from tellal.clock import Clock
from tellal.domain.keywords import Inbound
from tellal.domain.messages import Receipt
from tellal.domain.routes import RouteTable
from tellal.persistence.session import Sessions
from tellal.services.agent_calls import AgentDesk
from tellal.services.applications import Applications
from tellal.services.blocks import Blocks
from tellal.services.bounces import Bounces
from tellal.services.complaints import Complaints
from tellal.services.consents import Consents
from tellal.services.credit import Credit
from tellal.services.customers import Customers
from tellal.services.differences import Differences
from tellal.services.explicit_consents import ExplicitConsents
from tellal.services.groups import Groups
from tellal.services.holds import Holds
from tellal.services.house import House
from tellal.services.inbound_texts import InboundTexts
from tellal.services.keywords import KeywordDesk
from tellal.services.one_click import OneClick
from tellal.services.person_erasure import Persons
from tellal.services.preferences import Preferences
from tellal.services.publishing import Publishing
from tellal.services.rate_limits import RateLimits
from tellal.services.receipt_inbox import ReceiptInbox
from tellal.services.receipts import Receipts
from tellal.services.route_steering import RouteSteering
from tellal.services.shelf import Shelf
from tellal.services.shown_notices import ShownNotices
from tellal.services.status_board import StatusBoard
from tellal.services.text_previews import TextPreviews
from tellal.services.trials import Trials
from templates.applying import ApplyPages
from templates.pages import Pages
from templates.tracking import TrackingPages


class Callbacks(Protocol):
    """How a provider's status callback is trusted and read."""

    def genuine(self, query: str, form: Mapping[str, str], signature: str) -> bool:
        """Say whether the carrier signed this callback; `query` is the address's query string."""
        ...

    def genuine_inbound(self, query: str, form: Mapping[str, str], signature: str) -> bool:
        """Say whether the carrier signed what it says a person has written."""
        ...

    def inbound(self, form: Mapping[str, str]) -> Inbound:
        """Read what a person has written."""
        ...

    def receipt(self, form: Mapping[str, str], message_id: str, received_at: datetime) -> Receipt:
        """Read a callback.

        Raises:
            InvalidInputError: It is none.
        """
        ...


class Pushes(Protocol):
    """How reports are trusted and read that a provider pushes to a secret address."""

    @property
    def expected(self) -> bool:
        """Whether there is such an address at all."""
        ...

    def genuine(self, secret: str) -> bool:
        """Say whether it was the address that only the provider knows."""
        ...

    def receipt(self, form: Mapping[str, str], received_at: datetime) -> Receipt:
        """Read a report.

        Raises:
            InvalidInputError: It is none.
        """
        ...


_LONG_READS = 2
"""Each keeps a connection of the pool for seconds, or for minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The services that routes call; `singles` are sessions without a transaction.

    `routes` are all of the table, `providers` are at hand. `ending` is set when the process is
    about to end. As many `reports` and `exports` are counted and written side by side as these let.
    """

    sessions: Sessions
    singles: Sessions
    clock: Clock
    key_uses: KeyUses
    books: RulebookHolder
    routes: RouteTable
    providers: Collection[str]
    house: House
    customers: Customers
    consents: Consents
    groups: Groups
    receipts: Receipts
    inbound: InboundTexts
    keywords: KeywordDesk
    preferences: Preferences
    inbox: ReceiptInbox
    one_click: OneClick
    bounces: Bounces
    pages: Pages
    limits: RateLimits
    tracking_pages: TrackingPages
    applications: Applications
    web_forms: WebForms
    apply_pages: ApplyPages
    holds: Holds
    steering: RouteSteering
    blocks: Blocks
    complaints: Complaints
    credit: Credit
    persons: Persons
    notices: ShownNotices
    explicit_consents: ExplicitConsents
    evidence_key: Callable[[], Ed25519PrivateKey]
    trials: Trials
    previews: TextPreviews
    differences: Differences
    publishing: Publishing
    shelf: Shelf
    status: StatusBoard
    public_url: str
    webhooks_private: bool
    twilio: Callbacks
    netgsm: Pushes
    web_key: str
    agents: AgentDesk
    engine_counters: Callable[[], Mapping[str, int]]
    ending: asyncio.Event
    pace: Pace = Pace()  # noqa: RUF009 - it cannot be changed
    reports: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LONG_READS))
    exports: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LONG_READS))


async def desk(request: Request) -> Desk:
    """Return the process's desk; async, because FastAPI runs plain functions in a thread each."""
    return cast(Desk, request.app.state.desk)


TheDesk = Annotated[Desk, Depends(desk)]
