"""The statements that open and change a case: all that follows from it in one round trip each.

The case, the line of its history, the news for its workflow and the view that is answered: a
request waits for the database once instead of seven times, and holds its locks for so much less.
"""

from typing import Any

from sqlalchemy import CTE, Insert, Select, bindparam, insert, select, union_all, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from tellal.persistence.columns import table
from tellal.persistence.tables.operations import CaseEntryRow, CaseNumberRow, CaseRow
from tellal.services.case_views import CASE_ID, entries_of_case, shown
from tellal.services.outbox import ENQUEUE

_cases = table(CaseRow)
_entries = table(CaseEntryRow)
_numbers = table(CaseNumberRow)

LOCK = (
    select(_cases)
    .where(_cases.c.brand_id == bindparam("brand"), _cases.c.number == bindparam("of_number"))
    .with_for_update(key_share=True)
)
"""Finds a case of the `brand` by its `of_number` and locks it."""

_CHANGED = (
    "state",
    "state_at",
    "routed",
    "team",
    "answer",
    "result",
    "calls",
    "round",
    "closure",
    "verified_as",
    "merged_into",
    "contacted_at",
    "told_at",
    "unreachable_at",
    "reminded_at",
    "warn_at",
    "warned_at",
    "due_at",
    "escalated_at",
    "resolved_at",
)


def _new(name: str) -> Any:  # noqa: ANN401 - SQLAlchemy takes it as any column's value
    return bindparam(f"new_{name}", type_=_cases.c[name].type)


def _entering() -> Insert:
    values = {
        column.name: bindparam(f"entry_{column.name}", type_=column.type)
        for column in _entries.c
        if column.name != "case_id"
    }
    return insert(_entries).values(case_id=CASE_ID, **values)


def _written(case: CTE, *, tells: bool) -> Select[Any]:
    entered = _entering().returning(_entries).cte("entered")
    lines = union_all(entries_of_case(), select(entered)).subquery("lines")
    query = shown(case, lines).add_cte(entered)
    return query.add_cte(ENQUEUE.cte("told")) if tells else query


def _numbering() -> Any:  # noqa: ANN401 - its type says nothing
    first = pg_insert(_numbers).values(
        brand_id=bindparam("brand"), year=bindparam("of_year"), last=1
    )
    return first.on_conflict_do_update(
        index_elements=["brand_id", "year"], set_={"last": _numbers.c.last + 1}
    ).returning(_numbers.c.last)


NUMBER = _numbering()
"""Takes the brand's next number of the year `of_year`."""

OPEN = _written(
    insert(_cases)
    .values(
        id=CASE_ID,
        **{column.name: _new(column.name) for column in _cases.c if column.name != "id"},
    )
    .returning(_cases)
    .cte("opened"),
    tells=True,
)
"""Writes a new case, enters it in its history, has its workflow started, and shows it."""

_CHANGE = (
    update(_cases)
    .where(_cases.c.id == CASE_ID)
    .values({name: _new(name) for name in _CHANGED})
    .returning(_cases)
    .cte("changed")
)
CHANGE = _written(_CHANGE, tells=False)
"""Writes a command's changes, enters it in the history, and shows the case."""
CHANGE_AND_TELL = _written(_CHANGE, tells=True)
"""As CHANGE, and has the workflow told."""


def kept(case: Any) -> dict[str, object]:  # noqa: ANN401 - a row of cases
    """Return what a change sets, as it is now."""
    return {name: getattr(case, name) for name in _CHANGED}


def new(values: dict[str, object]) -> dict[str, object]:
    """Return a case's values as the statements name them."""
    return {f"new_{name}": value for name, value in values.items()}
