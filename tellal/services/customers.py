"""Customers as their brand tells of them: written whole, addresses checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from rules.holder import RulebookHolder
from rules.vocabulary import did_you_mean
from tellal.addresses import country_of, normalise
from tellal.clock import Clock
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.customers import Brand, Customer, CustomerKind
from tellal.domain.decisions import Value
from tellal.domain.errors import InvalidInputError
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import find_customer, lock_customer
from tellal.persistence.tables.customers import ContactPointRow, CustomerRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.services import places
from tellal.services.consents import weigh_anew
from tellal.services.kept_refusals import Arrived, refuse_again
from tellal.services.progress import Progress
from tellal.services.refusals import stop_unwished

_customers = table(CustomerRow)
_points = table(ContactPointRow)
_messages = table(MessageRow)

REMOVED = "removed"
"""Why an address is not used any more that messages of the past still name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """An address as the caller writes it; `confirmed` says that it is known to be good again."""

    channel: Channel
    address: str
    confirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerInput:
    """Everything that a brand says of a customer; what is left out is not so.

    Without `timezone` or `country` the brand's own holds; a mobile number names its country.
    """

    kind: CustomerKind = CustomerKind.INDIVIDUAL
    locale: str
    timezone: str = ""
    country: str = ""
    first_name: str = ""
    contacts: Sequence[Contact] = ()
    attributes: Mapping[str, object] = field(default_factory=dict)


class Customers:
    """Writes customers; the caller's transaction holds the customer's row until it ends."""

    def __init__(self, books: RulebookHolder, clock: Clock) -> None:
        self._books = books
        self._clock = clock
        self._progress = Progress(clock)

    async def put(
        self, tx: AsyncSession, *, brand: Brand, ref: str, said: CustomerInput
    ) -> tuple[Customer, bool]:
        """Create a customer or replace what was said of him; the second value says which.

        Raises:
            InvalidInputError: An address, the zone, the country or an attribute cannot be.
        """
        contacts = _normalised(said.contacts, brand.country)
        values = self._values(brand, said, contacts)
        now = self._clock.now()
        statement = pg_insert(_customers).values(
            id=new_id(), brand_id=brand.id, ref=ref, created_at=now, **values
        )
        fresh = statement.on_conflict_do_nothing().returning(_customers.c.id)
        created = (await tx.execute(fresh)).scalar_one_or_none() is not None
        customer = await lock_customer(tx, brand.id, ref)
        if not created:
            values["facts"] = self._learned(customer) | values["facts"]
            change = update(_customers).where(_customers.c.id == customer.id)
            await tx.execute(change.values(**values))
            if said.kind is not customer.kind:
                await weigh_anew(tx, customer.id, said.kind)
        await self._replace_contacts(tx, customer, contacts, now)
        return await find_customer(tx, brand.id, ref), created

    async def prefer(
        self,
        tx: AsyncSession,
        *,
        brand: Brand,
        ref: str,
        service_only: bool | None = None,
        topics_off: frozenset[str] | None = None,
    ) -> Customer:
        """Note what a customer wants to hear; None leaves it as it is.

        What he does not want to hear any more and has not left is cancelled with it.

        Raises:
            NotFoundError: The brand has no such customer.
            InvalidInputError: The rulebook has no such topic, or the law orders it to be told.
        """
        customer = await lock_customer(tx, brand.id, ref)
        values: dict[str, object] = {"updated_at": self._clock.now()}
        if service_only is not None:
            values["service_only"] = service_only
        if topics_off is not None:
            # What is off already stays so, though the rulebook may have lost the topic meanwhile.
            for topic in sorted(topics_off - customer.wishes.topics_off):
                self._check_may_be_off(topic)
            values["topics_off"] = sorted(topics_off)
        change = update(_customers).where(_customers.c.id == customer.id)
        await tx.execute(change.values(**values))
        changed = await find_customer(tx, brand.id, ref)
        await stop_unwished(tx, self._progress, changed)
        return changed

    def _check_may_be_off(self, name: str) -> None:
        topics = self._books.current.topics
        topic = topics.get(name)
        if topic is None:
            message = f"the rulebook has no topic '{name}'"
            raise InvalidInputError(message, field="topics_off", hint=did_you_mean(name, topics))
        if topic.message_class is MessageClass.MANDATORY:
            raise InvalidInputError(
                f"the law orders '{name}' to be told",
                field="topics_off",
                hint="leave topics of the class mandatory out",
            )

    def _values(
        self, brand: Brand, said: CustomerInput, contacts: Sequence[Contact]
    ) -> dict[str, Any]:
        facts = self._books.current.attribute_facts(said.attributes)
        return {
            "kind": said.kind.value,
            "locale": said.locale,
            "timezone": places.timezone(said.timezone or brand.timezone),
            "country": _country(said.country, contacts, brand.country),
            "first_name": said.first_name,
            "facts": _storable(facts),
            "updated_at": self._clock.now(),
        }

    def _learned(self, customer: Customer) -> dict[str, object]:
        """Return what events have told of a customer: a brand's master data do not undo it."""
        events = self._books.current.events.values()
        told = {path for event in events for path in (*event.sets, *event.copies)}
        return _storable({p: value for p, value in customer.facts.items() if p in told})

    async def _replace_contacts(
        self, tx: AsyncSession, customer: Customer, contacts: Sequence[Contact], now: datetime
    ) -> None:
        known = {(point.channel, point.address): point for point in customer.contact_points}
        wanted = {(contact.channel, contact.address): contact for contact in contacts}
        await self._remove(tx, [known[address].id for address in known.keys() - wanted.keys()])
        # An address that comes back, or that the caller confirms, starts with a clean slate.
        forgiven = [
            point.id
            for address, point in known.items()
            if address in wanted and (point.bad_reason == REMOVED or wanted[address].confirmed)
        ]
        if forgiven:
            await tx.execute(
                update(_points).where(_points.c.id.in_(forgiven)).values(bad_reason="")
            )
        fresh = [contact for address, contact in wanted.items() if address not in known]
        # Newer ids are preferred, so the caller's first address gets the newest.
        ids = sorted((new_id() for _ in fresh), reverse=True)
        rows = [
            {
                "id": point_id,
                "brand_id": customer.brand_id,
                "customer_id": customer.id,
                "channel": contact.channel.value,
                "address": contact.address,
                "bad_reason": "",
                "created_at": now,
            }
            for point_id, contact in zip(ids, fresh, strict=True)
        ]
        if rows:
            await tx.execute(insert(_points), rows)
            arrived = [
                Arrived(customer_id=customer.id, channel=one.channel, address=one.address)
                for one in fresh
            ]
            await refuse_again(tx, customer.brand_id, arrived, now=now)

    async def _remove(self, tx: AsyncSession, ids: Sequence[str]) -> None:
        """Forget addresses; one that the ledger names stays, so that it can be proved."""
        if not ids:
            return
        named = exists(select(_messages.c.id).where(_messages.c.contact_point_id == _points.c.id))
        await tx.execute(delete(_points).where(_points.c.id.in_(ids), ~named))
        await tx.execute(update(_points).where(_points.c.id.in_(ids)).values(bad_reason=REMOVED))


def _storable(facts: Mapping[str, Value]) -> dict[str, object]:
    return {p: list(value) if isinstance(value, tuple) else value for p, value in facts.items()}


def _normalised(contacts: Sequence[Contact], region: str) -> list[Contact]:
    checked = []
    for place, contact in enumerate(contacts):
        try:
            address = normalise(contact.channel, contact.address, region=region)
        except InvalidInputError as error:
            raise InvalidInputError(
                str(error), field=f"contacts.{place}.{error.field}", hint=error.hint
            ) from error
        checked.append(
            Contact(channel=contact.channel, address=address, confirmed=contact.confirmed)
        )
    return checked


def _country(said: str, contacts: Sequence[Contact], default: str) -> str:
    if said:
        return places.country(said)
    numbers = (contact.address for contact in contacts if contact.channel is Channel.SMS)
    return next((country_of(number) for number in numbers), "") or default
