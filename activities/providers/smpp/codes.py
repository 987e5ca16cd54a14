"""SMPP's codes as data: what each answer to a submission, and each receipt, means for the message.

Statuses are those of SMPP 3.4, 5.1.3; from 0x400 on they are the vendor's own.
"""

from collections.abc import Mapping

from tellal.domain.messages import MessageState, Remedy
from tellal.smpp.receipts import State

_S = MessageState
_NEXT_ROUTE, _RETRY, _HALT, _RECONCILE = (
    Remedy.NEXT_ROUTE,
    Remedy.RETRY,
    Remedy.HALT,
    Remedy.RECONCILE,
)

CODES: Mapping[int, Remedy] = {
    # The connection is not set up; no message of it will pass.
    0x04: _HALT,  # bound the wrong way
    0x05: _HALT,  # bound already, and more often than the account may
    0x0A: _HALT,  # the sender is not registered
    0x0D: _HALT,  # may not bind
    0x0E: _HALT,  # wrong password
    0x0F: _HALT,  # wrong user
    0x15: _HALT,  # no such type of service
    0x48: _HALT,  # no such type of the sender's number
    0x49: _HALT,  # no such numbering plan of the sender's
    0x50: _HALT,  # no such type of the recipient's number
    0x51: _HALT,  # no such numbering plan of the recipient's
    0x53: _HALT,  # no such type of system
    # Not processed; later it may be.
    0x14: _RETRY,  # its queue is full
    0x58: _RETRY,  # more than the account may send in a second
    0x64: _RETRY,  # for the moment
    # An error of its own; whether it had taken the message by then it does not say.
    0x08: _RECONCILE,
    0xFF: _RECONCILE,
}
"""What each status means that is not 0; `reconcile` makes the answer an ambiguous one."""

UNLISTED = _NEXT_ROUTE
"""What any other status means: it does not take this message, and another may."""

PAUSES: Mapping[int, float] = {0x14: 1.0, 0x58: 1.0, 0x64: 5.0}
"""How long to wait (seconds) after those that mean `retry`: none of them names a time."""

STATES: Mapping[State, tuple[MessageState, Remedy | None]] = {
    State.ENROUTE: (_S.SENT, None),
    State.ACCEPTED: (_S.ACCEPTED, None),
    State.DELIVERED: (_S.DELIVERED, None),
    State.EXPIRED: (_S.UNDELIVERED, Remedy.NEXT_CHANNEL),
    State.DELETED: (_S.UNDELIVERED, Remedy.NEXT_CHANNEL),
    State.UNDELIVERABLE: (_S.UNDELIVERED, Remedy.NEXT_CHANNEL),
    # It does not know; should the phone have it, another receipt will say so.
    State.UNKNOWN: (_S.UNDELIVERED, Remedy.NEXT_CHANNEL),
    State.REJECTED: (_S.FAILED, Remedy.NEXT_CHANNEL),
}
"""What each state of a receipt means, and what to do if the message is lost."""


def code_of(status: int) -> str:
    """Write a status as our records have it: `0x58`."""
    return f"0x{status:02x}"
