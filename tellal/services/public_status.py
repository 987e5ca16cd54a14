"""Builds the public snapshots of brands from their outages, histories and components."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.incidents import Incidents
from tellal.domain.outages import TELLING, OutageCommand, OutageKind, OutageState, Severity
from tellal.domain.status import (
    HISTORY,
    BrandView,
    ComponentView,
    PublicOutage,
    PublicState,
    Snapshot,
    Update,
    indicator_of,
    mood_of,
    status_of,
    uptime,
)
from tellal.persistence.columns import table
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.outages import OutageEntryRow, OutageRow

NOTHING_SAID = Incidents(kinds={}, components={}, lead_times=(), presets={})
"""Where product teams have said nothing beforehand: components show what outages name."""

_brands = table(BrandRow)
_outages = table(OutageRow)
_entries = table(OutageEntryRow)
_S, _P = OutageState, PublicState

_SHOWN_AS: Mapping[OutageState, PublicState] = {
    _S.SUSPECTED: _P.INVESTIGATING,
    _S.CONFIRMED: _P.IDENTIFIED,
    _S.RESOLVED: _P.RESOLVED,
    _S.DISMISSED: _P.RESOLVED,
    _S.ANNOUNCED: _P.SCHEDULED,
    _S.REMINDED: _P.SCHEDULED,
    _S.IN_PROGRESS: _P.IN_PROGRESS,
    _S.COMPLETED: _P.COMPLETED,
    _S.CANCELLED: _P.COMPLETED,
}
_MAY_REFINE: Mapping[PublicState, frozenset[PublicState]] = {
    _P.IDENTIFIED: frozenset({_P.INVESTIGATING, _P.MONITORING}),
    _P.IN_PROGRESS: frozenset({_P.VERIFYING}),
}
"""What an update may call a state by `public_state` in its body."""
_ALWAYS_SHOWN = TELLING | {_S.RESOLVED, _S.COMPLETED}
_MADE_PUBLIC = frozenset({OutageCommand.ANNOUNCE, OutageCommand.START})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A line of an outage's history, read."""

    command: str
    state: OutageState
    public: Mapping[str, str]
    body: Mapping[str, object]
    at: datetime


async def read_snapshots(
    tx: AsyncSession, incidents: Incidents, *, now: datetime, exercise: bool = False
) -> tuple[Snapshot, ...]:
    """Read what the public may see of every brand now, in three statements.

    Simulated outages are seen in an exercise only, and nothing else is seen there.
    """
    brands = await _read_brands(tx)
    query = (
        select(_outages)
        .where(
            _outages.c.simulated.is_(exercise),
            or_(_outages.c.resolved_at.is_(None), _outages.c.resolved_at >= now - HISTORY),
        )
        .order_by(_outages.c.id)
    )
    rows = (await tx.execute(query)).all()
    told = await _histories(tx, [row.id for row in rows])
    seen: dict[str, list[PublicOutage]] = {}
    for row in rows:
        outage = _public(row, told.get(row.id, []), incidents)
        if outage is not None:
            seen.setdefault(row.brand_id, []).append(outage)
    return tuple(
        _snapshot(brand, seen.get(brand.id, []), incidents, now=now, exercise=exercise)
        for brand in brands
    )


async def _read_brands(tx: AsyncSession) -> tuple[BrandView, ...]:
    rows = (await tx.execute(select(_brands).order_by(_brands.c.name))).all()
    return tuple(
        BrandView(
            id=row.id,
            name=row.name,
            trade_name=row.trade_name,
            country=row.country,
            timezone=row.timezone,
            phone=row.phone,
        )
        for row in rows
    )


async def _histories(tx: AsyncSession, ids: Sequence[str]) -> dict[str, list[_Told]]:
    if not ids:
        return {}
    query = (
        select(_entries).where(_entries.c.outage_id.in_(ids)).order_by(_entries.c.at, _entries.c.id)
    )
    found: dict[str, list[_Told]] = {}
    for row in (await tx.execute(query)).all():
        line = _Told(
            command=row.command,
            state=OutageState(row.state),
            public={language: text for language, text in row.public.items() if text},
            body=row.body,
            at=row.at,
        )
        found.setdefault(row.outage_id, []).append(line)
    return found


def _public(row: Row[Any], told: Sequence[_Told], incidents: Incidents) -> PublicOutage | None:
    """Return an outage as the public sees it, None if it does not."""
    state = OutageState(row.state)
    announced = any(line.command in _MADE_PUBLIC for line in told)
    if state not in _ALWAYS_SHOWN and row.shown_at is None and not announced:
        return None
    if state is _S.DRAFT:
        return None
    kind = incidents.kinds.get(row.incident)
    holding_line = kind.holding_line if kind else {}
    updates = _updates(told, row, holding_line)
    confirmed = state not in (_S.SUSPECTED, _S.DISMISSED)
    first = row.starts_at or row.first_signal_at or row.declared_at
    return PublicOutage(
        id=row.id,
        kind=OutageKind(row.kind),
        severity=Severity(row.severity),
        state=updates[-1].state if updates else _SHOWN_AS[state],
        title=row.title if confirmed else "",
        since=row.started_at or first,
        confirmed=confirmed,
        areas=_areas(row.areas, row.variables),
        components=tuple(row.components),
        ended=row.resolved_at,
        expected_end=row.expected_end if confirmed else None,
        expected_ends=_promises(updates),
        reason=row.reason if confirmed else "",
        workaround=row.workaround if confirmed else "",
        hotline=row.hotline,
        hotline_text=kind.hotline_text if kind and confirmed else {},
        updates=tuple(reversed(updates)),
        cancelled=state is _S.CANCELLED,
        exercise=row.simulated,
        places=kind.public if kind else (),
    )


def _was_seen(line: _Told, shown_at: datetime | None) -> bool:
    """Say whether a line was written while the public could see the outage."""
    if line.state is _S.SUSPECTED:
        return shown_at is not None and line.at >= shown_at
    return line.state is not _S.DRAFT


def _updates(told: Sequence[_Told], row: Row[Any], holding_line: Mapping[str, str]) -> list[Update]:
    """Return what was said or has changed, oldest first; lines that change nothing are none."""
    updates: list[Update] = []
    starts_at, expected_end = _first_times(told, row)
    for line in told:
        starts_at = _instant(line.body.get("starts_at")) or starts_at
        expected_end = _instant(line.body.get("expected_end")) or expected_end
        if not _was_seen(line, row.shown_at):
            continue
        confirmed = line.state not in (_S.SUSPECTED, _S.DISMISSED)
        update = Update(
            number=len(updates) + 1,
            at=line.at,
            state=_state(line),
            text=dict(line.public or (holding_line if line.command == OutageCommand.SHOW else {})),
            confirmed=confirmed,
            starts_at=starts_at if confirmed else None,
            expected_end=expected_end if confirmed else None,
            cancelled=line.state is _S.CANCELLED,
        )
        if update.text or not updates or not _same(updates[-1], update):
            updates.append(update)
    return updates


def _same(one: Update, other: Update) -> bool:
    """Say whether nothing has changed between two updates."""
    return (one.state, one.confirmed, one.starts_at, one.expected_end) == (
        other.state,
        other.confirmed,
        other.starts_at,
        other.expected_end,
    )


def _first_times(told: Sequence[_Told], row: Row[Any]) -> tuple[datetime | None, datetime | None]:
    """Return what was known at first: what the row says, where no line says otherwise."""
    says_start = any(line.body.get("starts_at") for line in told)
    says_end = any(line.body.get("expected_end") for line in told)
    return None if says_start else row.starts_at, None if says_end else row.expected_end


def _state(line: _Told) -> PublicState:
    """Return what a line's state is called in public; its body may refine that."""
    state = _SHOWN_AS[line.state]
    said = line.body.get("public_state")
    finer = {one.value: one for one in _MAY_REFINE.get(state, ())}
    return finer.get(said, state) if isinstance(said, str) else state


def _instant(said: object) -> datetime | None:
    if not isinstance(said, str) or not said:
        return None
    try:
        read = datetime.fromisoformat(said)
    except ValueError:
        return None
    return read if read.tzinfo else None


def _promises(updates: Sequence[Update]) -> tuple[tuple[datetime, datetime], ...]:
    """Return when which end was promised, oldest first, without repeats."""
    promises: list[tuple[datetime, datetime]] = []
    for update in updates:
        end = update.expected_end
        if end is not None and (not promises or promises[-1][1] != end):
            promises.append((update.at, end))
    return tuple(promises)


def _areas(areas: Sequence[Mapping[str, str]], variables: Mapping[str, object]) -> tuple[str, ...]:
    """Return the places in words: what the texts call them, else their names, smallest first."""
    said = variables.get("area")
    if isinstance(said, str) and said.strip():
        return (said.strip(),)
    order = ("name", "neighbourhood", "district", "province")
    named = [", ".join(area[part] for part in order if area.get(part)) for area in areas]
    return tuple(dict.fromkeys(words for words in named if words))


def _snapshot(
    brand: BrandView,
    seen: Sequence[PublicOutage],
    incidents: Incidents,
    *,
    now: datetime,
    exercise: bool,
) -> Snapshot:
    running = [one for one in seen if not one.over and not one.to_come]
    over = [one for one in seen if one.over]
    return Snapshot(
        brand=brand,
        made_at=now,
        indicator=indicator_of(running),
        mood=mood_of(running),
        components=_components(brand, seen, incidents, now),
        outages=tuple(sorted(running, key=lambda one: (one.since, one.id), reverse=True)),
        planned=tuple(
            sorted((one for one in seen if one.to_come), key=lambda one: (one.since, one.id))
        ),
        history=tuple(
            sorted(over, key=lambda one: (one.ended or one.changed_at, one.id), reverse=True)
        ),
        exercise=exercise,
    )


def _components(
    brand: BrandView, seen: Sequence[PublicOutage], incidents: Incidents, now: datetime
) -> tuple[ComponentView, ...]:
    failed = [(one, incidents.failed_with(frozenset(one.components))) for one in seen]
    known = [
        (one.id, one.names)
        for one in incidents.components.values()
        if not one.hidden and (not one.brands or brand.name in one.brands)
    ]
    named = {component for one in seen for component in one.components}
    unknown = sorted(named - incidents.components.keys())
    return tuple(
        ComponentView(
            id=id_,
            names=names,
            status=status_of(id_, failed),
            uptime=uptime(
                (
                    (one.since, one.ended or now)
                    for one, down in failed
                    if id_ in down and _counts(one)
                ),
                now,
            ),
        )
        for id_, names in (*known, *((id_, {"en": id_}) for id_ in unknown))
    )


def _counts(outage: PublicOutage) -> bool:
    """Say whether it takes from the time in which things worked: confirmed failures do."""
    return outage.confirmed and outage.kind is OutageKind.FAILURE
