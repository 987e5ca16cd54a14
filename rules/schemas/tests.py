"""The schema of test files."""

from collections.abc import Iterable, Mapping

from rules.rulebook import Rulebook
from rules.schemas.conditions import Schema, closed, listed
from rules.trials.coverage import every_rule
from tellal.domain.channels import Channel
from tellal.domain.decisions import Verdict

_TEXT: Schema = {"type": "string"}
_WORDS: Schema = {"type": "string", "minLength": 1}
_MOMENT: Schema = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ].*(Z|[+-].*)$"}
_PERSON: Schema = {"type": "object"}
"""What is known of somebody; it may be written nested or dotted, so its keys are not listed."""


def tests(book: Rulebook) -> Schema:
    """Return the schema of the files that test a rulebook."""
    trial = closed(
        {
            "name": _WORDS,
            "means": _TEXT,
            "given": _PERSON,
            "at": _MOMENT,
            "expect": closed(_expected(book)),
            "table": _WORDS,
            "todo": _WORDS,
        },
        required=("name",),
    )
    return closed(
        {
            "version": {"const": 1},
            "means": _TEXT,
            "everyone": _PERSON,
            "customers": {"type": "object", "additionalProperties": _PERSON},
            "tests": {"type": "array", "items": trial},
        },
        required=("version", "tests"),
    )


def _expected(book: Rulebook) -> Mapping[str, Schema]:
    rules = _some_of(rule.id for rule in every_rule(book))
    facts = _some_of(book.fact_names)
    channels = [channel.value for channel in Channel]
    return {
        "outcome": {"enum": [verdict.value for verdict in Verdict]},
        "reason": _TEXT,
        "reasons": {"type": "array", "items": _TEXT},
        "channels": {"type": "array", "items": {"enum": channels}},
        "not_before": _MOMENT,
        **dict.fromkeys(("fired", "fired_exactly", "not_fired", "shadow"), rules),
        **dict.fromkeys(("facts", "not_facts"), facts),
        "removed": closed(dict.fromkeys(channels, _WORDS)),
    }


def _some_of(names: Iterable[str]) -> Schema:
    listing = listed({"enum": sorted(names)})
    return {**listing, "minItems": 0}
