"""What became of a campaign's people who are in a group: a list, a snapshot, or a segment by rule.

Who is in it now counts: a list may have grown since, and whoever meets a condition changes.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from rules.population.members import sieve
from rules.rulebook import Rulebook
from rules.standing import belongs, parse_segment
from tellal.domain.errors import NotFoundError
from tellal.persistence.columns import table
from tellal.persistence.people import read_customers
from tellal.persistence.tables.campaigns import GroupMemberRow, GroupRow
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import OutcomeRow
from tellal.services.asking import document, situation
from tellal.services.campaign_progress import Totals
from tellal.services.stored_facts import stored_value

_groups = table(GroupRow).c
_members = table(GroupMemberRow).c
_customers = table(CustomerRow).c
_outcomes = table(OutcomeRow).c

_BY_RULE = "segment"
_PAGE = 2_000


async def count_segment(
    tx: AsyncSession,
    book: Rulebook,
    brand_id: str,
    name: str,
    *,
    causes: Sequence[str],
    now: datetime,
) -> Totals:
    """Count the people of some causes who are in a group of the brand, by its name.

    Raises:
        NotFoundError: The brand has no such group.
        InvalidInputError: The rulebook cannot read its condition.
    """
    query = select(table(GroupRow)).where(
        _groups.brand_id == brand_id, _groups.name == name, _groups.deleted_at.is_(None)
    )
    group = (await tx.execute(query)).one_or_none()
    if group is None:
        raise NotFoundError(f"there is no group {name!r}")
    if group.kind == _BY_RULE:
        return await _by_rule(tx, book, group, causes, now)
    counted = (
        select(_outcomes.state, func.count().label("number"))
        .join(table(GroupMemberRow), _members.customer_id == _outcomes.customer_id)
        .where(_outcomes.cause_id.in_(causes), _members.group_id == group.id)
        .group_by(_outcomes.state)
    )
    return Totals.of({row.state: row.number for row in await tx.execute(counted)})


async def _by_rule(
    tx: AsyncSession, book: Rulebook, group: Row[Any], causes: Sequence[str], now: datetime
) -> Totals:
    """Ask the condition of everybody who passes its sieve, page by page."""
    condition = parse_segment(book, group.segment)
    query = (
        select(_outcomes.id, _outcomes.customer_id, _outcomes.state)
        .join(table(CustomerRow), _customers.id == _outcomes.customer_id)
        .where(
            _outcomes.cause_id.in_(causes),
            _customers.erased_at.is_(None),
            sieve(book, condition, stored_value),
        )
        .order_by(_outcomes.id)
        .limit(_PAGE)
    )
    found: dict[str, int] = {}
    last = ""
    while True:
        rows = (await tx.execute(query.where(_outcomes.id > last))).all()
        people = await read_customers(tx, {row.customer_id for row in rows})
        meant = {
            one.id
            for one in people.values()
            if belongs(book, condition, document(one, {}), situation(one, now))
        }
        for row in rows:
            if row.customer_id in meant:
                found[row.state] = found.get(row.state, 0) + 1
        if len(rows) < _PAGE:
            return Totals.of(found)
        last = rows[-1].id
