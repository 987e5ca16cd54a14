"""The JSON Schema of intake profiles: what an editor underlines is where our own check says."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from rules.profiles import SHIPPED, load_profiles
from rules.rulebook import load_rulebook
from rules.schemas.profiles import KEYS, profile_schema
from rules.source import Report, SourceFile, parse, place_of, place_of_node
from tellal.domain.errors import RulebookError

TOPICS = load_rulebook().topics
SCHEMA = profile_schema(TOPICS)
GOOD = """\
id: branch
name: Branch
enabled: true
source_system: CRM
notices:
  opened: [case_opened]
  resolved: [case_resolved, case_resolved_push]
  survey: [case_survey]
call_before_close: always
first_contact: call
reply: {by: chosen, otherwise: letter}
requires: [reply_by]
privacy_notice: {notice: x, version: "1", way: web}
deadline: {business_days: 15, warn_before: 3}
remind_after: {routed: 24h}
calls: {hours: ["09:00", "18:00"], attempts: 3, over: 2d}
survey_after: 1d
checklist:
  - {id: kept, asks: Was it kept, computed: deadline_kept}
"""


def underlined(text: str) -> set[tuple[int, int]]:
    """Return where an editor with the schema says that something is wrong."""
    root: Any = parse(SourceFile(name="x.yaml", text=text), Report())
    read = json.loads(json.dumps(root))
    return {
        place
        for error in Draft202012Validator(SCHEMA).iter_errors(read)
        for place in at(error, root)
    }


def at(error: ValidationError, root: Any) -> set[tuple[int, int]]:  # noqa: ANN401 - YAML
    """Return the lines and columns of a mistake: of a key, an item, or what lacks something."""
    *way, last = error.absolute_path or [None]
    node = root
    for step in way:
        node = node[step]
    within = node if last is None else node[last]
    if error.validator == "additionalProperties":
        known: Mapping[str, object] = error.schema["properties"]
        places = [place_of(within, key, "x") for key in within if key not in known]
    elif error.validator == "required" and last is not None and not isinstance(last, int):
        places = [place_of(node, last, "x")]
    elif error.validator == "required":
        named = place_of(within, "id", "x") if "id" in within else place_of_node(within, "x")
        places = [named]
    else:
        places = [place_of(node, last, "x")]
    return {(one.line, one.column) for one in places}


def found(text: str, folder: Path) -> set[tuple[int, int]]:
    """Return where our own check says that something is wrong."""
    (folder / "branch.yaml").write_text(text, encoding="utf-8")
    try:
        load_profiles(folder, topics=TOPICS)
    except RulebookError as error:
        return {(one.line, one.column) for one in error.findings}
    return set()


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.name)
def test_the_shipped_profiles_are_valid(file: Path) -> None:
    assert underlined(file.read_text(encoding="utf-8")) == set()


def test_all_that_a_profile_may_say_is_valid(tmp_path: Path) -> None:
    assert underlined(GOOD) == found(GOOD, tmp_path) == set()
    assert {line.partition(":")[0] for line in GOOD.splitlines() if line[0] != " "} == set(KEYS)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("id: branch", "id: A Branch"),
        ("id: branch\n", ""),
        ("name: Branch\n", ""),
        ("name: Branch", "name: 7"),
        ("enabled: true", "enabled: perhaps"),
        ("enabled:", "enabeld:"),
        ("  opened:", "  opend:"),
        ("[case_opened]", "case_opened"),
        ("[case_opened]", "[case_opned]"),
        ("case_resolved_push]", "case_solved]"),
        ("  survey: [case_survey]\n", ""),
        ("always", "allways"),
        ("first_contact: call", "first_contact: letter"),
        ("reply: {by: chosen, otherwise: letter}", "reply: phone"),
        ("otherwise: letter", "otherwise: fax"),
        ("otherwise: letter", "else: letter"),
        ("by: chosen, ", ""),
        ("[reply_by]", "[form]"),
        ('version: "1"', "version: 1"),
        ('version: "1", ', ""),
        ("business_days: 15, ", ""),
        ("business_days: 15", "business_days: 1000"),
        ("warn_before: 3", "warn_before: -1"),
        ("24h", "24 hours"),
        ("{routed:", "{resolved:"),
        ("attempts: 3", "attempts: 0"),
        ("over: 2d", "ower: 2d"),
        ("survey_after: 1d", "survey_after: later"),
        ("computed: deadline_kept", "computed: deadline"),
        ("asks: Was it kept, ", ""),
    ],
)
def test_a_slip_is_underlined_where_the_check_finds_it(tmp_path: Path, good: str, bad: str) -> None:
    assert good in GOOD
    text = GOOD.replace(good, bad, 1)

    assert underlined(text) == found(text, tmp_path) != set()
