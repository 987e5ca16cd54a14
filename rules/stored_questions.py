"""Writes a question as the ledger keeps it beside its decision, and reads it back.

What is kept is what the rules of the topic could read, and no address. It is personal all the
same: whoever erases a person empties it with the rest of his decisions.
"""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from rules.measures import measure_of
from rules.questions import LedgerView, Question
from rules.situations import Tally
from tellal.domain.blocks import Block, BlockOrigin
from tellal.domain.channels import Channel
from tellal.domain.customers import Wishes
from tellal.domain.decisions import Value

_ENCODE = json.JSONEncoder(ensure_ascii=False).encode
_HAPPENED = "event.type"
"""Kept whether or not a rule reads it: without it nobody knows what the other facts are of."""


def to_json(question: Question, read: Collection[str]) -> dict[str, object]:
    """Write a question; `read` are the paths that the rules of its topic look at."""
    ledger = question.ledger
    return {
        "topic": question.topic,
        "at": question.at.isoformat(),
        "timezone": question.timezone,
        "country": question.country,
        "document": _read(question.document, read),
        "consents": {channel.value: agreed for channel, agreed in question.consents.items()},
        "reachable": sorted(channel.value for channel in question.reachable),
        "blocked": {
            channel.value: {"origin": block.origin.value, "reason": block.reason}
            for channel, block in question.blocked.items()
        },
        "unroutable": {channel.value: why for channel, why in question.unroutable.items()},
        "down": {channel.value: what for channel, what in question.down.items()},
        "unplanned": sorted(channel.value for channel in question.unplanned),
        "withheld": question.withheld,
        "until": None if question.until is None else question.until.isoformat(),
        "cap_uses": {
            cap: [used.isoformat() for used in uses] for cap, uses in question.cap_uses.items()
        },
        "cap_holders": {cap: list(topics) for cap, topics in question.cap_holders.items()},
        "tallies": {
            name: [tally.number, None if tally.newest is None else tally.newest.isoformat()]
            for name, tally in question.tallies.items()
        },
        "wishes": _wishes(question),
        "told_version": ledger.told_version,
        "pending": ledger.pending,
        "attempts_made": ledger.attempts_made,
    }


def to_texts(question: Question, read: Collection[str]) -> tuple[str, str]:
    """Write a question as a text of JSON, without its document and as a whole."""
    written = to_json(question, read)
    document = _ENCODE(written.pop("document"))
    around = _ENCODE(written)
    return around, f'{around[:-1]}, "document": {document}}}'


def from_json(stored: Mapping[str, Any]) -> Question:
    """Read a question that `to_json` wrote; a block is without its address and its story."""
    at = datetime.fromisoformat(stored["at"])
    return Question(
        topic=stored["topic"],
        at=at,
        timezone=stored["timezone"],
        country=stored["country"],
        document={
            path: tuple(value) if isinstance(value, list) else value
            for path, value in stored["document"].items()
        },
        consents={Channel(name): agreed for name, agreed in stored["consents"].items()},
        reachable=frozenset(Channel(name) for name in stored["reachable"]),
        blocked={Channel(name): _block(block, at) for name, block in stored["blocked"].items()},
        unroutable={Channel(name): why for name, why in stored["unroutable"].items()},
        down={Channel(name): what for name, what in stored.get("down", {}).items()},
        # Questions from before there were broadcasts are of none.
        unplanned=frozenset(Channel(name) for name in stored.get("unplanned", ())),
        withheld=stored.get("withheld", ""),
        until=datetime.fromisoformat(until) if (until := stored.get("until")) else None,
        cap_uses={
            cap: tuple(datetime.fromisoformat(used) for used in uses)
            for cap, uses in stored["cap_uses"].items()
        },
        # Questions from before the holders were known do not name them.
        cap_holders={cap: tuple(topics) for cap, topics in stored.get("cap_holders", {}).items()},
        tallies={
            name: Tally(number, None if newest is None else datetime.fromisoformat(newest))
            for name, (number, newest) in stored["tallies"].items()
        },
        wishes=Wishes(
            service_only=stored["wishes"]["service_only"],
            topics_off=frozenset(stored["wishes"]["topics_off"]),
            complained=frozenset(stored["wishes"]["complained"]),
        ),
        ledger=LedgerView(
            told_version=stored["told_version"],
            pending=stored["pending"],
            attempts_made=stored["attempts_made"],
        ),
    )


def _read(document: Mapping[str, Value], read: Collection[str]) -> dict[str, object]:
    wanted = {measure.of if (measure := measure_of(path)) else path for path in read}
    wanted.add(_HAPPENED)
    return {
        path: list(value) if isinstance(value, tuple) else value
        for path, value in document.items()
        if path in wanted
    }


def _wishes(question: Question) -> dict[str, object]:
    """Write what the person wishes of this topic; of others it is nobody's business here."""
    wishes, mine = question.wishes, {question.topic}
    return {
        "service_only": wishes.service_only,
        "topics_off": sorted(wishes.topics_off & mine),
        "complained": sorted(wishes.complained & mine),
    }


def _block(stored: Mapping[str, str], at: datetime) -> Block:
    return Block(
        id="",
        brand_id="",
        address="",
        origin=BlockOrigin(stored["origin"]),
        reason=stored["reason"],
        until=None,
        placed_by="",
        placed_at=at,
    )
