"""The members of a group as a table, which an upload reads again."""

from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.groups import Group
from tellal.persistence.columns import table
from tellal.persistence.tables.campaigns import GroupMemberRow
from tellal.services.group_members import Members
from tellal.services.member_files import REF
from tellal.services.table_writing import Write

_variables: ColumnElement[Any] = table(GroupMemberRow).c.variables
_group_id: ColumnElement[Any] = table(GroupMemberRow).c.group_id
_PAGE = 2_000


async def write_members(tx: AsyncSession, members: Members, group: Group, write: Write) -> int:
    """Write who is in a group now, with his variables; return how many they are."""
    keys = select(func.jsonb_object_keys(_variables)).where(_group_id == group.id).distinct()
    names = sorted((await tx.execute(keys)).scalars())
    write([REF, *names])
    after: str | None = ""
    number = 0
    while after is not None:
        page, after = await members.page(tx, group, after=after, limit=_PAGE)
        for one in page:
            write([one.ref, *(one.variables.get(name, "") for name in names)])
        number += len(page)
    return number
