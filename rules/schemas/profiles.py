"""The schema of intake profiles: what a file of one channel may say."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from rules.profiles import (
    REMINDED,
    CallBeforeClose,
    FirstContact,
    ReplyBy,
    Required,
)
from rules.schemas.conditions import SPAN, Schema, closed, ref
from rules.schemas.sections import DIALECT
from tellal.domain.case_checks import Computed
from tellal.domain.cases import Moment, ReplyWay

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_ID: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,79}$"}
_HOURS: Schema = {"type": "array", "items": _TEXT, "minItems": 2, "maxItems": 2}
_TOPICS: Schema = {"type": "array", "items": ref("topic")}


def _one(kind: type[StrEnum]) -> Schema:
    return {"enum": [member.value for member in kind]}


def _number(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _means(schema: Schema, words: str) -> Schema:
    return {**schema, "description": words}


_REPLY: Schema = {
    "if": {"type": "object"},
    "then": closed({"by": _one(ReplyBy), "otherwise": _one(ReplyWay)}, required=("by",)),
    "else": _one(ReplyBy),
}
_QUESTION = closed({"id": _ID, "asks": _TEXT, "computed": _one(Computed)}, required=("id", "asks"))
_CALLS = closed(
    {
        "hours": _HOURS,
        "attempts": _number(1, 20),
        "over": SPAN,
        "retry": SPAN,
        "due": SPAN,
        "lease": SPAN,
    }
)
_DEADLINE = closed(
    {"business_days": _number(1, 365), "warn_before": _number(0, 364), "escalate_to": _TEXT},
    required=("business_days",),
)
_NOTICE = closed(
    {"notice": _TEXT, "version": _TEXT, "way": _TEXT}, required=("notice", "version", "way")
)
KEYS: Mapping[str, Schema] = {
    "id": _means(_ID, "The name in `channel` of a case"),
    "name": _means(_TEXT, "The name for people"),
    "enabled": _means(_FLAG, "Whether cases come in; true if left out"),
    "source_system": _means(_TEXT, "Where cases are kept besides"),
    "notices": _means(
        closed({moment.value: _TOPICS for moment in Moment}), "Topics to tell, per moment"
    ),
    "call_before_close": _means(
        _one(CallBeforeClose), "Whether he is called before the end; when_routed if left out"
    ),
    "first_contact": _means(
        _one(FirstContact), "`call`: an officer calls before anything else; notice if left out"
    ),
    "reply": _means(_REPLY, "`call`, or who chooses how he is answered, and what if he does not"),
    "requires": _means(
        {"type": "array", "items": _one(Required), "uniqueItems": True},
        "What must be said when a case is opened",
    ),
    "privacy_notice": _means(_NOTICE, "Recorded as shown with every case"),
    "deadline": _means(_DEADLINE, "When a case is late, and who then has it"),
    "remind_after": _means(
        closed({state.value: SPAN for state in REMINDED}), "How long a team may take, per state"
    ),
    "calls": _means(_CALLS, "When, how often and over how long an applicant is called"),
    "survey_after": _means(SPAN, "How long after the end the survey is sent"),
    "checklist": _means(
        {"type": "array", "items": _QUESTION}, "What is asked of a case after its end"
    ),
}
"""Every key of a profile, and what it means; a key of profiles is a line here."""


def profile_schema(topics: Collection[str]) -> Schema:
    """Return the schema of a profile whose notices are among the `topics` of a rulebook.

    What it cannot say, `tellal rules check` finds: that a warning comes before its deadline, that
    hours end after they begin, that two profiles have one name.
    """
    return {
        "$schema": DIALECT,
        "title": "Intake profiles of Tellal",
        **closed(KEYS, required=("id", "name", "notices")),
        # A survey that has no text would never be sent.
        "if": {
            "required": ["notices"],
            "properties": {
                "notices": {"type": "object", "not": {"required": [Moment.SURVEY.value]}}
            },
        },
        "then": {"properties": {"survey_after": {"not": {}}}},
        "$defs": {"topic": {"enum": sorted(topics)}},
    }
