"""Signals that something does not work: enough of them make a suspicion by themselves (B15)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, InvalidInputError
from tellal.domain.incidents import AREAS, IncidentKind
from tellal.domain.outages import ENDED, OutageKind, OutageState
from tellal.domain.places import any_overlap, common, overlap
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.customers import CustomerRow
from tellal.services.outage_checks import OutageChecks
from tellal.services.outage_history import Act, enter, wake
from tellal.services.outage_sayings import Declaration
from tellal.services.outage_views import find, outages, signals
from tellal.services.outages import Outages
from tellal.services.webhooks import announce

_brands = table(BrandRow)
_customers = table(CustomerRow)

_AT_MOST = 1_000
_SUSPECTED_OR_CONFIRMED = [OutageState.SUSPECTED.value, OutageState.CONFIRMED.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Somebody says that something does not work.

    `source` is where it comes from (social, app, hotline, monitor, reply); `reference` is what that
    calls it, so that the same signal counts once. `customer` is the brand's name of who says it.
    """

    incident: str
    source: str
    reference: str = ""
    area: Mapping[str, str] = field(default_factory=dict)
    customer: str = ""
    at: datetime | None = None
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalView:
    """A signal as it was taken: the outage that it belongs to, and whether it began a suspicion.

    `so_far` of `needed` signals have come within the window of its kind; 0 is needed of a kind that
    nobody suspects by signals.
    """

    id: str
    incident: str
    outage_id: str | None
    suspects: bool
    so_far: int
    needed: int


class Signals:
    """Takes signals in; a suspicion tells nobody directly."""

    def __init__(self, outages: Outages, checks: OutageChecks, clock: Clock) -> None:
        self._outages = outages
        self._checks = checks
        self._clock = clock

    async def take(self, tx: AsyncSession, brand: Brand, signal: Signal, by: str) -> SignalView:
        """Take a signal in; said twice it counts once.

        Raises:
            InvalidInputError: There is no such kind of failure, customer or part of a place.
        """
        kind = self._checks.kind(signal.incident)
        if kind.kind is not OutageKind.FAILURE:
            raise InvalidInputError(f"{kind.id} is planned, nobody signals it", field="incident")
        for part in signal.area:
            if part not in AREAS:
                raise InvalidInputError(
                    f"a place has no {part!r}", field="area", hint=f"one of {', '.join(AREAS)}"
                )
        now = self._clock.now()
        await _in_turn(tx, brand)
        known = await self._put(tx, brand, signal, now)
        if known.outage_id is not None:
            return await self._seen(tx, kind, known, suspects=False)
        running = await self._running(tx, brand, kind, known)
        if running is not None:
            await self._attach(tx, brand, running, known)
            return await self._seen(tx, kind, known, outage_id=running.id, suspects=False)
        return await self._perhaps_suspect(tx, brand, kind, known, by)

    async def customer_still_out(
        self,
        tx: AsyncSession,
        brand: Brand,
        outage_id: str,
        *,
        customer: str,
        source: str,
        reference: str,
        by: str,
    ) -> None:
        """Take in what `still_out` does of a customer whom the brand names.

        Raises:
            InvalidInputError: The brand has no such customer.
            NotFoundError: The brand has no such outage.
            ConflictError: It is not over.
        """
        await self.still_out(
            tx,
            brand,
            outage_id,
            customer_id=await _customer(tx, brand, customer),
            source=source,
            reference=reference,
            by=by,
        )

    async def still_out(
        self,
        tx: AsyncSession,
        brand: Brand,
        outage_id: str,
        *,
        customer_id: str,
        source: str,
        reference: str,
        by: str,
    ) -> None:
        """Take in that a customer is still without, though he was told that it is over.

        It is open again for him until an operator has said that he is served, too; enough of such
        answers make a suspicion as any signals do.

        Raises:
            NotFoundError: The brand has no such outage.
            ConflictError: It is not over.
        """
        row = await find(tx, brand.id, outage_id)
        if OutageState(row.state) not in ENDED or row.resolved_at is None:
            raise ConflictError(f"the outage is {row.state}, not over", code="not_over")
        kind, now = self._checks.kind(row.incident), self._clock.now()
        await _in_turn(tx, brand)
        if await _waits(tx, outage_id, customer_id):
            return
        signal_id = new_id()
        added = await tx.execute(
            pg_insert(signals)
            .values(
                id=signal_id,
                brand_id=brand.id,
                incident=row.incident,
                area=await _home(tx, row, customer_id),
                source=source,
                reference=reference or signal_id,
                customer_id=customer_id,
                outage_id=outage_id,
                still_out=True,
                simulated=row.simulated,
                at=now,
            )
            .on_conflict_do_nothing()
            .returning(signals)
        )
        known = added.one_or_none()
        if known is None:
            return
        act = Act(tx=tx, brand=brand, kind=kind, now=now)
        await enter(act, row, "still_out", by=by, shown=False)
        if not row.simulated:
            await announce(tx, brand.id, "outage.still_out", {"outage_id": outage_id}, now)
        if kind.kind is OutageKind.FAILURE:
            running = await self._running(tx, brand, kind, known)
            if running is None:
                await self._perhaps_suspect(tx, brand, kind, known, by)

    async def _put(self, tx: AsyncSession, brand: Brand, signal: Signal, now: datetime) -> Row[Any]:
        customer_id = await _customer(tx, brand, signal.customer) if signal.customer else None
        signal_id = new_id()
        reference = signal.reference or signal_id
        await tx.execute(
            pg_insert(signals)
            .values(
                id=signal_id,
                brand_id=brand.id,
                incident=signal.incident,
                area=dict(signal.area),
                source=signal.source,
                reference=reference,
                customer_id=customer_id,
                simulated=signal.simulated,
                at=min(signal.at or now, now),
            )
            .on_conflict_do_nothing()
        )
        query = select(signals).where(
            signals.c.brand_id == brand.id,
            signals.c.source == signal.source,
            signals.c.reference == reference,
        )
        return (await tx.execute(query)).one()

    async def _running(
        self, tx: AsyncSession, brand: Brand, kind: IncidentKind, known: Row[Any]
    ) -> Row[Any] | None:
        """Return the outage of which a signal speaks, unless it was said long before that began."""
        query = (
            select(outages)
            .where(
                outages.c.brand_id == brand.id,
                outages.c.incident == known.incident,
                outages.c.simulated == known.simulated,
                outages.c.state.in_(_SUSPECTED_OR_CONFIRMED),
            )
            .order_by(outages.c.id)
        )
        before = kind.suspicion.within if kind.suspicion else timedelta(0)
        for row in (await tx.execute(query)).all():
            began = row.first_signal_at or row.declared_at
            if known.at >= began - before and any_overlap(row.areas, known.area):
                return row
        return None

    async def _perhaps_suspect(
        self, tx: AsyncSession, brand: Brand, kind: IncidentKind, known: Row[Any], by: str
    ) -> SignalView:
        """Declare a suspicion if enough have said the same of the same place."""
        alike = await self._alike(tx, brand, kind, known)
        so_far = len({one.customer_id or one.id for one in alike})
        if kind.suspicion is None or so_far < kind.suspicion.signals:
            return await self._seen(tx, kind, known, suspects=False, so_far=so_far)
        place = common([one.area for one in alike if one.area])
        declared = await self._outages.declare(
            tx,
            brand=brand,
            said=Declaration(
                title=kind.means,
                incident=kind.id,
                areas=[place] if place else [],
                segment=await _segment_of(tx, alike),
                first_signal_at=min(one.at for one in alike),
                anyway=True,
                simulated=known.simulated,
            ),
            by=f"{so_far} signals ({by})",
        )
        own = [one.id for one in alike if one.outage_id is None]
        await tx.execute(update(signals).where(signals.c.id.in_(own)).values(outage_id=declared.id))
        return await self._seen(
            tx, kind, known, outage_id=declared.id, suspects=True, so_far=so_far
        )

    async def _alike(
        self, tx: AsyncSession, brand: Brand, kind: IncidentKind, known: Row[Any]
    ) -> Sequence[Row[Any]]:
        """Return the signals of its kind that speak of the same place and of no running outage.

        Who answers that he is still without is one of them. One that names no place goes with those
        of the place that most speak of.
        """
        if kind.suspicion is None:
            return [known]
        loose = or_(
            signals.c.outage_id.is_(None),
            and_(signals.c.still_out.is_(True), signals.c.answered_at.is_(None)),
        )
        query = (
            select(signals)
            .where(
                signals.c.brand_id == brand.id,
                signals.c.incident == kind.id,
                signals.c.simulated == known.simulated,
                signals.c.at >= self._clock.now() - kind.suspicion.within,
                loose,
            )
            .order_by(signals.c.at.desc(), signals.c.id)
            .limit(_AT_MOST)
        )
        found = [row for row in await tx.execute(query) if overlap(row.area, known.area)]
        places = [known.area] if known.area else [row.area for row in found if row.area]
        groups = [[row for row in found if overlap(row.area, place)] for place in places]
        return max(groups, key=len, default=found)

    async def _attach(
        self, tx: AsyncSession, brand: Brand, outage: Row[Any], known: Row[Any]
    ) -> None:
        mine = update(signals).where(signals.c.id == known.id)
        await tx.execute(mine.values(outage_id=outage.id))
        earliest = func.least(func.coalesce(outages.c.first_signal_at, known.at), known.at)
        await tx.execute(
            update(outages).where(outages.c.id == outage.id).values(first_signal_at=earliest)
        )
        await wake(tx, brand, outage, self._clock.now())

    async def _seen(
        self,
        tx: AsyncSession,
        kind: IncidentKind,
        known: Row[Any],
        *,
        suspects: bool,
        outage_id: str | None = None,
        so_far: int | None = None,
    ) -> SignalView:
        belongs_to = outage_id or known.outage_id
        if so_far is None:
            counted = select(func.count()).where(signals.c.outage_id == belongs_to)
            so_far = int((await tx.execute(counted)).scalar_one())
        return SignalView(
            id=known.id,
            incident=kind.id,
            outage_id=belongs_to,
            suspects=suspects,
            so_far=so_far,
            needed=kind.suspicion.signals if kind.suspicion else 0,
        )


async def _in_turn(tx: AsyncSession, brand: Brand) -> None:
    """Take a brand's signals in one after another: two do not both begin a suspicion."""
    query = select(_brands.c.id).where(_brands.c.id == brand.id)
    await tx.execute(query.with_for_update(key_share=True))


async def _waits(tx: AsyncSession, outage_id: str, customer_id: str) -> bool:
    """Say whether a customer has said already that he is still without, and nobody answered."""
    query = select(
        exists().where(
            signals.c.outage_id == outage_id,
            signals.c.customer_id == customer_id,
            signals.c.still_out.is_(True),
            signals.c.answered_at.is_(None),
        )
    )
    return bool((await tx.execute(query)).scalar_one())


async def _home(tx: AsyncSession, outage: Row[Any], customer_id: str) -> dict[str, str]:
    """Return the place of an outage in which a customer lives, else what all its places share."""
    query = select(_customers.c.facts).where(_customers.c.id == customer_id)
    facts = (await tx.execute(query)).scalar_one()
    for area in outage.areas:
        if all(facts.get(AREAS[part]) == name for part, name in area.items()):
            return dict(area)
    return common(outage.areas)


async def _segment_of(tx: AsyncSession, alike: Sequence[Row[Any]]) -> Mapping[str, object]:
    """Return whom a new suspicion concerns if all of them speak of the end of one outage."""
    ended = {one.outage_id for one in alike}
    if len(ended) > 1 or not all(one.still_out for one in alike):
        return {}
    query = select(outages.c.segment).where(outages.c.id.in_(ended))
    segment: Mapping[str, object] = (await tx.execute(query)).scalar_one()
    return segment


async def _customer(tx: AsyncSession, brand: Brand, ref: str) -> str:
    query = select(_customers.c.id).where(
        _customers.c.brand_id == brand.id, _customers.c.ref == ref
    )
    found = (await tx.execute(query)).scalar_one_or_none()
    if found is None:
        raise InvalidInputError("the brand has no such customer", field="customer")
    return str(found)
