"""Enters many decisions into the ledger at once: what `deciding` writes for one, for thousands.

A table is one statement, however many rows go into it.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from rules.stored_questions import to_texts
from tellal.domain.channels import Channel
from tellal.domain.plans import Plan
from tellal.ids import new_id
from tellal.persistence.bulk import Adding
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import CapUseRow, DecisionRow, MessageRow, OutcomeRow
from tellal.services.entries import Entry, first_posting, outcome_values, plan_of
from tellal.services.posting import LANE_CHANNEL, message_row
from tellal.services.recording import body_text, decision_values

Row = Mapping[str, Any]

_OUTCOMES = Adding(
    table(OutcomeRow),
    *("id", "brand_id", "cause_id", "customer_id", "topic", "content_version", "state", "reason"),
    *("plan", "tries", "workflow_id", "check_at", "created_at", "closed_at"),
    shared=("plan",),
)
_DECISIONS = Adding(
    table(DecisionRow),
    *("id", "brand_id", "customer_id", "event_id", "outcome_id", "topic", "verdict", "reason"),
    *("revision", "executor", "body", "simulated", "asked", "at"),
    shared=("body", "asked"),
)
_MESSAGES = Adding(
    table(MessageRow),
    *("id", "brand_id", "cause_id", "outcome_id", "customer_id", "contact_point_id", "topic"),
    *("message_class", "channel", "lane", "priority", "try_no", "step", "language", "variables"),
    *("simulated", "state", "state_at", "not_before", "expires_at", "attempt", "created_at"),
    *("provider", "reference", "receipts", "code", "subject", "text"),
    shared=("variables",),
)
_CAPS = Adding(table(CapUseRow), "id", "customer_id", "cap", "message_id", "used_at")
_RING = select(func.pg_notify(LANE_CHANNEL, bindparam("lane")))


def by_itself(entry: Entry) -> bool:
    """Say whether an entry cannot go with others: lower messages may have to give way to it.

    So it is, too, where a text is shown at once, to somebody who waits for it.
    """
    if entry.silent:
        return False
    return bool(entry.answer.below) or entry.decision.steps[0].channel is Channel.BANNER


async def enter(
    tx: AsyncSession, entries: Collection[Entry], cause_id: str, *, speed: float = 1.0
) -> None:
    """Write outcomes, decisions, first messages and slots of caps, and wake the lane once.

    The caller has locked the customers, has found that the cause runs and that none of them has an
    outcome in it, and keeps those out that have to be written by themselves.
    """
    outcomes: list[Row] = []
    decisions: list[Row] = []
    messages: list[Row] = []
    slots: list[Row] = []
    wording = _Wording(speed)
    for entry in entries:
        said = wording.of(entry)
        outcome = outcome_values(entry, said.plan, cause_id) | {"plan": said.plan_text}
        outcomes.append(outcome)
        decisions.append(_decision(entry, said) | {"outcome_id": outcome["id"]})
        if entry.silent:
            continue
        posting = first_posting(entry, said.plan, str(outcome["id"]), cause_id, try_no=1)
        message = message_row(entry.brand, entry.customer, posting, entry.now)
        message["variables"] = said.variables_text
        messages.append(message)
        slots += _slots(message, posting.caps, max(entry.now, posting.not_before))
    for adding, rows in (
        (_OUTCOMES, outcomes),
        (_DECISIONS, decisions),
        (_MESSAGES, messages),
        (_CAPS, slots),
    ):
        if rows:
            await tx.execute(adding.statement, adding.values(rows))
    for lane in sorted({str(message["lane"]) for message in messages}):
        await tx.execute(_RING, {"lane": lane})


@dataclass(frozen=True, slots=True)
class _Said:
    """An entry's plan, and its documents as texts of JSON."""

    plan: Plan
    plan_text: str
    variables_text: str
    body_text: str


class _Wording:
    """Writes the documents of entries; who got the very same decision, gets the same documents."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._said: dict[tuple[int, str, int], _Said] = {}

    def of(self, entry: Entry) -> _Said:
        """Return the documents of an entry; what they are made of outlives this."""
        key = id(entry.decision), entry.customer.locale, id(entry.matter.variables)
        said = self._said.get(key)
        if said is None:
            plan = plan_of(entry, self._speed)
            said = self._said[key] = _Said(
                plan,
                plan_text=_text(plan.to_json()),
                variables_text=_text(dict(plan.variables)),
                body_text=body_text(entry.decision, simulated=entry.matter.simulated),
            )
        return said


def _decision(entry: Entry, said: _Said) -> dict[str, object]:
    answer = entry.answer
    values = decision_values(
        entry.decision,
        brand_id=entry.brand.id,
        customer_id=entry.customer.id,
        event_id=entry.matter.event_id,
        simulated=entry.matter.simulated,
    )
    asked = answer.asked or to_texts(answer.question, entry.decision.read)[1]
    return values | {"body": said.body_text, "asked": asked}


def _text(document: object) -> str:
    return json.dumps(document, ensure_ascii=False)


def _slots(message: Row, caps: Sequence[str], used_at: object) -> Iterable[Row]:
    for cap in caps:
        yield {
            "id": new_id(),
            "customer_id": message["customer_id"],
            "cap": cap,
            "message_id": message["id"],
            "used_at": used_at,
        }
