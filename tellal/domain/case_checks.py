"""What a checklist can compute of a case that has ended, from what its records say (E20)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tellal.domain.cases import Informing


class Computed(StrEnum):
    """A question that the records answer; the rest is for an officer to answer."""

    DEADLINE_KEPT = "deadline_kept"
    NOTICES_SENT = "notices_sent"
    INFORMED_BEFORE_CLOSING = "informed_before_closing"
    REPLIED_AS_CHOSEN = "replied_as_chosen"
    PRIVACY_NOTICE_SHOWN = "privacy_notice_shown"
    CONSENT_SIGNED = "consent_signed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What is on record of a case: deadlines, notices, what informed him, what law asked for.

    `notices` are the states of the outcomes of all notices so far. `special` says that data of a
    special category are involved, `consented` that a signed consent was in force.
    """

    due_at: datetime | None
    resolved_at: datetime
    notices: tuple[str, ...]
    informing: Informing
    called: bool
    replied_by: str
    asked_for: str
    notice_owed: bool
    notice_shown: bool
    special: bool
    consented: bool


def check(question: Computed, of: Records) -> bool | None:
    """Answer a question; None says that it does not arise in this case."""
    return _ANSWERS[question](of)


def _deadline_kept(of: Records) -> bool | None:
    return None if of.due_at is None else of.resolved_at <= of.due_at


def _notices_sent(of: Records) -> bool | None:
    """A notice that is still on its way has not been sent, and one that was not decided is none."""
    return all(state == "told" for state in of.notices) if of.notices else None


def _informed(of: Records) -> bool | None:
    if of.informing is Informing.NOTHING:
        return None
    return of.called if of.informing is Informing.CALL else bool(of.replied_by)


def _replied_as_chosen(of: Records) -> bool | None:
    if not of.asked_for:
        return None
    return of.called if of.asked_for == "phone" else of.replied_by == of.asked_for


_ANSWERS: Mapping[Computed, Callable[[Records], bool | None]] = {
    Computed.DEADLINE_KEPT: _deadline_kept,
    Computed.NOTICES_SENT: _notices_sent,
    Computed.INFORMED_BEFORE_CLOSING: _informed,
    Computed.REPLIED_AS_CHOSEN: _replied_as_chosen,
    Computed.PRIVACY_NOTICE_SHOWN: lambda of: of.notice_shown if of.notice_owed else None,
    Computed.CONSENT_SIGNED: lambda of: of.consented if of.special else None,
}
