"""One look at one outcome: wait, take the next channel, ask the rules again, or end."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.decide import UNWANTED_WORDS
from rules.rulebook import Rulebook
from rules.standing import converted
from tellal.domain.customers import Brand, Customer
from tellal.domain.decisions import PlanStep, Verdict
from tellal.domain.journeys import Step
from tellal.domain.messages import HANDED_OVER, LOST, UNSENT, MessageState, OutcomeState, tells
from tellal.domain.plans import Plan
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import DecisionRow, MessageRow, OutcomeRow
from tellal.services.asking import Answer, document, situation
from tellal.services.deciding import Deciding
from tellal.services.history import Journey
from tellal.services.moves import Move
from tellal.services.posting import Posting
from tellal.services.precedence import Arrival
from tellal.services.progress import Progress
from tellal.services.recording import decision_row

_decisions = table(DecisionRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)

_GRACE = timedelta(seconds=1)
"""Added to every wait, so that the ledger's own clock has surely passed the instant."""

_MAY_ARRIVE = HANDED_OVER | {MessageState.UNKNOWN}


BookOf = Callable[[str], Awaitable[Rulebook | None]]


@dataclass(frozen=True, kw_only=True)
class Look:
    """A look at one outcome by somebody who holds the locks of its customer and of itself.

    `stopped` says that its cause was: what is in a provider's hands is waited for, nothing follows.
    `book_of` finds the rules with which a journey began, if they were published.
    """

    deciding: Deciding
    progress: Progress
    tx: AsyncSession
    brand: Brand
    customer: Customer
    outcome: Row[Any]
    book_of: BookOf
    stopped: bool = False

    @property
    def _plan(self) -> Plan:
        return Plan.from_json(self.outcome.plan)

    @property
    def _now(self) -> datetime:
        return self.deciding.clock.now()

    async def take(self) -> Step:
        """Do what is due and say where the outcome stands."""
        if self.outcome.state != OutcomeState.OPEN:
            return self._ended(OutcomeState(self.outcome.state))
        if await self._converted():
            return await self._close_early("converted")
        query = (
            select(_messages)
            .where(_messages.c.outcome_id == self.outcome.id)
            .order_by(_messages.c.try_no, _messages.c.step)
        )
        messages = (await self.tx.execute(query)).all()
        if any(
            tells(message.state, message.receipts)
            for message in messages
            if message.try_no == messages[-1].try_no
        ):
            return await self._after_told(messages)
        return await self._after_silence(messages)

    async def _after_silence(self, messages: Sequence[Row[Any]]) -> Step:
        latest = messages[-1]
        state = MessageState(latest.state)
        if state in UNSENT or state is MessageState.HANDING_OVER:
            return await self._while_unsent(latest)
        if state is MessageState.UNKNOWN:
            return await self._while_unknown(latest)
        if state is MessageState.EXPIRED and latest.expires_at <= self._now:
            # Late on this channel is late on any.
            return await self._close_without_success(OutcomeState.EXPIRED, latest.code)
        if state in LOST or self._silent_too_long(latest):
            return await self._next_channel(messages)
        return self._waiting("waiting for a receipt", latest.silent_until)

    async def _converted(self) -> bool:
        """Ask what the journey began to wait for, of the facts as they are derived now."""
        book = self.deciding.asking.book
        began = await self.book_of(self._plan.revision) or book
        topic = began.topics.get(self.outcome.topic)
        if topic is None or topic.stop_when is None:
            return False
        known = document(self.customer, {})
        return converted(book, topic, known, situation(self.customer, self._now))

    async def _close_early(self, reason: str) -> Step:
        await self.progress.cancel_unsent(self.tx, [self.outcome.id], reason)
        query = select(func.count()).where(
            _messages.c.outcome_id == self.outcome.id, _messages.c.state.in_(list(HANDED_OVER))
        )
        spoken = (await self.tx.execute(query)).scalar_one()
        return await self._close(OutcomeState.TOLD if spoken else OutcomeState.CANCELLED, reason)

    async def _while_unsent(self, latest: Row[Any]) -> Step:
        if latest.expires_at <= self._now and latest.state in UNSENT:
            await self.progress.move(
                self.tx,
                [Move(message_id=latest.id, state=MessageState.EXPIRED, code="expired")],
            )
            return await self._close_without_success(OutcomeState.EXPIRED, "expired")
        stage = "deferred" if latest.state == MessageState.DEFERRED else "in the lane"
        patience = self._plan.steps[latest.step].patience
        return self._waiting(stage, min(latest.expires_at, latest.not_before + patience))

    async def _while_unknown(self, latest: Row[Any]) -> Step:
        if latest.check_at is not None:
            return self._waiting("reconciling", latest.check_at)
        return await self._close(OutcomeState.UNKNOWN, "no_answer")

    def _silent_too_long(self, latest: Row[Any]) -> bool:
        return latest.silent_until is not None and latest.silent_until <= self._now

    async def _after_told(self, messages: Sequence[Row[Any]]) -> Step:
        await self.progress.cancel_unsent(self.tx, [self.outcome.id], "told_otherwise")
        if self.outcome.tries >= self._plan.attempts:
            return await self._close(OutcomeState.TOLD, "")
        last = max(message.handed_at or message.created_at for message in messages)
        return await self._try_again_at(last + self._plan.every)

    async def _next_channel(self, messages: Sequence[Row[Any]]) -> Step:
        """Go on along the recorded plan: asking again may stop, defer or skip, never add."""
        latest = messages[-1]
        if self.stopped:
            return await self._close_stopped(messages)
        answer = await self._ask(tries=latest.try_no)
        decision = answer.decision
        if decision.verdict is Verdict.SUPPRESS:
            await self._record(answer)
            return await self._close_without_success(_given_up(latest), decision.reasons[0].code)
        allowed = {step.channel: step for step in decision.steps}
        for index in range(latest.step + 1, len(self._plan.steps)):
            step = allowed.get(self._plan.steps[index].channel)
            if step is not None:
                return await self._post(answer, step, index, self.outcome.tries)
        return await self._after_failure(messages)

    async def _close_stopped(self, messages: Sequence[Row[Any]]) -> Step:
        latest = MessageState(messages[-1].state)
        if latest is MessageState.CANCELLED:
            # He may have one that went before it.
            may_arrive = any(message.state in _MAY_ARRIVE for message in messages)
            state = OutcomeState.UNKNOWN if may_arrive else OutcomeState.CANCELLED
            return await self._close_without_success(state, "stopped")
        lost = latest in LOST
        return await self._close_without_success(
            OutcomeState.FAILED if lost else OutcomeState.UNKNOWN, "stopped"
        )

    async def _after_failure(self, messages: Sequence[Row[Any]]) -> Step:
        latest = messages[-1]
        if latest.state not in LOST:
            # Accepted and never confirmed: nobody knows, and nothing more is to be tried.
            return await self._close(OutcomeState.UNKNOWN, "no_receipt")
        if self.outcome.tries < self._plan.attempts:
            return await self._try_again_at(latest.state_at + self._plan.every)
        return await self._close_without_success(OutcomeState.FAILED, latest.code)

    async def _try_again_at(self, at: datetime) -> Step:
        """Ask the rules again before every further try (A07)."""
        if self.stopped:
            return await self._close_early("stopped")
        if at > self._now:
            return self._waiting("waiting for the next try", at)
        answer = await self._ask(tries=0)
        decision = answer.decision
        if decision.verdict is Verdict.SUPPRESS:
            await self._record(answer)
            return await self._close_early(decision.reasons[0].code)
        wanted = {step.channel for step in self._plan.steps}
        step = next((s for s in decision.steps if s.channel in wanted), None)
        if step is None:
            await self._record(answer)
            return await self._close_early("no_channel_left")
        index = next(i for i, s in enumerate(self._plan.steps) if s.channel is step.channel)
        tries = self.outcome.tries + 1
        await self.tx.execute(
            update(_outcomes).where(_outcomes.c.id == self.outcome.id).values(tries=tries)
        )
        return await self._post(answer, step, index, tries)

    async def _ask(self, *, tries: int) -> Answer:
        return await self.deciding.precedence.ask(
            self.tx,
            self.customer,
            self.outcome.topic,
            self._now,
            own=Journey(outcome_id=self.outcome.id, tries=tries),
            simulated=self._plan.simulated,
        )

    async def _record(self, answer: Answer) -> str:
        row = decision_row(
            answer.decision,
            answer.question,
            brand_id=self.brand.id,
            customer_id=self.customer.id,
            simulated=self._plan.simulated,
        )
        await self.tx.execute(insert(_decisions).values(**row, outcome_id=self.outcome.id))
        return str(row["id"])

    async def _post(self, answer: Answer, step: PlanStep, index: int, tries: int) -> Step:
        decision_id, uses = await self._record(answer), answer.decision.cap_uses
        posted = await self.deciding.posts.post(
            self.tx,
            self.brand,
            self.customer,
            Posting(
                outcome_id=self.outcome.id,
                cause_id=self.outcome.cause_id,
                topic=self.outcome.topic,
                plan=self._plan,
                step=index,
                try_no=tries,
                not_before=max(step.not_before, self._now),
                caps=[use.cap for use in uses if use.channel is step.channel],
            ),
            self._now,
        )
        arrival = Arrival(
            message_id=posted.message_id,
            decision_id=decision_id,
            answer=answer,
            channel=posted.channel,
            at=posted.at,
        )
        await self.deciding.precedence.make_way(self.tx, self.customer, arrival)
        patience = self._plan.steps[index].patience
        return self._waiting(
            f"trying {step.channel.value}", max(step.not_before, self._now) + patience
        )

    async def _close_without_success(self, state: OutcomeState, reason: str) -> Step:
        """Close an outcome whose last try failed; an earlier try may have told him."""
        query = select(func.count()).where(
            _messages.c.outcome_id == self.outcome.id,
            _messages.c.state == MessageState.DELIVERED,
        )
        told = (await self.tx.execute(query)).scalar_one()
        return await self._close(OutcomeState.TOLD if told else state, reason)

    async def _close(self, state: OutcomeState, reason: str) -> Step:
        await self.tx.execute(
            update(_outcomes)
            .where(_outcomes.c.id == self.outcome.id)
            .values(state=state, reason=reason, closed_at=self._now, check_at=None)
        )
        return self._ended(state)

    def _ended(self, state: OutcomeState) -> Step:
        return Step(
            outcome_id=self.outcome.id,
            state=state,
            stage=state.value,
            wait_until=None,
            rule=self._plan.rule,
            topic=self.outcome.topic,
            brand=self.brand.name,
        )

    def _waiting(self, stage: str, until: datetime | None) -> Step:
        return Step(
            outcome_id=self.outcome.id,
            state=OutcomeState.OPEN,
            stage=stage,
            wait_until=(until or self._now + self._plan.expires) + _GRACE,
            rule=self._plan.rule,
            topic=self.outcome.topic,
            brand=self.brand.name,
        )


def _given_up(latest: Row[Any]) -> OutcomeState:
    """Say how an outcome ends that nothing follows: what he did not want has not failed."""
    if latest.state == MessageState.CANCELLED and latest.code in UNWANTED_WORDS:
        return OutcomeState.CANCELLED
    return OutcomeState.FAILED if latest.state in LOST else OutcomeState.UNKNOWN
