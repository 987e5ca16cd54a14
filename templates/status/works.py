"""Planned works as a calendar (iCalendar, RFC 5545) that people may subscribe to."""

from datetime import timedelta

from icalendar import Calendar, Event

from tellal.domain.outages import OutageKind
from tellal.domain.status import PublicOutage, Snapshot
from templates.status.addresses import Addresses
from templates.status.words import Words

MEDIA_TYPE = "text/calendar"
_REFRESH = timedelta(minutes=15)


def calendar(snapshot: Snapshot, words: Words, to: Addresses) -> str:
    """Write the calendar: what is to come, runs, is over or was cancelled."""
    made = Calendar()
    made.add("prodid", "-//Tellal//Planned works//EN")
    made.add("version", "2.0")
    made.add("method", "PUBLISH")
    made.add("x-wr-calname", f"{snapshot.brand.trade_name} – {words['planned']}")
    made.add("refresh-interval", _REFRESH, parameters={"VALUE": "DURATION"})
    works = sorted(
        (one for one in snapshot.all() if one.kind is OutageKind.PLANNED),
        key=lambda one: (one.since, one.id),
    )
    for one in works:
        made.add_component(_event(one, snapshot, words, to))
    written: bytes = made.to_ical()
    return written.decode()


def _event(one: PublicOutage, snapshot: Snapshot, words: Words, to: Addresses) -> Event:
    event = Event()
    event.add("uid", f"{one.id}@{to.authority}")
    # It rises with everything that was said or changed, so that calendars take the newer one.
    event.add("sequence", max(len(one.updates) - 1, 0))
    event.add("dtstamp", one.changed_at)
    event.add("last-modified", one.changed_at)
    event.add("dtstart", one.since)
    end = (None if one.cancelled else one.ended) or one.expected_end
    if end is not None and end > one.since:
        event.add("dtend", end)
    marked = f"{words['exercise']}: " if snapshot.exercise else ""
    event.add("summary", marked + words.title(one))
    said = [words.text(update) for update in one.updates[:1]]
    facts = [
        f"{words[label]}: {text}"
        for label, text in (
            ("reason", one.reason),
            ("workaround", one.workaround),
            ("hotline", one.hotline or snapshot.brand.phone),
        )
        if text
    ]
    event.add("description", "\n".join([*said, *facts]))
    if one.areas:
        event.add("location", "; ".join(one.areas))
    event.add("url", to.outage(one.id))
    event.add("status", "CANCELLED" if one.cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT")
    return event
