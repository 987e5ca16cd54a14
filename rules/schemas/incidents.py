"""The schema of the files about incidents: kinds, components, lead times and presets."""

from collections.abc import Mapping
from enum import StrEnum

from rules.schemas.conditions import CONDITION, SPAN, Schema, closed, listed, ref
from tellal.domain.channels import Channel
from tellal.domain.incidents import AREAS, PublicChannel
from tellal.domain.outages import NoticeKind, OutageKind, Severity

_TEXT: Schema = {"type": "string", "minLength": 1}
_FLAG: Schema = {"type": "boolean"}
_ID: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,79}$"}
_IDS: Schema = {**listed(_ID), "minItems": 0}
_SHARE: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
_COUNTRY: Schema = {"type": "string", "pattern": "^[A-Z]{2}$"}
_HOURS: Schema = {"type": "array", "items": _TEXT, "minItems": 2, "maxItems": 2}
_BY_LANGUAGE: Schema = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-z]{2}$"},
    "additionalProperties": _TEXT,
    "required": ["en"],
}


def _one(kind: type[StrEnum]) -> Schema:
    return {"enum": [member.value for member in kind]}


def _some(kind: type[StrEnum]) -> Schema:
    return {"type": "array", "items": _one(kind), "uniqueItems": True}


_KIND = closed(
    {
        "id": _ID,
        "kind": _one(OutageKind),
        "means": _TEXT,
        "sector": _ID,
        "severity": _one(Severity),
        "what": _BY_LANGUAGE,
        "topics": closed(dict.fromkeys(NoticeKind, ref("topic")), required=("notice",)),
        "channels": _some(Channel),
        "public": _some(PublicChannel),
        "components": _IDS,
        "priority": ref(CONDITION),
        "life_critical": _FLAG,
        "email_from": SPAN,
        "useful_until": _SHARE,
        "margin": SPAN,
        "material": SPAN,
        "material_share": _SHARE,
        "suspicion": closed(
            {"signals": {"type": "integer", "minimum": 1}, "within": SPAN},
            required=("signals", "within"),
        ),
        "escalate_after": SPAN,
        "approval_above": {"type": "integer", "minimum": 0},
        "compensate_after": SPAN,
        "review_within": SPAN,
        "holding_line": _BY_LANGUAGE,
        "hotline_text": _BY_LANGUAGE,
    },
    required=("id", "kind", "means", "sector", "severity", "what", "topics", "public"),
)
_COMPONENT = closed(
    {
        "id": _ID,
        "names": _BY_LANGUAGE,
        "depends_on": _IDS,
        "brands": {"type": "array", "items": _TEXT},
        "hidden": _FLAG,
    },
    required=("id", "names"),
)
_LEAD_TIME = closed(
    {
        "country": _COUNTRY,
        "sector": _ID,
        "lead": SPAN,
        "remind_before": SPAN,
        "work": _HOURS,
        "source": _TEXT,
    },
    required=("country", "sector", "lead", "remind_before", "work", "source"),
)
_PRESET = closed(
    {
        "id": _ID,
        "incident": _ID,
        "title": _TEXT,
        "brands": {"type": "array", "items": _TEXT},
        "components": _IDS,
        "severity": _one(Severity),
        "areas": {
            "type": "array",
            "items": {**closed(dict.fromkeys(AREAS, _TEXT)), "minProperties": 1},
        },
        "segment": ref(CONDITION),
        "lasts": SPAN,
        "reason": _TEXT,
        "workaround": _TEXT,
        "no_workaround": _FLAG,
        "hotline": _TEXT,
        "variables": {"type": "object"},
    },
    required=("id", "incident", "title"),
)

FILES: Mapping[str, Schema] = {
    "kinds": _KIND,
    "components": _COMPONENT,
    "lead_times": _LEAD_TIME,
    "presets": _PRESET,
}
"""What an entry of each file may say, by the file's one section."""


def incidents() -> Schema:
    """Return the schema of a file about incidents; conditions and topics are the rulebook's."""
    return {
        "type": "object",
        "required": ["version"],
        "minProperties": 2,
        "maxProperties": 2,
        "additionalProperties": False,
        "properties": {
            "version": {"const": 1},
            **{name: {"type": "array", "items": entry} for name, entry in FILES.items()},
        },
    }
