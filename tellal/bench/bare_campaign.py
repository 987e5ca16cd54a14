"""The bare side of `tellal bench campaign`: the rows that a campaign wrote, by plain statements.

Nothing is asked, chosen or checked: the rows are there beforehand, and go in under other ids, as
many in a statement as ours; then as many batches of them change their state.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Lane
from tellal.ids import new_id
from tellal.persistence.bulk import Adding
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import (
    CapUseRow,
    CauseRow,
    DecisionRow,
    MessageRow,
    OutcomeRow,
)

Row = dict[str, Any]

_outcomes, _decisions, _messages, _caps = (
    table(one) for one in (OutcomeRow, DecisionRow, MessageRow, CapUseRow)
)
_NAMES: Mapping[str, Sequence[str]] = {
    one.name: [column.name for column in one.c] for one in (_outcomes, _decisions, _messages, _caps)
}
_ADDING = {
    one.name: Adding(one, *_NAMES[one.name]) for one in (_outcomes, _decisions, _messages, _caps)
}
_NEW: Mapping[str, object] = {
    "state": "queued",
    "lane": Lane.BULK.value,
    "attempt": 0,
    "route": "",
    "provider": "",
    "reference": "",
    "receipts": "",
    "subject": "",
    "text": "",
    "segments": None,
    "cost": None,
    "currency": "",
    "handed_at": None,
    "silent_until": None,
    "lease_until": None,
}
"""What a message has not got yet when it is written; nobody works in this lane here."""

_INTEND = text("""
WITH given AS (
    SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:attempts AS text[]), CAST(:subjects AS text[]),
                         CAST(:texts AS text[])) AS given(id, attempt, subject, text)
), handed_over AS (
    UPDATE messages SET state = 'handing_over', state_at = :now, lease_until = :now, attempt = 1,
           route = 'mail', provider = 'smtp', receipts = 'bounce_only', subject = given.subject,
           text = given.text, segments = 1
    FROM given WHERE messages.id = given.id
)
INSERT INTO attempts (id, message_id, n, route, provider, intended_at, answer, code, reference)
SELECT given.attempt, given.id, 1, 'mail', 'smtp', :now, '', '', '' FROM given
""")
_COMPLETE = text("""
UPDATE attempts SET answer = 'accepted', reference = message_id, answered_at = :now
WHERE message_id = ANY(CAST(:ids AS text[])) AND n = 1
""")
_ACCEPT = text("""
UPDATE messages SET state = 'accepted', state_at = :now, lease_until = NULL, reference = id,
       handed_at = :now, silent_until = CAST(:until AS timestamptz)
WHERE id = ANY(CAST(:ids AS text[]))
""")
_LOOK = text("""
UPDATE outcomes SET check_at = :until
FROM messages WHERE messages.id = ANY(CAST(:ids AS text[])) AND outcomes.id = messages.outcome_id
""")


class BareCampaign:
    """Writes again what a campaign wrote, of a cause of its own; counts the seconds."""

    def __init__(self, sessions: Sessions, cause_id: str) -> None:
        self._sessions = sessions
        self._of = cause_id
        self._cause = new_id()
        self.inserted_s = 0.0
        self.moved_s = 0.0
        self.rows = 0

    async def prepare(self) -> None:
        """Write the cause."""
        causes = table(CauseRow)
        async with self._sessions() as tx, tx.begin():
            row = (await tx.execute(select(causes).where(causes.c.id == self._of))).one()
            mine = {"id": self._cause, "key": f"{row.key}:bare"}
            await tx.execute(insert(causes).values(**row._asdict() | mine))

    async def write(self, ids: Sequence[str], *, batches: int) -> list[Row]:
        """Insert what was written about these customers, and return the messages."""
        async with self._sessions() as tx:
            outcomes = await self._like(tx, _outcomes, ids)
            decisions = await self._like(tx, _decisions, ids)
            messages = await self._like(tx, _messages, ids)
            slots = [
                {**row, "id": _other(row["id"]), "message_id": _other(row["message_id"])}
                for row in await _rows(tx, _caps, "message_id", [m["was"] for m in messages])
            ]
        by_customer = {row["customer_id"]: n % batches for n, row in enumerate(outcomes)}
        portions: list[list[tuple[Any, Mapping[str, object]]]] = []
        for number in range(batches):
            portion: list[tuple[Any, Mapping[str, object]]] = []
            for target, rows in (
                (_outcomes, outcomes),
                (_decisions, decisions),
                (_messages, messages),
                (_caps, slots),
            ):
                mine = [row for row in rows if by_customer[row["customer_id"]] == number]
                self.rows += len(mine)
                if mine:
                    adding = _ADDING[target.name]
                    portion.append((adding.statement, adding.values(mine)))
            portions.append(portion)
        began = time.perf_counter()
        for portion in portions:
            async with self._sessions() as tx, tx.begin():
                for statement, values in portion:
                    await tx.execute(statement, values)
        self.inserted_s += time.perf_counter() - began
        return messages

    async def move(self, messages: Sequence[Row], *, claims: int, answers: int) -> None:
        """Have messages handed over and accepted, in as many batches as ours were."""
        intents = [
            {
                "ids": [row["id"] for row in some],
                "attempts": [new_id() for _ in some],
                "subjects": [row["said"][0] for row in some],
                "texts": [row["said"][1] for row in some],
                "now": some[0]["created_at"],
            }
            for some in _in(messages, claims)
        ]
        accepted = [
            {
                "ids": [row["id"] for row in some],
                "now": some[0]["created_at"],
                "until": some[0]["expires_at"],
            }
            for some in _in(messages, answers)
        ]
        self.rows += len(messages)
        began = time.perf_counter()
        for one in intents:
            async with self._sessions() as tx, tx.begin():
                await tx.execute(_INTEND, one)
        for one in accepted:
            async with self._sessions() as tx, tx.begin():
                await tx.execute(_COMPLETE, {"ids": one["ids"], "now": one["now"]})
                await tx.execute(_ACCEPT, one)
                await tx.execute(_LOOK, {"ids": one["ids"], "until": one["until"]})
        self.moved_s += time.perf_counter() - began

    async def _like(self, tx: AsyncSession, target: Table, ids: Sequence[str]) -> list[Row]:
        """Return rows as ours were when they were written, under other ids."""
        found = []
        for row in await _rows(tx, target, "customer_id", ids):
            if target is not _decisions and row["cause_id"] != self._of:
                continue
            new = {**row, "id": _other(row["id"])}
            if "outcome_id" in row:
                new["outcome_id"] = _other(row["outcome_id"])
            if "cause_id" in row:
                new["cause_id"] = self._cause
            if target is _messages:
                new |= {**_NEW, "was": row["id"], "said": (row["subject"], row["text"])}
            found.append(new)
        return found


async def _rows(tx: AsyncSession, target: Table, name: str, ids: Sequence[str]) -> list[Row]:
    query = select(target).where(target.c[name].in_(ids)).order_by(target.c.id)
    return [dict(row._mapping) for row in await tx.execute(query)]  # noqa: SLF001 - SQLAlchemy's way to columns by name


def _other(row_id: str) -> str:
    return f"B{row_id[1:]}"


def _in(rows: Sequence[Row], batches: int) -> Iterator[Sequence[Row]]:
    """Cut rows into so many batches of about one size."""
    for number in range(batches):
        some = rows[number * len(rows) // batches : (number + 1) * len(rows) // batches]
        if some:
            yield some
