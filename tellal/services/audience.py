"""Who comes next in a part of a round, and what of other rounds matters to each of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    String,
    any_,
    bindparam,
    exists,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from rules.population.columns import typed
from rules.population.layers import Column
from rules.population.members import sieve
from rules.rulebook import Rulebook
from rules.standing import belongs
from rules.vocabulary import PythonType
from tellal.domain.channels import Channel
from tellal.domain.customers import Customer
from tellal.domain.messages import REACHED, OutcomeState
from tellal.domain.outages import TELLS_OF_IT
from tellal.persistence.bulk import among
from tellal.persistence.columns import table
from tellal.persistence.people import lock_page
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import CauseRow, MessageRow, OutcomeRow
from tellal.persistence.tables.outages import OutageNoticeRow
from tellal.services.asking import Circumstances, document, situation
from tellal.services.round_reading import Part, Round

_customers = table(CustomerRow).c
_causes = table(CauseRow).c
_messages = table(MessageRow).c
_outcomes = table(OutcomeRow).c
_notices = table(OutageNoticeRow).c

_TEXTS = {f"customer.{name}": name for name in ("kind", "locale", "timezone", "country")}
_PUSH_TOKEN = "customer.app.push_token"  # noqa: S105 - the path of a fact
_AFFECTED = sorted({OutcomeState.OPEN, OutcomeState.TOLD})
_ALL = frozenset(Channel)

_CAUSES = any_(bindparam("causes", type_=ARRAY(String)))
_TOLD = select(_messages.customer_id, _messages.channel).where(
    _messages.cause_id == _CAUSES,
    _messages.state.in_(sorted(REACHED)),
    among(_messages.customer_id),
)
_REACHED = select(_outcomes.customer_id).where(
    _outcomes.cause_id == _CAUSES, _outcomes.state.in_(_AFFECTED), among(_outcomes.customer_id)
)
_STILL = (
    select(_outcomes.customer_id)
    .join(_causes.id.table, _causes.id == _outcomes.cause_id)
    .outerjoin(_notices.id.table, _notices.cause_id == _outcomes.cause_id)
    .where(
        _causes.state == "running",
        _outcomes.state.in_(_AFFECTED),
        or_(
            _outcomes.cause_id == _CAUSES,
            (_notices.outage_id == _CAUSES) & _notices.kind.in_(TELLS_OF_IT),
        ),
        among(_outcomes.customer_id),
    )
)
_DECIDED = select(_outcomes.customer_id).where(
    _outcomes.cause_id == bindparam("cause"), among(_outcomes.customer_id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The next customers of a part, whose rows are locked, and what surrounds each decision.

    `last` is the id of the last one that was looked at, None when the part has no more.
    """

    people: Sequence[tuple[Customer, Circumstances]]
    last: str | None


async def next_page(
    tx: AsyncSession, book: Rulebook, one: Round, limit: int, now: datetime
) -> Page | None:
    """Lock the next customers of a part, in the order of their ids, who have no outcome yet.

    None if there is no such part any more.

    Raises:
        InvalidInputError: The rulebook cannot read the part's segment.
    """
    part = one.part(book)
    if part is None:
        return None
    only = [_has_no_outcome(one.cause_id), sieve(book, part.segment, stored_value)]
    if part.customers:
        only.append(_customers.id.in_(part.customers))
    if part.asks_who_was_told:
        only.append(_was_told(part.told_by))
    found = await lock_page(tx, one.brand_id, after=one.place.after, limit=limit, only=only)
    constants = book.constants(one.topic)
    meant = [
        customer
        for customer in found
        if belongs(book, part.segment, document(customer, constants), situation(customer, now))
    ]
    # Asked again under the lock: somebody else may have decided about them meanwhile.
    ids = [customer.id for customer in meant]
    decided = await _among(tx, _DECIDED, ids, cause=one.cause_id) if ids else frozenset()
    people = [customer for customer in meant if customer.id not in decided]
    return Page(
        people=await _surrounded(tx, one, part, people),
        last=found[-1].id if len(found) == limit else None,
    )


async def _surrounded(
    tx: AsyncSession, one: Round, part: Part, people: Sequence[Customer]
) -> Sequence[tuple[Customer, Circumstances]]:
    ids = [customer.id for customer in people]
    told: dict[str, set[Channel]] = {}
    reached: frozenset[str] = frozenset()
    still: frozenset[str] = frozenset()
    if ids and part.told_by:
        values = {"causes": list(part.told_by), "among": ids}
        for customer_id, channel in await tx.execute(_TOLD, values):
            told.setdefault(customer_id, set()).add(Channel(channel))
    if ids and part.not_told_by:
        reached = await _among(tx, _REACHED, ids, causes=list(part.not_told_by))
    if ids and part.still_affected_by:
        still = await _among(tx, _STILL, ids, causes=list(part.still_affected_by))
    planned = _ALL if part.channels is None else part.channels
    surrounded = []
    for customer in people:
        mine = planned & told.get(customer.id, set()) if part.told_by else planned
        withheld = "told_already" if customer.id in reached else ""
        if not withheld and customer.id in still:
            withheld = "still_affected"
        around = Circumstances(
            document=one.facts,
            unplanned=_ALL - mine,
            withheld=withheld,
            until=one.expires_at,
        )
        surrounded.append((customer, around))
    return surrounded


async def _among(
    tx: AsyncSession, query: object, ids: Collection[str], **values: object
) -> frozenset[str]:
    found = await tx.execute(query, {**values, "among": list(ids)})  # type: ignore[call-overload]
    return frozenset(found.scalars())


def stored_value(path: str, kind: PythonType) -> Column | None:
    """Find a customer's stored value; his push token is known by his addresses, too."""
    if path in _TEXTS:
        return _customers[_TEXTS[path]].collate("C") if kind is str else None
    if path == _PUSH_TOKEN or not path.startswith("customer."):
        return None
    return typed(type_coerce(_customers.facts.op("->")(path), JSONB), kind)


def _has_no_outcome(cause_id: str) -> ColumnElement[bool]:
    return ~exists().where(_outcomes.cause_id == cause_id, _outcomes.customer_id == _customers.id)


def _was_told(causes: Sequence[str]) -> ColumnElement[bool]:
    return exists().where(
        _messages.customer_id == _customers.id,
        _messages.cause_id.in_(causes),
        _messages.state.in_(sorted(REACHED)),
    )
