"""A round of telling as its decision needs it: who is meant, in which order, how far it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.ir import ALWAYS, Ir
from rules.rulebook import Rulebook
from rules.standing import parse_segment
from tellal.domain.channels import Channel
from tellal.domain.decisions import Value
from tellal.domain.errors import NotFoundError
from tellal.persistence.columns import table
from tellal.persistence.tables.outages import OutageNoticeRow, OutageRow

_notices = table(OutageNoticeRow)
_outages = table(OutageRow)

DECIDING, DECIDED, STOPPED = "deciding", "decided", "stopped"
"""Where a round is: its audience is being decided, is decided, or is to be told no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a round has come: the part, and the last customer in it."""

    part: int = 0
    after: str = ""

    def to_json(self) -> dict[str, object]:
        """Write it as the ledger keeps it."""
        return {"part": self.part, "after": self.after}


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What must have come of causes for somebody to be meant: told of, or not; converted, or not.

    `told` and `converted` are None where it does not matter. Who has had an `event` since he was
    told, within `within_s` seconds, has converted.
    """

    causes: tuple[str, ...]
    told: bool | None = None
    converted: bool | None = None
    event: str = ""
    within_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Who is decided together, and over which channels they may be told (None: as rules say).

    `told_by` names causes: only those are meant to whom something of them was handed over, and
    over the same channel. Who is open or told in one of `not_told_by` has been told already; who is
    in a running round of one of `still_affected_by` (outages or causes) is still affected. If there
    are `customers`, nobody else is meant.

    A campaign's part is for members of its `groups` (ids; without any, for all) who are in none of
    `without`, live in its `zones` (without any, anywhere) and fall into its `buckets`, salted with
    `salt`. `after` says what must have come of the step before, `withheld` why nobody is told,
    `until` when nobody of this part should hear of it any more. Who was meant by one of the causes
    `not_of` is not meant: they are of steps that come at the same time to others.
    """

    segment: Ir = ALWAYS
    channels: frozenset[Channel] | None = None
    told_by: tuple[str, ...] = ()
    not_told_by: tuple[str, ...] = ()
    still_affected_by: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    buckets: tuple[int, int] | None = None
    salt: str = ""
    after: Before | None = None
    not_of: tuple[str, ...] = ()
    withheld: str = ""
    until: datetime | None = None

    @property
    def asks_who_was_told(self) -> bool:
        """Whether it is only for those who were told of something."""
        return bool(self.told_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round of telling of an outage or of a campaign, which is a cause of its own.

    `facts` are what rules may read of the outage, `variables` what texts may say, `expires_at` is
    when nobody should hear of this round any more. No more than `most` may be told now (None: as
    many as there are).
    """

    id: str
    brand_id: str
    cause_id: str
    topic: str
    facts: Mapping[str, Value]
    variables: Mapping[str, object]
    parts: Sequence[Mapping[str, Any]]
    place: Place
    runs: bool
    begins: bool
    expires_at: datetime | None
    simulated: bool
    cause_kind: str = "outage"
    most: int | None = None

    def part(self, book: Rulebook) -> Part | None:
        """Return the part that it has come to, None when it is through.

        Raises:
            InvalidInputError: Its segment is no condition of the rulebook.
        """
        if self.place.part >= len(self.parts):
            return None
        raw = self.parts[self.place.part]
        segment, channels = raw.get("segment"), raw.get("channels")
        return Part(
            segment=ALWAYS if segment is None else parse_segment(book, segment),
            channels=None if channels is None else frozenset(map(Channel, channels)),
            told_by=tuple(raw.get("told_by") or ()),
            not_told_by=tuple(raw.get("not_told_by") or ()),
            still_affected_by=tuple(raw.get("still_affected_by") or ()),
            customers=tuple(raw.get("customers") or ()),
            groups=tuple(raw.get("groups") or ()),
            without=tuple(raw.get("without") or ()),
            zones=tuple(raw.get("zones") or ()),
            buckets=tuple(raw["buckets"]) if raw.get("buckets") else None,
            salt=raw.get("salt") or "",
            after=_before(raw["after"]) if raw.get("after") else None,
            not_of=tuple(raw.get("not_of") or ()),
            withheld=raw.get("withheld") or "",
            until=datetime.fromisoformat(raw["until"]) if raw.get("until") else None,
        )


class Rounds(Protocol):
    """Where rounds of one kind are kept."""

    async def read(self, tx: AsyncSession, round_id: str) -> Round:
        """Read a round without locking it.

        Raises:
            NotFoundError: There is no such round.
        """
        ...

    async def hold(self, tx: AsyncSession, one: Round) -> bool:
        """Lock a round that is where it was read; False if it is not, or somebody is at it.

        Nobody is waited for: an operator's command on the round goes first.
        """
        ...

    async def move(
        self, tx: AsyncSession, one: Round, place: Place, now: datetime, *, told: int
    ) -> bool:
        """Write how far a round has come, which the caller has locked; say whether it is through.

        So many of those who were decided are to be `told`.
        """
        ...


class OutageRounds:
    """The rounds of outages."""

    async def read(self, tx: AsyncSession, round_id: str) -> Round:
        """Read a round without locking it.

        Raises:
            NotFoundError: There is no such round.
        """
        query = (
            select(_notices, _outages.c.kind.label("of_kind"))
            .join(_outages, _outages.c.id == _notices.c.outage_id)
            .where(_notices.c.id == round_id)
        )
        row = (await tx.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError("no such round")
        return Round(
            id=row.id,
            brand_id=row.brand_id,
            cause_id=row.cause_id,
            topic=row.topic,
            facts=row.facts or {"outage.kind": row.of_kind},
            variables={"outage": row.variables},
            parts=row.parts,
            place=Place(**row.cursor),
            runs=row.state == DECIDING,
            begins=not row.cursor,
            expires_at=row.expires_at,
            simulated=row.simulated,
        )

    async def hold(self, tx: AsyncSession, one: Round) -> bool:
        """Lock a round that is where it was read; False if it is not, or somebody is at it."""
        return await hold_row(tx, _notices, one)

    async def move(
        self, tx: AsyncSession, one: Round, place: Place, now: datetime, *, told: int
    ) -> bool:
        """Write how far a round has come; outages are told as fast as it goes, whatever `told`."""
        del told
        return await move_row(tx, _notices, one, place, now)


async def hold_row(tx: AsyncSession, rows: Table, one: Round) -> bool:
    """Lock a round's row where it was read, in the table of its kind."""
    cursor = {} if one.begins else one.place.to_json()
    query = select(rows.c.id).where(
        rows.c.id == one.id, rows.c.state == DECIDING, rows.c.cursor == cursor
    )
    found = await tx.execute(query.with_for_update(key_share=True, skip_locked=True))
    return found.one_or_none() is not None


async def move_row(tx: AsyncSession, rows: Table, one: Round, place: Place, now: datetime) -> bool:
    """Write how far a round has come into its row; say whether it is through."""
    values: dict[str, object] = {"cursor": place.to_json()}
    through = place.part >= len(one.parts)
    if through:
        values |= {"state": DECIDED, "decided_at": now}
    await tx.execute(update(rows).where(rows.c.id == one.id).values(values))
    return through


def _before(raw: Mapping[str, Any]) -> Before:
    return Before(**{**raw, "causes": tuple(raw["causes"])})


async def go_through_again(tx: AsyncSession, notice_id: str) -> bool:
    """Have a round that was through go through its parts again, as its scope has grown.

    Who has an outcome in it keeps it. False if it is not through, or stopped.
    """
    again = (
        update(_notices)
        .where(_notices.c.id == notice_id, _notices.c.state == DECIDED)
        .values(state=DECIDING, cursor={})
        .returning(_notices.c.id)
    )
    return (await tx.execute(again)).one_or_none() is not None
