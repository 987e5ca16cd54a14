"""Refusals by one click: an address in each commercial mail, which knows whose mail it is.

RFC 8058: a POST to it refuses at once, without a question. A GET only shows a page with a button,
because filters and previews follow links (section 3.2).
"""

import hashlib
import hmac
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.channels import Channel
from tellal.domain.errors import NotFoundError
from tellal.persistence.columns import table
from tellal.persistence.people import lock_customer_by_id
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.customers import ContactPointRow, CustomerRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.progress import Progress
from tellal.services.refusals import Refused, refuse_channel
from tellal.settings import Settings

_brands = table(BrandRow).c
_customers = table(CustomerRow).c
_points = table(ContactPointRow).c
_messages = table(MessageRow).c

_MAC_DIGITS = 32
_SOURCE = "one_click"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusable:
    """What a person may refuse: the messages of one brand over one channel."""

    message_id: str
    customer_id: str
    brand_id: str
    brand: str
    channel: Channel
    address: str
    language: str


class OneClick:
    """Makes the addresses, and takes the refusals that come to them.

    Without a secret there are no addresses, and none is believed.
    """

    def __init__(self, secret: str, public_url: str, clock: Clock) -> None:
        self._secret = secret.encode()
        self._public_url = public_url.rstrip("/")
        self._clock = clock
        self._progress = Progress(clock)

    def url(self, message_id: str) -> str:
        """Return the address that refuses what a message is an example of; empty without secret."""
        if not self._secret:
            return ""
        return f"{self._public_url}/unsubscribe/{message_id}.{self._mac(message_id)}"

    async def find(self, tx: AsyncSession, token: str) -> Refusable:
        """Return what an address refuses.

        Raises:
            NotFoundError: We did not make this address.
        """
        message_id, _, mac = token.partition(".")
        ours = hmac.compare_digest(mac.encode(), self._mac(message_id).encode())
        if not self._secret or not ours:
            raise NotFoundError("no such address")
        query = (
            select(
                _messages.id,
                _messages.customer_id,
                _messages.brand_id,
                _messages.channel,
                _points.address,
                _brands.trade_name,
                _customers.locale,
            )
            .join(table(BrandRow), _brands.id == _messages.brand_id)
            .join(table(CustomerRow), _customers.id == _messages.customer_id)
            .outerjoin(table(ContactPointRow), _points.id == _messages.contact_point_id)
            .where(_messages.id == message_id)
        )
        row = (await tx.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError("no such address")
        return Refusable(
            message_id=row.id,
            customer_id=row.customer_id,
            brand_id=row.brand_id,
            brand=row.trade_name,
            channel=Channel(row.channel),
            address=row.address or "",
            language=row.locale,
        )

    async def refuse(self, tx: AsyncSession, token: str) -> Refusable:
        """Record the refusal; when this has committed, no intent for the channel commits.

        What waits on the channel is cancelled at once. A second click changes nothing.

        Raises:
            NotFoundError: We did not make this address.
        """
        refusable = await self.find(tx, token)
        customer = await lock_customer_by_id(tx, refusable.customer_id)
        refused = Refused(
            channel=refusable.channel,
            address=refusable.address,
            source=_SOURCE,
            message_id=refusable.message_id,
        )
        await refuse_channel(tx, self._progress, customer, refused, self._clock.now())
        return refusable

    def _mac(self, message_id: str) -> str:
        return hmac.new(self._secret, message_id.encode(), hashlib.sha256).hexdigest()[:_MAC_DIGITS]


def one_click(settings: Settings, clock: Clock) -> OneClick:
    """Return the one-click refusals of an installation."""
    return OneClick(settings.unsubscribe_secret.get_secret_value(), settings.public_url, clock)
