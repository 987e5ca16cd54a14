"""Calls that people of the call centre make: kept, claimed after a look at consent, told of.

Whether somebody may be called is asked when it is decided, when the message is handed over, and
once more here, in the transaction in which an agent is shown the number: between these, days may
pass.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from rules.profiles import CallPlan
from tellal.clock import Clock
from tellal.domain.calls import AGENTS, TaskState
from tellal.domain.cases import CallOutcome
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.consents import ConsentChannel, Source
from tellal.domain.customers import Brand, ConsentState
from tellal.domain.errors import ConflictError
from tellal.domain.messages import MessageState, OutcomeState, OutgoingMessage, Remedy
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import read_customers
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import MessageRow
from tellal.persistence.tables.operations import AgentCallRow
from tellal.services.agent_call_views import UNDER_WAY, AgentCall, read, view
from tellal.services.call_claims import check_free, hours_from, is_claimed
from tellal.services.consent_standing import agreements
from tellal.services.consents import ConsentInput, Consents
from tellal.services.moves import Move
from tellal.services.progress import Progress

_calls = table(AgentCallRow)
_messages = table(MessageRow)

_PLAN = CallPlan()
"""In which hours and how often people are called; the same as for applicants."""


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

    async def claim(self, tx: AsyncSession, brand: Brand, call_id: str, *, by: str) -> AgentCall:
        """Give a call to an agent for a while, if the person may be called now.

        If he may not, the call is over: it is shown as cancelled, with the reason and no number.

        Raises:
            NotFoundError: The brand has no such call.
            ConflictError: It is over, another agent has it, or nobody is called at this hour.
        """
        row, now = await read(tx, brand.id, call_id, lock=True), self._clock.now()
        self._check_free(row, by, now)
        self._check_hour(row, brand, now)
        reason, number = await self._may_call(tx, row, now)
        if reason:
            await self._end(tx, row, TaskState.CANCELLED, reason=reason)
            state = MessageState.EXPIRED if reason == "expired" else MessageState.CANCELLED
            await self._move(tx, row, state, reason)
            return await self._shown(tx, brand.id, call_id)
        await self._set(
            tx,
            call_id,
            state=TaskState.CLAIMED.value,
            claimed_by=by,
            claimed_until=now + _PLAN.lease,
        )
        return view(await read(tx, brand.id, call_id), now, number=number)

    async def release(self, tx: AsyncSession, brand: Brand, call_id: str, *, by: str) -> AgentCall:
        """Give a call back.

        Raises:
            NotFoundError: The brand has no such call.
            ConflictError: It is over, or another agent has it.
        """
        row = await read(tx, brand.id, call_id, lock=True)
        self._check_free(row, by, self._clock.now())
        await self._set(tx, call_id, state=TaskState.OPEN.value, claimed_by="", claimed_until=None)
        return await self._shown(tx, brand.id, call_id)

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
        row, now = await read(tx, brand.id, call_id, lock=True), self._clock.now()
        self._check_free(row, by, now)
        if not (is_claimed(row, now) and row.claimed_by == by):
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
        return await self._shown(tx, brand.id, call_id)

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
        if row.message_state not in UNDER_WAY or row.outcome_state != OutcomeState.OPEN.value:
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
        check_free(row, by, now, what="call", who="agent")

    def _check_hour(self, row: Row[Any], brand: Brand, now: datetime) -> None:
        begins = max(now, row.not_before)
        opens = hours_from(begins, _PLAN, country=brand.country, timezone=brand.timezone)
        if opens > now:
            raise ConflictError(
                "nobody is called at this hour, or so soon after the last try",
                code="too_early",
                hint=f"call from {opens.isoformat()} on",
            )

    async def _shown(self, tx: AsyncSession, brand_id: str, call_id: str) -> AgentCall:
        return view(await read(tx, brand_id, call_id), self._clock.now())

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
