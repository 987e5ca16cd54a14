"""Gathers events of one customer into digests, and decides about each once, when it is due.

The first event opens a digest, later ones join it until it is decided. Whatever has become of the
customer meanwhile counts, because no rule is asked before: a refusal, a full cap, the night, or
that what the topic asks for has happened. Decision, message and the digest's end are one
transaction, so a worker that is killed leaves neither two messages nor none.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.definitions import Digest
from rules.digests import due_at
from rules.rulebook import Rulebook, Topic
from rules.situations import zone_of
from rules.standing import converted
from tellal.domain.customers import Customer
from tellal.domain.decisions import Decision, Reason, Value, Verdict
from tellal.domain.errors import InvalidInputError
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand, lock_customer_by_id
from tellal.persistence.session import Sessions
from tellal.persistence.tables.digests import DigestItemRow, DigestRow
from tellal.persistence.tables.ledger import DecisionRow
from tellal.services.asking import Circumstances, document, situation
from tellal.services.deciding import Decided, Deciding
from tellal.services.entries import Matter
from tellal.services.recording import decision_of, decision_row
from tellal.supervision import rest
from tellal.telemetry import bind

_log = logging.getLogger(__name__)
_decisions = table(DecisionRow)
_digests = table(DigestRow)
_items = table(DigestItemRow)

OPEN, FULL, DECIDED, DROPPED = "open", "full", "decided", "dropped"
"""Where a digest is; see `DigestRow`."""

_BANNER = "event.can_show_banner"
_BATCH = 50
_SIDE_BY_SIDE = 4
_LOOK_EVERY_S = 1.0
_RECLAIM = timedelta(seconds=30)
"""How long a claimed digest is left to the one who claimed it."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event that is in the ledger: what it was, what it carried, and when it happened."""

    event_id: str
    type: str
    payload: Mapping[str, object]
    at: datetime


class Digests:
    """Opens digests, lets events join, and decides those that are due."""

    def __init__(self, sessions: Sessions, deciding: Deciding) -> None:
        self._sessions = sessions
        self._deciding = deciding
        self._slots = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def join(
        self,
        tx: AsyncSession,
        customer: Customer,
        topic: Topic,
        happened: Happened,
        *,
        simulated: bool,
    ) -> Decided:
        """Put an event into the digest of a topic that gathers, whose customer's row is locked.

        One that is in a digest of the topic already stays where it is.

        Raises:
            InvalidInputError: The topic gathers nothing.
        """
        if topic.digest is None:
            raise InvalidInputError(f"the topic {topic.id!r} gathers no events", field="topic")
        known = await _joined(tx, topic, happened.event_id)
        if known is not None:
            return known
        now = self._deciding.clock.now()
        digest = await self._open(tx, customer, topic, topic.digest, now, simulated=simulated)
        await tx.execute(
            insert(_items).values(
                id=new_id(),
                brand_id=customer.brand_id,
                customer_id=customer.id,
                digest_id=digest.id,
                event_id=happened.event_id,
                type=happened.type,
                variables=dict(happened.payload),
                at=happened.at,
                joined_at=now,
            )
        )
        values: dict[str, object] = {"events": digest.events + 1}
        if digest.events + 1 >= topic.digest.most:
            values |= {"state": FULL, "due_at": now, "check_at": now}
        change = update(_digests).where(_digests.c.id == digest.id).values(values)
        due = (await tx.execute(change.returning(_digests.c.due_at))).scalar_one()
        decision = _waits(self._deciding.asking.book, topic, now, due)
        row = decision_row(
            decision,
            None,
            brand_id=customer.brand_id,
            customer_id=customer.id,
            event_id=happened.event_id,
            digest_id=digest.id,
            simulated=simulated,
        )
        await tx.execute(insert(_decisions).values(**row))
        return Decided(id=str(row["id"]), decision=decision, digest_id=digest.id)

    async def run(self, stop: asyncio.Event) -> None:
        """Decide what is due until told to stop."""
        while not stop.is_set():
            if not await self.work():
                await rest(stop, _LOOK_EVERY_S)

    async def work(self) -> int:
        """Decide one batch of what is due; return how many it held."""
        due = await self.due(_BATCH)
        await asyncio.gather(*(self._try(digest_id) for digest_id in due))
        return len(due)

    async def due(self, limit: int) -> Sequence[str]:
        """Claim digests whose time has come; what is claimed and not decided comes again."""
        now = self._deciding.clock.now()
        due = (
            select(_digests.c.id)
            .where(_digests.c.check_at <= now)
            .order_by(_digests.c.check_at)
            .limit(limit)
            .with_for_update(skip_locked=True, key_share=True)
        )
        claimed = (
            update(_digests)
            .where(_digests.c.id.in_(due))
            .values(check_at=now + _RECLAIM)
            .returning(_digests.c.id)
        )
        async with self._sessions() as tx, tx.begin():
            return tuple((await tx.execute(claimed)).scalars())

    async def decide(self, digest_id: str) -> Decided | None:
        """Decide about a digest if it is due and nobody has; None otherwise."""
        async with self._sessions() as tx, tx.begin():
            mine = _digests.c.id == digest_id
            whose = (await tx.execute(select(_digests.c.customer_id).where(mine))).scalar_one()
            # The customer first, as an event does that joins.
            customer = await lock_customer_by_id(tx, whose)
            digest = (await tx.execute(select(_digests).where(mine).with_for_update())).one()
            now = self._deciding.clock.now()
            if digest.state not in (OPEN, FULL) or digest.due_at > now:
                return None
            return await self._decide(tx, customer, digest, now)

    async def _try(self, digest_id: str) -> None:
        async with self._slots:
            bind(digest_id=digest_id)
            try:
                await self.decide(digest_id)
            except Exception as error:  # noqa: BLE001 - one digest must not stop the others
                # It was put off when it was claimed, so it comes again.
                _log.warning("a digest could not be decided", extra={"error": type(error).__name__})

    async def _decide(
        self, tx: AsyncSession, customer: Customer, digest: Row[Any], now: datetime
    ) -> Decided | None:
        book = self._deciding.asking.book
        topic = book.topics.get(digest.topic)
        if topic is None:
            await _close(tx, digest.id, now, state=DROPPED, reason="no_such_topic")
            return None
        query = select(_items).where(_items.c.digest_id == digest.id)
        items = (await tx.execute(query.order_by(_items.c.at, _items.c.id))).all()
        last = _facts_of(book, max(items, key=lambda one: one.id))
        known = document(customer, last)
        done = converted(book, topic, known, situation(customer, now))
        decided = await self._deciding.decide(
            tx,
            await read_brand(tx, customer.brand_id),
            customer,
            Matter(
                topic=topic.id,
                cause_kind="digest",
                cause_key=f"digest:{digest.id}",
                digest_id=digest.id,
                variables={"digest": _said(items, customer)},
                around=Circumstances(document=last, withheld="converted" if done else ""),
                simulated=digest.simulated,
            ),
        )
        reasons = decided.decision.reasons
        silent = decided.decision.verdict is Verdict.SUPPRESS and reasons
        await _close(
            tx,
            digest.id,
            now,
            state=DECIDED,
            decision_id=decided.id,
            reason=reasons[0].code if silent else "",
        )
        return decided

    async def _open(
        self,
        tx: AsyncSession,
        customer: Customer,
        topic: Topic,
        digest: Digest,
        now: datetime,
        *,
        simulated: bool,
    ) -> Row[Any]:
        """Find the customer's open digest, or open one; the lock of his row makes it one."""
        query = select(_digests).where(
            _digests.c.customer_id == customer.id,
            _digests.c.topic == topic.id,
            _digests.c.simulated.is_(simulated),
            _digests.c.state == OPEN,
        )
        found: Row[Any] | None = (await tx.execute(query)).one_or_none()
        if found is not None:
            return found
        wait = due_at(digest, now, zone_of(customer.timezone)) - now
        due = now + wait / self._deciding.speed
        opened = (
            insert(_digests)
            .values(
                id=new_id(),
                brand_id=customer.brand_id,
                customer_id=customer.id,
                topic=topic.id,
                state=OPEN,
                events=0,
                simulated=simulated,
                opened_at=now,
                due_at=due,
                check_at=due,
            )
            .returning(_digests)
        )
        made: Row[Any] = (await tx.execute(opened)).one()
        return made


async def _joined(tx: AsyncSession, topic: Topic, event_id: str) -> Decided | None:
    """Find the decision by which an event joined a digest of a topic."""
    query = select(_decisions.c.id, _decisions.c.body).where(
        _decisions.c.event_id == event_id,
        _decisions.c.topic == topic.id,
        _decisions.c.verdict == Verdict.DIGEST.value,
    )
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    return Decided(id=row.id, decision=decision_of(row.body), digest_id=row.body["digest_id"])


async def _close(tx: AsyncSession, digest_id: str, now: datetime, **values: object) -> None:
    change = update(_digests).where(_digests.c.id == digest_id)
    await tx.execute(change.values(check_at=None, decided_at=now, **values))


def _waits(book: Rulebook, topic: Topic, now: datetime, due: datetime) -> Decision:
    """Say of an event that it waits; no rule has been asked about it."""
    return Decision(
        topic=topic.id,
        message_class=topic.message_class,
        lane=topic.lane,
        verdict=Verdict.DIGEST,
        at=now,
        reasons=(
            Reason(
                code="in_digest",
                text=f"It is decided about with others, from {due:%Y-%m-%d %H:%M} UTC",
                rule=f"{topic.id}.digest",
                file=topic.file,
                line=topic.line,
            ),
        ),
        revision=book.revision,
    )


def _facts_of(book: Rulebook, item: Row[Any]) -> Mapping[str, Value]:
    """Return what rules read as `event.…`: the facts of the event that joined last.

    The surface that could have shown a banner has gone since.
    """
    try:
        facts, _ = book.event_facts(item.type, item.variables)
    except InvalidInputError:
        # The vocabulary may have changed since the event came.
        return {}
    return {path: value for path, value in facts.items() if path != _BANNER}


def _said(items: Sequence[Row[Any]], customer: Customer) -> Mapping[str, object]:
    """Return what texts say as `digest.…`; times are those of the customer's own clock.

    They name the day: what is gathered in the evening may be read in the morning.
    """
    zone = zone_of(customer.timezone)
    times = [f"{item.at.astimezone(zone):%d.%m. %H:%M}" for item in items]
    return {
        "count": len(items),
        "first_at": times[0],
        "last_at": times[-1],
        "items": [
            {"type": item.type, "at": at, "event": item.variables}
            for item, at in zip(items, times, strict=True)
        ],
    }
