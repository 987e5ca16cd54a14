"""Who goes where a cap has room for one: the message of the higher priority, if none has left.

It takes the slot of a lower one that has not left, in one transaction. The lower one is decided
again, as if it had come later: by what the cap says it waits for the next free slot, or its journey
goes on without it. Both records say so. What somebody else is working on gives way to nobody.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from rules.rulebook import Rulebook
from rules.situations import zone_of
from tellal.clock import Clock
from tellal.domain.channels import Channel
from tellal.domain.customers import Customer
from tellal.domain.decisions import Value, Verdict
from tellal.persistence.bulk import among
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import DecisionRow, MessageRow
from tellal.services.asking import NOTHING, Answer, Asking, Circumstances
from tellal.services.history import Journey
from tellal.services.progress import Progress
from tellal.services.recording import decision_row
from tellal.services.reserving import Taken, lock_unsent, release, take
from tellal.services.slots import Newcomer, crowded_out

_decisions = table(DecisionRow)
_messages = table(MessageRow)

_LOOKS = 10
_BETWEEN_LOOKS_S = 0.02
"""A lane that looks at messages of a customer who is locked lets go of them in this time."""

_OF_MESSAGES = select(_messages).where(among(_messages.c.id))
_LAST_ASKED = (
    select(_decisions.c.asked)
    .where(_decisions.c.outcome_id == bindparam("of_outcome"), _decisions.c.asked.is_not(None))
    .order_by(_decisions.c.id.desc())
    .limit(1)
)
_ADD_TO_BODY = (
    update(_decisions)
    .where(_decisions.c.id == bindparam("decision"))
    .values(body=_decisions.c.body.op("||")(bindparam("more", type_=JSONB)))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message that has just been written, by which decision, and when it may go."""

    message_id: str
    decision_id: str
    answer: Answer
    channel: Channel
    at: datetime


class Precedence:
    """Asks the rules with lower messages out of the way, and puts those off that have to be."""

    def __init__(self, asking: Asking, progress: Progress, clock: Clock) -> None:
        self._asking = asking
        self._progress = progress
        self._clock = clock

    async def ask(
        self,
        tx: AsyncSession,
        customer: Customer,
        topic_id: str,
        at: datetime,
        *,
        around: Circumstances = NOTHING,
        own: Journey | None = None,
        simulated: bool = False,
        book: Rulebook | None = None,
    ) -> Answer:
        """Decide about a customer whose row the caller has locked, and lock what may give way.

        Raises:
            InvalidInputError: The rulebook has no such topic.
        """
        locked: set[str] = set()
        firm: set[str] = set()
        while True:
            answer = await self._asking.ask(
                tx,
                customer,
                topic_id,
                at,
                around=around,
                own=own,
                firm=firm,
                simulated=simulated,
                book=book,
            )
            loose = {slot.message_id for slot in answer.below} - locked
            if answer.decision.verdict is Verdict.SUPPRESS or not loose:
                return answer
            locked |= await _lock(tx, loose)
            stuck = loose - locked
            if not stuck:
                return answer
            # They have left, or somebody is at them: ask again, with their slots taken.
            firm |= stuck

    async def make_way(self, tx: AsyncSession, customer: Customer, arrival: Arrival) -> None:
        """Put off, or end, what has to give way to a message; its slots are written already."""
        now = self._clock.now()
        decisions = {arrival.message_id: arrival.decision_id}
        displaced: dict[str, list[dict[str, str]]] = {}
        way = dict.fromkeys(self._crowded_out(arrival, customer), arrival.message_id)
        while way:
            await release(tx, way, now)
            rows = (await tx.execute(_OF_MESSAGES, {"among": list(way)})).all()
            # The highest first; `priority` is stored with its sign turned, so that it sorts.
            row = min(rows, key=lambda one: (one.priority, one.not_before, one.id))
            by = way.pop(row.id)
            again = await self._decide_again(tx, customer, row, by, arrival.answer.book)
            if again is None or again.at > max(now, row.not_before):
                displaced.setdefault(by, []).append({"message": row.id, "topic": row.topic})
            if again is not None:
                decisions[row.id] = again.decision_id
                way |= dict.fromkeys(self._crowded_out(again, customer), row.id)
        for by, them in displaced.items():
            more = {"displaced": them}
            await tx.execute(_ADD_TO_BODY, {"decision": decisions[by], "more": more})

    def _crowded_out(self, arrival: Arrival, customer: Customer) -> tuple[str, ...]:
        answer = arrival.answer
        if not answer.below:
            return ()
        mine = {use.cap for use in answer.decision.cap_uses if use.channel is arrival.channel}
        caps = [cap for cap in answer.book.caps_of(answer.decision.topic) if cap.id in mine]
        return crowded_out(
            Newcomer(caps=caps, at=arrival.at),
            answer.question.cap_uses,
            answer.below,
            zone_of(customer.timezone),
        )

    async def _decide_again(
        self, tx: AsyncSession, customer: Customer, row: Row[Any], by: str, book: Rulebook
    ) -> Arrival | None:
        """Decide a message again whose slot was taken; None if it ends."""
        now = self._clock.now()
        if row.topic not in book.topics:
            await self._progress.displace(tx, row.id, by=by, until=None)
            return None
        answer = await self.ask(
            tx,
            customer,
            row.topic,
            now,
            around=await _as_before(tx, row.outcome_id),
            own=Journey(outcome_id=row.outcome_id, tries=row.try_no),
            simulated=row.simulated,
            book=book,
        )
        step = next((one for one in answer.decision.steps if one.channel == row.channel), None)
        at = None if step is None else max(now, row.not_before, step.not_before)
        stays = at == max(now, row.not_before)
        decision_id = ""
        if not stays:
            decision_id = await _record(tx, answer, row, by)
            until = at if at is not None and at < row.expires_at else None
            await self._progress.displace(tx, row.id, by=by, until=until)
            at = until
        if at is None:
            return None
        channel = Channel(row.channel)
        uses = [use.cap for use in answer.decision.cap_uses if use.channel is channel]
        await take(
            tx,
            [
                Taken(customer_id=customer.id, cap=cap, message_id=row.id, used_at=at)
                for cap in uses
            ],
        )
        return Arrival(
            message_id=row.id, decision_id=decision_id, answer=answer, channel=channel, at=at
        )


async def _lock(tx: AsyncSession, message_ids: Collection[str]) -> set[str]:
    """Lock what has not left, waiting for a moment but never for a lock: no dead-lock is possible.

    Lanes claim nothing of a customer who is locked, so that what they look at is free again soon.
    """
    locked: set[str] = set()
    for look in range(_LOOKS):
        if look:
            await asyncio.sleep(_BETWEEN_LOOKS_S)
        locked |= await lock_unsent(tx, set(message_ids) - locked)
        if locked >= set(message_ids):
            break
    return locked


async def _as_before(tx: AsyncSession, outcome_id: str) -> Circumstances:
    """Return what a message was decided by besides the customer: the event's facts, the case's."""
    asked = (await tx.execute(_LAST_ASKED, {"of_outcome": outcome_id})).scalar_one_or_none()
    stored: Mapping[str, Any] = {} if asked is None else asked["document"]
    around: dict[str, Value] = {
        path: tuple(value) if isinstance(value, list) else value
        for path, value in stored.items()
        if not path.startswith("customer.")
    }
    until = stored.get("until")
    return Circumstances(
        document=around,
        unplanned=frozenset(Channel(name) for name in stored.get("unplanned", ())),
        until=None if until is None else datetime.fromisoformat(until),
    )


async def _record(tx: AsyncSession, answer: Answer, row: Row[Any], by: str) -> str:
    """Write down why a message lost its slot, and to which one."""
    topic = select(_messages.c.topic).where(_messages.c.id == by)
    values = decision_row(
        answer.decision,
        answer.question,
        brand_id=row.brand_id,
        customer_id=row.customer_id,
        simulated=row.simulated,
    )
    body = values["body"]
    if not isinstance(body, Mapping):
        raise TypeError("a decision's body is a mapping")
    taken = {"message": by, "topic": (await tx.execute(topic)).scalar_one()}
    await tx.execute(
        insert(_decisions).values(
            **values | {"body": {**body, "displaced_by": taken}}, outcome_id=row.outcome_id
        )
    )
    return str(values["id"])
