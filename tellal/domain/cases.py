"""A case: opened → routed → answered → called or replied → resolved → assessed, as one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from tellal.domain.errors import RefusedTransitionError


class CaseState(StrEnum):
    """Where a case is."""

    OPENED = "opened"
    ROUTED = "routed"
    ANSWERED = "answered"
    CALLED = "called"
    REPLIED = "replied"
    RESOLVED = "resolved"
    ASSESSED = "assessed"


ENDED = frozenset({CaseState.RESOLVED, CaseState.ASSESSED})
"""In these nothing is owed to the applicant any more but what closing itself owes."""


class CaseCommand(StrEnum):
    """What an officer may do to a case."""

    ROUTE = "route"
    REROUTE = "reroute"
    ANSWER = "answer"
    CALL = "call"
    REPLY = "reply"
    RESOLVE = "resolve"
    WITHDRAW = "withdraw"
    MERGE = "merge"
    REOPEN = "reopen"
    ASSESS = "assess"


class Closure(StrEnum):
    """How a case ended; the last two have commands of their own."""

    RESOLVED = "resolved"
    ACTION_TAKEN = "action_taken"
    INFORMATION_GIVEN = "information_given"
    WITHDRAWN = "withdrawn"
    MERGED = "merged"


BY_RESOLVING = frozenset({Closure.RESOLVED, Closure.ACTION_TAKEN, Closure.INFORMATION_GIVEN})
"""The closures that an officer names when he resolves a case."""


class CallOutcome(StrEnum):
    """How an officer's call to the applicant went."""

    REACHED = "reached"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    WRONG_NUMBER = "wrong_number"
    REFUSED = "refused"


HOPELESS = frozenset({CallOutcome.WRONG_NUMBER, CallOutcome.REFUSED})
"""After these it makes no sense to call again."""


class VerifiedAs(StrEnum):
    """Whom the officer found to be on the line, before he told anything (E19)."""

    APPLICANT = "applicant"
    REPRESENTATIVE = "representative"
    UNVERIFIED = "unverified"


class ReplyWay(StrEnum):
    """By which way an applicant asked to be answered (E16)."""

    LETTER = "letter"
    PHONE = "phone"
    EMAIL = "email"


class Informing(StrEnum):
    """What must have happened before a case may be concluded."""

    NOTHING = "nothing"
    CALL = "call"
    WRITING = "writing"


class Moment(StrEnum):
    """When an applicant is told something; an intake profile names topics per moment."""

    INSTANT = "instant"
    OPENED = "opened"
    INFORMATION = "information"
    REPLIED = "replied"
    UNREACHABLE = "unreachable"
    RESOLVED = "resolved"
    WITHDRAWN = "withdrawn"
    MERGED = "merged"
    REOPENED = "reopened"
    SURVEY = "survey"


_S, _C = CaseState, CaseCommand
_OPEN = tuple(state for state in CaseState if state not in ENDED)

TRANSITIONS: Mapping[tuple[CaseState, CaseCommand], CaseState] = {
    (_S.OPENED, _C.ROUTE): _S.ROUTED,
    (_S.ROUTED, _C.ROUTE): _S.ROUTED,
    (_S.ANSWERED, _C.ROUTE): _S.ROUTED,
    # A case that was only called or replied to may still turn out to concern a team (E41).
    (_S.CALLED, _C.ROUTE): _S.ROUTED,
    (_S.REPLIED, _C.ROUTE): _S.ROUTED,
    (_S.ROUTED, _C.REROUTE): _S.ROUTED,
    (_S.ANSWERED, _C.REROUTE): _S.ROUTED,
    (_S.ROUTED, _C.ANSWER): _S.ANSWERED,
    (_S.OPENED, _C.CALL): _S.CALLED,
    (_S.ANSWERED, _C.CALL): _S.CALLED,
    (_S.CALLED, _C.CALL): _S.CALLED,
    (_S.REPLIED, _C.CALL): _S.REPLIED,
    (_S.OPENED, _C.REPLY): _S.REPLIED,
    (_S.ANSWERED, _C.REPLY): _S.REPLIED,
    (_S.CALLED, _C.REPLY): _S.REPLIED,
    (_S.REPLIED, _C.REPLY): _S.REPLIED,
    # What must have happened before is in `next_state`: it depends on the profile.
    (_S.OPENED, _C.RESOLVE): _S.RESOLVED,
    (_S.ANSWERED, _C.RESOLVE): _S.RESOLVED,
    (_S.CALLED, _C.RESOLVE): _S.RESOLVED,
    (_S.REPLIED, _C.RESOLVE): _S.RESOLVED,
    **{(state, _C.WITHDRAW): _S.RESOLVED for state in _OPEN},
    **{(state, _C.MERGE): _S.RESOLVED for state in _OPEN},
    (_S.RESOLVED, _C.ASSESS): _S.ASSESSED,
    (_S.RESOLVED, _C.REOPEN): _S.OPENED,
    (_S.ASSESSED, _C.REOPEN): _S.OPENED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a command must know of a case besides its state.

    `told` says that a call told the result to somebody who was verified; `contact_owed`, that the
    first contact by call is still to come (E40); `unverified`, that only somebody was reached who
    was not found to be the applicant; `unaddressed`, that nothing which is sent at the end would
    reach him (E43).
    """

    informing: Informing = Informing.NOTHING
    told: bool = True
    unverified: bool = False
    contact_owed: bool = False
    unaddressed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Need:
    code: str
    words: str


_MISSING_STEP: Mapping[tuple[CaseState, CaseCommand], _Need] = {
    (_S.ROUTED, _C.RESOLVE): _Need(
        code="answer_missing",
        words="the team has not answered yet; record its answer, then the call, then resolve",
    ),
    (_S.OPENED, _C.ANSWER): _Need(
        code="not_routed", words="no team has this case yet; route it first"
    ),
    (_S.OPENED, _C.REROUTE): _Need(
        code="not_routed", words="no team has this case yet; route it first"
    ),
    (_S.ROUTED, _C.CALL): _Need(
        code="answer_missing", words="the team has not answered yet; record its answer first"
    ),
    (_S.ROUTED, _C.REPLY): _Need(
        code="answer_missing", words="the team has not answered yet; record its answer first"
    ),
    **{
        (state, _C.ASSESS): _Need(
            code="not_resolved", words="a case is assessed after it was concluded"
        )
        for state in _OPEN
    },
    **{
        (state, _C.REOPEN): _Need(code="not_resolved", words="it is still being worked on")
        for state in _OPEN
    },
}
_FIRST_CONTACT = _Need(
    code="first_contact_missing",
    words="over this channel the applicant is called first; record that call",
)
_CALL_FIRST = _Need(
    code="call_missing",
    words="the customer must be called before the case is resolved; record the call first",
)
_UNVERIFIED = _Need(
    code="not_verified",
    words="the result may be told only to the applicant or a representative; say who was verified",
)
_WRITE_FIRST = _Need(
    code="reply_missing",
    words="the applicant must have a written reply before the case is resolved; reply first",
)
_WRITE_A_LETTER = _Need(
    code="reply_missing",
    words="no number and no e-mail address of the applicant is known, so he would not hear of the "
    "end; reply by letter first, or put an address on the customer",
)
_CALL_NOT_WRITE = _Need(
    code="call_missing",
    words="over this channel the applicant is called; a reply in writing replaces the call only "
    "when he could not be reached or asked for it",
)


def next_state(
    current: CaseState, command: CaseCommand, standing: Standing | None = None
) -> CaseState:
    """Return the state after a command, or refuse it with the reason.

    A call that told nothing leaves the case where it is: it is recorded, and does not count as the
    one that must come before the end (E19, E43). `standing` says what the profile asks for.

    Raises:
        RefusedTransitionError: The table does not allow the command now.
    """
    standing = standing or Standing()
    if command is _C.CALL and current is _S.ROUTED and standing.contact_owed:
        return current
    new = TRANSITIONS.get((current, command))
    if new is None:
        _refuse_step(current, command)
    if command is _C.CALL and not standing.told:
        return current
    if command is _C.REPLY:
        _check_writing(standing)
    if command is _C.RESOLVE:
        _check_informed(current, standing)
    return new


def _check_writing(standing: Standing) -> None:
    """Refuse to write to somebody who is to be called."""
    if standing.contact_owed:
        _refuse(_C.REPLY, _FIRST_CONTACT)
    if standing.informing is Informing.CALL:
        _refuse(_C.REPLY, _CALL_NOT_WRITE)


def _check_informed(current: CaseState, standing: Standing) -> None:
    """Refuse to resolve what the applicant has not been told as his channel asks."""
    if standing.contact_owed and current is _S.OPENED:
        _refuse(_C.RESOLVE, _FIRST_CONTACT)
    if standing.informing is Informing.CALL and current is not _S.CALLED:
        _refuse(_C.RESOLVE, _UNVERIFIED if standing.unverified else _CALL_FIRST)
    if standing.informing is Informing.WRITING and current is not _S.REPLIED:
        _refuse(_C.RESOLVE, _WRITE_FIRST)
    if standing.unaddressed and current not in {_S.CALLED, _S.REPLIED}:
        _refuse(_C.RESOLVE, _WRITE_A_LETTER)


def _refuse_step(current: CaseState, command: CaseCommand) -> NoReturn:
    need = _MISSING_STEP.get((current, command))
    if need is not None:
        _refuse(command, need)
    raise RefusedTransitionError(
        f"cannot {command} a case that is {current}", code=f"already_{current}"
    )


def _refuse(command: CaseCommand, need: _Need) -> NoReturn:
    raise RefusedTransitionError(f"cannot {command}: {need.words}", code=need.code)


def workflow_of(case_id: str, round_: int = 0) -> str:
    """Return the id of the workflow that accompanies a case; each reopening has one of its own."""
    return f"case/{case_id}/{round_}" if round_ else f"case/{case_id}"
