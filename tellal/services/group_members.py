"""Members of groups: who is in one now, and what texts may say of each of them alone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, String, any_, delete, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from rules.holder import RulebookHolder
from rules.ir import ALWAYS, Ir
from rules.population.members import is_whole, sieve
from rules.standing import belongs, parse_segment
from tellal.clock import Clock
from tellal.domain.errors import InvalidInputError
from tellal.domain.groups import Group, GroupKind, checked_variables
from tellal.domain.routes import RouteTable
from tellal.persistence.columns import Instant, table
from tellal.persistence.people import read_customers
from tellal.persistence.tables.campaigns import GroupMemberRow, GroupRow
from tellal.persistence.tables.customers import CustomerRow
from tellal.services.asking import document, situation
from tellal.services.population import Deciding, Population
from tellal.services.stored_facts import stored_value

_groups = table(GroupRow)
_members = table(GroupMemberRow)
_customers = table(CustomerRow)

_AT_ONCE = 500
"""So many customers are looked at together for a page of a segment."""
_LOOKS = 20
"""So often at most: a page of a segment that hardly anybody meets comes back short."""
FEW = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member by the brand's name for him, and what texts may say of him alone."""

    id: str
    ref: str
    variables: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What came of putting members in: how many are new, and how many got other variables."""

    added: int
    changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """How many meet a condition now, and a few of them."""

    number: int
    first: tuple[str, ...]


class Members:
    """Looks for members and puts them in; the transaction is the caller's.

    Who was erased is in no group any more, though his row stays under our own id.
    """

    def __init__(self, books: RulebookHolder, routes: RouteTable, clock: Clock) -> None:
        self._books = books
        self._deciding = Deciding(routes)
        self._clock = clock

    async def count(self, tx: AsyncSession, group: Group) -> int:
        """Count who is in a group now; a segment's members are looked for."""
        if group.kind is GroupKind.SEGMENT:
            return (await self.audience(tx, group.brand_id, group.segment)).number
        number: int = (
            await tx.execute(select(func.count()).select_from(_present(group)))
        ).scalar_one()
        return number

    async def audience(
        self, tx: AsyncSession, brand_id: str, segment: Mapping[str, object] | None
    ) -> Audience:
        """Count who meets a condition now, and name a few; without one, everybody.

        Raises:
            InvalidInputError: It is no condition of the rulebook.
        """
        who = (await self._who(tx, brand_id, self.parsed(segment))).subquery()
        few = select(who.c.id).order_by(who.c.id).limit(FEW)
        number = select(func.count().label("number")).select_from(who)
        query = select(
            number.scalar_subquery().label("number"),
            select(func.array_agg(_customers.c.ref))
            .where(_customers.c.id.in_(few))
            .scalar_subquery()
            .label("first"),
        )
        row = (await tx.execute(query)).one()
        return Audience(number=row.number, first=tuple(sorted(row.first or ())))

    async def page(
        self, tx: AsyncSession, group: Group, *, after: str, limit: int
    ) -> tuple[Sequence[Member], str | None]:
        """Read the next members in the order of our ids, and what comes `after` the next page.

        A page of a segment may be short, or empty, and still not be the last.
        """
        if group.kind is GroupKind.SEGMENT:
            return await self._meeting(tx, group, after, limit)
        rows = _present(group)
        query = select(rows).where(rows.c.id > after).order_by(rows.c.id).limit(limit + 1)
        found = (await tx.execute(query)).all()
        members = [Member(id=row.id, ref=row.ref, variables=row.variables) for row in found[:limit]]
        return members, members[-1].id if len(found) > limit else None

    async def add(
        self,
        tx: AsyncSession,
        group: Group,
        members: Mapping[str, Mapping[str, object]],
    ) -> Put:
        """Put customers in, by their references; who is in already gets the new variables.

        Raises:
            ConflictError: The group is no list.
            InvalidInputError: The brand has no such customer, or a variable cannot be.
        """
        group.check_is_list()
        checked = {ref: checked_variables(one) for ref, one in members.items()}
        query = select(_customers.c.id, _customers.c.ref).where(
            _customers.c.brand_id == group.brand_id,
            _customers.c.erased_at.is_(None),
            _customers.c.ref == any_(literal(sorted(checked), ARRAY(String))),
        )
        # Whoever is being erased is waited for: nothing may be said of him afterwards.
        found = (await tx.execute(query.order_by(_customers.c.id).with_for_update(read=True))).all()
        unknown = sorted(set(checked) - {row.ref for row in found})
        if unknown:
            raise InvalidInputError(
                f"no customer {unknown[0]!r}"
                + (f", nor {len(unknown) - 1} others" if unknown[1:] else ""),
                field="members",
                hint="make him known first: PUT /v1/customers/{ref}",
            )
        now = self._clock.now()
        rows = [
            {
                "group_id": group.id,
                "customer_id": row.id,
                "variables": checked[row.ref],
                "added_at": now,
            }
            for row in found
        ]
        if not rows:
            return Put(added=0, changed=0)
        statement = pg_insert(_members).values(rows)
        kept = statement.on_conflict_do_update(
            index_elements=["group_id", "customer_id"],
            set_={"variables": statement.excluded.variables},
        )
        ids = [row.id for row in found]
        known = select(func.count()).where(
            _members.c.group_id == group.id,
            _members.c.customer_id == any_(literal(ids, ARRAY(String))),
        )
        changed: int = (await tx.execute(known)).scalar_one()
        await tx.execute(kept)
        await touch(tx, group, now)
        return Put(added=len(rows) - changed, changed=changed)

    async def remove(self, tx: AsyncSession, group: Group, refs: Collection[str]) -> int:
        """Take customers out, by their references; return how many were in.

        Raises:
            ConflictError: The group is no list.
        """
        group.check_is_list()
        whose = select(_customers.c.id).where(
            _customers.c.brand_id == group.brand_id,
            _customers.c.ref == any_(literal(sorted(refs), ARRAY(String))),
        )
        gone = delete(_members).where(
            _members.c.group_id == group.id, _members.c.customer_id.in_(whose)
        )
        number = len((await tx.execute(gone.returning(_members.c.customer_id))).all())
        await touch(tx, group, self._clock.now())
        return number

    def parsed(self, segment: Mapping[str, object] | None) -> Ir:
        """Read a condition by the rulebook in force; none is met by everybody.

        Raises:
            InvalidInputError: It is no condition; the message says how to mend it.
        """
        return ALWAYS if segment is None else parse_segment(self._books.current, segment)

    async def _who(self, tx: AsyncSession, brand_id: str, segment: Ir) -> Select[Any]:
        """Select the ids of those who meet a condition, of their rows alone if that will do."""
        book = self._books.current
        if is_whole(book, segment, stored_value):
            return select(_customers.c.id).where(
                _customers.c.brand_id == brand_id,
                _customers.c.erased_at.is_(None),
                sieve(book, segment, stored_value),
            )
        whom = Population(brand_id=brand_id)
        return await self._deciding.belonging(tx, book, segment, whom, self._clock.now())

    async def fill(self, tx: AsyncSession, group: Group, segment: Ir) -> int:
        """Put everybody in who meets a condition now; return how many they are."""
        ids = (await self._who(tx, group.brand_id, segment)).subquery()
        rows = select(
            literal(group.id, String),
            ids.c.id,
            literal({}, JSONB),
            literal(self._clock.now(), Instant),
        )
        return await _insert(tx, rows)

    async def copy(self, tx: AsyncSession, group: Group, origin: Group) -> int:
        """Put everybody in who is in another group, with his variables."""
        # Whoever is being erased is waited for, as his variables would outlive him here.
        rows = (
            select(
                literal(group.id, String),
                _members.c.customer_id,
                _members.c.variables,
                literal(self._clock.now(), Instant),
            )
            .join(_customers, _customers.c.id == _members.c.customer_id)
            .where(_members.c.group_id == origin.id, _customers.c.erased_at.is_(None))
            .with_for_update(read=True, of=_customers)
        )
        return await _insert(tx, rows)

    async def _meeting(
        self, tx: AsyncSession, group: Group, after: str, limit: int
    ) -> tuple[Sequence[Member], str | None]:
        book, now = self._books.current, self._clock.now()
        segment = self.parsed(group.segment)
        found: list[Member] = []
        for _ in range(_LOOKS):
            query = (
                select(_customers.c.id)
                .where(
                    _customers.c.brand_id == group.brand_id,
                    _customers.c.erased_at.is_(None),
                    _customers.c.id > after,
                    sieve(book, segment, stored_value),
                )
                .order_by(_customers.c.id)
                .limit(_AT_ONCE)
            )
            ids = (await tx.execute(query)).scalars().all()
            people = await read_customers(tx, ids)
            for one in (people[id] for id in ids if id in people):
                if belongs(book, segment, document(one, {}), situation(one, now)):
                    found.append(Member(id=one.id, ref=one.ref))
                if len(found) > limit:
                    return found[:limit], found[limit - 1].id
            if len(ids) < _AT_ONCE:
                return found, None
            after = ids[-1]
        return found, after


async def touch(tx: AsyncSession, group: Group, now: datetime, *, source: str = "") -> None:
    """Note that a group has changed, and of which file, if it was one."""
    values: dict[str, object] = {"changed_at": now} | ({"source": source} if source else {})
    await tx.execute(update(_groups).where(_groups.c.id == group.id).values(**values))


async def _insert(tx: AsyncSession, rows: Select[Any]) -> int:
    """Put members in by one statement, and count them."""
    names = ["group_id", "customer_id", "variables", "added_at"]
    put = insert(_members).from_select(names, rows, include_defaults=False)
    done = put.returning(_members.c.customer_id).cte("done")
    number: int = (await tx.execute(select(func.count()).select_from(done))).scalar_one()
    return number


def _present(group: Group) -> Any:  # noqa: ANN401 - a subquery, whose columns SQLAlchemy leaves untyped
    return (
        select(_customers.c.id, _customers.c.ref, _members.c.variables)
        .join(_customers, _customers.c.id == _members.c.customer_id)
        .where(_members.c.group_id == group.id, _customers.c.erased_at.is_(None))
        .subquery()
    )
