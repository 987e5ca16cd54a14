"""Digests in rule files: what may be said of them, and when one is told by the customer's clock."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rules.decide import decide
from rules.definitions import Digest
from rules.digests import due_at, gathering
from rules.questions import LedgerView
from rules.rulebook import load_rulebook
from rules.schemas.sections import SECTIONS
from rules.telling import outline
from tellal.domain.decisions import Verdict
from tellal.domain.errors import RulebookError
from tests.rules.writing import a_book, a_question, write

CHANNELS = "\nchannels:\n  - {id: any, when: {topic: offer}, send: [sms]}\n"
EVENTS = "\nevents:\n  - {type: movement}\n"
ISTANBUL, WARSAW = ZoneInfo("Europe/Istanbul"), ZoneInfo("Europe/Warsaw")
NOON = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""Noon in Istanbul."""


def topic(digest: str, **other: str) -> str:
    said = {"class": "service", "on": "[movement]", **other}
    lines = "".join(f"    {key}: {value}\n" for key, value in said.items())
    head = "\ntopics:\n  - id: offer\n    means: What moved\n    expires: 1d\n"
    return f"{head}{lines}    digest: {digest}\n{EVENTS}{CHANNELS}"


def wrong(folder: Path, text: str) -> list[str]:
    with pytest.raises(RulebookError) as caught:
        load_rulebook(write(folder, text))
    return [str(one) for one in caught.value.findings]


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        ("{for: 1h}", Digest(span=timedelta(hours=1), at=None, most=100)),
        ('{at: "18:00"}', Digest(span=None, at=time(18), most=100)),
        ("{for: 30m, most: 20}", Digest(span=timedelta(minutes=30), at=None, most=20)),
    ],
)
def test_a_digest_is_read_as_it_is_written(tmp_path: Path, digest: str, expected: Digest) -> None:
    book = load_rulebook(write(tmp_path, topic(digest)))

    assert book.topics["offer"].digest == expected


@pytest.mark.parametrize(
    ("digest", "other", "place", "words"),
    [
        ("{for: 1h}", {"class": "mandatory"}, "10:5", "a mandatory message does not wait"),
        ("{for: 1h}", {"once": "content_version", "content_version": "1"}, "12:5", "'once'"),
        ("{for: 1h}", {"on": "[]"}, "10:5", "'on' names none"),
        ("1h", {}, "10:5", "'digest' is a mapping"),
        ("{}", {}, "10:5", "after a time, or at a time of day"),
        ('{for: 1h, at: "18:00"}', {}, "10:5", "after a time, or at a time of day"),
        ("{for: 1h, mots: 3}", {}, "10:23", "unknown key 'mots' (did you mean 'most'?)"),
        ("{for: an hour}", {}, "10:14", "'for' is a time span"),
        ("{for: 32d}", {}, "10:14", "longer than 31 days"),
        ('{at: "25:00"}', {}, "10:14", "'at' is a time of day"),
        ("{at: evening}", {}, "10:14", "'at' is a time of day"),
        ("{for: 1h, most: 1}", {}, "10:23", "'most' is a whole number from 2 to 100"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(
    tmp_path: Path, digest: str, other: Mapping[str, str], place: str, words: str
) -> None:
    findings = wrong(tmp_path, topic(digest, **other))

    assert len(findings) == 1, findings
    assert findings[0].startswith(f"shop.yaml:{place}: ")
    assert words in findings[0]


def test_the_schema_knows_what_the_language_knows() -> None:
    schema = SECTIONS["topics"].keys["digest"]

    assert schema["properties"].keys() == {"for", "at", "most"}  # type: ignore[attr-defined]  # JSON
    assert schema["oneOf"] == [{"required": ["for"]}, {"required": ["at"]}]


def at(clock: str) -> Digest:
    return Digest(span=None, at=time.fromisoformat(clock), most=100)


@pytest.mark.parametrize(
    ("digest", "opened", "zone", "due"),
    [
        pytest.param(
            Digest(span=timedelta(hours=1), at=None, most=9),
            NOON,
            ISTANBUL,
            NOON + timedelta(hours=1),
            id="a span",
        ),
        pytest.param(at("18:00"), NOON, ISTANBUL, NOON + timedelta(hours=6), id="this evening"),
        pytest.param(at("12:00"), NOON, ISTANBUL, NOON + timedelta(days=1), id="not at once"),
        pytest.param(at("12:00"), NOON, WARSAW, NOON + timedelta(hours=2), id="his own clock"),
        pytest.param(
            at("02:30"),
            datetime(2026, 3, 28, 22, 0, tzinfo=UTC),
            WARSAW,
            datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
            id="skipped that night: the first instant after it",
        ),
        pytest.param(
            at("02:30"),
            datetime(2026, 10, 24, 22, 0, tzinfo=UTC),
            WARSAW,
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            id="twice that night: the earlier",
        ),
        pytest.param(
            at("02:30"),
            datetime(2026, 10, 25, 0, 45, tzinfo=UTC),
            WARSAW,
            datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
            id="between the two: the next night",
        ),
        pytest.param(
            at("18:00"),
            datetime(2026, 3, 28, 18, 0, tzinfo=UTC),
            WARSAW,
            datetime(2026, 3, 29, 16, 0, tzinfo=UTC),
            id="over the night of the change the wall counts",
        ),
    ],
)
def test_a_digest_is_due_by_the_customers_own_clock(
    digest: Digest, opened: datetime, zone: ZoneInfo, due: datetime
) -> None:
    assert due_at(digest, opened, zone) == due


def test_what_is_explained_says_that_events_are_gathered(tmp_path: Path) -> None:
    book = load_rulebook(write(tmp_path, topic('{at: "18:00", most: 5}')))

    words = gathering(book.topics["offer"])

    assert "at 18:00 where the customer is or with 5 of them" in words
    assert words in outline(book, "offer")
    plain = a_book(tmp_path)
    assert gathering(plain.topics["offer"]) == ""


def test_a_digest_changes_nothing_of_a_decision_but_that_earlier_ones_do_not_matter(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    gathered = load_rulebook(write(tmp_path / "a", topic("{for: 1h}")))
    single = load_rulebook(
        write(tmp_path / "b", topic("{for: 1h}").replace("    digest: {for: 1h}\n", ""))
    )
    told_often = a_question(ledger=LedgerView(told_version=None, pending=False, attempts_made=3))

    assert decide(gathered, a_question()).verdict is Verdict.SEND
    assert decide(gathered, a_question()).steps == decide(single, a_question()).steps
    assert decide(single, told_often).verdict is Verdict.SUPPRESS
    assert decide(gathered, told_often).verdict is Verdict.SEND
