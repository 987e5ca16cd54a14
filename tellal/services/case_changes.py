"""What each command of an officer says of a case, as columns to set and a line of its history."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from rules.profiles import IntakeProfile
from tellal.domain.cases import (
    BY_RESOLVING,
    CallOutcome,
    CaseCommand,
    CaseState,
    Closure,
    ReplyWay,
    VerifiedAs,
)
from tellal.domain.errors import InvalidInputError, RefusedTransitionError
from tellal.domain.personal_data import DataKind, found_in
from tellal.services.case_duties import owes_contact


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseInput:
    """What an officer says with a command; each command reads its own part.

    Of a call: `told_result` is None where it follows from the rest: who was verified was told.
    """

    team: str = ""
    reason: str = ""
    answer: str = ""
    result: str = ""
    closure: Closure = Closure.RESOLVED
    outcome: CallOutcome = CallOutcome.REACHED
    verified_as: VerifiedAs = VerifiedAs.UNVERIFIED
    told_result: bool | None = None
    note: str = ""
    way: ReplyWay | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Columns to set, what the history says of it, and whether a call told the result."""

    columns: Mapping[str, object]
    said: Mapping[str, object]
    told: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    case: Row[Any]
    profile: IntakeProfile
    said: CaseInput
    now: datetime


def change_of(
    command: CaseCommand,
    case: Row[Any],
    profile: IntakeProfile,
    said: CaseInput,
    now: datetime,
) -> Change:
    """Read a command.

    Raises:
        InvalidInputError: The command lacks what it must say, or says what no text may.
        RefusedTransitionError: The result would be told to somebody who was not verified.
    """
    return _CHANGES[command](_About(case=case, profile=profile, said=said, now=now))


def _route(about: _About) -> Change:
    team = _required("team", about.said.team)
    return Change(columns={"team": team, "routed": True}, said={"team": team})


def _reroute(about: _About) -> Change:
    team, reason = _required("team", about.said.team), _required("reason", about.said.reason)
    if team == about.case.team:
        raise InvalidInputError(
            f"{team} has the case already", field="team", hint="name another team"
        )
    # Who answered did so for nothing: the next team answers anew.
    return Change(
        columns={"team": team, "routed": True, "answer": ""},
        said={"team": team, "from": about.case.team, "reason": reason},
    )


def _answer(about: _About) -> Change:
    answer = _required("answer", about.said.answer)
    return Change(columns={"answer": answer}, said={"answer": answer})


def _call(about: _About) -> Change:
    said, case, now = about.said, about.case, about.now
    reached = said.outcome is CallOutcome.REACHED
    verified = reached and said.verified_as is not VerifiedAs.UNVERIFIED
    if said.told_result and not verified:
        raise RefusedTransitionError(
            "cannot call: the result may be told only to the applicant or a representative; "
            "say who was verified",
            code="not_verified",
        )
    told = verified and (_expects_result(about) if said.told_result is None else said.told_result)
    columns: dict[str, object] = {"calls": case.calls + 1}
    if reached:
        columns |= {
            "verified_as": said.verified_as.value,
            "contacted_at": case.contacted_at or now,
        }
    if told:
        columns |= {"told_at": now, "unreachable_at": None}
    words = {
        "outcome": said.outcome.value,
        "reached": reached,
        "verified_as": said.verified_as.value if reached else "",
        "told_result": told,
        "note": said.note,
    }
    return Change(columns=columns, said=words, told=told)


def _expects_result(about: _About) -> bool:
    """Say whether a call is about the result; before an answer it may be the first contact."""
    waits = about.case.state in {CaseState.OPENED, CaseState.ROUTED}
    return not (waits and owes_contact(about.profile, about.case))


def _reply(about: _About) -> Change:
    way, text = about.said.way, _required("text", about.said.text)
    if way is None or way is ReplyWay.PHONE:
        raise InvalidInputError(
            "a reply is written", field="way", hint="one of: letter, email; a call is `call`"
        )
    return Change(columns={}, said={"way": way.value, "text": text})


def _resolve(about: _About) -> Change:
    result = _required("result", about.said.result)
    for kind in DataKind:
        if found_in(result, kind):
            raise InvalidInputError(
                f"the result holds a number that belongs to one person ({kind})",
                field="result",
                hint="say it without the number: this may be sent as a text message",
            )
    if about.said.closure not in BY_RESOLVING:
        raise InvalidInputError(
            f"a case that was {about.said.closure} is not resolved",
            field="closure",
            hint=f"one of: {', '.join(sorted(BY_RESOLVING))}; or withdraw, or merge",
        )
    closure = about.said.closure.value
    return Change(
        columns={"result": result, "closure": closure, "resolved_at": about.now},
        said={"result": result, "closure": closure},
    )


def _withdraw(about: _About) -> Change:
    return Change(
        columns={"closure": Closure.WITHDRAWN.value, "resolved_at": about.now},
        said={"note": about.said.note},
    )


def _reopen(about: _About) -> Change:
    case, reason = about.case, _required("reason", about.said.reason)
    if case.closure == Closure.MERGED:
        raise RefusedTransitionError(
            "cannot reopen: the case was merged into another, which goes on",
            code="already_merged",
        )
    columns = {
        "round": case.round + 1,
        "routed": False,
        "team": "",
        "answer": "",
        "result": "",
        "closure": "",
        "verified_as": "",
        "told_at": None,
        "unreachable_at": None,
        "reminded_at": None,
        "warned_at": None,
        "escalated_at": None,
        "resolved_at": None,
    }
    return Change(columns=columns, said={"reason": reason})


def _nothing(_: _About) -> Change:
    return Change(columns={}, said={})


def _required(field: str, value: str) -> str:
    if not value.strip():
        raise InvalidInputError(f"{field} is empty", field=field, hint="say it in a few words")
    return value


_CHANGES: Mapping[CaseCommand, Callable[[_About], Change]] = {
    CaseCommand.ROUTE: _route,
    CaseCommand.REROUTE: _reroute,
    CaseCommand.ANSWER: _answer,
    CaseCommand.CALL: _call,
    CaseCommand.REPLY: _reply,
    CaseCommand.RESOLVE: _resolve,
    CaseCommand.WITHDRAW: _withdraw,
    CaseCommand.MERGE: _nothing,
    CaseCommand.REOPEN: _reopen,
    CaseCommand.ASSESS: _nothing,
}
