"""Inside the fence the engine is right; what would lie outside is cut, or is refused."""

import json
import re
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from rules.engine import FencedRules
from rules.fence import MAX_GROUPS, check_hashes, program_of
from rules.lint import check
from rules.net import MAX_STACK, fits
from rules.rulebook import Rulebook, load_rulebook
from rules.source import Place, Report
from tellal.domain.decisions import Value
from tests.rules.writing import CHANNELS, TOPIC, a_book, write

_FIELDS = "version: 1\nfields:\n" + "".join(
    f"  customer.{name}_{n}: {{type: {type}}}\n"
    for name, type in (("text", "text"), ("number", "int"))
    for n in range(300)
)


def _suppressions(conditions: list[str]) -> str:
    return "suppress:\n" + "".join(
        f"  - {{id: r{n}, when: {{topic: offer, {condition}}}, reason: r, text: r}}\n"
        for n, condition in enumerate(conditions)
    )


_TOPIC = TOPIC.replace("commercial", "service")
"""The law reads nothing of it: every field is the test's own."""


def _load(folder: Path, conditions: list[str]) -> Rulebook:
    files = write(folder, _TOPIC + CHANNELS + _suppressions(conditions), fields=_FIELDS)
    return load_rulebook(files)


def _fired(
    book: Rulebook, document: Mapping[str, Value], engine: FencedRules | None = None
) -> list[str]:
    shard = book.shards["offer"]
    engine = engine or _engine(book)
    _, numbers = engine.ask([document.get(path) for path in shard.fields])
    held = [shard.order[number].rule.id for number in sorted(numbers)]
    return [name for name in held if name.startswith("shop.r")]


def _engine(book: Rulebook) -> FencedRules:
    return FencedRules("offer", json.loads(json.dumps(book.programs["offer"].to_json())))


def _rulesets(book: Rulebook) -> list[int]:
    return [len(rules) for stage in book.programs["offer"].stages for rules in stage.rulesets]


def test_the_engine_starts_no_threads(tmp_path: Path) -> None:
    before = set(threading.enumerate())

    _engine(_load(tmp_path, ["customer.text_0: x"]))

    assert set(threading.enumerate()) <= before


def test_every_pattern_begins_with_the_documents_mark() -> None:
    for program in load_rulebook().programs.values():
        for rule in (r for s in program.stages for rules in s.rulesets for r in rules.values()):
            [[[name, pattern]]] = [list(part.items()) for part in rule["all"]]  # type: ignore[attr-defined]
            first = pattern["$and"][0] if "$and" in pattern else pattern
            assert (name, first) == ("m", {"doc": 1})


def test_the_missions_example_is_answered_rightly() -> None:
    """A fact that negates a rule of lower rank: the engine's own `$not` promotes all the same."""
    book = load_rulebook()
    shard = book.shards["iscep_promo"]
    engine = FencedRules(
        "iscep_promo", json.loads(json.dumps(book.programs["iscep_promo"].to_json()))
    )
    document = {"customer.login.method": "cep_anahtar"}

    facts, numbers = engine.ask([document.get(path) for path in shard.fields])

    assert facts == ["uses_cep_anahtar", "uses_iscep"]
    assert "iscep.already_has_iscep" in {shard.order[number].rule.id for number in numbers}


def test_one_document_leaves_nothing_behind_for_the_next(tmp_path: Path) -> None:
    book = _load(tmp_path, ["customer.text_0: x", "customer.text_0: {exists: false}"])
    engine = _engine(book)

    answers = [_fired(book, document, engine) for document in ({"customer.text_0": "x"}, {}) * 500]

    assert answers == [["shop.r0"], ["shop.r1"]] * 500


def test_300_rules_that_all_hold_are_cut_to_what_the_engine_bears(tmp_path: Path) -> None:
    book = _load(tmp_path, [f"customer.number_0: {{gt: {n}}}" for n in range(300)])

    fired = _fired(book, {"customer.number_0": 1000})

    assert fired == [f"shop.r{n}" for n in range(300)]
    assert max(_rulesets(book)) <= MAX_STACK


def test_300_rules_on_one_condition_are_cut(tmp_path: Path) -> None:
    book = _load(tmp_path, ["customer.text_0: x"] * 300)

    assert len(_fired(book, {"customer.text_0": "x"})) == 300
    assert max(_rulesets(book)) < 256


def test_300_rules_with_one_true_alternative_are_cut(tmp_path: Path) -> None:
    book = _load(tmp_path, [f"customer.text_0: [x, y{n}]" for n in range(300)])

    assert len(_fired(book, {"customer.text_0": "x"})) == 300
    assert len(_rulesets(book)) > 1


def test_more_tests_than_one_node_can_hold_are_cut(tmp_path: Path) -> None:
    values = [", ".join(f"v{rule * 30 + n}" for n in range(30)) for rule in range(30)]
    book = _load(tmp_path, [f"customer.text_0: [{listed}]" for listed in values])

    assert _fired(book, {"customer.text_0": "v871"}) == ["shop.r29"]
    assert len(_rulesets(book)) > 1


def test_a_list_of_many_values_works(tmp_path: Path) -> None:
    listed = ", ".join(f"v{n}" for n in range(200))
    book = _load(
        tmp_path, [f"customer.text_0: [{listed}]", f"customer.text_0: {{not: [{listed}]}}"]
    )

    assert _fired(book, {"customer.text_0": "v199"}) == ["shop.r0"]
    assert _fired(book, {"customer.text_0": "other"}) == ["shop.r1"]


def test_more_groups_than_a_pattern_can_hold_are_cut_into_alternatives(tmp_path: Path) -> None:
    pairs = [
        f"{{customer.text_{n}: x, any: [{{customer.number_{n}: 1}}, {{customer.number_{n}: 2}}]}}"
        for n in range(MAX_GROUPS)
    ]
    book = _load(tmp_path, [f"any: [{', '.join(pairs)}]"])

    assert _fired(book, {"customer.text_9": "x", "customer.number_9": 2}) == ["shop.r0"]
    assert _fired(book, {"customer.text_9": "x", "customer.number_8": 2}) == []


def test_what_cannot_be_cut_is_refused_with_its_place(tmp_path: Path) -> None:
    alternatives = [
        f"{{any: [{', '.join(f'{{customer.number_{g}: {{gt: {n}}}}}' for n in range(9))}]}}"
        for g in range(8)
    ]
    text = _TOPIC + CHANNELS + _suppressions([f"all: [{', '.join(alternatives)}]"])

    [finding] = check(write(tmp_path, text, fields=_FIELDS))

    assert (finding.file, finding.line) == ("shop.yaml", 10)
    assert "too large for the engine" in finding.message
    assert finding.hint == "make it several rules"


def test_more_fields_than_a_document_can_hold_are_refused(tmp_path: Path) -> None:
    conditions = [f"customer.text_{n}: x" for n in range(241)]

    [finding] = check(
        write(tmp_path, _TOPIC + CHANNELS + _suppressions(conditions), fields=_FIELDS)
    )

    assert "read 241 fields, at most 240" in finding.message
    assert finding.line == 5


def test_as_many_fields_as_a_document_can_hold_work(tmp_path: Path) -> None:
    book = _load(tmp_path, [f"customer.text_{n}: x" for n in range(240)])

    document: dict[str, Value] = {f"customer.text_{n}": "x" for n in range(240)}

    assert len(_fired(book, document)) == 240


def test_two_names_that_the_engine_cannot_tell_apart_are_refused() -> None:
    report = Report()

    check_hashes(["costarring", "liquid"], report, Place(file="fields.yaml"))

    [finding] = report.findings
    assert finding.message == "'liquid' and 'costarring' have the same hash"


def test_rules_of_other_topics_are_left_out() -> None:
    book = load_rulebook()
    asked = {asked.rule.id for asked in book.shards["outage_notice"].order}

    assert not any(name.startswith(("iscep.", "security.", "cases.")) for name in asked)


def test_only_fields_that_the_topic_reads_go_to_the_engine() -> None:
    fields = load_rulebook().programs["phishing_awareness"].fields

    assert fields == ("customer.app.push_token", "event.can_show_banner")


@pytest.mark.parametrize("count", [MAX_STACK - 1, 200])
def test_the_model_of_the_net_knows_when_the_stack_is_full(count: int) -> None:
    patterns = [{"$and": [{"doc": 1}, {"$gt": {"v": n}}]} for n in range(count)]

    assert fits(patterns) is (count < MAX_STACK)


def test_absent_values_are_decided_after_facts_are_final(tmp_path: Path) -> None:
    book = a_book(
        tmp_path,
        """
facts:
  - {id: silent, when: {fact.spoke: false}}
  - {id: spoke, when: {customer.city: Ankara}}
suppress:
  - {id: r, when: {topic: offer, fact.silent: true}, reason: r, text: r}
""",
    )

    assert _fired(book, {"customer.city": "Ankara"}) == []
    assert _fired(book, {}) == ["shop.r"]


def test_a_program_of_a_good_book_leaves_nothing_to_report(tmp_path: Path) -> None:
    report = Report()

    program_of(a_book(tmp_path).shards["offer"], report)

    assert report.findings == []


def test_one_module_alone_imports_the_engines_library() -> None:
    root = Path(__file__).parents[2]
    folders = ["rules", "tellal", "api", "activities", "workflows", "templates"]
    sources = [path for folder in folders for path in (root / folder).rglob("*.py")]
    importing = re.compile(r"^\s*(from|import) durable\b", re.MULTILINE)

    importers = [path for path in sources if importing.search(path.read_text(encoding="utf-8"))]

    assert [str(path.relative_to(root)) for path in importers] == ["rules/engine.py"]
