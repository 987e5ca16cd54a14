"""Writes a decision as the ledger keeps it, which is what auditors read, and counts it."""

from dataclasses import asdict
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from tellal import metrics
from tellal.domain.decisions import Decision
from tellal.ids import new_id


def decision_row(
    decision: Decision,
    *,
    brand_id: str,
    customer_id: str,
    event_id: str | None = None,
    simulated: bool,
) -> dict[str, object]:
    """Return the values of a new row of `decisions`, without its outcome."""
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
        "body": {**plain(asdict(decision)), "simulated": simulated},
        "at": decision.at,
    }


def plain(value: Any) -> Any:  # noqa: ANN401 - JSON is any of these
    """Turn a domain value into what JSON can hold: instants as ISO 8601, durations in seconds."""
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value
