"""Writes a decision as the ledger keeps it, which is what auditors read, and counts it.

The question is kept beside it (`asked`), so that it can be asked again: by other rules, or as a
test. It says what was known of a person, and lives as long as the decision does; who is erased is
erased from it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from rules.questions import Question
from rules.stored_questions import to_json
from tellal import metrics
from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.decisions import CapUse, Decision, Fired, PlanStep, Reason, Verdict
from tellal.ids import new_id

_OF_DECISIONS = tuple(one.name for one in fields(Decision))
_AS_THEY_ARE = frozenset({str, int, float, bool, type(None)})


def decision_row(
    decision: Decision,
    question: Question | None,
    *,
    brand_id: str,
    customer_id: str,
    event_id: str | None = None,
    digest_id: str | None = None,
    simulated: bool,
) -> dict[str, object]:
    """Return the values of a new row of `decisions`, without its outcome.

    The one of an event that waits in a digest, about which no rule was asked, has no question.
    """
    return {
        **decision_values(
            decision,
            brand_id=brand_id,
            customer_id=customer_id,
            event_id=event_id,
            simulated=simulated,
        ),
        "body": {
            **plain(decision),
            "simulated": simulated,
            **({"digest_id": digest_id} if digest_id else {}),
        },
        "asked": None if question is None else to_json(question, decision.read),
    }


def decision_values(
    decision: Decision,
    *,
    brand_id: str,
    customer_id: str,
    event_id: str | None = None,
    simulated: bool,
) -> dict[str, object]:
    """Return what a new row of `decisions` says besides its documents and its outcome."""
    reason = decision.reasons[0].code if decision.reasons else ""
    metrics.decided(decision.verdict.value, reason, decision.executor, simulated=simulated)
    return {
        "id": new_id(),
        "brand_id": brand_id,
        "customer_id": customer_id,
        "event_id": event_id,
        "topic": decision.topic,
        "verdict": decision.verdict.value,
        "reason": reason,
        "revision": decision.revision,
        "executor": decision.executor,
        "simulated": simulated,
        "at": decision.at,
    }


def body_text(decision: Decision, *, simulated: bool) -> str:
    """Write a decision as a text of JSON, as its row holds it.

    Most of it is JSON as it stands: what explains it is not copied first.
    """
    body = {name: getattr(decision, name) for name in _OF_DECISIONS}
    return json.dumps({**body, "simulated": simulated}, default=plain, ensure_ascii=False)


def decision_of(body: Mapping[str, Any]) -> Decision:
    """Read a decision back from what the ledger keeps of it."""
    return Decision(
        topic=body["topic"],
        message_class=MessageClass(body["message_class"]),
        lane=Lane(body["lane"]),
        verdict=Verdict(body["verdict"]),
        at=datetime.fromisoformat(body["at"]),
        steps=tuple(
            PlanStep(
                channel=Channel(step["channel"]),
                not_before=datetime.fromisoformat(step["not_before"]),
                patience=timedelta(seconds=step["patience"]),
            )
            for step in body["steps"]
        ),
        expires_at=datetime.fromisoformat(body["expires_at"]) if body["expires_at"] else None,
        reasons=tuple(Reason(**reason) for reason in body["reasons"]),
        # What was decided before caps said what a message waits for does not say it.
        delays=tuple(Reason(**reason) for reason in body.get("delays", ())),
        fired=tuple(Fired(**fired) for fired in body["fired"]),
        facts=tuple(body["facts"]),
        read={p: tuple(v) if isinstance(v, list) else v for p, v in body["read"].items()},
        removed={Channel(name): Reason(**why) for name, why in body["removed"].items()},
        cap_uses=tuple(
            CapUse(cap=use["cap"], channel=Channel(use["channel"])) for use in body["cap_uses"]
        ),
        trace=tuple(body["trace"]),
        passed=tuple(Reason(**reason) for reason in body.get("passed", ())),
        # What was decided before there were such rules says nothing of them.
        shadow=tuple(Fired(**fired) for fired in body.get("shadow", ())),
        revision=body["revision"],
        executor=body["executor"],
    )


def plain(value: Any) -> Any:  # noqa: ANN401 - JSON is any of these
    """Turn a domain value into what JSON can hold: instants as ISO 8601, durations in seconds."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    writer = _writers.get(kind)
    if writer is None:
        writer = _writers[kind] = _writer_of(kind)
    return writer(value)


_writers: dict[type[Any], Callable[[Any], Any]] = {}


def _writer_of(kind: type[Any]) -> Callable[[Any], Any]:
    """Return what writes values of a type; a decision has a hundred of them, of few types."""
    if is_dataclass(kind):
        names = [one.name for one in fields(kind)]
        return lambda value: {name: plain(getattr(value, name)) for name in names}
    if issubclass(kind, Mapping):
        return lambda value: {str(plain(key)): plain(item) for key, item in value.items()}
    if issubclass(kind, list | tuple | set | frozenset):
        return lambda value: [plain(item) for item in value]
    return _written


def _written(value: Any) -> Any:  # noqa: ANN401 - what is no collection
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else value
