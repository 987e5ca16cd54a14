"""The arithmetic of caps: whether one more slot fits, and whose slot gives way to a newcomer's.

A slot is an instant at which a message goes, or may go. A cap is kept if no window of it (rolling,
or a period of the customer's calendar) holds more slots than its limit. Nothing here asks the
database.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rules.periods import period_of
from rules.rulebook import Cap


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A slot of a cap that a message has which has not left, and which may have to give way."""

    cap: str
    message_id: str
    priority: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A message that takes slots of some caps at an instant."""

    caps: Sequence[Cap]
    at: datetime


def fits(cap: Cap, at: datetime, others: Iterable[datetime], zone: ZoneInfo) -> bool:
    """Say whether a slot at an instant leaves every window of the cap within its limit."""
    if not isinstance(cap.window, timedelta):
        begin, end = period_of(cap.window, at, zone)
        return sum(begin <= other < end for other in others) < cap.limit
    near = [other for other in others if at - cap.window < other < at + cap.window]
    begins = [at, *(other for other in near if other <= at)]
    return all(
        sum(begin <= other < begin + cap.window for other in near) < cap.limit for begin in begins
    )


def crowded_out(
    newcomer: Newcomer,
    taken: Mapping[str, Sequence[datetime]],
    below: Iterable[Slot],
    zone: ZoneInfo,
) -> tuple[str, ...]:
    """Return the messages that have to give way, those of the highest priority first.

    `taken` are the slots that stay, `below` those of lower messages. Of them the highest stay as
    long as there is room, of equal ones the earlier.
    """
    standing = {cap.id: [*taken.get(cap.id, ()), newcomer.at] for cap in newcomer.caps}
    caps = {cap.id: cap for cap in newcomer.caps}
    by_message: dict[str, list[Slot]] = {}
    for slot in below:
        if slot.cap in caps:
            by_message.setdefault(slot.message_id, []).append(slot)
    out = []
    for message_id, slots in sorted(by_message.items(), key=_rank):
        if all(fits(caps[slot.cap], slot.at, standing[slot.cap], zone) for slot in slots):
            for slot in slots:
                standing[slot.cap].append(slot.at)
        else:
            out.append(message_id)
    return tuple(out)


def _rank(of_message: tuple[str, list[Slot]]) -> tuple[int, datetime, str]:
    message_id, slots = of_message
    return -slots[0].priority, slots[0].at, message_id
