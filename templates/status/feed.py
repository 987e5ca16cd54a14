"""The Atom feed (RFC 4287): an entry for everything that was said, under an id that stays."""

from datetime import datetime
from xml.etree import ElementTree as ET

from tellal.domain.status import PublicOutage, Snapshot, Update
from templates.status.addresses import Addresses
from templates.status.markup import add, written
from templates.status.words import Words

MEDIA_TYPE = "application/atom+xml"
_ATOM = "http://www.w3.org/2005/Atom"
_MOST = 100


def atom(snapshot: Snapshot, words: Words, to: Addresses) -> str:
    """Write the feed, the newest first."""
    said = sorted(
        ((one, update) for one in snapshot.all() for update in one.updates),
        key=lambda pair: (pair[1].at, pair[0].id, pair[1].number),
        reverse=True,
    )[:_MOST]
    # A feed in which nothing was said yet must not look new whenever it is read.
    newest = said[0][1].at if said else snapshot.made_at.replace(hour=0, minute=0, second=0)
    feed = ET.Element("feed", {"xmlns": _ATOM, "xml:lang": words.language})
    kind = ("exercise",) if snapshot.exercise else ()
    add(feed, "id", to.tag("status", snapshot.brand.name, *kind))
    add(feed, "title", f"{snapshot.brand.trade_name} – {words['title']}")
    if snapshot.exercise:
        add(feed, "subtitle", words["exercise"])
    add(feed, "updated", _time(newest))
    author = ET.SubElement(feed, "author")
    add(author, "name", snapshot.brand.trade_name)
    ET.SubElement(feed, "link", {"rel": "alternate", "type": "text/html", "href": to.home})
    for one, update in said:
        _entry(feed, one, update, words, to)
    return written(feed)


def _entry(
    feed: ET.Element, one: PublicOutage, update: Update, words: Words, to: Addresses
) -> None:
    entry = ET.SubElement(feed, "entry")
    add(entry, "id", to.tag("outage", one.id, str(update.number)))
    add(entry, "title", f"{words.title(one)} – {words.state_of(update)}")
    add(entry, "updated", _time(update.at))
    add(entry, "published", _time(update.at))
    ET.SubElement(
        entry, "link", {"rel": "alternate", "type": "text/html", "href": to.outage(one.id)}
    )
    ET.SubElement(entry, "category", {"term": update.state.value, "label": words.state_of(update)})
    content = add(entry, "content", words.text(update))
    content.set("type", "text")
    content.set("xml:lang", words.text_language(update))


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
