"""Says what the rules decide about somebody and why: now, or at a moment that is over.

Nothing is written, and nobody's row is locked: who asks why must not stand in anybody's way.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from rules.decide import decide
from rules.digests import gathering
from rules.holder import RulebookHolder
from rules.questions import Question
from rules.rulebook import Rulebook
from rules.stored_questions import from_json
from tellal.domain.decisions import Decision
from tellal.domain.errors import NotFoundError
from tellal.ids import first_id
from tellal.persistence.columns import table
from tellal.persistence.people import find_customer
from tellal.persistence.tables.ledger import DecisionRow
from tellal.services.asking import Asking
from tellal.services.recording import decision_of

_decisions = table(DecisionRow)

Revisions = Callable[[str], Awaitable[Rulebook | None]]
"""Finds a rulebook by its revision, None where it is not kept."""


class Of(StrEnum):
    """Of which time something is."""

    NOW = "now"
    THEN = "then"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision that was not acted upon, and of which time its rules and its facts are.

    `decision_id` is the stored decision whose facts were taken. `gathers` says that events of the
    topic become a digest, if they do.
    """

    decision: Decision
    rules: Of
    facts: Of
    decision_id: str = ""
    gathers: str = ""

    @property
    def label(self) -> str:
        """Say on what it rests."""
        if self.rules is self.facts is Of.NOW:
            return "rules and facts of today"
        if self.rules is self.facts:
            return f"rules of then, facts stored with decision {self.decision_id}"
        if self.rules is Of.THEN:
            return "rules of then, facts of today"
        return f"rules of today, facts stored with decision {self.decision_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A decision from the ledger; no question for those from before it was kept."""

    id: str
    customer: str
    decision: Decision
    question: Question | None


async def _none(_: str) -> None:
    """Find no rulebook that was published."""


def revisions(books: RulebookHolder, published: Revisions = _none) -> Revisions:
    """Know the rulebook in force, and those that were published."""

    async def find(revision: str) -> Rulebook | None:
        current = books.current
        return current if revision == current.revision else await published(revision)

    return find


class Explaining:
    """Decides without deciding."""

    def __init__(self, asking: Asking, revisions: Revisions) -> None:
        self._asking = asking
        self._revisions = revisions

    async def explain(
        self,
        tx: AsyncSession,
        brand_id: str,
        customer_ref: str,
        topic: str,
        now: datetime,
        *,
        at: datetime | None = None,
    ) -> Explanation:
        """Decide about a customer, whoever he is; of a moment in the past what was known then.

        Raises:
            NotFoundError: The brand has no such customer.
            InvalidInputError: The rulebook has no such topic.
        """
        found = await self._explain(tx, brand_id, customer_ref, topic, now, at=at)
        declared = self._asking.book.topics.get(topic)
        return found if declared is None else replace(found, gathers=gathering(declared))

    async def _explain(
        self,
        tx: AsyncSession,
        brand_id: str,
        customer_ref: str,
        topic: str,
        now: datetime,
        *,
        at: datetime | None,
    ) -> Explanation:
        customer = await find_customer(tx, brand_id, customer_ref)
        if at is None or at >= now:
            question = await self._asking.question(
                tx, self._asking.book, customer, topic, at or now
            )
            return Explanation(
                decision=decide(self._asking.book, question), rules=Of.NOW, facts=Of.NOW
            )
        stored = await _last_stored(tx, customer.id, topic, at)
        if stored is not None:
            book = await self._revisions(stored.revision)
            question = replace(from_json(stored.asked), at=at)
            return Explanation(
                decision=decide(book or self._asking.book, question),
                rules=Of.NOW if book is None else Of.THEN,
                facts=Of.THEN,
                decision_id=stored.id,
            )
        book = await self._book_at(tx, brand_id, at)
        question = await self._asking.question(tx, book or self._asking.book, customer, topic, at)
        return Explanation(
            decision=decide(book or self._asking.book, question),
            rules=Of.NOW if book is None else Of.THEN,
            facts=Of.NOW,
        )

    async def _book_at(self, tx: AsyncSession, brand_id: str, at: datetime) -> Rulebook | None:
        """Return the rulebook by which the brand's last decision before a moment was made."""
        query = (
            select(_decisions.c.revision)
            .where(_decisions.c.id < first_id(at), _decisions.c.brand_id == brand_id)
            .order_by(_decisions.c.id.desc())
            .limit(1)
        )
        revision = (await tx.execute(query)).scalar_one_or_none()
        return None if revision is None else await self._revisions(revision)


async def find_decision(tx: AsyncSession, decision_id: str, brand_id: str | None = None) -> Stored:
    """Read a decision, of whatever brand unless one is named.

    Raises:
        NotFoundError: There is no such decision.
    """
    query = select(_decisions).where(_decisions.c.id == decision_id)
    if brand_id is not None:
        query = query.where(_decisions.c.brand_id == brand_id)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("no such decision")
    return Stored(
        id=row.id,
        customer=row.customer_id,
        decision=decision_of(row.body),
        question=None if row.asked is None else from_json(row.asked),
    )


async def _last_stored(
    tx: AsyncSession, customer_id: str, topic: str, at: datetime
) -> Row[Any] | None:
    query = (
        select(_decisions)
        .where(
            _decisions.c.customer_id == customer_id,
            _decisions.c.topic == topic,
            _decisions.c.at <= at,
            _decisions.c.asked.is_not(None),
            _decisions.c.body["simulated"].as_boolean().is_not(True),
        )
        .order_by(_decisions.c.at.desc(), _decisions.c.id.desc())
        .limit(1)
    )
    return (await tx.execute(query)).one_or_none()
