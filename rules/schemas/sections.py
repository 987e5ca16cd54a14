"""The schema of whole files: each section with its keys, as data that grows with the language."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from rules.calendars import Day
from rules.definitions import Counted, OnReach, Period, QuietAction, WaitFor
from rules.rulebook import Rulebook
from rules.schemas.conditions import CONDITION, DATE, SPAN, Schema, closed, condition, listed, ref
from rules.schemas.incidents import FILES, incidents
from rules.schemas.tests import tests
from rules.sections import MOST_EVENTS, Mode
from rules.source import FIELDS
from rules.vocabulary import FieldType
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.sms.folding import Folding

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Schema = {"type": "string"}
_WORDS: Schema = {"type": "string", "minLength": 1}
_FLAG: Schema = {"type": "boolean"}
_ID: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,79}$"}
_CODE: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,59}$"}
_CLOCK: Schema = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
_VERSION: Schema = {"const": 1}
_HOURS: Schema = {"type": "array", "items": _TEXT, "minItems": 2, "maxItems": 2}
_ANY: Schema = {}


def _one(kind: type[StrEnum]) -> Schema:
    return {"enum": [member.value for member in kind]}


def _number(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _several(of: Schema) -> Schema:
    return {**listed(of), "uniqueItems": True}


_CHANNELS = _several(_one(Channel))
_COUNTED: Mapping[str, Schema] = {
    "topics": _several(ref("topic")),
    "class": {"anyOf": [_one(MessageClass), _several(_one(MessageClass))]},
}
_ABOUT: Mapping[str, Schema] = {
    "id": _ID, "means": _TEXT, "when": ref(CONDITION), "owner": _TEXT, "ticket": _TEXT,
}  # fmt: skip
_EFFECT: Mapping[str, Schema] = {"from": DATE, "until": DATE, "mode": _one(Mode)}
_REASON: Mapping[str, Schema] = {"reason": _CODE, "text": _WORDS}
_DIGEST: Schema = {
    **closed({"for": SPAN, "at": _CLOCK, "most": _number(2, MOST_EVENTS)}),
    "oneOf": [{"required": ["for"]}, {"required": ["at"]}],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionKeys:
    """What an entry of a section may say, and what it must."""

    keys: Mapping[str, Schema]
    required: tuple[str, ...]


SECTIONS: Mapping[str, SectionKeys] = {
    "topics": SectionKeys(
        keys={
            "id": _ID,
            "means": _WORDS,
            "owner": _TEXT,
            "class": _one(MessageClass),
            "once": {"const": "content_version"},
            "content_version": _number(1, 1_000_000),
            "expires": SPAN,
            "attempts": _number(1, 100),
            "attempts_within": SPAN,
            "every": SPAN,
            "stop_when": ref(CONDITION),
            "on": _several(ref("event")),
            "lane": _one(Lane),
            "priority": _number(0, 100),
            "fold": _one(Folding),
            "basis": _CODE,
            "content": _CODE,
            "product": _WORDS,
            "purposes": {**_several(_WORDS), "minItems": 1},
            "digest": _DIGEST,
        },
        required=("id", "means", "class", "expires"),
    ),
    "events": SectionKeys(
        keys={
            "type": _ID,
            "means": _TEXT,
            "carries": listed(ref("event_field")),
            "sets": {
                "type": "object",
                "propertyNames": ref("customer_field"),
                "additionalProperties": _ANY,
            },
        },
        required=("type",),
    ),
    "counts": SectionKeys(
        keys={
            "id": _ID,
            "means": _TEXT,
            "owner": _TEXT,
            "of": _one(Counted),
            **_COUNTED,
            "types": _several(ref("event")),
            "channel": _one(Channel),
            "within": SPAN,
        },
        required=("id", "of", "within"),
    ),
    "segments": SectionKeys(keys=_ABOUT, required=("id", "means", "when")),
    "tables": SectionKeys(
        keys={
            "id": _ID,
            "means": _TEXT,
            "decides": {"enum": ["facts", "suppress", "channels"]},
            "table": _WORDS,
        },
        required=("id", "decides", "table"),
    ),
    "facts": SectionKeys(keys={**_ABOUT, "derives": _ID}, required=("id", "when")),
    "suppress": SectionKeys(
        keys={**_ABOUT, **_EFFECT, **_REASON}, required=("id", "when", "reason", "text")
    ),
    "channels": SectionKeys(
        keys={
            **_ABOUT,
            **_EFFECT,
            "send": _CHANNELS,
            "patience": closed({channel.value: SPAN for channel in Channel}),
            "wait_for": _one(WaitFor),
        },
        required=("id", "when", "send"),
    ),
    "law": SectionKeys(
        keys={
            **_ABOUT,
            **_EFFECT,
            **_REASON,
            "channels": _CHANNELS,
            "requires": {"enum": ["consent", "no_refusal"]},
            "countries": _several(_TEXT),
            "source": _TEXT,
        },
        required=("id", "channels", "requires", "reason", "text"),
    ),
    "caps": SectionKeys(
        keys={
            **_ABOUT,
            **_EFFECT,
            **_REASON,
            "count": {**closed(_COUNTED), "minProperties": 1, "maxProperties": 1},
            "channel": _one(Channel),
            "limit": _number(1, 1000),
            "per": {"anyOf": [SPAN, _one(Period)]},
            "on_reach": _one(OnReach),
        },
        required=("id", "count", "limit", "per", "on_reach", "reason", "text"),
    ),
    "quiet_hours": SectionKeys(
        keys={
            **_ABOUT,
            **_EFFECT,
            **_REASON,
            "channels": _CHANNELS,
            "between": _HOURS,
            "days": _several(_one(Day)),
            "countries": _several(_TEXT),
            "timezone": _TEXT,
            "action": _one(QuietAction),
        },
        required=("id", "channels", "action", "text"),
    ),
}
"""Every section of a rule file; a key of the language is a line here."""

_HEAD: Mapping[str, Schema] = {
    "version": _VERSION, "package": _ID, "owner": _TEXT, "means": _TEXT,
}  # fmt: skip


def schema_of(book: Rulebook) -> Schema:
    """Return the schema of a folder's rule files, by its own topics, events, facts and fields.

    It is one for all of them: a file with `fields` is the vocabulary, one with `tests` tests them,
    and one with `kinds`, `components`, `lead_times` or `presets` is about incidents.
    """
    definitions: dict[str, object] = {
        "rules": _rules(),
        "vocabulary": _vocabulary(),
        "tests": tests(book),
        "incidents": incidents(),
        CONDITION: condition(book.vocabulary, book.fact_names),
        **_names(book),
    }
    return {
        "$schema": DIALECT,
        "title": "Rule files of Tellal",
        "type": "object",
        "if": {"required": ["fields"]},
        "then": ref("vocabulary"),
        "else": {
            "if": {"required": ["tests"]},
            "then": ref("tests"),
            "else": {
                "if": {"anyOf": [{"required": [name]} for name in FILES]},
                "then": ref("incidents"),
                "else": ref("rules"),
            },
        },
        "$defs": definitions,
    }


def _names(book: Rulebook) -> dict[str, Schema]:
    known: Mapping[str, Iterable[str]] = {
        "topic": book.topics,
        "event": book.events,
        "event_field": _beginning(book, "event."),
        "customer_field": _beginning(book, "customer."),
    }
    return {name: {"enum": sorted(names)} for name, names in known.items()}


def _beginning(book: Rulebook, prefix: str) -> list[str]:
    return [path for path in book.vocabulary.fields if path.startswith(prefix)]


def _rules() -> Schema:
    sections: dict[str, Schema] = {
        name: {"type": "array", "items": closed(section.keys, section.required)}
        for name, section in SECTIONS.items()
    }
    return closed({**_HEAD, **sections}, required=("version", "package"))


def _vocabulary() -> Schema:
    field = closed(
        {
            "type": {"enum": [kind.value for kind in FieldType if kind is not FieldType.AGO]},
            "values": listed(_TEXT),
            "pii": _FLAG,
            "column": _TEXT,
            "means": _TEXT,
        },
        required=("type",),
    )
    fields: Schema = {
        "type": "object",
        "propertyNames": {"pattern": r"^(customer|event|case|outage)\."},
        "additionalProperties": field,
        "description": f"What {FIELDS} lists: everything that a rule may read",
    }
    return closed({"version": _VERSION, "fields": fields}, required=("version", "fields"))
