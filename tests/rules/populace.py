"""Customers for the three executors: questions one by one, and the same people as one source."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    FromClause,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from rules.decide import Question
from rules.population.needs import (
    PENDING,
    SERVICE_ONLY,
    TOLD,
    WISH,
    Needs,
    Source,
    attempts_column,
    blocked_column,
    consent_column,
    open_column,
    unroutable_column,
)
from rules.situations import Tally
from tellal.domain.channels import Channel

PUSH_TOKEN, COUNTRY = "customer.app.push_token", "customer.country"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with facts as JSON, and the question about him."""

    id: str
    facts: Mapping[str, object]
    question: Question


def source_of(people: Sequence[Person], needs: Needs) -> Source:
    """Offer people as the rows of one JSON document."""
    kinds: dict[str, TypeEngine[Any]] = {
        "id": Text(),
        "timezone": Text(),
        "country": Text(),
        "facts": JSONB(),
        "has_app": Boolean(),
        TOLD: BigInteger(),
        PENDING: Boolean(),
        WISH: Text(),
        SERVICE_ONLY: Boolean(),
    }
    rows = [_row(person, needs, kinds) for person in people]
    halves = rows[::2], rows[1::2]
    return Source(
        rows=_table(rows, kinds, "people"),
        parts=[_table(half, kinds, f"half_{n}") for n, half in enumerate(halves)],
        texts={COUNTRY: "country"},
        marks={PUSH_TOKEN: "has_app"},
    )


def _table(
    rows: Sequence[Mapping[str, object]], kinds: Mapping[str, TypeEngine[Any]], name: str
) -> FromClause:
    document = cast(bindparam(name, json.dumps(rows), type_=Text), JSONB)
    named = [column(name, kind) for name, kind in kinds.items()]
    found = func.jsonb_to_recordset(document).table_valued(*named, name=name)
    return select(found.render_derived(with_types=True)).subquery()


def _row(person: Person, needs: Needs, kinds: dict[str, TypeEngine[Any]]) -> Mapping[str, object]:
    asked = person.question
    row: dict[str, object] = {
        "id": person.id,
        "timezone": asked.timezone,
        "country": asked.country,
        "facts": person.facts,
        "has_app": Channel.PUSH in asked.reachable | asked.blocked.keys(),
        TOLD: asked.ledger.told_version,
        PENDING: asked.ledger.pending,
        WISH: _wish(asked),
        SERVICE_ONLY: asked.wishes.service_only,
    }

    def put(name: str, kind: TypeEngine[Any], value: object) -> None:
        kinds[name] = kind
        row[name] = value

    for within in needs.attempts:
        put(attempts_column(within), BigInteger(), asked.ledger.attempts_made)
    for channel, purposes in needs.consents:
        put(consent_column(channel, purposes), Boolean(), asked.consents.get(channel))
    for way in needs.ways:
        channel = way[0]
        put(open_column(*way), Boolean(), channel in asked.reachable)
        put(blocked_column(*way), Boolean(), channel in asked.blocked)
        put(unroutable_column(*way), Boolean(), channel in asked.unroutable)
    for cap, priority in needs.caps:
        uses = sorted(asked.cap_uses.get(cap, ()))
        instants = [use.isoformat() for use in uses] or None
        put(needs.cap_column(cap, priority), ARRAY(DateTime(timezone=True)), instants)
    for count in needs.counts:
        tally = asked.tallies.get(count.id, Tally())
        put(needs.count_column(count), BigInteger(), tally.number or None)
        newest = tally.newest.isoformat() if tally.newest else None
        put(needs.last_column(count), DateTime(timezone=True), newest)
    return row


def _wish(asked: Question) -> str | None:
    if asked.topic in asked.wishes.complained:
        return "complained"
    return "topic_off" if asked.topic in asked.wishes.topics_off else None
