"""Outages as alerts of the Common Alerting Protocol (OASIS CAP 1.2), for those who relay them.

Everything that changes is a message of its own that refers to those before it. A suspicion is none.
What a word means is the standard's section 3.2; times carry a numeric offset, as its schema wants.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

from tellal.domain.outages import OutageKind, Severity
from tellal.domain.status import PublicOutage, PublicState, Snapshot, Update
from templates.status.addresses import Addresses
from templates.status.markup import add, written
from templates.status.words import LANGUAGES, Words, own_language

MEDIA_TYPE = "application/cap+xml"
_CAP = "urn:oasis:names:tc:emergency:cap:1.2"
_SEVERITIES: Mapping[Severity, str] = {
    Severity.CRITICAL: "Severe",
    Severity.MAJOR: "Moderate",
    Severity.MINOR: "Minor",
}
_OVER = frozenset({PublicState.RESOLVED, PublicState.COMPLETED})


def messages_of(outage: PublicOutage) -> tuple[Update, ...]:
    """Return the updates that are messages, oldest first: all that are no mere suspicion."""
    return tuple(update for update in outage.told() if update.confirmed and outage.on("cap"))


def cap(snapshot: Snapshot, outage: PublicOutage, number: int, to: Addresses) -> str:
    """Write the `number`-th message of an outage, from 1."""
    messages = messages_of(outage)
    update = messages[number - 1]
    alert = ET.Element("alert", {"xmlns": _CAP})
    sender = f"{snapshot.brand.name}@{to.authority}"
    add(alert, "identifier", _identifier(outage, number))
    add(alert, "sender", sender)
    add(alert, "sent", _time(update.at, snapshot))
    add(alert, "status", "Exercise" if outage.exercise else "Actual")
    add(alert, "msgType", _type(update, number))
    add(alert, "scope", "Public")
    if outage.exercise:
        add(alert, "note", "EXERCISE")
    if number > 1:
        before = messages[: number - 1]
        add(alert, "references", _references(sender, outage, before, snapshot))
    add(alert, "incidents", outage.id)
    for language in _languages(snapshot, update):
        words = Words(language, snapshot.brand.timezone)
        alert.append(_info(snapshot, outage, update, words, to))
    return written(alert)


def _info(
    snapshot: Snapshot, outage: PublicOutage, update: Update, words: Words, to: Addresses
) -> ET.Element:
    info = ET.Element("info")
    ended = update.state in _OVER
    add(info, "language", words.language)
    add(info, "category", "Infra")
    add(info, "event", words.event(outage.kind))
    if ended:
        add(info, "responseType", "AllClear")
    add(info, "urgency", _urgency(update))
    add(info, "severity", "Minor" if ended else _SEVERITIES[outage.severity])
    add(info, "certainty", "Likely" if update.state is PublicState.SCHEDULED else "Observed")
    onset = update.starts_at or outage.since
    add(info, "onset", _time(onset, snapshot))
    if not ended and update.expected_end is not None and update.expected_end > update.at:
        add(info, "expires", _time(update.expected_end, snapshot))
    add(info, "senderName", snapshot.brand.trade_name)
    marked = f"{words['exercise']}: " if outage.exercise else ""
    add(info, "headline", f"{marked}{words.title(outage)} – {words.state_of(update)}")
    add(info, "description", words.text(update))
    if outage.workaround and not ended:
        add(info, "instruction", outage.workaround)
    add(info, "web", to.outage(outage.id))
    contact = outage.hotline or snapshot.brand.phone
    if contact:
        add(info, "contact", contact)
    area = ET.SubElement(info, "area")
    everybody = f"{snapshot.brand.trade_name}: {words['everybody']}"
    add(area, "areaDesc", "; ".join(outage.areas) or everybody)
    return info


def _type(update: Update, number: int) -> str:
    if update.cancelled and number > 1:
        return "Cancel"
    return "Alert" if number == 1 else "Update"


def _urgency(update: Update) -> str:
    if update.state in _OVER:
        return "Past"
    return "Future" if update.state is PublicState.SCHEDULED else "Immediate"


def _languages(snapshot: Snapshot, update: Update) -> Sequence[str]:
    """Return the languages in which something was said, the brand's own and English in any case."""
    wanted = {own_language(snapshot.brand.country), "en", *update.text}
    return [language for language in LANGUAGES if language in wanted]


def _references(
    sender: str, outage: PublicOutage, before: Sequence[Update], snapshot: Snapshot
) -> str:
    return " ".join(
        f"{sender},{_identifier(outage, number)},{_time(update.at, snapshot)}"
        for number, update in enumerate(before, 1)
    )


def _identifier(outage: PublicOutage, number: int) -> str:
    kind = "planned" if outage.kind is OutageKind.PLANNED else "outage"
    return f"{kind}.{outage.id}.{number}"


def _time(at: datetime, snapshot: Snapshot) -> str:
    return at.astimezone(ZoneInfo(snapshot.brand.timezone)).isoformat(timespec="seconds")
