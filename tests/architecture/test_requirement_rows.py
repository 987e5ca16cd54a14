"""Every row of the requirements that is called finished is shown from both of its sides."""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LIST = ROOT / "tests" / "requirements.csv"
PAGE = ROOT / "docs" / "requirements.md"
NUMBERS = {"A": 16, "B": 21, "C": 14, "D": 76, "E": 44}
"""How many rows each document has."""
KINDS = set("PRQNX")
SHOWN = set("PRQ")
"""Features, rules and qualities; a fact (N) and what asks for nothing (X) need no test."""
SIDES = ("blocks", "allows")

_BUILT = re.compile(r"^\| ([A-E]\d\d) \| .* \| .* \|$", re.MULTILINE)

_COLLECT = """
import json, pytest

class Marks:
    found = ()

    def pytest_collection_modifyitems(self, items):
        self.found = [[i.nodeid, m.args] for i in items for m in i.iter_markers("req")]

marks = Marks()
code = pytest.main(["--collect-only", "-qq"], plugins=[marks])
print()
print(json.dumps({"code": int(code), "marks": marks.found}, default=repr))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the list; finished is one of which nothing is left to build."""

    id: str
    kinds: frozenset[str]
    finished: bool
    says: str

    @property
    def is_shown(self) -> bool:
        """Whether it takes a test to show it."""
        return bool(self.kinds & SHOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A `req` of a collected test, as it is written there."""

    test: str
    said: tuple[Any, ...]

    @property
    def row(self) -> str:
        return str(self.said[0]) if self.said else ""

    @property
    def side(self) -> str:
        return str(self.said[1]) if len(self.said) > 1 else ""


def read_rows(text: str) -> tuple[Row, ...]:
    """Read the list.

    Raises:
        ValueError: A line says neither yes nor no, or has other columns.
    """
    found = []
    for line in csv.DictReader(text.splitlines(), strict=True):
        if list(line) != ["id", "kind", "finished", "says"] or None in line.values():
            raise ValueError(f"not a row of the list: {line}")
        finished = {"yes": True, "no": False}[line["finished"]]
        kinds = frozenset(line["kind"].split(";"))
        found.append(Row(id=line["id"], kinds=kinds, finished=finished, says=line["says"]))
    return tuple(found)


def lacking(rows: Iterable[Row], marks: Sequence[Mark]) -> list[str]:
    """Return the finished rows, each with a side that no test shows."""
    shown = {(mark.row, mark.side) for mark in marks}
    return [
        f"{row.id} ({row.says}): no test says {side!r}"
        for row in rows
        if row.finished and row.is_shown
        for side in SIDES
        if (row.id, side) not in shown
    ]


def misread(rows: Iterable[Row], marks: Iterable[Mark]) -> list[str]:
    """Return the marks that name no row, no side that there is, or too much."""
    known = {row.id for row in rows}
    return sorted(
        {
            f"{mark.test}: req{mark.said}"
            for mark in marks
            if mark.row not in known or mark.said[1:] not in {(), *((side,) for side in SIDES)}
        }
    )


def untested(rows: Iterable[Row], built: Iterable[str], marks: Iterable[Mark]) -> list[str]:
    """Return the rows that the page calls built and that no test carries."""
    carried = {mark.row for mark in marks}
    shown = {row.id for row in rows if row.is_shown}
    return sorted((set(built) & shown) - carried)


@pytest.fixture(scope="module")
def rows() -> tuple[Row, ...]:
    return read_rows(LIST.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def built() -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return _BUILT.findall(text.partition("## Built")[2].partition("## Background")[0])


@pytest.fixture(scope="module")
def marks() -> tuple[Mark, ...]:
    """Collect every test of the project once, in a process of its own."""
    collected = subprocess.run(
        [sys.executable, "-c", _COLLECT], cwd=ROOT, capture_output=True, text=True, check=False
    )
    *said, found = collected.stdout.splitlines()
    answer = json.loads(found)
    assert answer["code"] == 0, "\n".join([*said[-20:], collected.stderr])
    return tuple(Mark(test=test, said=tuple(said)) for test, said in answer["marks"])


def test_the_list_has_every_row_once(rows: tuple[Row, ...]) -> None:
    ids = [f"{part}{n:02}" for part, number in NUMBERS.items() for n in range(1, number + 1)]

    assert [row.id for row in rows] == ids
    assert [row.id for row in rows if not row.kinds <= KINDS] == []
    assert [row.id for row in rows if not row.says.strip()] == []


def test_every_finished_row_has_a_blocking_and_an_allowing_case(
    rows: tuple[Row, ...], marks: tuple[Mark, ...]
) -> None:
    assert len([row for row in rows if row.finished and row.is_shown]) > 90
    assert lacking(rows, marks) == []


def test_every_mark_names_a_row_and_a_side(rows: tuple[Row, ...], marks: tuple[Mark, ...]) -> None:
    assert misread(rows, marks) == []


def test_every_row_that_is_called_built_is_carried_by_a_test(
    rows: tuple[Row, ...], built: list[str], marks: tuple[Mark, ...]
) -> None:
    assert len(built) > 100
    assert untested(rows, built, marks) == []


def test_the_page_and_the_list_agree(rows: tuple[Row, ...], built: list[str]) -> None:
    finished = {row.id for row in rows if row.finished and row.is_shown}

    assert [one for one in built if built.count(one) > 1] == []
    assert sorted(finished - set(built)) == []
    assert sorted(set(built) - {row.id for row in rows}) == []


def test_what_is_lacking_is_found() -> None:
    made_up = read_rows(
        "id,kind,finished,says\n"
        "A01,P,yes,shown from both sides\n"
        "A02,R;Q,yes,shown from one\n"
        "A03,Q,yes,shown by nothing that says which\n"
        "A04,P,no,to come\n"
        "A05,N,yes,a fact\n"
    )
    said = (("A01", "blocks"), ("A01", "allows"), ("A02", "allows"), ("A03",))
    tests = [Mark(test=f"test_{n}", said=one) for n, one in enumerate(said)]

    assert [one.partition(" ")[0] for one in lacking(made_up, tests)] == ["A02", "A03", "A03"]
    assert lacking(made_up, tests)[0] == "A02 (shown from one): no test says 'blocks'"
    assert misread(made_up, tests) == []
    assert untested(made_up, ["A01", "A04", "A05"], tests) == ["A04"]


@pytest.mark.parametrize(
    "said", [(), ("A02",), ("A01", "block"), ("A01", "blocks", "allows"), ("A01", ""), (1,)]
)
def test_a_mark_that_says_something_else_is_found(said: tuple[Any, ...]) -> None:
    made_up = read_rows("id,kind,finished,says\nA01,P,yes,one row\n")

    assert misread(made_up, [Mark(test="test_it", said=said)]) == [f"test_it: req{said}"]


@pytest.mark.parametrize(
    "line", ["A01,P,maybe,words", "A01,P,yes", "A01,P,yes,words,more"], ids=["maybe", "few", "many"]
)
def test_a_line_that_is_no_row_is_refused(line: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        read_rows(f"id,kind,finished,says\n{line}\n")
