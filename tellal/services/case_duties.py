"""What an intake profile asks of one case: how he is informed, until when, and what is due next."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from rules.calendars import working_in
from rules.profiles import CallBeforeClose, FirstContact, IntakeProfile, ReplyBy
from tellal.domain.business_days import deadline
from tellal.domain.cases import ENDED, CaseState, Closure, Informing, ReplyWay, Standing, VerifiedAs
from tellal.domain.customers import Brand

HALF_DAY_ENDS = time(13)
"""When work ends on a half-day: in Turkey at one o'clock before a feast."""


def chosen_way(profile: IntakeProfile, reply_by: str) -> ReplyWay | None:
    """Return by which way the result is told if the applicant chooses; None if he does not."""
    if profile.reply is not ReplyBy.CHOSEN:
        return None
    return ReplyWay(reply_by) if reply_by else profile.reply_unsaid


def informing(
    profile: IntakeProfile, case: Row[Any], closure: Closure = Closure.RESOLVED
) -> Informing:
    """Return what must have happened before the case may be concluded.

    What was asked for may simply have been done, instead of a reply (E35). Whom nobody reached is
    written to (E43).
    """
    way = chosen_way(profile, case.reply_by)
    if way is not None and closure is Closure.ACTION_TAKEN:
        return Informing.NOTHING
    if way is not None:
        need = Informing.CALL if way is ReplyWay.PHONE else Informing.WRITING
    else:
        need = _of_calling(profile.call_before_close, routed=case.routed)
    owed = need is Informing.CALL or _begins_by_call(profile, case)
    return Informing.WRITING if owed and case.unreachable_at else need


def owes_contact(profile: IntakeProfile, case: Row[Any]) -> bool:
    """Say whether the first contact by call is still to come."""
    return _begins_by_call(profile, case) and case.unreachable_at is None


def _begins_by_call(profile: IntakeProfile, case: Row[Any]) -> bool:
    return profile.first_contact is FirstContact.CALL and case.contacted_at is None


def standing(
    profile: IntakeProfile,
    case: Row[Any],
    *,
    told: bool = True,
    closure: Closure = Closure.RESOLVED,
    unaddressed: bool = False,
) -> Standing:
    """Return what a command must know of a case."""
    return Standing(
        informing=informing(profile, case, closure),
        told=told,
        unverified=case.verified_as == VerifiedAs.UNVERIFIED,
        contact_owed=owes_contact(profile, case),
        unaddressed=unaddressed,
    )


def deadlines(
    profile: IntakeProfile, brand: Brand, now: datetime, speed: float
) -> tuple[datetime | None, datetime | None]:
    """Return when a case that begins now is warned of, and when it must be concluded."""
    if profile.deadline is None:
        return None, None
    days, before = profile.deadline.days, profile.deadline.warn_before
    due, warn = (_after(brand, now, one, speed) for one in (days, days - before))
    return warn, due


def next_look(
    case: Mapping[str, Any], profile: IntakeProfile, speed: float, called_until: datetime | None
) -> datetime | None:
    """Return when the ledger has something to do for a case that nobody touches; None is never.

    `called_until` is when calling in vain is over, if it was tried often enough.
    """
    state = CaseState(case["state"])
    if state in ENDED:
        return None
    due = [called_until]
    after = profile.remind_after.get(state)
    if after is not None:
        due.append((case["reminded_at"] or case["state_at"]) + after / speed)
    if case["warned_at"] is None:
        due.append(case["warn_at"])
    if case["escalated_at"] is None:
        due.append(case["due_at"])
    return min((one for one in due if one is not None), default=None)


def _of_calling(duty: CallBeforeClose, *, routed: bool) -> Informing:
    needed = duty is CallBeforeClose.ALWAYS or (duty is CallBeforeClose.WHEN_ROUTED and routed)
    return Informing.CALL if needed else Informing.NOTHING


def _after(brand: Brand, now: datetime, days: int, speed: float) -> datetime:
    end = deadline(
        now,
        days,
        working_in(brand.country),
        zone=ZoneInfo(brand.timezone),
        half_day_ends=HALF_DAY_ENDS,
    )
    wait: timedelta = end - now
    return now + wait / speed
