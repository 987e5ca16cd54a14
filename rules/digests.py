"""Digests: when the events that were gathered for a topic are told, and the same in words."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rules.definitions import Digest, Topic
from rules.quiet import instant

_DAY = timedelta(days=1)
_UNITS = ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "m"))


def due_at(digest: Digest, opened_at: datetime, zone: ZoneInfo) -> datetime:
    """Return when a digest is told that a first event opens, by the customer's own clock.

    A time of day that is skipped that night is the first instant after the gap; one that comes
    twice is the earlier, so that there is one a day.
    """
    if digest.at is None:
        return opened_at + (digest.span or timedelta())
    day = opened_at.astimezone(zone).date()
    today = instant(day, digest.at, zone)
    return today if today > opened_at else instant(day + _DAY, digest.at, zone)


def gathering(topic: Topic) -> str:
    """Say that events of a topic are gathered, and until when; empty if they are not."""
    digest = topic.digest
    if digest is None:
        return ""
    when = f"{_span(digest.span)} after the first"
    if digest.at is not None:
        when = f"at {digest.at:%H:%M} where the customer is"
    return (
        f"{topic.id} is a digest ({topic.file}:{topic.line}): its events are gathered, and it is "
        f"decided once about all of them, {when} or with {digest.most} of them"
    )


def _span(span: timedelta | None) -> str:
    for unit, letter in _UNITS:
        if span and not span % unit:
            return f"{span // unit}{letter}"
    return f"{int((span or timedelta()).total_seconds())}s"
