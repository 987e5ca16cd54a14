"""Cases: officers' commands against the transition table; what follows is the workflow's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from rules.profiles import FirstContact, IntakeProfile, ReplyBy
from tellal.clock import Clock
from tellal.domain.calls import Purpose, TaskState
from tellal.domain.cases import (
    ENDED,
    CallOutcome,
    CaseCommand,
    CaseState,
    Closure,
    Informing,
    Moment,
    ReplyWay,
    next_state,
    workflow_of,
)
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.domain.outbox import OutboxKind
from tellal.ids import new_id, new_tracking_code
from tellal.persistence.columns import table
from tellal.persistence.people import (
    brand as read_brand,
    find_customer_id,
    lock_customer_by_id,
)
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.operations import CaseRow
from tellal.services.case_calls import CaseCalls
from tellal.services.case_changes import CaseInput, Change, change_of
from tellal.services.case_duties import (
    deadlines,
    informing,
    next_look,
    owes_contact,
    standing,
)
from tellal.services.case_news import case_changed
from tellal.services.case_notices import CASE, CaseNotices, survey_of
from tellal.services.case_reach import check_way, is_on
from tellal.services.case_views import CaseView, about, show, to_view
from tellal.services.case_writing import (
    CHANGE,
    CHANGE_AND_TELL,
    LOCK,
    NUMBER,
    OPEN,
    kept,
    new,
)
from tellal.services.explicit_consents import CATEGORIES, ExplicitConsents
from tellal.services.outbox import enqueue, item
from tellal.services.shown_notices import NoticeInput, ShownNotices

__all__ = ["CaseInput", "Cases", "Particulars"]

_cases = table(CaseRow)
_customers = table(CustomerRow)
_PROCESSES = frozenset(
    {CaseCommand.ROUTE, CaseCommand.REROUTE, CaseCommand.ANSWER, CaseCommand.REPLY}
)
"""Commands that process what the applicant said, for which special categories need a consent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Particulars:
    """What some channels ask for when a case is opened.

    `information` is what was answered on the spot, where that was all: the case is then opened and
    concluded in one. `special_category` is one of KVKK article 6, if data of one are involved.
    """

    form_reference: str = ""
    queue_ticket: str = ""
    reply_by: ReplyWay | None = None
    special_category: str = ""
    information: str = ""


class Cases:
    """Opens cases and applies commands; waiting and telling are the workflow's."""

    def __init__(
        self,
        profiles: Mapping[str, IntakeProfile],
        clock: Clock,
        notices: CaseNotices,
        calls: CaseCalls,
        *,
        speed: float = 1.0,
    ) -> None:
        self._profiles = profiles
        self._clock = clock
        self._notices = notices
        self._calls = calls
        self._speed = speed
        self._shown = ShownNotices(clock)
        self._consents = ExplicitConsents(clock)

    async def open(
        self,
        tx: AsyncSession,
        *,
        brand: Brand,
        customer_ref: str,
        channel: str,
        subject: str,
        by: str,
        source_system: str = "",
        simulated: bool = False,
        particulars: Particulars | None = None,
    ) -> CaseView:
        """Open a case, give it a record number, and start its workflow.

        Nothing waits for a signed consent: it gates what is done with a case, not its record (E15).
        What the customer is told of a simulated case never reaches a provider.

        Raises:
            InvalidInputError: There is no such intake channel, or it asks for more.
            ConflictError: The intake channel is switched off, or does not inform on the spot.
            NotFoundError: The brand has no such customer.
        """
        profile, said = self._profile(channel), particulars or Particulars()
        _check(profile, said)
        customer_id = await find_customer_id(tx, brand.id, customer_ref)
        now = self._clock.now()
        case_id = new_id()
        number = await tx.execute(NUMBER, {"brand": brand.id, "of_year": now.year})
        warn_at, due_at = deadlines(profile, brand, now, self._speed)
        at_once = bool(said.information)
        opened = {
            "brand_id": brand.id,
            "customer_id": customer_id,
            "number": f"{now.year}-{number.scalar_one():06d}",
            "channel": channel,
            "tracking_code": new_tracking_code(),
            "source_system": source_system or profile.source_system,
            "subject": subject,
            "state": CaseState.RESOLVED if at_once else CaseState.OPENED,
            "routed": False,
            "team": "",
            "answer": "",
            "result": said.information,
            "calls": 0,
            "reminders": 0,
            "simulated": simulated,
            "round": 0,
            "closure": Closure.INFORMATION_GIVEN.value if at_once else "",
            "form_reference": said.form_reference,
            "queue_ticket": said.queue_ticket,
            "reply_by": said.reply_by.value if said.reply_by else "",
            "special_category": said.special_category,
            "verified_as": "",
            "merged_into": None,
            "opened_at": now,
            "state_at": now,
            "contacted_at": None,
            "told_at": None,
            "unreachable_at": None,
            "reminded_at": None,
            "warn_at": warn_at,
            "warned_at": None,
            "due_at": due_at,
            "escalated_at": None,
            "resolved_at": now if at_once else None,
        }
        look_at = next_look(opened, profile, self._speed, None)
        start = item(
            brand_id=brand.id,
            kind=OutboxKind.CASE_OPENED,
            workflow_id=workflow_of(case_id),
            body=_start(case_id, brand.name, opened, look_at),
            now=now,
        )
        words = {"channel": channel} | ({"information": said.information} if at_once else {})
        written = await tx.execute(
            OPEN,
            {**about(case_id), **new(opened), **_entry(new_id(), "open", by, words, now), **start},
        )
        row = written.one()
        await case_changed(tx, row, "open", now)
        more = await self._besides(tx, brand, customer_ref, row, profile)
        return await show(tx, case_id) if more else to_view(row)

    async def command(
        self,
        tx: AsyncSession,
        *,
        brand_id: str,
        number: str,
        command: CaseCommand,
        body: CaseInput,
        by: str,
    ) -> CaseView:
        """Apply a command: validated, recorded, told to the workflow, answered at once.

        Raises:
            NotFoundError: The brand has no such case.
            RefusedTransitionError: The case is in a state in which this cannot be done.
            ConflictError: Data of a special category may not be processed without a consent, or the
                applicant asked to be answered by another way.
            InvalidInputError: The command lacks what it must say.
        """
        if command is CaseCommand.REPLY:
            # Whoever decides locks the customer first, then what is his.
            await self._lock_customer_of(tx, brand_id, number)
        case = await self._locked(tx, brand_id, number)
        profile, now = self._profile_of(case), self._clock.now()
        change = change_of(command, case, profile, body, now)
        stands = standing(
            profile,
            case,
            told=change.told,
            closure=body.closure,
            unaddressed=await self._is_unaddressed(tx, case, command),
        )
        state = next_state(CaseState(case.state), command, stands)
        await self._check_consent(tx, case, command)
        if command is CaseCommand.REPLY:
            await check_way(tx, case, body.way)
        return await self._write(
            tx, case, profile=profile, command=command, state=state, change=change, by=by
        )

    async def merge(
        self, tx: AsyncSession, *, brand_id: str, number: str, into: str, by: str, note: str = ""
    ) -> CaseView:
        """Conclude a duplicate: its applicant is told which record goes on.

        Raises:
            NotFoundError: The brand has no such case.
            InvalidInputError: A case cannot be merged into itself.
            ConflictError: The other has ended, or belongs to another applicant (E19).
        """
        if into == number:
            raise InvalidInputError("a case cannot be merged into itself", field="into")
        locked = {one: await self._locked(tx, brand_id, one) for one in sorted((number, into))}
        case, other = locked[number], locked[into]
        state = next_state(CaseState(case.state), CaseCommand.MERGE)
        if other.customer_id != case.customer_id:
            raise ConflictError(
                "the other case belongs to another applicant",
                code="other_applicant",
                hint="what one is told must not tell of the other",
            )
        if other.state in ENDED:
            raise ConflictError(
                "the other case has ended", code="other_ended", hint="reopen it first"
            )
        change = Change(
            columns={
                "closure": Closure.MERGED.value,
                "merged_into": other.id,
                "resolved_at": self._clock.now(),
            },
            said={"into": into, "note": note},
        )
        profile = self._profile_of(case)
        return await self._write(
            tx, case, profile=profile, command=CaseCommand.MERGE, state=state, change=change, by=by
        )

    async def conclude_assessment(
        self, tx: AsyncSession, case: Row[Any], said: Mapping[str, object], *, by: str
    ) -> CaseView:
        """Have a case count as assessed.

        Raises:
            RefusedTransitionError: It has not been concluded, or was assessed before.
        """
        state = next_state(CaseState(case.state), CaseCommand.ASSESS)
        change = Change(columns={}, said=said)
        profile = self._profile_of(case)
        return await self._write(
            tx, case, profile=profile, command=CaseCommand.ASSESS, state=state, change=change, by=by
        )

    async def locked(self, tx: AsyncSession, brand_id: str, number: str) -> Row[Any]:
        """Lock a case and read it.

        Raises:
            NotFoundError: The brand has no such case.
        """
        return await self._locked(tx, brand_id, number)

    def profile(self, channel: str) -> IntakeProfile | None:
        """Return the profile of a channel, open or not; None if it was removed."""
        return self._profiles.get(channel)

    async def _write(
        self,
        tx: AsyncSession,
        case: Row[Any],
        *,
        profile: IntakeProfile,
        command: CaseCommand,
        state: CaseState,
        change: Change,
        by: str,
    ) -> CaseView:
        now = self._clock.now()
        columns = {**kept(case), **change.columns}
        if state.value != case.state or command is CaseCommand.REPLY:
            columns |= {"state": state, "state_at": now, "reminded_at": None}
        gone = await self._follow_up(
            tx, case, profile=profile, command=command, state=state, change=change
        )
        if gone:
            columns["unreachable_at"] = now
        if command is CaseCommand.REOPEN:
            brand = await read_brand(tx, case.brand_id)
            columns["warn_at"], columns["due_at"] = deadlines(profile, brand, now, self._speed)
        entry_id = new_id()
        entry = _entry(entry_id, command.value, by, change.said, now)
        values = {**about(case.id), **new(columns), **entry}
        looks = await self._looks(
            tx, case, profile=profile, command=command, columns=columns, gone=gone
        )
        if looks is None:
            row = (await tx.execute(CHANGE, values)).one()
            await case_changed(tx, row, command.value, now)
            return to_view(row)
        kind, body = looks
        news = item(
            brand_id=case.brand_id,
            kind=kind,
            workflow_id=workflow_of(case.id, int(str(columns["round"]))),
            body=body,
            now=now,
        )
        row = (await tx.execute(CHANGE_AND_TELL, {**values, **news})).one()
        await case_changed(tx, row, command.value, now)
        if command is CaseCommand.REPLY and change.said["way"] == ReplyWay.EMAIL:
            await self._reply(tx, case.id, entry_id, str(change.said["text"]))
            return await show(tx, case.id)
        if state is CaseState.RESOLVED and profile.survey_after is not None:
            await self._ask_later(tx, row, profile, now)
        return to_view(row)

    async def _follow_up(
        self,
        tx: AsyncSession,
        case: Row[Any],
        *,
        profile: IntakeProfile,
        command: CaseCommand,
        state: CaseState,
        change: Change,
    ) -> bool:
        """Bring the call task of a case in line; say whether its applicant is unreachable now."""
        if command is CaseCommand.CALL:
            return await self._count(tx, case, profile, change)
        if state in ENDED or command in {CaseCommand.REROUTE, CaseCommand.ROUTE}:
            first = profile.first_contact is FirstContact.CALL and case.contacted_at is None
            if state in ENDED or not first:
                await self._calls.end(tx, case.id, TaskState.CANCELLED)
        if command is CaseCommand.ANSWER and informing(profile, case) is Informing.CALL:
            await self._calls.end(tx, case.id, TaskState.CANCELLED)
            await self._calls.owe(tx, case, Purpose.INFORM)
        return False

    async def _count(
        self, tx: AsyncSession, case: Row[Any], profile: IntakeProfile, change: Change
    ) -> bool:
        first = owes_contact(profile, case)
        owed = first or informing(profile, case) is Informing.CALL
        fulfilled = change.told or (first and "contacted_at" in change.columns)
        if owed and not fulfilled and case.state not in ENDED:
            await self._calls.owe(tx, case, Purpose.FIRST_CONTACT if first else Purpose.INFORM)
        outcome = CallOutcome(str(change.said["outcome"]))
        return await self._calls.count(tx, case, outcome, fulfilled=fulfilled or not owed)

    async def _looks(
        self,
        tx: AsyncSession,
        case: Row[Any],
        *,
        profile: IntakeProfile,
        command: CaseCommand,
        columns: Mapping[str, Any],
        gone: bool,
    ) -> tuple[OutboxKind, dict[str, object]] | None:
        """Return what the workflow is told; None if it goes on as it knows."""
        vain = await self._calls.vain_until(tx, case) if command is CaseCommand.CALL else None
        look_at = next_look(columns, profile, self._speed, vain)
        state = CaseState(columns["state"])
        if command is CaseCommand.ASSESS:
            return None
        if command is CaseCommand.REOPEN:
            brand = await read_brand(tx, case.brand_id)
            body = _start(case.id, brand.name, {**columns, "channel": case.channel}, look_at)
            return OutboxKind.CASE_OPENED, body
        if gone or command is CaseCommand.REPLY:
            look_at = self._clock.now()
        elif state.value == case.state and vain is None:
            return None
        body = {"case_id": case.id, "state": state.value, "look_at": _written(look_at)}
        return OutboxKind.CASE_CHANGED, body

    async def _is_unaddressed(self, tx: AsyncSession, case: Row[Any], command: CaseCommand) -> bool:
        """Say whether what is sent at the end would reach nobody, though something is (E43)."""
        if command is not CaseCommand.RESOLVE:
            return False
        channels = self._notices.channels_of(case, Moment.RESOLVED)
        return bool(channels) and not await is_on(tx, case.customer_id, channels)

    async def _reply(self, tx: AsyncSession, case_id: str, entry_id: str, text: str) -> None:
        """Send a reply as an e-mail; a letter is printed instead (see case_letters)."""
        case = (await tx.execute(CASE, {"the_case": case_id})).one()
        profile = self._profile_of(case)
        brand = await read_brand(tx, case.brand_id)
        customer = await lock_customer_by_id(tx, case.customer_id)
        if not any(
            point.channel is Channel.EMAIL and not point.bad_reason
            for point in customer.contact_points
        ):
            raise ConflictError(
                "no e-mail address of the applicant is known",
                code="address_unknown",
                hint="put it on the customer, or reply by letter",
            )
        if not profile.notices.get(Moment.REPLIED):
            raise ConflictError(
                f"the profile of {case.channel!r} has no text for a reply",
                code="no_reply_text",
                hint="name a topic at notices.replied, or reply by letter",
            )
        await self._notices.tell(
            tx, brand, customer, case, Moment.REPLIED, nth=entry_id, said={"reply": text}
        )

    async def _ask_later(
        self, tx: AsyncSession, case: Row[Any], profile: IntakeProfile, now: datetime
    ) -> None:
        """Have the applicant asked for his opinion when some time has passed (E20)."""
        asked = {Closure.RESOLVED, Closure.ACTION_TAKEN, Closure.INFORMATION_GIVEN}
        if profile.survey_after is None or case.closure not in asked:
            return
        brand = await read_brand(tx, case.brand_id)
        await enqueue(
            tx,
            brand_id=case.brand_id,
            kind=OutboxKind.CASE_SURVEYED,
            workflow_id=survey_of(case),
            body={"case_id": case.id, "brand": brand.name, "channel": case.channel},
            now=now,
            due_at=now + profile.survey_after / self._speed,
        )

    async def _besides(
        self,
        tx: AsyncSession,
        brand: Brand,
        customer_ref: str,
        case: Row[Any],
        profile: IntakeProfile,
    ) -> bool:
        """Do what a new case asks for besides; say whether there is more to show of it now."""
        if profile.privacy_notice is not None:
            await self._show_notice(tx, brand, customer_ref, case, profile)
        if case.state in ENDED:
            await self._ask_later(tx, case, profile, case.opened_at)
            return False
        if profile.first_contact is FirstContact.CALL:
            await self._calls.owe(tx, case, Purpose.FIRST_CONTACT)
        if not profile.notices.get(Moment.INSTANT):
            return False
        customer = await lock_customer_by_id(tx, case.customer_id)
        await self._notices.tell(tx, brand, customer, case, Moment.INSTANT)
        return True

    async def _show_notice(
        self,
        tx: AsyncSession,
        brand: Brand,
        customer_ref: str,
        case: Row[Any],
        profile: IntakeProfile,
    ) -> None:
        """Record that the privacy notice was shown, as it always is over this channel (E15)."""
        if profile.privacy_notice is None:
            return
        locale = select(_customers.c.locale).where(_customers.c.id == case.customer_id)
        language = str((await tx.execute(locale)).scalar_one()).split("-")[0]
        shown = NoticeInput(
            notice=profile.privacy_notice.notice,
            version=profile.privacy_notice.version,
            language=language,
            way=profile.privacy_notice.way,
            details={"case": case.number},
        )
        await self._shown.record(tx, brand.id, customer_ref, shown, by="tellal")

    async def _check_consent(self, tx: AsyncSession, case: Row[Any], command: CaseCommand) -> None:
        """Refuse to process data of a special category without a signed consent (E15, E34)."""
        if not case.special_category or command not in _PROCESSES:
            return
        ref = select(_customers.c.ref).where(_customers.c.id == case.customer_id)
        known_as = str((await tx.execute(ref)).scalar_one())
        if not await self._consents.allows(tx, case.brand_id, known_as, case.special_category):
            raise ConflictError(
                f"cannot {command}: data on {CATEGORIES[case.special_category]} are processed only "
                "with a signed explicit consent",
                code="explicit_consent_missing",
                hint="record it at /v1/customers/{ref}/explicit-consents; the case stays on record",
            )

    def _profile(self, channel: str) -> IntakeProfile:
        profile = self._profiles.get(channel)
        if profile is None:
            known = ", ".join(sorted(self._profiles))
            raise InvalidInputError(
                f"no intake channel {channel!r}", field="channel", hint=f"one of: {known}"
            )
        if not profile.enabled:
            raise ConflictError(
                f"the intake channel {profile.name} is not open yet",
                code="channel_disabled",
                hint="apply over another channel: "
                + ", ".join(sorted(one.id for one in self._profiles.values() if one.enabled)),
            )
        return profile

    def _profile_of(self, case: Row[Any]) -> IntakeProfile:
        profile = self._profiles.get(case.channel)
        if profile is None:
            raise ConflictError(
                f"the profile of {case.channel!r} was removed", code="profile_missing"
            )
        return profile

    async def _locked(self, tx: AsyncSession, brand_id: str, number: str) -> Row[Any]:
        found = await tx.execute(LOCK, {"brand": brand_id, "of_number": number})
        case = found.one_or_none()
        if case is None:
            raise NotFoundError(f"no case {number!r}")
        return case

    async def _lock_customer_of(self, tx: AsyncSession, brand_id: str, number: str) -> None:
        whose = select(_cases.c.customer_id).where(
            _cases.c.brand_id == brand_id, _cases.c.number == number
        )
        customer_id = (await tx.execute(whose)).scalar_one_or_none()
        if customer_id is not None:
            await lock_customer_by_id(tx, customer_id)


def _check(profile: IntakeProfile, said: Particulars) -> None:
    """Refuse what a channel does not take, and what lacks that it asks for."""
    for field in profile.requires:
        if not getattr(said, field.value):
            raise InvalidInputError(
                f"{profile.name} asks for {field.value}", field=field.value, hint="name it"
            )
    if said.reply_by is not None and profile.reply is not ReplyBy.CHOSEN:
        raise InvalidInputError(
            f"over {profile.name} the applicant does not choose how he is answered",
            field="reply_by",
            hint="leave it out: he is called where the case was routed",
        )
    if said.special_category and said.special_category not in CATEGORIES:
        raise InvalidInputError(
            f"no special category {said.special_category!r}",
            field="special_category",
            hint=f"one of: {', '.join(CATEGORIES)}",
        )
    if said.information and not profile.informs_at_once:
        raise ConflictError(
            f"over {profile.name} a case is not concluded on the spot",
            code="not_informed_at_once",
            hint="open it without `information`, and resolve it",
        )


def _start(
    case_id: str, brand: str, case: Mapping[str, Any], look_at: datetime | None
) -> dict[str, object]:
    return {
        "case_id": case_id,
        "brand": brand,
        "channel": case["channel"],
        "state": CaseState(case["state"]).value,
        "look_at": _written(look_at),
    }


def _written(at: datetime | None) -> str:
    return at.isoformat() if at else ""


def _entry(
    entry_id: str, command: str, by: str, body: Mapping[str, object], now: datetime
) -> dict[str, object]:
    """Return the values of a line of the history."""
    return {
        "entry_id": entry_id,
        "entry_command": command,
        "entry_by": by,
        "entry_body": dict(body),
        "entry_at": now,
    }
