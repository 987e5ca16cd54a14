"""Calls that people of the call centre make: kept, claimed after a look at consent, told of.

Whether somebody may be called is asked when it is decided, when the message is handed over, and
once more here, in the transaction in which an agent is shown the number: between these, days may
pass.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, Select, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from rules.calendars import working_in
from rules.profiles import CallPlan
from tellal.clock import Clock
from tellal.domain.calls import AGENTS, TaskState, may_call_at
from tellal.domain.cases import CallOutcome
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.consents import ConsentChannel, Source
from tellal.domain.customers import Brand, ConsentState
from tellal.domain.errors import ConflictError, NotFoundError
from tellal.domain.messages import MessageState, OutcomeState, OutgoingMessage, Remedy
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import read_customers
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import MessageRow, OutcomeRow
from tellal.persistence.tables.operations import AgentCallRow
from tellal.services.case_duties import HALF_DAY_ENDS
from tellal.services.consent_standing import agreements
from tellal.services.consents import ConsentInput, Consents
from tellal.services.moves import Move
from tellal.services.progress import Progress

_calls = table(AgentCallRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_customers = table(CustomerRow)

_PLAN = CallPlan()
"""In which hours and how often people are called; the same as for applicants."""
_UNDER_WAY = (MessageState.ACCEPTED.value, MessageState.SENT.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCall:
    """A call as agents see it; `number` and `script` only for whom has claimed it.

    `reason` says why nobody is to call any more, where the state is `cancelled`.
    """

    id: str
    message: str
    customer_ref: str
    topic: str
    message_class: str
    language: str
    state: str
    reason: str
    number: str
    script: str
    tries: int
    last_outcome: str
    claimed_by: str
    claimed_until: datetime | None
    not_before: datetime
    expires_at: datetime
    created_at: datetime
    ended_at: datetime | None


async def owe(sessions: Sessions, clock: Clock, message: OutgoingMessage) -> str:
    """Keep a call that is to be made, once for each attempt of its message; return its id."""
    now = clock.now()
    whose = select(_messages.c.brand_id, _messages.c.customer_id)
    async with sessions() as tx, tx.begin():
        row = (await tx.execute(whose.where(_messages.c.id == message.id))).one()
        made = pg_insert(_calls).values(
            id=new_id(),
            brand_id=row.brand_id,
            customer_id=row.customer_id,
            message_id=message.id,
            attempt=message.attempt,
            state=TaskState.OPEN.value,
            reason="",
            script=message.text,
            language=message.language,
            last_outcome="",
            claimed_by="",
            tries=0,
            not_before=now,
            created_at=now,
        )
        await tx.execute(made.on_conflict_do_nothing())
        kept = select(_calls.c.id).where(
            _calls.c.message_id == message.id, _calls.c.attempt == message.attempt
        )
        return str((await tx.execute(kept)).scalar_one())


class AgentDesk:
    """Gives calls to agents, and has what follows from how they went."""

    def __init__(self, clock: Clock, progress: Progress, consents: Consents) -> None:
        self._clock = clock
        self._progress = progress
        self._consents = consents

    async def page(
        self,
        tx: AsyncSession,
        brand_id: str,
        *,
        state: TaskState | None = None,
        due: bool = False,
        after: str = "",
        limit: int = 50,
    ) -> tuple[AgentCall, ...]:
        """List calls in the order of their making; `due` are those that may be made now."""
        now = self._clock.now()
        query = _shown().where(_calls.c.brand_id == brand_id, _calls.c.id > after)
        mine = and_(_calls.c.state == TaskState.CLAIMED.value, _calls.c.claimed_until > now)
        if state is TaskState.CLAIMED:
            query = query.where(mine)
        elif state is TaskState.OPEN:
            query = query.where(_calls.c.ended_at.is_(None), ~func.coalesce(mine, False))
        elif state is not None:
            query = query.where(_calls.c.state == state.value)
        if due:
            query = query.where(
                _calls.c.ended_at.is_(None),
                _calls.c.not_before <= now,
                _messages.c.state.in_(_UNDER_WAY),
                _messages.c.expires_at > now,
                or_(_calls.c.claimed_until.is_(None), _calls.c.claimed_until <= now),
            )
        rows = await tx.execute(query.order_by(_calls.c.id).limit(limit))
        return tuple(_view(row, now) for row in rows)

    async def view(self, tx: AsyncSession, brand_id: str, call_id: str) -> AgentCall:
        """Show a call, without number and script.

        Raises:
            NotFoundError: The brand has no such call.
        """
        return _view(await self._read(tx, brand_id, call_id), self._clock.now())

    async def claim(self, tx: AsyncSession, brand: Brand, call_id: str, *, by: str) -> AgentCall:
        """Give a call to an agent for a while, if the person may be called now.

        If he may not, the call is over: it is shown as cancelled, with the reason and no number.

        Raises:
            NotFoundError: The brand has no such call.
            ConflictError: It is over, another agent has it, or nobody is called at this hour.
        """
        row, now = await self._read(tx, brand.id, call_id, lock=True), self._clock.now()
        self._check_free(row, by, now)
        self._check_hour(row, brand, now)
        reason, number = await self._may_call(tx, row, now)
        if reason:
            await self._end(tx, row, TaskState.CANCELLED, reason=reason)
            state = MessageState.EXPIRED if reason == "expired" else MessageState.CANCELLED
            await self._move(tx, row, state, reason)
            return await self.view(tx, brand.id, call_id)
        await self._set(
            tx,
            call_id,
            state=TaskState.CLAIMED.value,
            claimed_by=by,
            claimed_until=now + _PLAN.lease,
        )
        return _view(await self._read(tx, brand.id, call_id), now, number=number)

    async def release(self, tx: AsyncSession, brand: Brand, call_id: str, *, by: str) -> AgentCall:
        """Give a call back.

        Raises:
            NotFoundError: The brand has no such call.
            ConflictError: It is over, or another agent has it.
        """
        row = await self._read(tx, brand.id, call_id, lock=True)
        self._check_free(row, by, self._clock.now())
        await self._set(tx, call_id, state=TaskState.OPEN.value, claimed_by="", claimed_until=None)
        return await self.view(tx, brand.id, call_id)

    async def tell(
        self, tx: AsyncSession, brand: Brand, call_id: str, outcome: CallOutcome, *, by: str
    ) -> AgentCall:
        """Tell how a call went, by who has claimed it.

        Whoever says that he does not want to be called is called no more: that is a refusal of
        calls, and stands in the ledger of consents with the call for its evidence.

        Raises:
            NotFoundError: The brand has no such call.
            ConflictError: It is over, or whoever tells has not claimed it.
        """
        row, now = await self._read(tx, brand.id, call_id, lock=True), self._clock.now()
        self._check_free(row, by, now)
        if not (_is_claimed(row, now) and row.claimed_by == by):
            raise ConflictError(
                "claim the call before you make it", code="not_claimed", hint="POST …/claim"
            )
        await self._set(tx, call_id, tries=row.tries + 1, last_outcome=outcome.value)
        match outcome:
            case CallOutcome.REACHED | CallOutcome.REFUSED:
                await self._end(tx, row, TaskState.DONE)
                await self._move(tx, row, MessageState.DELIVERED, outcome.value)
            case CallOutcome.WRONG_NUMBER:
                await self._end(tx, row, TaskState.UNREACHABLE)
                await self._move(tx, row, MessageState.FAILED, outcome.value, Remedy.BAD_ADDRESS)
            case CallOutcome.NO_ANSWER | CallOutcome.BUSY:
                await self._not_reached(tx, row, outcome, now)
        if outcome is CallOutcome.REFUSED:
            await self._refuse(tx, brand, row, by)
        return await self.view(tx, brand.id, call_id)

    async def _not_reached(
        self, tx: AsyncSession, row: Row[Any], outcome: CallOutcome, now: datetime
    ) -> None:
        again = now + _PLAN.retry
        if row.tries + 1 < _PLAN.attempts and again < row.expires_at:
            await self._set(
                tx,
                row.id,
                state=TaskState.OPEN.value,
                claimed_by="",
                claimed_until=None,
                not_before=again,
            )
            return
        await self._end(tx, row, TaskState.UNREACHABLE)
        await self._move(tx, row, MessageState.UNDELIVERED, outcome.value, Remedy.NEXT_CHANNEL)

    async def _refuse(self, tx: AsyncSession, brand: Brand, row: Row[Any], by: str) -> None:
        await self._consents.record(
            tx,
            brand=brand,
            ref=row.ref,
            said=ConsentInput(
                channel=ConsentChannel.CALL,
                state=ConsentState.REFUSED,
                source=Source.HS_CAGRI_MERKEZI.value,
                evidence={"call": row.id, "message": row.message_id, "agent": by},
            ),
            by=by,
        )

    async def _may_call(self, tx: AsyncSession, row: Row[Any], now: datetime) -> tuple[str, str]:
        """Return why the person must not be called (empty: he may), and his number."""
        if row.expires_at <= now:
            return "expired", ""
        if row.message_state not in _UNDER_WAY or row.outcome_state != OutcomeState.OPEN.value:
            return "not_wanted", ""
        customer = (await read_customers(tx, [row.customer_id]))[row.customer_id]
        message_class = MessageClass(row.message_class)
        unwanted = customer.wishes.against(row.topic, message_class)
        if unwanted:
            return unwanted, ""
        if message_class is MessageClass.COMMERCIAL:
            purposes = tuple(row.purposes or ())
            said = await agreements(tx, [customer], purposes, now)
            granted = said[customer.id].get(Channel.CALL)
            free = Channel.CALL.value in (row.without_consent or ())
            if not (granted is not False if free else granted is True):
                return "no_consent", ""
        points = (one for one in customer.contact_points if one.id == row.contact_point_id)
        point = next(points, None)
        if point is None or point.bad_reason:
            return "bad_address", ""
        blocked = point.block(message_class, now) is not None
        return ("blocked", "") if blocked else ("", point.address)

    def _check_free(self, row: Row[Any], by: str, now: datetime) -> None:
        if row.ended_at is not None:
            raise ConflictError(f"this call is {row.state}", code=f"call_{row.state}")
        if _is_claimed(row, now) and row.claimed_by != by:
            raise ConflictError(
                "another agent has this call",
                code="claimed_by_other",
                hint=f"until {row.claimed_until.isoformat()}",
            )

    def _check_hour(self, row: Row[Any], brand: Brand, now: datetime) -> None:
        opens = may_call_at(
            max(now, row.not_before),
            begin=_PLAN.begin,
            end=_PLAN.end,
            working=working_in(brand.country),
            zone=ZoneInfo(brand.timezone),
            half_ends=HALF_DAY_ENDS,
        )
        if opens > now:
            raise ConflictError(
                "nobody is called at this hour, or so soon after the last try",
                code="too_early",
                hint=f"call from {opens.isoformat()} on",
            )

    async def _read(
        self, tx: AsyncSession, brand_id: str, call_id: str, *, lock: bool = False
    ) -> Row[Any]:
        mine = (_calls.c.id == call_id) & (_calls.c.brand_id == brand_id)
        if lock:
            await tx.execute(select(_calls.c.id).where(mine).with_for_update(key_share=True))
        row: Row[Any] | None = (await tx.execute(_shown().where(mine))).one_or_none()
        if row is None:
            raise NotFoundError("no such call")
        return row

    async def _set(self, tx: AsyncSession, call_id: str, **values: object) -> None:
        await tx.execute(update(_calls).where(_calls.c.id == call_id).values(values))

    async def _end(
        self, tx: AsyncSession, row: Row[Any], state: TaskState, *, reason: str = ""
    ) -> None:
        await self._set(
            tx,
            row.id,
            state=state.value,
            reason=reason,
            script="",
            claimed_until=None,
            ended_at=self._clock.now(),
        )

    async def _move(
        self,
        tx: AsyncSession,
        row: Row[Any],
        state: MessageState,
        code: str,
        remedy: Remedy | None = None,
    ) -> None:
        move = Move(
            message_id=row.message_id,
            state=state,
            code="" if state is MessageState.DELIVERED else code,
            provider=AGENTS,
            remedy=remedy,
        )
        await self._progress.move(tx, [move])


def _shown() -> Select[Any]:
    return (
        select(
            _calls,
            _customers.c.ref,
            _messages.c.topic,
            _messages.c.message_class,
            _messages.c.contact_point_id,
            _messages.c.expires_at,
            _messages.c.state.label("message_state"),
            _outcomes.c.state.label("outcome_state"),
            _outcomes.c.plan["purposes"].label("purposes"),
            _outcomes.c.plan["without_consent"].label("without_consent"),
        )
        .join(_messages, _messages.c.id == _calls.c.message_id)
        .join(_outcomes, _outcomes.c.id == _messages.c.outcome_id)
        .join(_customers, _customers.c.id == _calls.c.customer_id)
    )


def _is_claimed(row: Row[Any], now: datetime) -> bool:
    return bool(row.claimed_by and row.claimed_until is not None and row.claimed_until > now)


def _view(row: Row[Any], now: datetime, *, number: str = "") -> AgentCall:
    lapsed = row.state == TaskState.CLAIMED.value and not _is_claimed(row, now)
    return AgentCall(
        id=row.id,
        message=row.message_id,
        customer_ref=row.ref,
        topic=row.topic,
        message_class=row.message_class,
        language=row.language,
        state=TaskState.OPEN.value if lapsed else row.state,
        reason=row.reason,
        number=number,
        script=row.script if number else "",
        tries=row.tries,
        last_outcome=row.last_outcome,
        claimed_by="" if lapsed else row.claimed_by,
        claimed_until=None if lapsed else row.claimed_until,
        not_before=row.not_before,
        expires_at=row.expires_at,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
