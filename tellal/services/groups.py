"""Groups of customers: made, filled, looked into, and asked for by campaigns."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    String,
    any_,
    bindparam,
    exists,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert as pg_insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from rules.holder import RulebookHolder
from rules.ir import Ir
from tellal.clock import Clock
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.domain.groups import Group, GroupKind, checked_name
from tellal.domain.routes import RouteTable
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.campaigns import GroupMemberRow, GroupRow
from tellal.services.group_members import Members

_groups = table(GroupRow)
_members = table(GroupMemberRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGroup:
    """What a group is to be; only a segment, or a snapshot of one, has a condition."""

    name: str
    kind: GroupKind = GroupKind.LIST
    segment: Mapping[str, object] | None = None
    source: str = ""


class Groups:
    """Keeps a brand's groups; the transaction is the caller's. `members` fills them."""

    def __init__(self, books: RulebookHolder, routes: RouteTable, clock: Clock) -> None:
        self.members = Members(books, routes, clock)
        self._clock = clock

    async def make(self, tx: AsyncSession, brand: Brand, said: NewGroup, *, by: str) -> Group:
        """Make a group; a snapshot is taken of its condition at once.

        Raises:
            InvalidInputError: Its name or its condition cannot be, or a segment has none.
            ConflictError: A group of the brand is called so.
        """
        name = checked_name(said.name)
        segment = self._condition(said)
        now = self._clock.now()
        values = {
            "id": new_id(),
            "brand_id": brand.id,
            "name": name,
            "kind": said.kind.value,
            "segment": None if said.segment is None else dict(said.segment),
            "source": said.source,
            "made_by": by,
            "created_at": now,
            "changed_at": now,
        }
        fresh = pg_insert(_groups).values(**values).on_conflict_do_nothing().returning(_groups)
        row = (await tx.execute(fresh)).one_or_none()
        if row is None:
            raise _taken(name)
        group = _group(row)
        if segment is not None and group.kind is GroupKind.SNAPSHOT:
            await self.members.fill(tx, group, segment)
        return group

    async def rename(self, tx: AsyncSession, brand: Brand, name: str, to: str) -> Group:
        """Call a group another; runs of campaigns that began go on with it.

        Raises:
            NotFoundError: The brand has no such group.
            InvalidInputError: It cannot be called so.
            ConflictError: Another group is called so.
        """
        group = await self.find(tx, brand.id, name, lock=True)
        change = (
            update(_groups)
            .where(_groups.c.id == group.id)
            .values(name=checked_name(to), changed_at=self._clock.now())
            .returning(_groups)
        )
        try:
            async with tx.begin_nested():
                return _group((await tx.execute(change)).one())
        except IntegrityError as error:
            raise _taken(to) from error

    async def delete(self, tx: AsyncSession, brand: Brand, name: str) -> None:
        """Take a group away; its row and members stay for the runs and reports that name it.

        Its name is free again: no name of a living group has a slash in it.

        Raises:
            NotFoundError: The brand has no such group.
        """
        group = await self.find(tx, brand.id, name, lock=True)
        now = self._clock.now()
        values = {"name": f"{group.name}/{group.id}", "deleted_at": now, "changed_at": now}
        await tx.execute(update(_groups).where(_groups.c.id == group.id).values(**values))

    async def find(
        self, tx: AsyncSession, brand_id: str, name: str, *, lock: bool = False
    ) -> Group:
        """Read a group by its name.

        Raises:
            NotFoundError: The brand has no such group.
        """
        query = select(_groups).where(
            _groups.c.brand_id == brand_id, _groups.c.name == name, _groups.c.deleted_at.is_(None)
        )
        row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
        if row is None:
            raise NotFoundError(f"no group {name!r}")
        return _group(row)

    async def page(
        self, tx: AsyncSession, brand_id: str, *, after: str, limit: int
    ) -> Sequence[Group]:
        """Read the brand's next groups in the order in which they were made."""
        query = (
            select(_groups)
            .where(
                _groups.c.brand_id == brand_id,
                _groups.c.deleted_at.is_(None),
                _groups.c.id > after,
            )
            .order_by(_groups.c.id)
            .limit(limit)
        )
        return [_group(row) for row in await tx.execute(query)]

    async def snapshot(
        self, tx: AsyncSession, brand: Brand, name: str, to: str, *, by: str
    ) -> tuple[Group, int]:
        """Keep who is in a group now under another name; return that group, and how many they are.

        Raises:
            NotFoundError: The brand has no such group.
            InvalidInputError: It cannot be called so.
            ConflictError: A group is called so.
        """
        origin = await self.find(tx, brand.id, name)
        kept = await self.make(
            tx, brand, NewGroup(name=to, kind=GroupKind.SNAPSHOT, source=origin.name), by=by
        )
        if origin.kind is GroupKind.SEGMENT:
            segment = self.members.parsed(origin.segment)
            return kept, await self.members.fill(tx, kept, segment)
        return kept, await self.members.copy(tx, kept, origin)

    def _condition(self, said: NewGroup) -> Ir | None:
        if said.segment is not None:
            if said.kind is GroupKind.LIST:
                raise InvalidInputError(
                    "a list has no condition", field="segment", hint="make it of the kind segment"
                )
            return self.members.parsed(said.segment)
        if said.kind is GroupKind.SEGMENT:
            raise InvalidInputError(
                "a segment has a condition",
                field="segment",
                hint='as in {"customer.city": "Eskişehir"}',
            )
        if said.kind is GroupKind.SNAPSHOT and not said.source:
            raise InvalidInputError(
                "a snapshot is taken of a condition or of a group",
                field="segment",
                hint="give a condition, or take a snapshot of a group",
            )
        return None


def in_groups(customer_id: ColumnElement[str], group_ids: Collection[str]) -> ColumnElement[bool]:
    """Ask whether a customer is in one of some lists or snapshots.

    It goes into the queries of campaigns; a segment has no rows, its condition is asked instead.
    """
    ids = literal(sorted(group_ids), ARRAY(String))
    return exists().where(_members.c.customer_id == customer_id, _members.c.group_id == any_(ids))


async def resolve(tx: AsyncSession, brand_id: str, names: Collection[str]) -> list[Group]:
    """Read groups by their names, in the order of the names.

    Raises:
        NotFoundError: The brand has no group of one of the names; it says which.
    """
    wanted = list(dict.fromkeys(names))
    query = select(_groups).where(
        _groups.c.brand_id == brand_id,
        _groups.c.deleted_at.is_(None),
        _groups.c.name == any_(bindparam("names", type_=ARRAY(String))),
    )
    found = {row.name: _group(row) for row in await tx.execute(query, {"names": wanted})}
    missing = next((name for name in wanted if name not in found), None)
    if missing is not None:
        raise NotFoundError(f"no group {missing!r}")
    return [found[name] for name in wanted]


async def variables_among(
    tx: AsyncSession, group_ids: Sequence[str], customer_ids: Collection[str]
) -> dict[str, Mapping[str, object]]:
    """Return what texts may say of some customers alone, by our ids.

    Of who is in several groups the earlier group's word counts, variable by variable.
    """
    query = select(_members.c.group_id, _members.c.customer_id, _members.c.variables).where(
        _members.c.group_id == any_(literal(list(group_ids), ARRAY(String))),
        _members.c.customer_id == any_(literal(list(customer_ids), ARRAY(String))),
    )
    place = {group: n for n, group in enumerate(group_ids)}
    rows = sorted(await tx.execute(query), key=lambda row: -place[row.group_id])
    found: dict[str, Mapping[str, object]] = {}
    for row in rows:
        found[row.customer_id] = {**found.get(row.customer_id, {}), **row.variables}
    return found


def _group(row: Row[Any]) -> Group:
    return Group(
        id=row.id,
        brand_id=row.brand_id,
        name=row.name,
        kind=GroupKind(row.kind),
        segment=row.segment,
        source=row.source,
        made_by=row.made_by,
        created_at=row.created_at,
        changed_at=row.changed_at,
    )


def _taken(name: str) -> ConflictError:
    return ConflictError(
        f"a group is called {name!r} already", code="name_taken", hint="choose another name"
    )
