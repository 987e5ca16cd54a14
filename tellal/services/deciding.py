"""Decides about one customer and writes everything that follows into the ledger, at once.

Decision, cause, outcome, cap slots, message and the workflow's start are one transaction.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, insert, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert

from tellal.clock import Clock
from tellal.domain.customers import Brand, Customer
from tellal.domain.decisions import Decision
from tellal.domain.outbox import OutboxKind
from tellal.domain.plans import Plan
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import CauseRow, DecisionRow, OutcomeRow
from tellal.services.asking import Asking
from tellal.services.entries import Entry, Matter, first_posting, outcome_row, plan_of
from tellal.services.outbox import enqueue
from tellal.services.posting import Posted, Posts
from tellal.services.precedence import Arrival, Precedence
from tellal.services.recording import decision_row

_causes = table(CauseRow)
_outcomes = table(OutcomeRow)
_decisions = table(DecisionRow)


def _writing_outcome() -> ReturningInsert[Any]:
    # An earlier journey to the same end that did not reach the person is taken up again.
    statement = pg_insert(_outcomes)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["cause_id", "customer_id"],
        set_={
            "state": new.state,
            "reason": new.reason,
            "closed_at": new.closed_at,
            "plan": new.plan,
            "tries": _outcomes.c.tries + new.tries,
            "workflow_id": new.workflow_id,
        },
    ).returning(_outcomes)


_WRITE_OUTCOME = _writing_outcome()
_WRITE_CAUSE = pg_insert(_causes).on_conflict_do_nothing().returning(_causes.c.id)
_FIND_CAUSE = select(_causes.c.id).where(
    _causes.c.brand_id == bindparam("of_brand"), _causes.c.key == bindparam("of_key")
)
_WRITE_DECISION = insert(_decisions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision as it stands in the ledger, with what was written for it."""

    id: str
    decision: Decision
    outcome: Row[Any] | None = None
    posted: Posted | None = None
    digest_id: str | None = None

    @property
    def outcome_id(self) -> str | None:
        """The outcome's id, if there is one."""
        return None if self.outcome is None else str(self.outcome.id)


class Deciding:
    """Asks the rules and writes the answer down.

    `speed` divides every wait that rules order (patience, the time between tries): a rehearsal of
    a month in minutes. It is 1 in earnest.
    """

    def __init__(
        self,
        asking: Asking,
        precedence: Precedence,
        posts: Posts,
        clock: Clock,
        *,
        speed: float = 1.0,
    ) -> None:
        self.asking = asking
        self.precedence = precedence
        self.posts = posts
        self.clock = clock
        self.speed = speed

    async def decide(
        self, tx: AsyncSession, brand: Brand, customer: Customer, matter: Matter
    ) -> Decided:
        """Decide about a customer whose row the caller has locked.

        Raises:
            InvalidInputError: The rulebook has no such topic.
        """
        now, book = self.clock.now(), self.asking.book
        answer = await self.precedence.ask(
            tx,
            customer,
            matter.topic,
            now,
            around=matter.around,
            simulated=matter.simulated,
            book=book,
        )
        decision = answer.decision
        entry = Entry(
            tx=tx,
            brand=brand,
            customer=customer,
            topic=book.topics[matter.topic],
            matter=matter,
            answer=answer,
            now=now,
        )
        if entry.silent and entry.of_events:
            # An event that leads to nothing leaves a decision, and no outcome.
            return Decided(id=await _write_decision(entry, None), decision=decision)
        outcome = await self._outcome(entry, matter.cause_id or await _cause(entry))
        decision_id = await _write_decision(entry, outcome.id)
        if entry.silent:
            return Decided(id=decision_id, decision=decision, outcome=outcome)
        if matter.workflow_id is None:
            await _start_nudge(entry, outcome)
        posted = await self._post_first(entry, outcome)
        arrival = Arrival(
            message_id=posted.message_id,
            decision_id=decision_id,
            answer=answer,
            channel=posted.channel,
            at=posted.at,
        )
        await self.precedence.make_way(tx, customer, arrival)
        return Decided(id=decision_id, decision=decision, outcome=outcome, posted=posted)

    async def _outcome(self, entry: Entry, cause_id: str) -> Row[Any]:
        values = outcome_row(entry, plan_of(entry, self.speed), cause_id)
        written: Row[Any] = (await entry.tx.execute(_WRITE_OUTCOME, values)).one()
        return written

    async def _post_first(self, entry: Entry, outcome: Row[Any]) -> Posted:
        plan = Plan.from_json(outcome.plan)
        posting = first_posting(entry, plan, outcome.id, outcome.cause_id, outcome.tries)
        return await self.posts.post(entry.tx, entry.brand, entry.customer, posting, entry.now)


async def _cause(entry: Entry) -> str:
    key, kind = entry.matter.cause_key, entry.matter.cause_kind
    if entry.topic.once:
        key, kind = f"topic:{entry.topic.id}@{entry.topic.content_version}", "content_version"
        if entry.matter.simulated:
            # An outcome of its own: a rehearsal neither ends nor takes up what is in earnest.
            key += ":rehearsed"
    fresh = {
        "id": new_id(),
        "brand_id": entry.brand.id,
        "kind": kind,
        "key": key,
        "topic": entry.topic.id,
        "state": "running",
        "created_at": entry.now,
    }
    made = (await entry.tx.execute(_WRITE_CAUSE, fresh)).scalar_one_or_none()
    if made is not None:
        return str(made)
    known = await entry.tx.execute(_FIND_CAUSE, {"of_brand": entry.brand.id, "of_key": key})
    return str(known.scalar_one())


async def _start_nudge(entry: Entry, outcome: Row[Any]) -> None:
    await enqueue(
        entry.tx,
        brand_id=entry.brand.id,
        kind=OutboxKind.NUDGE_STARTED,
        workflow_id=outcome.workflow_id,
        body={
            "outcome_id": outcome.id,
            "topic": entry.topic.id,
            "brand": entry.brand.name,
            "rule": outcome.plan["rule"],
        },
        now=entry.now,
    )


async def _write_decision(entry: Entry, outcome_id: str | None) -> str:
    row = decision_row(
        entry.decision,
        entry.answer.question,
        brand_id=entry.brand.id,
        customer_id=entry.customer.id,
        event_id=entry.matter.event_id,
        digest_id=entry.matter.digest_id,
        simulated=entry.matter.simulated,
    )
    await entry.tx.execute(_WRITE_DECISION, {**row, "outcome_id": outcome_id})
    return str(row["id"])
