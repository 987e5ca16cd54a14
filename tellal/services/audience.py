"""Who comes next in a part of a round, and what of other rounds matters to each of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Interval,
    String,
    any_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import BIT
from sqlalchemy.ext.asyncio import AsyncSession

from rules.population.members import sieve
from rules.rulebook import Rulebook
from rules.standing import belongs
from tellal.domain.campaigns import BUCKETS
from tellal.domain.channels import Channel
from tellal.domain.customers import Customer
from tellal.domain.messages import REACHED, OutcomeState
from tellal.domain.outages import TELLS_OF_IT
from tellal.persistence.bulk import among
from tellal.persistence.columns import table
from tellal.persistence.people import lock_page
from tellal.persistence.tables.customers import CustomerRow, EventRow
from tellal.persistence.tables.ledger import CauseRow, MessageRow, OutcomeRow
from tellal.persistence.tables.outages import OutageNoticeRow
from tellal.services.asking import Circumstances, document, situation
from tellal.services.groups import in_groups, variables_among
from tellal.services.round_reading import Before, Part, Round
from tellal.services.stored_facts import stored_value

_customers = table(CustomerRow).c
_causes = table(CauseRow).c
_messages = table(MessageRow).c
_outcomes = table(OutcomeRow).c
_notices = table(OutageNoticeRow).c
_events = table(EventRow).c

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
    only += chosen(part)
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
    variables = await own_variables(tx, part, ids)
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
        withheld = "told_already" if customer.id in reached else part.withheld
        if not withheld and customer.id in still:
            withheld = "still_affected"
        around = Circumstances(
            document=one.facts,
            unplanned=_ALL - mine,
            withheld=withheld,
            until=part.until or one.expires_at,
            variables=variables.get(customer.id, {}),
        )
        surrounded.append((customer, around))
    return surrounded


async def own_variables(
    tx: AsyncSession, part: Part, ids: Sequence[str]
) -> Mapping[str, Mapping[str, object]]:
    """Read what lists say of each alone; what a later of the part's groups says wins."""
    if not ids or not part.groups:
        return {}
    return await variables_among(tx, part.groups, ids)


def chosen(part: Part) -> list[ColumnElement[bool]]:
    """Write whom a campaign's part is for, besides its segment: conditions over customers."""
    only: list[ColumnElement[bool]] = []
    if part.groups:
        only.append(in_groups(_customers.id, part.groups))
    if part.without:
        only.append(~in_groups(_customers.id, part.without))
    if part.zones:
        only.append(_customers.timezone.in_(part.zones))
    if part.buckets is not None:
        only.append(_bucket(part.salt).between(part.buckets[0], part.buckets[1] - 1))
    if part.after is not None:
        only += _came_of(part.after)
    if part.not_of:
        mine = _outcomes.customer_id == _customers.id
        only.append(~exists().where(mine, _outcomes.cause_id.in_(part.not_of)))
    return only


def _bucket(salt: str) -> ColumnElement[int]:
    """Return into which bucket a customer falls: by chance, and always into the same."""
    digits = func.substr(func.md5(func.concat(salt, _customers.id)), 1, 8)
    number = func.concat("x", digits).cast(BIT(32)).cast(BigInteger)
    return number % BUCKETS


def _came_of(before: Before) -> Iterator[ColumnElement[bool]]:
    mine = (_outcomes.customer_id == _customers.id, _outcomes.cause_id.in_(before.causes))
    if before.told is not None:
        told = exists().where(*mine, _outcomes.state == OutcomeState.TOLD.value)
        yield exists().where(*mine)
        yield told if before.told else ~told
    if before.converted is not None:
        since = _messages.handed_at
        event = exists().where(
            _messages.customer_id == _customers.id,
            _messages.cause_id.in_(before.causes),
            _events.customer_id == _customers.id,
            _events.type == before.event,
            _events.received_at >= since,
            _events.received_at < since + literal(timedelta(seconds=before.within_s), Interval()),
        )
        yield exists().where(*mine)
        yield event if before.converted else ~event


async def _among(
    tx: AsyncSession, query: object, ids: Collection[str], **values: object
) -> frozenset[str]:
    found = await tx.execute(query, {**values, "among": list(ids)})  # type: ignore[call-overload]
    return frozenset(found.scalars())


def _has_no_outcome(cause_id: str) -> ColumnElement[bool]:
    return ~exists().where(_outcomes.cause_id == cause_id, _outcomes.customer_id == _customers.id)


def _was_told(causes: Sequence[str]) -> ColumnElement[bool]:
    return exists().where(
        _messages.customer_id == _customers.id,
        _messages.cause_id.in_(causes),
        _messages.state.in_(sorted(REACHED)),
    )
