"""Finds who lives in the places of an outage, so that only they are asked about if they are few."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.incidents import AREAS
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import CustomerRow

_customers = table(CustomerRow).c

FEW = 20_000
"""Up to so many are looked up one by one by their ids; more are found faster among everybody."""


async def ids_in(
    tx: AsyncSession, brand_id: str, areas: Sequence[Mapping[str, str]]
) -> list[str] | None:
    """Return the customers of a brand in any of the areas; None if it is not worth naming them."""
    if not areas:
        return None
    query = select(_customers.id).where(_customers.brand_id == brand_id, _there(areas))
    ids = list((await tx.execute(query.limit(FEW + 1))).scalars())
    return ids if len(ids) <= FEW else None


def _there(areas: Sequence[Mapping[str, str]]) -> ColumnElement[bool]:
    """Ask for the places; those that name one thing of a kind are asked for together."""
    alike: dict[str, list[str]] = {}
    places: list[ColumnElement[bool]] = []
    for area in areas:
        if len(area) == 1:
            [(key, value)] = area.items()
            alike.setdefault(key, []).append(value)
        else:
            places.append(and_(*(_fact(key) == value for key, value in area.items())))
    places += [_fact(key).in_(values) for key, values in alike.items()]
    return or_(*places)


def _fact(key: str) -> ColumnElement[Any]:
    text: ColumnElement[Any] = _customers.facts[AREAS[key]].astext
    return text
