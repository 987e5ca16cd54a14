"""Rounds of telling: each is a cause of its own, and a newer one ends those before it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.outages import TELLING, TELLS_OF_IT, NoticeKind, OutageState
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import CauseRow
from tellal.persistence.tables.outages import OutageNoticeRow, OutageRow
from tellal.services.round_reading import DECIDING, STOPPED
from tellal.services.stopping import stop_cause

_causes = table(CauseRow)
_notices = table(OutageNoticeRow)
_outages = table(OutageRow)

_ENDS = tuple(kind for kind in NoticeKind if kind is not NoticeKind.COMPENSATION)
"""Rounds that news make superfluous; what the law gives is told whatever comes after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Who of a round is decided together, and how; parts are decided in their order.

    `segment` is a condition as in rule files, None for everybody of the brand. `channels` are those
    over which they may be told, None for all. `told_by` are causes: only whom a message of one of
    them reached a provider for is spoken to, over the same channel. Who has heard by one of
    `not_told_by` is not told again; whom one of `still_affected_by` affects gets no all-clear.
    `customers` are the only ones meant, if there are any.
    """

    name: str
    segment: Mapping[str, object] | None = None
    channels: tuple[str, ...] | None = None
    told_by: tuple[str, ...] = ()
    not_told_by: tuple[str, ...] = ()
    still_affected_by: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()


async def begin(
    tx: AsyncSession,
    outage: Row[Any],
    *,
    kind: NoticeKind,
    topic: str,
    variables: Mapping[str, object],
    facts: Mapping[str, object],
    parts: Sequence[Part],
    expires_at: datetime | None,
    now: datetime,
) -> str:
    """Begin a round and return its id; the outage's workflow has it decided."""
    notice_id, cause_id = new_id(), new_id()
    last = select(func.coalesce(func.max(_notices.c.number), 0)).where(
        _notices.c.outage_id == outage.id
    )
    number = int((await tx.execute(last)).scalar_one()) + 1
    await tx.execute(
        insert(_causes).values(
            id=cause_id,
            brand_id=outage.brand_id,
            kind="outage",
            key=f"outage:{outage.id}:{number}",
            topic=topic,
            state="running",
            counted=True,
            created_at=now,
        )
    )
    await tx.execute(
        insert(_notices).values(
            id=notice_id,
            outage_id=outage.id,
            brand_id=outage.brand_id,
            number=number,
            kind=kind.value,
            topic=topic,
            cause_id=cause_id,
            variables=dict(variables),
            facts=dict(facts),
            parts=[asdict(part) for part in parts],
            state=DECIDING,
            cursor={},
            expires_at=expires_at,
            simulated=outage.simulated,
            created_at=now,
        )
    )
    return notice_id


async def stop(
    tx: AsyncSession,
    outage_id: str,
    *,
    code: str,
    now: datetime,
    kinds: Collection[NoticeKind] = _ENDS,
) -> int:
    """Stop an outage's rounds; return how many messages a provider was being handed.

    That of compensation goes on: it is no news of the outage, and nobody would get another.

    An intent takes a share of its cause's row, so none commits after this has.
    """
    query = (
        select(_notices.c.id, _notices.c.cause_id)
        .where(
            _notices.c.outage_id == outage_id,
            _notices.c.state != STOPPED,
            _notices.c.kind.in_([kind.value for kind in kinds]),
        )
        .order_by(_notices.c.number)
    )
    in_flight = 0
    for notice in (await tx.execute(query)).all():
        flying = await stop_cause(tx, notice.cause_id, code=code, now=now)
        await tx.execute(
            update(_notices)
            .where(_notices.c.id == notice.id)
            .values(state=STOPPED, stopped_at=now, in_flight_at_stop=flying)
        )
        in_flight += flying
    return in_flight


async def causes_that_told(tx: AsyncSession, outage_id: str) -> tuple[str, ...]:
    """Return the causes by which somebody has learnt of an outage."""
    query = (
        select(_notices.c.cause_id)
        .where(
            _notices.c.outage_id == outage_id,
            _notices.c.kind.in_([kind.value for kind in TELLS_OF_IT]),
        )
        .order_by(_notices.c.number)
    )
    return tuple((await tx.execute(query)).scalars())


async def causes_of_others(tx: AsyncSession, outage: Row[Any], *, like: bool) -> tuple[str, ...]:
    """Return the causes of the brand's other outages that go on; only those `like` it if so said.

    A rehearsal and what is in earnest know nothing of each other.
    """
    query = (
        select(_notices.c.cause_id)
        .join(_outages, _outages.c.id == _notices.c.outage_id)
        .where(
            _outages.c.brand_id == outage.brand_id,
            _outages.c.id != outage.id,
            _outages.c.simulated == outage.simulated,
            _outages.c.kind == outage.kind,
            _outages.c.state.in_([state.value for state in sorted(TELLING)]),
            _notices.c.kind.in_([kind.value for kind in TELLS_OF_IT]),
        )
        .order_by(_notices.c.id)
    )
    if like:
        query = query.where(_outages.c.incident == outage.incident)
    return tuple((await tx.execute(query)).scalars())


async def widen(tx: AsyncSession, notice_id: str, parts: Sequence[Part]) -> None:
    """Have a round look for who is in a scope that has grown; who was decided stays so."""
    values = {"parts": [asdict(part) for part in parts], "state": DECIDING, "cursor": {}}
    await tx.execute(update(_notices).where(_notices.c.id == notice_id).values(values))


async def undecided(tx: AsyncSession, outage_id: str) -> tuple[str, ...]:
    """Return the rounds whose audience is still to be decided, oldest first."""
    query = (
        select(_notices.c.id)
        .where(_notices.c.outage_id == outage_id, _notices.c.state == DECIDING)
        .order_by(_notices.c.number)
    )
    return tuple((await tx.execute(query)).scalars())


def tells(state: str) -> bool:
    """Say whether an outage in a state is told of."""
    return OutageState(state) in TELLING
