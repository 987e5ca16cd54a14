"""Enters many decisions into the ledger at once: what `deciding` writes for one, for thousands.

A table is one statement, however many rows go into it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Channel
from tellal.ids import new_id
from tellal.persistence.bulk import Adding
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import CapUseRow, DecisionRow, MessageRow, OutcomeRow
from tellal.services.entries import Entry, first_posting, outcome_row, plan_of
from tellal.services.posting import LANE_CHANNEL, message_row
from tellal.services.recording import decision_row

Row = Mapping[str, Any]

_OUTCOMES = Adding(
    table(OutcomeRow),
    *("id", "brand_id", "cause_id", "customer_id", "topic", "content_version", "state", "reason"),
    *("plan", "tries", "workflow_id", "check_at", "created_at", "closed_at"),
)
_DECISIONS = Adding(
    table(DecisionRow),
    *("id", "brand_id", "customer_id", "event_id", "outcome_id", "topic", "verdict", "reason"),
    *("revision", "executor", "body", "simulated", "asked", "at"),
)
_MESSAGES = Adding(
    table(MessageRow),
    *("id", "brand_id", "cause_id", "outcome_id", "customer_id", "contact_point_id", "topic"),
    *("message_class", "channel", "lane", "priority", "try_no", "step", "language", "variables"),
    *("simulated", "state", "state_at", "not_before", "expires_at", "attempt", "created_at"),
    *("provider", "reference", "receipts", "code", "subject", "text"),
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
    for entry in entries:
        plan = plan_of(entry, speed)
        outcome = outcome_row(entry, plan, cause_id)
        outcomes.append(outcome)
        decisions.append(_decision(entry) | {"outcome_id": outcome["id"]})
        if entry.silent:
            continue
        posting = first_posting(entry, plan, str(outcome["id"]), cause_id, try_no=1)
        message = message_row(entry.brand, entry.customer, posting, entry.now)
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


def _decision(entry: Entry) -> dict[str, object]:
    return decision_row(
        entry.decision,
        entry.answer.question,
        brand_id=entry.brand.id,
        customer_id=entry.customer.id,
        event_id=entry.matter.event_id,
        simulated=entry.matter.simulated,
    )


def _slots(message: Row, caps: Sequence[str], used_at: object) -> Iterable[Row]:
    for cap in caps:
        yield {
            "id": new_id(),
            "customer_id": message["customer_id"],
            "cap": cap,
            "message_id": message["id"],
            "used_at": used_at,
        }
