"""Texts that a provider takes segment by segment: told when all are there, lost with one.

Segments of a text are locked together, in one order and before any message, so that two workers
that take in the receipts of one text do so in turn: the later sees what the earlier wrote.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Integer, Row, String, bindparam, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.handover import Answered
from tellal.domain.messages import MessageState, Receipt
from tellal.persistence.bulk import arrays, given
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessagePartRow

_parts = table(MessagePartRow)
_mine = _parts.alias("mine")
_S = MessageState

_GIVEN = given(
    message_id=String(),
    attempt=Integer(),
    n=Integer(),
    provider=String(),
    reference=String(),
    state=String(),
)
_KEEP = (
    pg_insert(_parts)
    .from_select(list(_GIVEN.c.keys()), select(*_GIVEN.c))
    .on_conflict_do_nothing()  # an answer may be recorded again
)

_LOCK = (
    select(_parts)
    .where(
        tuple_(_parts.c.message_id, _parts.c.attempt).in_(
            select(_mine.c.message_id, _mine.c.attempt).where(
                tuple_(_mine.c.provider, _mine.c.reference).in_(
                    bindparam("references", expanding=True)
                )
            )
        )
    )
    .order_by(_parts.c.message_id, _parts.c.attempt, _parts.c.n)
    .with_for_update()
)

_NEWS = given(message_id=String(), attempt=Integer(), n=Integer(), state=String())
_NOTE = (
    update(_parts)
    .where(
        _parts.c.message_id == _NEWS.c.message_id,
        _parts.c.attempt == _NEWS.c.attempt,
        _parts.c.n == _NEWS.c.n,
    )
    .values(state=_NEWS.c.state)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """Receipts, those of segments with the message and the attempt that they are of.

    `partial` say that a segment is there while others are not: the person has not been told yet.
    `first` has the references under which the ledger has the whole texts.
    """

    receipts: Sequence[Receipt]
    partial: frozenset[Receipt] = frozenset()
    first: Mapping[Receipt, str] = field(default_factory=dict)

    def as_whole(self, receipt: Receipt) -> Receipt:
        """Return a receipt as one of the whole text."""
        return replace(receipt, reference=self.first.get(receipt, receipt.reference))


async def keep_parts(tx: AsyncSession, answered: Sequence[Answered]) -> None:
    """Keep the segments of texts that were taken in several."""
    rows = [
        {
            "message_id": one.message.id,
            "attempt": one.message.attempt,
            "n": n,
            "provider": one.answer.provider,
            "reference": reference,
            "state": _S.ACCEPTED.value,
        }
        for one in answered
        for n, reference in enumerate(one.answer.parts, start=1)
    ]
    if rows:
        await tx.execute(_KEEP, arrays(rows))


async def sort_parts(tx: AsyncSession, receipts: Sequence[Receipt]) -> Sorted:
    """Find the receipts that are of segments, and note what they say of them."""
    named = [(one.provider, one.reference) for one in receipts if not one.message_id]
    if not named:
        return Sorted(receipts=receipts)
    texts = _Texts((await tx.execute(_LOCK, {"references": named})).all())
    found: list[Receipt] = []
    partial: set[Receipt] = set()
    first: dict[Receipt, str] = {}
    for receipt in receipts:
        part = None if receipt.message_id else texts.part(receipt)
        if part is None:
            found.append(receipt)
            continue
        whole = replace(receipt, message_id=part.message_id, attempt=part.attempt)
        if not texts.note(part, receipt.state):
            partial.add(whole)
        found.append(whole)
        first[whole] = texts.first_reference(part)
    if texts.news:
        await tx.execute(_NOTE, arrays(texts.news))
    return Sorted(receipts=found, partial=frozenset(partial), first=first)


class _Texts:
    """Texts with their segments, as they stand while receipts are gone through."""

    def __init__(self, rows: Sequence[Row[Any]]) -> None:
        self._of_reference = {(row.provider, row.reference): row for row in rows}
        self._states: dict[tuple[str, int], dict[int, str]] = {}
        self._first: dict[tuple[str, int], str] = {}
        for row in rows:
            self._states.setdefault((row.message_id, row.attempt), {})[row.n] = row.state
            if row.n == 1:
                self._first[row.message_id, row.attempt] = row.reference
        self._changed: dict[tuple[str, int, int], str] = {}

    @property
    def news(self) -> list[dict[str, object]]:
        """What has changed, as rows."""
        return [
            {"message_id": message_id, "attempt": attempt, "n": n, "state": state}
            for (message_id, attempt, n), state in self._changed.items()
        ]

    def part(self, receipt: Receipt) -> Row[Any] | None:
        """Return the segment that a receipt speaks of."""
        return self._of_reference.get((receipt.provider, receipt.reference))

    def first_reference(self, part: Row[Any]) -> str:
        """Return the reference under which the ledger has the whole text."""
        return self._first[part.message_id, part.attempt]

    def note(self, part: Row[Any], state: MessageState) -> bool:
        """Note what became of a segment; say whether that holds for the whole text, too.

        A segment that is there is, whatever comes later: receipts come out of order.
        """
        states = self._states[part.message_id, part.attempt]
        if states[part.n] != _S.DELIVERED.value and states[part.n] != state.value:
            states[part.n] = state.value
            self._changed[part.message_id, part.attempt, part.n] = state.value
        if state is not _S.DELIVERED:
            return states[part.n] == state.value
        return all(other == _S.DELIVERED.value for other in states.values())
