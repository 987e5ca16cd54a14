"""A case: opened → routed → answered → customer called → resolved, as one transition table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tellal.domain.errors import RefusedTransitionError


class CaseState(StrEnum):
    """Where a case is."""

    OPENED = "opened"
    ROUTED = "routed"
    ANSWERED = "answered"
    CALLED = "called"
    RESOLVED = "resolved"


class CaseCommand(StrEnum):
    """What an officer may do to a case."""

    ROUTE = "route"
    ANSWER = "answer"
    CALL = "call"
    RESOLVE = "resolve"


class CallOutcome(StrEnum):
    """How an officer's call to the applicant went."""

    REACHED = "reached"
    UNREACHABLE = "unreachable"


_S, _C = CaseState, CaseCommand

TRANSITIONS: Mapping[tuple[CaseState, CaseCommand], CaseState] = {
    (_S.OPENED, _C.ROUTE): _S.ROUTED,
    (_S.ROUTED, _C.ROUTE): _S.ROUTED,
    (_S.ANSWERED, _C.ROUTE): _S.ROUTED,
    (_S.ROUTED, _C.ANSWER): _S.ANSWERED,
    (_S.ANSWERED, _C.CALL): _S.CALLED,
    (_S.CALLED, _C.CALL): _S.CALLED,
    (_S.CALLED, _C.RESOLVE): _S.RESOLVED,
    # A case that concerned no team may be concluded at once (E22, E28).
    (_S.OPENED, _C.RESOLVE): _S.RESOLVED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Need:
    code: str
    words: str


_MISSING_STEP: Mapping[tuple[CaseState, CaseCommand], _Need] = {
    (_S.ROUTED, _C.RESOLVE): _Need(
        code="answer_missing",
        words="the team has not answered yet; record its answer, then the call, then resolve",
    ),
    (_S.ANSWERED, _C.RESOLVE): _Need(
        code="call_missing",
        words="the case was routed, so the customer must be called before it is resolved; "
        "record the call first",
    ),
    (_S.OPENED, _C.ANSWER): _Need(
        code="not_routed", words="no team has this case yet; route it first"
    ),
    (_S.ROUTED, _C.CALL): _Need(
        code="answer_missing", words="the team has not answered yet; record its answer first"
    ),
}


def next_state(
    current: CaseState, command: CaseCommand, *, reached: bool = True, call_needed: bool = True
) -> CaseState:
    """Return the state after a command, or refuse it with the reason.

    An unanswered call leaves the case where it is: it is recorded, and does not count as the call
    that must come before the end (E43). `call_needed` is what the intake profile says.

    Raises:
        RefusedTransitionError: The table does not allow the command now.
    """
    if command is _C.CALL and current is _S.ANSWERED and not reached:
        return current
    if command is _C.RESOLVE and current is _S.ANSWERED and not call_needed:
        return _S.RESOLVED
    new = TRANSITIONS.get((current, command))
    if new is not None:
        return new
    need = _MISSING_STEP.get((current, command))
    if need is not None:
        raise RefusedTransitionError(f"cannot {command}: {need.words}", code=need.code)
    raise RefusedTransitionError(
        f"cannot {command} a case that is {current}", code=f"already_{current}"
    )
