"""What texts may say of an outage, and the lines that public channels show of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from tellal.domain.customers import Brand
from tellal.domain.outages import NoticeKind

_NEXT_UPDATE = "09:00"


def variables(
    row: Row[Any], brand: Brand, kind: NoticeKind, now: datetime, *, compensated_after_h: int = 0
) -> dict[str, object]:
    """Return what the texts of a round may say; times are words in the brand's zone.

    What the operator gave by name (`variables`) wins: he knows how his customers call the place.
    """
    zone = ZoneInfo(brand.timezone)
    said: dict[str, object] = {
        "title": row.title,
        "area": area_words(row.areas) or row.title,
        "reason": row.reason,
        "workaround": row.workaround,
        "no_workaround": row.no_workaround,
        "hotline": row.hotline or brand.phone,
        "notice": kind.value,
        "since": moment(row.started_at or row.first_signal_at or row.declared_at, zone, now),
    }
    if row.starts_at is not None:
        said["begins"] = moment(row.starts_at, zone, now)
    if row.expected_end is not None:
        said["expected_end"] = moment(row.expected_end, zone, now)
    if row.resolved_at is not None:
        said["ended"] = moment(row.resolved_at, zone, now)
    if compensated_after_h:
        said["compensated_after_h"] = compensated_after_h
    return {"outage": {**said, **row.variables}}


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
