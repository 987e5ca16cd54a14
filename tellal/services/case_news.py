"""Tells a brand's other systems (CRM, documents) of every change of a case, by webhooks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.services.webhooks import announce

_HAPPENED: Mapping[str, str] = {
    "open": "opened",
    "route": "routed",
    "answer": "answered",
    "call": "called",
    "resolve": "resolved",
    "reopen": "reopened",
    "withdraw": "withdrawn",
    "merge": "merged",
    "escalate": "escalated",
}


async def case_changed(tx: AsyncSession, case: Row[Any], command: str, now: datetime) -> None:
    """Have every address that hears of cases told what happened, when the transaction commits.

    `command` is what an officer did, or `escalate` when the deadline has passed.
    The caller holds the case's row, so that what is told of one case keeps its order. Said are our
    ids and words and the record number; what is personal is read over the API by who may read it.
    Rehearsed cases are told to nobody.
    """
    if case.simulated:
        return
    happened = _HAPPENED.get(command, command)
    body = {
        "case_id": case.id,
        "number": case.number,
        "channel": case.channel,
        "state": str(case.state),
        "at": now.isoformat(),
    }
    await announce(tx, case.brand_id, f"case.{happened}", body, now, subject=case.id)
