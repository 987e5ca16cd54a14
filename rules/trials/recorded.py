"""Writes a test from a decision that was really made: what was asked, and what must come of it."""

from collections.abc import Mapping
from datetime import datetime
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from rules.decide import decide
from rules.questions import Question
from rules.rulebook import Rulebook
from rules.source import Report, SourceFile, parse
from rules.trials.expecting import differences
from rules.trials.reading import TrialFile
from rules.trials.scenes import BANNER_FIELD
from rules.trials.synthetic import depersonalised
from tellal.domain.channels import Channel
from tellal.domain.decisions import Decision, Verdict
from tellal.domain.errors import InvalidInputError

_FILE = "recorded_test.yaml"
_WIDTH = 96
_CHANGED = "the test would not come to the same decision"


def record(book: Rulebook, question: Question, decision: Decision, name: str) -> dict[str, Any]:
    """Return a test, as YAML would hold it, that leads to the same decision and names nobody.

    Raises:
        InvalidInputError: The rulebook decides otherwise (its files have changed, perhaps), or what
            is personal cannot be replaced.
    """
    if _essence(decide(book, question)) != _essence(decision):
        message = "these rules decide otherwise about what was known then"
        raise InvalidInputError(message, hint="take the rule files of the decision's revision")
    asked = depersonalised(book, question)
    test = {
        "name": name,
        "given": _given(asked),
        "at": asked.at.isoformat(),
        "expect": _expected(decision),
    }
    _check(book, test, decision)
    return test


def added(text: str, test: Mapping[str, Any]) -> str:
    """Return the text of a test file with one more test; its comments stay.

    Raises:
        InvalidInputError: The text is no test file.
    """
    yaml = _yaml()
    root = yaml.load(text) if text.strip() else {"version": 1, "tests": []}
    if not isinstance(root, dict) or not isinstance(root.setdefault("tests", []), list):
        raise InvalidInputError("this is no test file", field="into")
    root["tests"].append(dict(test))
    out = StringIO()
    yaml.dump(root, out)
    return out.getvalue()


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _given(asked: Question) -> dict[str, Any]:
    given: dict[str, Any] = {"topic": asked.topic, "timezone": asked.timezone}
    if asked.country:
        given["country"] = asked.country
    for path, value in sorted(asked.document.items()):
        given[path] = list(value) if isinstance(value, tuple) else value
    reachable = asked.reachable | asked.blocked.keys()
    if asked.document.get(BANNER_FIELD) is True:
        reachable -= {Channel.BANNER}
    given["addresses"] = [channel.value for channel in Channel if channel in reachable]
    parts: dict[str, dict[str, Any]] = {
        "consents": {c.value: "granted" if yes else "refused" for c, yes in asked.consents.items()},
        "blocked": {c.value: block.origin.value for c, block in asked.blocked.items()},
        "unroutable": {c.value: why for c, why in asked.unroutable.items()},
        "wishes": _wishes(asked),
        "down": {c.value: what for c, what in asked.down.items()},
        "history": _history(asked),
    }
    return given | {key: part for key, part in parts.items() if part}


def _wishes(asked: Question) -> dict[str, Any]:
    wishes = {
        "service_only": asked.wishes.service_only,
        "topics_off": sorted(asked.wishes.topics_off),
        "complained": sorted(asked.wishes.complained),
    }
    return {key: value for key, value in wishes.items() if value}


def _history(asked: Question) -> dict[str, Any]:
    ledger = asked.ledger
    happened = {name: tally for name, tally in asked.tallies.items() if tally.number}
    history = {
        "caps": {c: [_written(one) for one in uses] for c, uses in asked.cap_uses.items() if uses},
        "counts": {name: tally.number for name, tally in happened.items()},
        "last": {n: _written(tally.newest) for n, tally in happened.items() if tally.newest},
        "told_version": ledger.told_version,
        "pending": ledger.pending,
        "attempts": ledger.attempts_made,
    }
    return {key: value for key, value in history.items() if value not in ({}, None, False, 0)}


def _expected(decision: Decision) -> dict[str, Any]:
    expected: dict[str, Any] = {"outcome": decision.verdict.value}
    if decision.reasons:
        expected["reason"] = decision.reasons[0].code
        expected["reasons"] = sorted({reason.code for reason in decision.reasons})
    if decision.steps:
        expected["channels"] = [step.channel.value for step in decision.steps]
    if decision.verdict is Verdict.DEFER:
        expected["not_before"] = _written(decision.steps[0].not_before)
    if decision.removed:
        expected["removed"] = {c.value: why.code for c, why in decision.removed.items()}
    expected["fired_exactly"] = [fired.rule for fired in decision.fired]
    return expected


def _written(instant: datetime) -> str:
    return instant.isoformat()


def _check(book: Rulebook, test: Mapping[str, Any], decision: Decision) -> None:
    """Read the test as the command will, and decide it again."""
    report = Report()
    root = parse(SourceFile(name=_FILE, text=added("", test)), report)
    trials = () if root is None else TrialFile(book, root, _FILE, report).trials()
    if report.findings or len(trials) != 1:
        why = str(report.findings[0]) if report.findings else ""
        raise InvalidInputError(_CHANGED, hint=why)
    again = decide(book, trials[0].question)
    if differences(trials[0].expected, again) or _essence(again) != _essence(decision):
        raise InvalidInputError(_CHANGED, hint="write this test by hand")


def _essence(decision: Decision) -> tuple[object, ...]:
    """Return what two decisions have in common that are the same but for words."""
    return (
        decision.verdict,
        decision.steps,
        [reason.code for reason in decision.reasons],
        [fired.rule for fired in decision.fired],
        {channel: why.code for channel, why in decision.removed.items()},
        decision.facts,
    )
