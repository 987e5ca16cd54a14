"""Complaints: somebody was annoyed, and hears no more of the topic from that moment.

A complaint locks its customer's row, and an intent shares that row before it is committed. So at
the answer nothing further of the topic leaves for him but what the law orders to be told.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.complaint_law import duties_of
from rules.holder import RulebookHolder
from rules.vocabulary import did_you_mean
from tellal.clock import Clock
from tellal.domain.channels import MessageClass
from tellal.domain.customers import Brand, Customer
from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.domain.messages import UNSENT, MessageState
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand, lock_customer, lock_customer_by_id
from tellal.persistence.tables.customers import ComplaintRow, CustomerRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.moves import Move
from tellal.services.progress import Progress

_complaints = table(ComplaintRow)
_customers = table(CustomerRow)
_messages = table(MessageRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintInput:
    """A complaint as it came in: of a topic, or of a message, whose topic is meant then.

    `authority` is over which it came, as the law of the brand's country names them, `file_number`
    what that calls it. It came now, unless `received_at` says when; `due_at` is the day that a
    letter names, else the law says it.
    """

    customer: str
    source: str
    topic: str = ""
    message_id: str = ""
    text: str = ""
    authority: str = ""
    file_number: str = ""
    received_at: datetime | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """A complaint; it silences its topic until it is `resumed`, closed or not.

    `text` is empty once it was erased.
    """

    id: str
    customer: str
    topic: str
    message_id: str | None
    source: str
    text: str
    filed_by: str
    filed_at: datetime
    closed_by: str
    closed_at: datetime | None
    resumed: bool
    resumed_by: str = ""
    resumed_at: datetime | None = None
    erased_by: str = ""
    erased_at: datetime | None = None
    authority: str = ""
    file_number: str = ""
    received_at: datetime | None = None
    due_at: datetime | None = None
    answer: str = ""


_SHOWN = tuple(part.name for part in fields(Complaint))


class Complaints:
    """Files and closes complaints; the caller's transaction holds the locks until it ends."""

    def __init__(self, books: RulebookHolder, progress: Progress, clock: Clock) -> None:
        self._books = books
        self._progress = progress
        self._clock = clock

    async def file(
        self, tx: AsyncSession, brand_id: str, said: ComplaintInput, *, by: str
    ) -> Complaint:
        """File a complaint: the topic is silent for him from now on, waiting messages are ended.

        Raises:
            NotFoundError: The brand has no such customer, or he has no such message.
            InvalidInputError: Not one of topic and message is named, there is no such topic, or the
                law knows no such authority.
        """
        customer = await lock_customer(tx, brand_id, said.customer)
        topic = await self._topic(tx, customer, said)
        now = self._clock.now()
        deadline = _deadline(await read_brand(tx, brand_id), said, now)
        complaint_id = new_id()
        await tx.execute(
            insert(_complaints).values(
                id=complaint_id,
                brand_id=brand_id,
                customer_id=customer.id,
                topic=topic,
                message_id=said.message_id or None,
                source=said.source,
                text=said.text,
                filed_by=by,
                filed_at=now,
                authority=said.authority,
                file_number=said.file_number,
                **deadline,
            )
        )
        await self._remember(tx, customer.id)
        await self._end_waiting(tx, customer, topic)
        return await self.find(tx, brand_id, complaint_id)

    async def close(
        self,
        tx: AsyncSession,
        brand_id: str,
        complaint_id: str,
        *,
        resume: bool,
        by: str,
        answer: str = "",
    ) -> Complaint:
        """Close a complaint; only with `resume` may the topic be spoken of again.

        What came over an authority is closed with what was answered.

        One that was closed without may be closed with it later: people change their minds.

        Raises:
            NotFoundError: The brand has no such complaint.
            ConflictError: That was done before.
            InvalidInputError: It came over an authority, and nothing is answered.
        """
        found = await self._locked(tx, brand_id, complaint_id)
        if found.closed_at is not None and (found.resumed or not resume):
            raise ConflictError("the complaint was closed before", code="complaint_closed")
        now = self._clock.now()
        values: dict[str, object] = {}
        if found.closed_at is None:
            if found.authority and not answer.strip():
                raise InvalidInputError(
                    "it came over an authority, and is closed with an answer",
                    field="answer",
                    hint="say what was answered, and when",
                )
            values |= {"closed_at": now, "closed_by": by, "answer": answer}
        if resume:
            values |= {"resumed": True, "resumed_at": now, "resumed_by": by}
        await _write(tx, complaint_id, values)
        await self._remember(tx, found.customer_id)
        return await self.find(tx, brand_id, complaint_id)

    async def erase(
        self, tx: AsyncSession, brand_id: str, complaint_id: str, *, by: str
    ) -> Complaint:
        """Erase what he said; that he complained, and of what, stays. Twice changes nothing.

        Raises:
            NotFoundError: The brand has no such complaint.
        """
        found = await self._locked(tx, brand_id, complaint_id)
        if found.erased_at is None:
            erased: dict[str, object] = {"text": "", "answer": "", "file_number": ""}
            erased |= {"erased_at": self._clock.now(), "erased_by": by}
            await _write(tx, complaint_id, erased)
        return await self.find(tx, brand_id, complaint_id)

    async def find(self, tx: AsyncSession, brand_id: str, complaint_id: str) -> Complaint:
        """Read a complaint.

        Raises:
            NotFoundError: The brand has no such complaint.
        """
        return _view(await self._row(tx, brand_id, complaint_id))

    async def page(
        self, tx: AsyncSession, brand_id: str, *, customer: str | None, after: str, limit: int
    ) -> list[Complaint]:
        """Read complaints in the order in which they were filed."""
        query = _of_brand(brand_id).where(_complaints.c.id > after)
        if customer is not None:
            query = query.where(_customers.c.ref == customer)
        rows = await tx.execute(query.order_by(_complaints.c.id).limit(limit))
        return [_view(row) for row in rows]

    async def _locked(self, tx: AsyncSession, brand_id: str, complaint_id: str) -> Row[Any]:
        """Lock the customer of a complaint, and read it as it is then."""
        found = await self._row(tx, brand_id, complaint_id)
        await lock_customer_by_id(tx, found.customer_id)
        return await self._row(tx, brand_id, complaint_id)

    async def _topic(self, tx: AsyncSession, customer: Customer, said: ComplaintInput) -> str:
        if bool(said.message_id) == bool(said.topic):
            message = "a complaint names a topic or a message, and not both"
            raise InvalidInputError(message, field="topic", hint="say what he complains of")
        if said.message_id:
            query = select(_messages.c.topic).where(
                _messages.c.id == said.message_id, _messages.c.customer_id == customer.id
            )
            topic: str | None = (await tx.execute(query)).scalar_one_or_none()
            if topic is None:
                raise NotFoundError("no such message to this customer")
            return topic
        topics = self._books.current.topics
        if said.topic in topics:
            return said.topic
        near = did_you_mean(said.topic, topics)
        message = f"the rulebook has no topic '{said.topic}'"
        raise InvalidInputError(message, field="topic", hint=near)

    async def _remember(self, tx: AsyncSession, customer_id: str) -> None:
        """Repeat on the customer's row which topics are silent for him."""
        query = select(_complaints.c.topic).where(
            _complaints.c.customer_id == customer_id, _complaints.c.resumed.is_(False)
        )
        topics = sorted(set((await tx.execute(query)).scalars()))
        await tx.execute(
            update(_customers).where(_customers.c.id == customer_id).values(complained=topics)
        )

    async def _end_waiting(self, tx: AsyncSession, customer: Customer, topic: str) -> None:
        query = select(_messages.c.id).where(
            _messages.c.customer_id == customer.id,
            _messages.c.topic == topic,
            _messages.c.message_class != MessageClass.MANDATORY.value,
            _messages.c.state.in_(list(UNSENT)),
        )
        waiting = (await tx.execute(query.order_by(_messages.c.id))).scalars().all()
        moves = [
            Move(message_id=one, state=MessageState.CANCELLED, code="complained") for one in waiting
        ]
        await self._progress.move(tx, moves)

    async def _row(self, tx: AsyncSession, brand_id: str, complaint_id: str) -> Row[Any]:
        query = _of_brand(brand_id).where(_complaints.c.id == complaint_id)
        row: Row[Any] | None = (await tx.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError("no such complaint")
        return row


def _deadline(brand: Brand, said: ComplaintInput, now: datetime) -> dict[str, object]:
    """Return when a complaint came, by when it is to be answered, and when somebody is to look."""
    received = said.received_at or now
    if received > now:
        raise InvalidInputError("it cannot have come in the future", field="received_at")
    if not said.authority:
        return {"received_at": received, "due_at": said.due_at, "warn_at": said.due_at}
    duties = duties_of(brand.country)
    duty = duties.get(said.authority)
    if duty is None:
        message = f"the law of {brand.country} knows no authority '{said.authority}'"
        near = did_you_mean(said.authority, duties) or f"one of {', '.join(duties)}"
        raise InvalidInputError(message, field="authority", hint=near)
    due = said.due_at or duty.due(received, ZoneInfo(brand.timezone), brand.country)
    return {"received_at": received, "due_at": due, "warn_at": due - duty.warn}


async def _write(tx: AsyncSession, complaint_id: str, values: dict[str, object]) -> None:
    change = update(_complaints).where(_complaints.c.id == complaint_id)
    await tx.execute(change.values(**values))


def _of_brand(brand_id: str) -> Select[Any]:
    return (
        select(_complaints, _customers.c.ref.label("customer"))
        .join(_customers, _customers.c.id == _complaints.c.customer_id)
        .where(_complaints.c.brand_id == brand_id)
    )


def _view(row: Row[Any]) -> Complaint:
    return Complaint(**{name: getattr(row, name) for name in _SHOWN})
