"""What moves a message, and what follows from a move for the message's own row.

Nothing here asks the database: rows come in, and values to be written go out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from tellal.domain.channels import Receipts
from tellal.domain.customers import ConsentState
from tellal.domain.messages import HANDED_OVER, MessageState, Remedy, may_become
from tellal.ids import new_id

_REJECTED_FROM = frozenset({MessageState.QUEUED, MessageState.HANDING_OVER, MessageState.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A message's new state, and what was learned with it.

    `not_before` matters when it is queued again, `check_at` when nobody knows what became of it.
    `attempt` says of which attempt it speaks: an older one's late answer counts only if it is the
    good news. `route_out` is a route that cannot carry it, `was_taken` says that the provider took
    it on the way to this state.
    """

    message_id: str
    state: MessageState
    code: str = ""
    reference: str = ""
    provider: str = ""
    remedy: Remedy | None = None
    not_before: datetime | None = None
    check_at: datetime | None = None
    attempt: int | None = None
    route_out: str = ""
    was_taken: bool = False


Applied = tuple[Move, Row[Any]]
"""A move that the transition table allows, and the message as it was locked."""


def folded(moves: Sequence[Move], messages: Mapping[str, Row[Any]]) -> list[Applied]:
    """Walk along the table; several steps of one message (sent, then delivered) become one."""
    states = {message_id: MessageState(row.state) for message_id, row in messages.items()}
    last: dict[str, Move] = {}
    for move in moves:
        message = messages.get(move.message_id)
        if message is None or not may_become(states[move.message_id], move.state):
            continue
        older = move.attempt is not None and move.attempt != message.attempt
        if older and move.state is not MessageState.ACCEPTED:
            continue
        before = last.pop(move.message_id, None)
        if before is not None:
            move = replace(  # noqa: PLW2901 - one step instead of two
                move,
                reference=move.reference or before.reference,
                provider=move.provider or before.provider,
                was_taken=before.was_taken or before.state in HANDED_OVER,
            )
        states[move.message_id] = move.state
        last[move.message_id] = move
    return [(move, messages[message_id]) for message_id, move in last.items()]


def leaves_no_trace(move: Move, row: Row[Any]) -> bool:
    """Say whether the message surely reached nobody, so that its cap slots are free again."""
    if move.state in (MessageState.EXPIRED, MessageState.CANCELLED):
        return True
    refused = row.state in _REJECTED_FROM and not move.was_taken
    return move.state is MessageState.FAILED and refused


def new_values(move: Move, row: Row[Any], now: datetime) -> dict[str, object | None]:
    """Return what a move writes into its message; what it does not know stays as it was."""
    handed = move.state in HANDED_OVER or move.was_taken
    silent_until = row.silent_until
    if handed and silent_until is None and row.receipts == Receipts.DELIVERY:
        silent_until = now + timedelta(seconds=row.patience_s)
    return {
        "id": row.id,
        "state": move.state.value,
        "code": move.code,
        "reference": move.reference or row.reference,
        "provider": move.provider or row.provider,
        "handed_at": row.handed_at or (now if handed else None),
        "silent_until": silent_until,
        "not_before": move.not_before or row.not_before,
        "check_at": move.check_at,
    }


def refusal(move: Move, row: Row[Any], now: datetime) -> dict[str, object]:
    """Return the consent record of a person who refused at the carrier."""
    return {
        "id": new_id(),
        "brand_id": row.brand_id,
        "customer_id": row.customer_id,
        "channel": row.channel,
        "state": ConsentState.REFUSED.value,
        "source": f"carrier:{move.provider or row.provider}",
        "evidence": {"code": move.code, "message": row.id},
        "recorded_at": now,
    }
