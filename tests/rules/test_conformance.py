"""Named cases of conditions, answered by all three executors."""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from sqlalchemy import Connection

from rules.decide import DURABLE, Question, decide
from rules.engine import FencedRules
from rules.population.needs import Run
from tests.rules.populace import COUNTRY, Person
from tests.rules.test_population import a_rule_book, by_engine, by_sql, connection
from tests.rules.writing import AT

__all__ = ["connection"]

_FILES = sorted((Path(__file__).parent / "conformance").glob("*.yaml"))
_CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in _FILES
    for case in YAML(typ="safe").load(file.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("case", _CASES)
def test_executors_answer_as_the_corpus_says(connection: Connection, case: Any) -> None:  # noqa: ANN401 - YAML
    book = a_rule_book(case["condition"])
    program = book.programs["offer"].to_json()
    engine = FencedRules("offer", json.loads(json.dumps(program)))
    people = [
        _person(f"{verdict} {number}", facts)
        for verdict in ("holds", "fails")
        for number, facts in enumerate(case[verdict])
    ]

    found = by_sql(connection, book, people, Run(at=AT))

    for person in people:
        expected = ["held"] if person.id.startswith("holds") else []
        decision = decide(book, person.question, by_engine(engine, book, person.question))
        assert decision.executor == DURABLE, person.facts
        for said in (decision, found[person.id]):
            codes = [reason.code for reason in said.reasons if reason.code == "held"]
            assert codes == expected, person.facts


def _person(name: str, facts: dict[str, Any]) -> Person:
    document = {path: tuple(v) if isinstance(v, list) else v for path, v in facts.items()}
    question = Question(
        topic="offer",
        at=AT,
        timezone="Europe/Istanbul",
        document={**document, COUNTRY: "TR"},
        country="TR",
    )
    return Person(id=name, facts=facts, question=question)
