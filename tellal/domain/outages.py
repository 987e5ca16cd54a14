"""Outages: what they are, the states they go through, and what operators may do in each.

A failure is found out, a planned work is announced; each has a table of its own (B04).
"""

from collections.abc import Mapping
from enum import StrEnum

from tellal.domain.errors import RefusedTransitionError


class OutageKind(StrEnum):
    """Whether it was meant."""

    FAILURE = "failure"
    PLANNED = "planned"


class Severity(StrEnum):
    """How bad it is, in the words that status pages use."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


class OutageState(StrEnum):
    """Where an outage is; while it is suspected nothing goes to customers (B16)."""

    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"

    DRAFT = "draft"
    ANNOUNCED = "announced"
    REMINDED = "reminded"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class OutageCommand(StrEnum):
    """What may be done to an outage, by an operator or, for some, by the clock."""

    SHOW = "show"
    CONFIRM = "confirm"
    UPDATE = "update"
    RESOLVE = "resolve"
    DISMISS = "dismiss"
    REOPEN = "reopen"

    ANNOUNCE = "announce"
    REMIND = "remind"
    RESCHEDULE = "reschedule"
    START = "start"
    EXTEND = "extend"
    COMPLETE = "complete"
    CANCEL = "cancel"


class NoticeKind(StrEnum):
    """Why those affected are spoken to; each round of it is a cause of its own in the ledger."""

    NOTICE = "notice"
    UPDATE = "update"
    REMINDER = "reminder"
    ALL_CLEAR = "all_clear"
    CANCELLED = "cancelled"
    COMPENSATION = "compensation"


TELLS_OF_IT = (NoticeKind.NOTICE, NoticeKind.UPDATE, NoticeKind.REMINDER)
"""Rounds by which somebody learns that there is an outage; who did gets the all-clear."""

_S, _C = OutageState, OutageCommand

TRANSITIONS: Mapping[tuple[OutageState, OutageCommand], OutageState] = {
    (_S.SUSPECTED, _C.SHOW): _S.SUSPECTED,
    (_S.SUSPECTED, _C.UPDATE): _S.SUSPECTED,
    (_S.SUSPECTED, _C.CONFIRM): _S.CONFIRMED,
    (_S.SUSPECTED, _C.DISMISS): _S.DISMISSED,
    (_S.CONFIRMED, _C.UPDATE): _S.CONFIRMED,
    (_S.CONFIRMED, _C.RESOLVE): _S.RESOLVED,
    (_S.RESOLVED, _C.REOPEN): _S.CONFIRMED,
    (_S.DRAFT, _C.UPDATE): _S.DRAFT,
    (_S.DRAFT, _C.RESCHEDULE): _S.DRAFT,
    (_S.DRAFT, _C.ANNOUNCE): _S.ANNOUNCED,
    (_S.DRAFT, _C.CANCEL): _S.CANCELLED,
    (_S.ANNOUNCED, _C.UPDATE): _S.ANNOUNCED,
    (_S.ANNOUNCED, _C.REMIND): _S.REMINDED,
    (_S.ANNOUNCED, _C.RESCHEDULE): _S.ANNOUNCED,
    (_S.ANNOUNCED, _C.START): _S.IN_PROGRESS,
    (_S.ANNOUNCED, _C.CANCEL): _S.CANCELLED,
    (_S.REMINDED, _C.UPDATE): _S.REMINDED,
    (_S.REMINDED, _C.RESCHEDULE): _S.ANNOUNCED,
    (_S.REMINDED, _C.START): _S.IN_PROGRESS,
    (_S.REMINDED, _C.CANCEL): _S.CANCELLED,
    (_S.IN_PROGRESS, _C.UPDATE): _S.IN_PROGRESS,
    (_S.IN_PROGRESS, _C.EXTEND): _S.IN_PROGRESS,
    (_S.IN_PROGRESS, _C.COMPLETE): _S.COMPLETED,
    (_S.IN_PROGRESS, _C.CANCEL): _S.CANCELLED,
}

TELLING = frozenset({_S.CONFIRMED, _S.ANNOUNCED, _S.REMINDED, _S.IN_PROGRESS})
"""States in which those affected may be told of it."""

TAKING_DOWN = frozenset({_S.CONFIRMED, _S.IN_PROGRESS})
"""States in which its components do not work, and what depends on them reaches nobody (B18)."""

ENDED = frozenset({_S.RESOLVED, _S.DISMISSED, _S.COMPLETED, _S.CANCELLED})
"""States in which it is over; only a resolved one may be reopened."""

ON_PAGE = TELLING | frozenset({_S.RESOLVED, _S.COMPLETED, _S.CANCELLED})
"""States that public channels show; of a suspicion they show what a person has released (B16)."""


def first_state(kind: OutageKind) -> OutageState:
    """Return the state in which an outage of a kind is declared."""
    return OutageState.DRAFT if kind is OutageKind.PLANNED else OutageState.SUSPECTED


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


def allowed(current: OutageState) -> tuple[OutageCommand, ...]:
    """Return what may be done to an outage in a state, in the order of the commands."""
    return tuple(command for command in OutageCommand if (current, command) in TRANSITIONS)
