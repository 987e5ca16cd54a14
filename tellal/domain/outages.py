"""An outage in its first form: suspected → confirmed → resolved, or dismissed."""

from collections.abc import Mapping
from enum import StrEnum

from tellal.domain.errors import RefusedTransitionError


class OutageState(StrEnum):
    """Where an outage is; while it is suspected nothing goes to customers (B16)."""

    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"


class OutageCommand(StrEnum):
    """What an operator may do to an outage."""

    CONFIRM = "confirm"
    RESOLVE = "resolve"
    DISMISS = "dismiss"


_S, _C = OutageState, OutageCommand

TRANSITIONS: Mapping[tuple[OutageState, OutageCommand], OutageState] = {
    (_S.SUSPECTED, _C.CONFIRM): _S.CONFIRMED,
    (_S.SUSPECTED, _C.DISMISS): _S.DISMISSED,
    (_S.CONFIRMED, _C.RESOLVE): _S.RESOLVED,
}


def next_state(current: OutageState, command: OutageCommand) -> OutageState:
    """Return the state after a command.

    Raises:
        RefusedTransitionError: The table does not allow the command now.
    """
    new = TRANSITIONS.get((current, command))
    if new is None:
        raise RefusedTransitionError(
            f"cannot {command} an outage that is {current}", code=f"already_{current}"
        )
    return new
