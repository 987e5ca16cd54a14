"""Whoever belongs to a segment passes its sieve; a query must not lose anybody."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import Connection, Text, bindparam, cast, create_engine, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB

from rules.language import parse_condition
from rules.population.columns import typed
from rules.population.layers import Column
from rules.population.members import sieve
from rules.rulebook import Rulebook
from rules.situations import Situation
from rules.standing import belongs
from rules.vocabulary import PythonType
from tellal.domain.channels import Channel
from tellal.stack.postgres import Postgres
from tests.rules.random_rules import COMPUTED, COMPUTED_CONDITIONS, FACTS

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
BOOK = Rulebook(
    revision="r",
    topics={},
    vocabulary=COMPUTED,
    fact_names=frozenset(FACTS),
    events={},
    rules=(),
    counts={},
    strata=(),
    fact_fields=frozenset(),
    shards={},
    programs={},
)
_VALUES: list[object] = [
    *("gold", "İş", 'a"b', "back\\slash", "çift 😀", "1", "true", "", "2026-03-01", "2026-02-30"),
    *(-3, 0, 1, 2, 2**53, 2**53 + 1, 1.5, 2.0, True, False, None),
    *([], ["gold"], ["İş", "ışık"], "2026-03-02T11:59:00Z"),
]
_FACTS = cast(bindparam("facts", type_=Text()), JSONB)
SIEVED: list[bool] = []


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> Iterator[Connection]:
    engine = create_engine(postgres.url_of("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def stored(path: str, kind: PythonType) -> Column | None:
    if path.startswith(("consent.", "count.", "last.", "calendar.")):
        return None
    return typed(type_coerce(_FACTS.op("->")(path), JSONB), kind)


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(condition=COMPUTED_CONDITIONS, seed=st.integers(0, 2**32))
def test_nobody_who_belongs_is_left_out(
    connection: Connection, condition: object, seed: int
) -> None:
    chance = random.Random(seed)
    segment = parse_condition(condition, COMPUTED, FACTS)
    question = select(sieve(BOOK, segment, stored))
    for _ in range(6):
        facts = {path: chance.choice(_VALUES) for path in COMPUTED.fields if chance.random() < 0.8}
        document: dict[str, Any] = {
            path: tuple(value) if isinstance(value, list) else value
            for path, value in facts.items()
            if value is not None
        }
        situation = Situation(
            at=AT, zone=ZoneInfo("Europe/Istanbul"), country="TR", consents={Channel.SMS: True}
        )

        [passes] = connection.execute(question, {"facts": json.dumps(facts)}).one()

        SIEVED.append(passes is True)
        assert passes or not belongs(BOOK, segment, document, situation)


def test_the_sieve_kept_some_and_let_some_through() -> None:
    """Counts what the test before it asked: a sieve that lets all through would be none."""
    assert SIEVED.count(True) > 100
    assert SIEVED.count(False) > 100
