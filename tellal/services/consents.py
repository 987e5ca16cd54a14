"""The ledger of consents: what is taken down, what stands, what is erased.

A record locks its customer's row, and an intent shares that row before it is committed: at the
answer of a refusal nothing further leaves for him. No chain is locked: records are sealed later
(`tellal.services.consent_sealing`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, String, Update, bindparam, case, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.addresses import normalise
from tellal.clock import Clock
from tellal.domain.channels import Channel, RecipientType
from tellal.domain.consent_rules import Claim, check, source_named
from tellal.domain.consents import (
    WRITTEN_BY_TELLAL,
    ConsentChannel,
    ConsentRecord,
    Delegation,
    Source,
    Standing,
    Use,
    is_whole,
    standing,
)
from tellal.domain.customers import Brand, ConsentState, Customer, CustomerKind
from tellal.domain.errors import InvalidInputError, NotFoundError
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.consents import to_record
from tellal.persistence.people import lock_customer, lock_customer_by_id
from tellal.persistence.tables.customers import ConsentRow, CustomerRow
from tellal.services.confirmation_duty import note_duty
from tellal.services.consent_ways import check_way
from tellal.services.progress import Progress
from tellal.services.refusals import stop_refused

_consents = table(ConsentRow)
_customers = table(CustomerRow).c


_SAID = (
    select(_customers.kind.label("kind"), _consents)
    .select_from(
        table(CustomerRow).outerjoin(
            _consents,
            (_consents.c.customer_id == _customers.id)
            & (_consents.c.channel == bindparam("over", type_=String())),
        )
    )
    .where(
        _customers.brand_id == bindparam("of_brand", type_=String()),
        _customers.ref == bindparam("whose", type_=String()),
    )
    .order_by(_consents.c.given_at.desc(), _consents.c.id.desc())
)
"""What a customer said of a channel, the newest first; built once, for it is asked often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentInput:
    """A grant or refusal as it is reported; `evidence` is what proves it.

    Without `given_at` it is given now, without `address` at the address by which the customer is
    reached on the channel, without `recipient_type` in the role that he has.
    """

    channel: ConsentChannel
    state: ConsentState
    source: str
    recipient_type: RecipientType | None = None
    given_at: datetime | None = None
    valid_until: datetime | None = None
    address: str = ""
    purposes: Sequence[str] = ()
    delegation: Delegation | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)


def _plainly(recipient_type: RecipientType) -> Use:
    """Return the use that names neither purpose nor dealer."""
    return Use(recipient_type=recipient_type)


class Consents:
    """Writes and reads the ledger; the caller's transaction holds what it locks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._progress = Progress(clock)

    async def record(
        self,
        tx: AsyncSession,
        *,
        brand: Brand,
        ref: str,
        said: ConsentInput,
        by: str = "",
        heard: bool = False,
    ) -> ConsentRecord:
        """Take down a grant or a refusal; the latest of a channel, by `given_at`, is in force.

        What a refusal is about and has not left is cancelled in the same transaction. A grant by
        electronic means is noted to be confirmed.
        `heard` is what reached Tellal itself, of which it also knows by which way (İYS' own).

        Raises:
            NotFoundError: The brand has no such customer.
            InvalidInputError: It cannot be so, or does not prove what the law asks for.
        """
        source = source_named(said.source) if heard else _named_by_caller(said.source)
        customer = await lock_customer(tx, brand.id, ref)
        now = self._clock.now()
        address = consent_address(said.channel, said.address, region=brand.country)
        claim = Claim(
            channel=said.channel,
            state=said.state,
            source=source,
            recipient_type=said.recipient_type or RecipientType(customer.kind.value),
            given_at=said.given_at or now,
            address=address or _reached_at(customer, said.channel),
            purposes=tuple(sorted(said.purposes)),
            valid_until=said.valid_until,
            delegation=said.delegation,
            evidence=dict(said.evidence),
        )
        check_way(claim, customer.timezone, customer.country or brand.country)
        check(claim, now=now)
        record = ConsentRecord(
            id=new_id(),
            brand_id=brand.id,
            customer_id=customer.id,
            channel=claim.channel,
            state=claim.state,
            recipient_type=claim.recipient_type,
            source=claim.source.value,
            given_at=claim.given_at.astimezone(UTC),
            recorded_at=now,
            recorded_by=by,
            valid_until=None if claim.valid_until is None else claim.valid_until.astimezone(UTC),
            purposes=claim.purposes,
            delegation=claim.delegation,
            address=claim.address,
            evidence=claim.evidence,
        )
        await tx.execute(insert(_consents).values(**consent_values(record, customer.kind)))
        if record.state is ConsentState.REFUSED:
            await self.stop_if_refused(tx, customer.id, record.channel)
        else:
            await note_duty(tx, record, brand.timezone)
        return record

    async def stop_if_refused(
        self, tx: AsyncSession, customer_id: str, channel: ConsentChannel
    ) -> int:
        """Cancel what has not left on a channel that a locked customer refuses, if he does.

        What he said last counts, which need not be what was written down last. Returns how many
        messages it were.
        """
        last = (
            select(_consents.c.state, _consents.c.purposes)
            .where(
                _consents.c.customer_id == customer_id,
                _consents.c.channel == channel.value,
                _consents.c.whole,
            )
            .order_by(_consents.c.given_at.desc(), _consents.c.id.desc())
            .limit(1)
        )
        said = (await tx.execute(last)).one_or_none()
        if said is None or said.state != ConsentState.REFUSED.value:
            return 0
        return await stop_refused(
            tx, self._progress, customer_id, Channel(channel.value), said.purposes
        )

    async def history(
        self, tx: AsyncSession, customer_id: str, *, after: str, limit: int
    ) -> list[ConsentRecord]:
        """Read a customer's records in the order in which they were taken down."""
        query = (
            select(_consents)
            .where(_consents.c.customer_id == customer_id, _consents.c.id > after)
            .order_by(_consents.c.id)
            .limit(limit)
        )
        return [to_record(row) for row in await tx.execute(query)]

    async def standing(
        self,
        tx: AsyncSession,
        brand_id: str,
        ref: str,
        channel: ConsentChannel,
        use: Callable[[RecipientType], Use] = _plainly,
    ) -> Standing:
        """Return how a use of a channel stands; `use` is told the customer's role.

        It is one look along an index, at the records of one customer and channel.

        Raises:
            NotFoundError: The brand has no such customer.
        """
        asked = {"of_brand": brand_id, "whose": ref, "over": channel.value}
        rows = (await tx.execute(_SAID, asked)).all()
        if not rows:
            raise NotFoundError(f"no customer {ref!r}")
        records = [to_record(row) for row in rows if row.id is not None]
        return standing(records, use(RecipientType(rows[0].kind)), self._clock.now())

    async def erase(
        self, tx: AsyncSession, brand_id: str, consent_id: str, *, by: str
    ) -> ConsentRecord:
        """Erase a record's evidence, address and salt; what was said, and when, stays.

        The chain hears of it by a tombstone. Twice changes nothing.

        Raises:
            NotFoundError: The brand has no such record.
        """
        found = await self._find(tx, brand_id, consent_id)
        await lock_customer_by_id(tx, found.customer_id)
        mine = _consents.c.id == consent_id
        await tx.execute(self._erasing(by).where(mine, _consents.c.erased_at.is_(None)))
        return await self._find(tx, brand_id, consent_id)

    async def erase_all(self, tx: AsyncSession, brand_id: str, ref: str, *, by: str) -> int:
        """Erase what all of a customer's records prove; return how many it were.

        Raises:
            NotFoundError: The brand has no such customer.
        """
        customer = await lock_customer(tx, brand_id, ref)
        his = _consents.c.customer_id == customer.id
        change = self._erasing(by).where(his, _consents.c.erased_at.is_(None))
        return len((await tx.execute(change.returning(_consents.c.id))).all())

    def _erasing(self, by: str) -> Update:
        return update(_consents).values(
            evidence={},
            address="",
            recorded_by="",
            salt="",
            erased_at=self._clock.now(),
            erased_by=by,
        )

    async def _find(self, tx: AsyncSession, brand_id: str, consent_id: str) -> ConsentRecord:
        query = select(_consents).where(
            _consents.c.id == consent_id, _consents.c.brand_id == brand_id
        )
        row = (await tx.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError("no such record of consent")
        return to_record(row)


def consent_values(record: ConsentRecord, kind: CustomerKind) -> dict[str, object]:
    """Return a record as the table takes it, for a customer of a kind."""
    return {
        "id": record.id,
        "brand_id": record.brand_id,
        "customer_id": record.customer_id,
        "channel": record.channel.value,
        "state": record.state.value,
        "recipient_type": record.recipient_type.value,
        "source": record.source,
        "purposes": list(record.purposes),
        "delegation": {} if record.delegation is None else asdict(record.delegation),
        "whole": is_whole(
            record.state, record.recipient_type, kind.value, record.purposes, record.delegation
        ),
        "address": record.address,
        "evidence": dict(record.evidence),
        "given_at": record.given_at,
        "valid_until": record.valid_until,
        "recorded_at": record.recorded_at,
        "recorded_by": record.recorded_by,
    }


def consent_address(channel: ConsentChannel, raw: str, *, region: str) -> str:
    """Write an address as the ledger keeps it; empty if there is none.

    Raises:
        InvalidInputError: It cannot be an address on the channel.
    """
    if not raw.strip():
        return ""
    return normalise(Channel(channel.value), raw, region=region)


def whole_for(kind: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Say in SQL what `is_whole` says: whether a record settles its channel for a kind."""
    limited = or_(
        _consents.c.purposes != [], _consents.c.delegation != {}, _consents.c.recipient_type != kind
    )
    return case((_consents.c.state == ConsentState.REFUSED.value, True), else_=~limited)


async def weigh_anew(tx: AsyncSession, customer_id: str, kind: CustomerKind) -> None:
    """Derive anew which records settle their channel: the customer's role has changed."""
    his = _consents.c.customer_id == customer_id
    await tx.execute(update(_consents).where(his).values(whole=whole_for(kind.value)))


def _named_by_caller(name: str) -> Source:
    source = source_named(name)
    if source in WRITTEN_BY_TELLAL:
        raise InvalidInputError(
            f"{name} is recorded by Tellal itself",
            field="source",
            hint="name the way by which you took it, as in HS_WEB",
        )
    return source


def _reached_at(customer: Customer, channel: ConsentChannel) -> str:
    point = customer.usable(Channel(channel.value))
    if point is None and channel is ConsentChannel.CALL:
        # An officer calls the number to which texts go, if there is no other.
        point = customer.usable(Channel.SMS)
    return "" if point is None else point.address
