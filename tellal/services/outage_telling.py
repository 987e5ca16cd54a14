"""Who is told of an outage next, and whether what is new matters enough to tell anybody."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.incidents import IncidentKind
from tellal.domain.outages import TELLS_OF_IT, NoticeKind
from tellal.domain.scope import scope
from tellal.services import outage_rounds as rounds
from tellal.services.outage_history import Act
from tellal.services.outage_planning import outage_facts
from tellal.services.outage_rounds import Part
from tellal.services.outage_words import variables

_MATTERS = ("workaround", "no_workaround", "starts_at")
"""What people act upon: new, it is worth a message whatever the clock says."""


def is_material(kind: IncidentKind, before: Row[Any], row: Row[Any], now: datetime) -> bool:
    """Say whether those affected should hear of what is new, beyond who is in the scope.

    The expected end matters when it moves by the kind's `material`, or by its share of what was
    left of the outage; and when it becomes known.
    """
    if any(getattr(before, name) != getattr(row, name) for name in _MATTERS):
        return True
    old, new = before.expected_end, row.expected_end
    if old == new:
        return False
    if old is None or new is None:
        return True
    moved, left = abs(new - old), max(old - now, kind.material)
    return bool(moved >= kind.material or moved >= kind.material_share * left)


async def begin_round(
    act: Act, row: Row[Any], notice: NoticeKind, *, only: tuple[str, ...] = ()
) -> bool:
    """Begin a round of an outage, for `only` some if so said; say whether it could be for anybody.

    A kind of incident without a topic for a round does not send it, and a plan that tells nobody
    directly has none. What people learn of an outage is not handed over after its expected end; an
    end that has passed already was none.
    """
    topic = row.topic if notice is NoticeKind.NOTICE else act.topics.get(notice)
    if topic is None:
        return False
    parts = await parts_of(act.tx, row, notice, only=only)
    end = row.expected_end if notice in TELLS_OF_IT else None
    if not parts:
        return False
    await rounds.begin(
        act.tx,
        row,
        kind=notice,
        topic=topic,
        variables=variables(row, act.brand, act.kind, act.now),
        facts=outage_facts(act.kind),
        parts=parts,
        expires_at=end if end is not None and end > act.now else None,
        now=act.now,
    )
    return True


async def parts_of(
    tx: AsyncSession, row: Row[Any], notice: NoticeKind, *, only: tuple[str, ...] = ()
) -> Sequence[Part]:
    """Return who is decided in a round, in which order.

    Whoever is affected hears of the outage over the channels of its plan, unless he has heard of
    one like it that runs; who was told gets its end, unless another one still affects him.
    """
    if notice in (NoticeKind.ALL_CLEAR, NoticeKind.CANCELLED):
        causes = await rounds.causes_that_told(tx, row.id)
        if not causes:
            return ()
        others = await rounds.causes_of_others(tx, row, like=False)
        told = Part(name="told", told_by=causes, still_affected_by=others)
        return (replace(told, name="still_out", customers=only) if only else told,)
    if notice is NoticeKind.COMPENSATION:
        return (Part(name="affected", segment=scope(row.areas, row.segment)),)
    others = await rounds.causes_of_others(tx, row, like=True)
    planned = row.plan.get("parts", [{"name": "everybody"}])
    return tuple(
        Part(
            name=str(one["name"]),
            segment=one.get("segment") or scope(row.areas, row.segment),
            channels=None if one.get("channels") is None else tuple(one["channels"]),
            not_told_by=others,
        )
        for one in planned
    )
