"""What texts may say of an outage, and the lines that public channels show of it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from tellal.domain.customers import Brand
from tellal.domain.incidents import IncidentKind
from tellal.domain.outages import OutageKind

_STILL_TO_BE_SAID = "…"

NEXT_UPDATE = timedelta(hours=1)
"""Without an expected end people are promised news within so long; then the operator is paged."""


def variables(row: Row[Any], brand: Brand, kind: IncidentKind, now: datetime) -> dict[str, object]:
    """Return what texts may say of an outage; times are words in the brand's zone.

    What the operator gave by name (`variables`) wins: he knows how his customers call the place.
    Without an expected end, or after it, people are promised news within `NEXT_UPDATE`.
    """
    zone = ZoneInfo(brand.timezone)
    said: dict[str, object] = {
        "title": row.title,
        "what": dict(kind.what),
        "area": area_words(row.areas) or row.title,
        "reason": row.reason,
        "workaround": row.workaround,
        "no_workaround": row.no_workaround,
        "hotline": row.hotline or brand.phone,
        "since": moment(row.started_at or row.first_signal_at or row.declared_at, zone, now),
    }
    if row.starts_at is not None:
        said["starts"] = moment(row.starts_at, zone, now)
    if row.expected_end is None or _outlasts(row, now):
        said["next_update"] = moment(now + NEXT_UPDATE, zone, now)
    else:
        said["expected_end"] = said["ends"] = moment(row.expected_end, zone, now)
    if row.resolved_at is not None:
        said["ended"] = moment(row.resolved_at, zone, now)
    if kind.compensate_after is not None:
        said["hours"] = int(kind.compensate_after.total_seconds() // 3600)
    return {**said, **row.variables}


def _outlasts(row: Row[Any], now: datetime) -> bool:
    """Say whether a failure goes on after its expected end, which then is none."""
    failure = row.kind == OutageKind.FAILURE and row.resolved_at is None
    return bool(failure and row.expected_end <= now)


def trial_variables(
    row: Row[Any], brand: Brand, kind: IncidentKind, now: datetime
) -> dict[str, object]:
    """Return the same, with something in the place of what an operator has still to say."""
    said = variables(row, brand, kind, now)
    if not said.get("workaround") and not row.no_workaround:
        said["workaround"] = _STILL_TO_BE_SAID
    if row.kind == OutageKind.PLANNED:
        said = {"starts": _STILL_TO_BE_SAID, "ends": _STILL_TO_BE_SAID, **said}
    return said


def area_words(areas: list[Mapping[str, str]]) -> str:
    """Name places as people do: the smallest first, then what it lies in."""
    order = ("neighbourhood", "district", "province", "feeder")
    names = [
        ", ".join(area[part] for part in order if area.get(part) and _is_named(part, area))
        for area in areas
    ]
    return "; ".join(name for name in names if name)


def _is_named(part: str, area: Mapping[str, str]) -> bool:
    """A feeder is the grid's own word; people are told it only if there is nothing else."""
    return part != "feeder" or len(area) == 1


def moment(at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Write an instant as a local time, with its day unless that is today."""
    local = at.astimezone(zone)
    same_day = local.date() == now.astimezone(zone).date()
    return local.strftime("%H:%M" if same_day else "%d.%m. %H:%M")
