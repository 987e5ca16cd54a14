"""Erases a person: what names him goes, what was sent and decided stays under our own id alone.

One transaction, under the customer's lock: at the answer nothing further leaves for him, his
journeys and cases have ended, and no table names him. Consents are erased as they always are, with
tombstones in their chain; causes add up as before. What providers hold is deleted afterwards, by a
worker (`tellal.services.provider_copies`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import ARRAY, Row, String, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.addresses import folded
from tellal.clock import Clock
from tellal.domain.cases import ENDED, CaseState, workflow_of
from tellal.domain.channels import Channel
from tellal.domain.consents import ConsentChannel
from tellal.domain.customers import Brand, Customer
from tellal.domain.errors import ConflictError, NotFoundError
from tellal.domain.messages import HANDED_OVER, UNSENT, MessageState, OutcomeState, tells
from tellal.domain.outbox import OutboxKind
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import lock_customer
from tellal.persistence.tables.brands import IdempotencyRow
from tellal.persistence.tables.customers import ComplaintRow, EventRow
from tellal.persistence.tables.delivery import BlockRow
from tellal.persistence.tables.ledger import AttemptRow, MessageRow, OutcomeRow
from tellal.persistence.tables.operations import CaseEntryRow, CaseRow
from tellal.persistence.tables.privacy import ErasureRow, ProviderCopyRow
from tellal.services.consents import Consents
from tellal.services.held import HOLDINGS, WHEN_ERASED, Holding, on_his_addresses
from tellal.services.journey_news import wake
from tellal.services.kept_refusals import Refused, digest_of, keep, salt_of
from tellal.services.move_statements import OF_OUTCOMES
from tellal.services.moves import Move
from tellal.services.outbox import News, enqueue_all
from tellal.services.progress import Progress

_messages = table(MessageRow)
_attempts = table(AttemptRow)
_outcomes = table(OutcomeRow)
_cases = table(CaseRow)
_entries = table(CaseEntryRow)
_events = table(EventRow)
_complaints = table(ComplaintRow)
_blocks = table(BlockRow)
_answers = table(IdempotencyRow)
_erasures = table(ErasureRow)
_copies = table(ProviderCopyRow)

CODE = "erased"
"""Why his unsent messages were cancelled, and his journeys ended."""
DUE, DELETED, KEPT = "due", "deleted", "kept"

_MAY_ARRIVE = frozenset({*HANDED_OVER, MessageState.UNKNOWN})
_NAMES_HIM = select(func.unnest(bindparam("words", type_=ARRAY(String()))).label("word")).subquery(
    "words"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A message that a provider has a copy of: `due`, `deleted`, or `kept` with a reason."""

    provider: str
    reference: str
    state: str
    tries: int
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """That somebody was erased: how many rows of each kind, and what providers still have."""

    id: str
    customer_id: str
    by: str
    at: datetime
    counts: Mapping[str, int]
    copies: tuple[Copy, ...]


class Persons:
    """Erases persons; the caller's transaction holds the customer's row until it ends."""

    def __init__(self, consents: Consents, progress: Progress, clock: Clock) -> None:
        self._consents = consents
        self._progress = progress
        self._clock = clock

    async def erase(self, tx: AsyncSession, brand: Brand, ref: str, *, by: str) -> Erasure:
        """Erase a person; said again, it returns the erasure that was.

        Raises:
            NotFoundError: The brand has no such customer, and never erased one of that name.
            ConflictError: A message to him is in a lane's hands at this moment.
        """
        ref_digest = digest_of(await salt_of(tx, brand.id), f"ref:{ref}")
        try:
            customer = await lock_customer(tx, brand.id, ref)
        except NotFoundError:
            earlier = await self._earlier(tx, brand.id, ref_digest)
            if earlier is None:
                raise
            return await self.find(tx, brand.id, earlier)
        now = self._clock.now()
        await _check_none_leaves(tx, customer.id)
        counts: Counter[str] = Counter()
        counts["kept_refusals"] = await _keep_refusals(tx, customer, now)
        counts["consents"] = await self._consents.erase_all(tx, brand.id, ref, by=by)
        counts["cancelled_messages"] = await self._cancel(tx, customer.id)
        counts["ended_journeys"] = await self._end_journeys(tx, customer.id, now)
        counts["ended_cases"] = await _end_cases(tx, brand.id, customer.id, by, now)
        counts["answers_for_repeats"] = await _forget_answers(tx, customer, ref)
        copies = await _references(tx, customer.id)
        for holding in HOLDINGS:
            if holding.emptied or holding.removes_rows:
                counts[holding.name] = await _empty(tx, holding, customer.id, now)
        erasure_id = new_id()
        await tx.execute(
            insert(_erasures).values(
                id=erasure_id,
                brand_id=brand.id,
                customer_id=customer.id,
                ref_digest=ref_digest,
                counts=dict(counts),
                by=by,
                at=now,
            )
        )
        await _order_deletions(tx, erasure_id, copies, now)
        return await self.find(tx, brand.id, erasure_id)

    async def find(self, tx: AsyncSession, brand_id: str, erasure_id: str) -> Erasure:
        """Read an erasure, with what became of the copies at providers.

        Raises:
            NotFoundError: The brand has no such erasure.
        """
        query = select(_erasures).where(
            _erasures.c.id == erasure_id, _erasures.c.brand_id == brand_id
        )
        row = (await tx.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError("no such erasure")
        return (await _with_copies(tx, [row]))[0]

    async def _earlier(self, tx: AsyncSession, brand_id: str, ref_digest: str) -> str | None:
        query = (
            select(_erasures.c.id)
            .where(_erasures.c.brand_id == brand_id, _erasures.c.ref_digest == ref_digest)
            .order_by(_erasures.c.id.desc())
            .limit(1)
        )
        found: str | None = (await tx.execute(query)).scalar_one_or_none()
        return found

    async def _cancel(self, tx: AsyncSession, customer_id: str) -> int:
        query = select(_messages.c.id).where(
            _messages.c.customer_id == customer_id, _messages.c.state.in_(sorted(UNSENT))
        )
        ids = (await tx.execute(query.order_by(_messages.c.id))).scalars().all()
        moves = [Move(message_id=one, state=MessageState.CANCELLED, code=CODE) for one in ids]
        await self._progress.move(tx, moves)
        # What nobody can be asked about any more, because the address is gone, is not looked up.
        unknown = update(_messages).where(
            _messages.c.customer_id == customer_id,
            _messages.c.state == MessageState.UNKNOWN.value,
        )
        await tx.execute(unknown.values(check_at=None))
        return len(ids)

    async def _end_journeys(self, tx: AsyncSession, customer_id: str, now: datetime) -> int:
        """End what runs as what is known of it: told, cancelled, or nobody knows."""
        query = (
            select(*OF_OUTCOMES)
            .where(
                _outcomes.c.customer_id == customer_id,
                _outcomes.c.state == OutcomeState.OPEN.value,
            )
            .order_by(_outcomes.c.id)
            .with_for_update(key_share=True)
        )
        running = (await tx.execute(query)).all()
        ended = [(row, await _as_it_stands(tx, row.id)) for row in running]
        for row, state in ended:
            change = update(_outcomes).where(_outcomes.c.id == row.id)
            await tx.execute(
                change.values(state=state.value, reason=CODE, closed_at=now, check_at=None)
            )
        await wake(tx, ended, now)
        return len(ended)


async def erasures(tx: AsyncSession, brand_id: str, *, after: str, limit: int) -> list[Erasure]:
    """Read a brand's erasures in their order."""
    query = (
        select(_erasures)
        .where(_erasures.c.brand_id == brand_id, _erasures.c.id > after)
        .order_by(_erasures.c.id)
        .limit(limit)
    )
    return await _with_copies(tx, (await tx.execute(query)).all())


async def _check_none_leaves(tx: AsyncSession, customer_id: str) -> None:
    query = select(func.count()).where(
        _messages.c.customer_id == customer_id,
        _messages.c.state == MessageState.HANDING_OVER.value,
    )
    if (await tx.execute(query)).scalar_one():
        raise ConflictError(
            "a provider is being handed a message to him at this moment",
            code="in_flight",
            hint="ask again in a few seconds",
        )


async def _keep_refusals(tx: AsyncSession, customer: Customer, now: datetime) -> int:
    refused = [
        Refused(address=folded(point.channel, point.address), at=now, channel=channel)
        for point in customer.contact_points
        for channel in _channels_of(point.channel)
    ]
    query = select(_blocks).where(on_his_addresses(customer.id), _blocks.c.lifted_at.is_(None))
    blocked = [
        Refused(
            address=row.address, at=row.placed_at, block_origin=row.origin, block_until=row.until
        )
        for row in await tx.execute(query)
    ]
    return await keep(tx, customer.brand_id, [*refused, *blocked], now=now)


def _channels_of(channel: Channel) -> Sequence[ConsentChannel]:
    """Return what an address on a channel is refused for: a number is also called."""
    own = ConsentChannel(channel.value)
    return (own, ConsentChannel.CALL) if channel is Channel.SMS else (own,)


async def _as_it_stands(tx: AsyncSession, outcome_id: str) -> OutcomeState:
    query = select(_messages.c.state, _messages.c.receipts).where(
        _messages.c.outcome_id == outcome_id
    )
    messages = (await tx.execute(query)).all()
    if any(tells(one.state, one.receipts) for one in messages):
        return OutcomeState.TOLD
    may_arrive = any(one.state in _MAY_ARRIVE for one in messages)
    return OutcomeState.UNKNOWN if may_arrive else OutcomeState.CANCELLED


async def _end_cases(
    tx: AsyncSession, brand_id: str, customer_id: str, by: str, now: datetime
) -> int:
    """Resolve cases that run, and tell their workflows; nobody is left to be told of it."""
    ending = (
        update(_cases)
        .where(_cases.c.customer_id == customer_id, _cases.c.state.not_in(ENDED))
        .values(state=CaseState.RESOLVED.value, state_at=now, resolved_at=now)
        .returning(_cases.c.id, _cases.c.round)
    )
    ended = (await tx.execute(ending)).all()
    for case_id, _ in ended:
        await tx.execute(
            insert(_entries).values(
                id=new_id(), case_id=case_id, command="erase", by=by, body={}, at=now
            )
        )
    news = [
        News(
            brand_id=brand_id,
            kind=OutboxKind.CASE_CHANGED,
            workflow_id=workflow_of(case_id, round_),
            body={"case_id": case_id, "state": CaseState.RESOLVED.value},
        )
        for case_id, round_ in ended
    ]
    await enqueue_all(tx, news, now)
    return len(ended)


async def _forget_answers(tx: AsyncSession, customer: Customer, ref: str) -> int:
    """Forget answers that are kept for repeats and name him, or what is his by its id.

    It is one pass over the brand's answers of the last weeks.
    """
    words = [f'"{ref}"', f'"{customer.id}"']
    words += [f'"{point.address}"' for point in customer.contact_points]
    for kept, names in (
        (_events, _events.c.id),
        (_messages, _messages.c.id),
        (_complaints, _complaints.c.id),
        (_cases, _cases.c.number),
    ):
        query = select(names).where(kept.c.customer_id == customer.id)
        words += [f'"{name}"' for name in (await tx.execute(query)).scalars()]
    paths = [f"/customers/{name}" for name in {ref, quote(ref, safe="")}]
    of_path = or_(*(_answers.c.route.endswith(path, autoescape=True) for path in paths))
    below = or_(*(_answers.c.route.contains(f"{path}/", autoescape=True) for path in paths))
    named = (
        select(_NAMES_HIM.c.word)
        .where(func.strpos(_answers.c.body["text"].astext, _NAMES_HIM.c.word) > 0)
        .exists()
    )
    gone = (
        delete(_answers)
        .where(
            _answers.c.caller_id.startswith(f"{customer.brand_id}/", autoescape=True),
            or_(of_path, below, named),
        )
        .returning(_answers.c.id)
    )
    return len((await tx.execute(gone, {"words": words})).all())


async def _references(tx: AsyncSession, customer_id: str) -> list[tuple[str, str]]:
    """Return by which names providers know his messages, every attempt of each."""
    query = (
        select(_attempts.c.provider, _attempts.c.reference)
        .join(_messages, _messages.c.id == _attempts.c.message_id)
        .where(
            _messages.c.customer_id == customer_id,
            _messages.c.simulated.is_(False),
            _attempts.c.reference != "",
        )
    )
    last = select(_messages.c.provider, _messages.c.reference).where(
        _messages.c.customer_id == customer_id,
        _messages.c.simulated.is_(False),
        _messages.c.reference != "",
    )
    rows = await tx.execute(query.union(last))
    return [(row.provider, row.reference) for row in rows]


async def _order_deletions(
    tx: AsyncSession, erasure_id: str, references: Sequence[tuple[str, str]], now: datetime
) -> None:
    rows = [
        {
            "id": new_id(),
            "erasure_id": erasure_id,
            "provider": provider,
            "reference": reference,
            "state": DUE,
            "due_at": now,
        }
        for provider, reference in references
    ]
    if rows:
        await tx.execute(pg_insert(_copies).on_conflict_do_nothing(), rows)


async def _empty(tx: AsyncSession, holding: Holding, customer_id: str, now: datetime) -> int:
    his = (holding.emptied_of or holding.whose)(customer_id)
    rows = holding.table
    first = next(iter(rows.primary_key.columns))
    if holding.removes_rows:
        return len((await tx.execute(delete(rows).where(his).returning(first))).all())
    values = {
        name: func.coalesce(rows.c[name], now) if value is WHEN_ERASED else value
        for name, value in holding.emptied.items()
    }
    return len((await tx.execute(update(rows).where(his).values(values).returning(first))).all())


async def _with_copies(tx: AsyncSession, rows: Sequence[Row[Any]]) -> list[Erasure]:
    copies: dict[str, list[Copy]] = {}
    query = select(_copies).where(_copies.c.erasure_id.in_([row.id for row in rows]))
    for one in await tx.execute(query.order_by(_copies.c.id)):
        copies.setdefault(one.erasure_id, []).append(
            Copy(
                provider=one.provider,
                reference=one.reference,
                state=one.state,
                tries=one.tries,
                code=one.code,
            )
        )
    return [
        Erasure(
            id=row.id,
            customer_id=row.customer_id,
            by=row.by,
            at=row.at,
            counts=row.counts,
            copies=tuple(copies.get(row.id, ())),
        )
        for row in rows
    ]
