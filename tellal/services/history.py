"""What the ledger remembers of customers and a topic, as decisions need it.

One customer is asked about as many are, so that a decision by himself and one among thousands rest
on the same.

Rehearsals are in the ledger, too. What is in earnest does not see them: nobody goes without a
message because one was rehearsed. A rehearsal sees everything, as the real thing would.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import ARRAY, Row, Select, String, any_, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from rules.decide import LedgerView
from rules.definitions import Count, Counted
from rules.rulebook import Cap, Topic
from rules.situations import Tally
from tellal.domain.messages import LOST, UNSENT, OutcomeState
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import EventRow
from tellal.persistence.tables.ledger import CapUseRow, MessageRow, OutcomeRow
from tellal.services.slots import Slot

_outcomes = table(OutcomeRow).c
_caps = table(CapUseRow).c
_messages = table(MessageRow).c
_events = table(EventRow).c

_WHOSE = any_(bindparam("whose", type_=ARRAY(String)))
_TOLD_OF: Select[Any] = select(
    _outcomes.customer_id,
    _outcomes.id,
    _outcomes.state,
    _outcomes.content_version,
    _outcomes.tries,
    _outcomes.created_at,
).where(_outcomes.customer_id == _WHOSE, _outcomes.topic == bindparam("of_topic"))
_TOLD_IN_EARNEST = _TOLD_OF.where(_outcomes.plan["simulated"].as_boolean().is_not(True))
_CAP_USES: Select[Any] = (
    select(
        _caps.customer_id,
        _caps.cap,
        _caps.used_at,
        _messages.id,
        _messages.topic,
        _messages.state,
        _messages.priority,
        _messages.simulated,
    )
    .join(_messages.id.table, _messages.id == _caps.message_id)
    .where(
        _caps.customer_id == _WHOSE,
        _caps.cap == any_(bindparam("caps", type_=ARRAY(String))),
        _caps.released_at.is_(None),
        # What has not left yet leaves now at the earliest, however old its slot is.
        or_(_caps.used_at > bindparam("since"), _messages.state.in_(sorted(UNSENT))),
    )
    .order_by(_caps.used_at, _caps.id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """An outcome as re-decisions know it: what it holds itself must not count against it.

    `tries` is the number of the try that goes on along its channels, 0 when a new one is asked for.
    """

    outcome_id: str
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CapUses:
    """The slots that count for a topic, with the topics of the messages that have them.

    `below` are slots that do not count: their messages have not left, and have a lower priority.
    """

    instants: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    holders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    below: tuple[Slot, ...] = ()


async def ledger_view(
    tx: AsyncSession,
    customer_id: str,
    topic: Topic,
    at: datetime,
    own: Journey | None = None,
    *,
    simulated: bool = False,
) -> LedgerView:
    """Say whether the customer was told, is being told, and how often it was tried."""
    found = await ledger_views(tx, [customer_id], topic, at, own, simulated=simulated)
    return found[customer_id]


async def ledger_views(
    tx: AsyncSession,
    customer_ids: Collection[str],
    topic: Topic,
    at: datetime,
    own: Journey | None = None,
    *,
    simulated: bool = False,
) -> dict[str, LedgerView]:
    """Say of each customer whether he was told, is being told, and how often it was tried.

    Only topics that events ask for are remembered in this way; a case, an outage or a digest speaks
    for itself each time. `own` is the journey that asks again: it is not in its own way.
    """
    rows: dict[str, list[Row[Any]]] = {one: [] for one in customer_ids}
    if topic.is_remembered:
        query = _TOLD_OF if simulated else _TOLD_IN_EARNEST
        for row in await tx.execute(query, {"whose": list(customer_ids), "of_topic": topic.id}):
            rows[row.customer_id].append(row)
    return {one: _view(mine, topic, at, own) for one, mine in rows.items()}


def _view(rows: Sequence[Row[Any]], topic: Topic, at: datetime, own: Journey | None) -> LedgerView:
    others = [row for row in rows if own is None or row.id != own.outcome_id]
    since = at - topic.attempts_within if topic.attempts_within else None
    lately = [
        row
        for row in rows
        if row.state != OutcomeState.CANCELLED
        and (since is None or row.created_at > since or (own and row.id == own.outcome_id))
    ]
    told = [row.content_version for row in others if row.state == OutcomeState.TOLD]
    goes_on = topic.is_remembered and own is not None and own.tries
    return LedgerView(
        told_version=max(told, default=None),
        pending=any(row.state == OutcomeState.OPEN for row in others),
        attempts_made=sum(row.tries for row in lately) - (1 if goes_on else 0),
    )


async def cap_uses(
    tx: AsyncSession,
    customer_id: str,
    caps: Sequence[Cap],
    at: datetime,
    own: Journey | None = None,
    *,
    priority: int = 0,
    firm: Collection[str] = (),
    simulated: bool = False,
) -> CapUses:
    """Return which slots of these caps a customer has taken; see `uses_of_caps`."""
    found = await uses_of_caps(
        tx, [customer_id], caps, at, own, priority=priority, firm=firm, simulated=simulated
    )
    return found[customer_id]


async def uses_of_caps(
    tx: AsyncSession,
    customer_ids: Collection[str],
    caps: Sequence[Cap],
    at: datetime,
    own: Journey | None = None,
    *,
    priority: int = 0,
    firm: Collection[str] = (),
    simulated: bool = False,
) -> dict[str, CapUses]:
    """Return which slots of these caps each has taken within their windows, for a priority.

    What has not left and has a lower priority is left out, unless it is `firm`: the caller has
    found that it cannot give way. A rehearsal leaves out what is in earnest and has not left, as
    the real thing would, but nothing in earnest gives way to it.
    """
    if not caps:
        return dict.fromkeys(customer_ids, CapUses())
    windows = {cap.id: at - cap.reach for cap in caps}
    query = _CAP_USES
    values = {
        "whose": list(customer_ids),
        "caps": list(windows),
        "since": min(windows.values()),
    }
    if own is not None:
        from_own = select(_messages.id).where(
            _messages.outcome_id == own.outcome_id, _messages.try_no == own.tries
        )
        query = query.where(_caps.message_id.not_in(from_own))
    if not simulated:
        query = query.where(_messages.simulated.is_(False))
    rows: dict[str, list[Row[Any]]] = {one: [] for one in customer_ids}
    for row in await tx.execute(query, values):
        rows[row.customer_id].append(row)
    seen = _Seen(at=at, windows=windows, priority=priority, firm=firm, simulated=simulated)
    return {one: seen.uses(mine) for one, mine in rows.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """How slots look at an instant to a message of some priority."""

    at: datetime
    windows: Mapping[str, datetime]
    priority: int
    firm: Collection[str]
    simulated: bool

    def uses(self, rows: Sequence[Row[Any]]) -> CapUses:
        """Sort one customer's slots into those that count and those that are below."""
        found: dict[str, list[tuple[datetime, str]]] = {}
        below = []
        for row in rows:
            unsent = row.state in UNSENT
            used_at = max(row.used_at, self.at) if unsent else row.used_at
            if unsent and -row.priority < self.priority and row.id not in self.firm:
                if row.simulated == self.simulated:
                    below.append(
                        Slot(cap=row.cap, message_id=row.id, priority=-row.priority, at=used_at)
                    )
            elif used_at > self.windows[row.cap]:
                found.setdefault(row.cap, []).append((used_at, row.topic))
        ordered = {cap: sorted(uses, key=itemgetter(0)) for cap, uses in found.items()}
        return CapUses(
            instants={cap: tuple(used_at for used_at, _ in uses) for cap, uses in ordered.items()},
            holders={cap: tuple(topic for _, topic in uses) for cap, uses in ordered.items()},
            below=tuple(below),
        )


async def tallies(
    tx: AsyncSession,
    customer_id: str,
    counts: Sequence[Count],
    at: datetime,
    *,
    simulated: bool = False,
) -> Mapping[str, Tally]:
    """Return how often what the rulebook counts happened to a customer lately, and when last."""
    return (await tallies_of(tx, [customer_id], counts, at, simulated=simulated))[customer_id]


async def tallies_of(
    tx: AsyncSession,
    customer_ids: Collection[str],
    counts: Sequence[Count],
    at: datetime,
    *,
    simulated: bool = False,
) -> dict[str, dict[str, Tally]]:
    """Return how often what the rulebook counts happened to each customer, and when last."""
    none = {count.id: Tally(0, None) for count in counts}
    found = {one: dict(none) for one in customer_ids}
    for count in counts:
        query = _counting_events(count) if count.of is Counted.EVENTS else _counting_messages(count)
        if count.of is Counted.MESSAGES and not simulated:
            query = query.where(_messages.simulated.is_(False))
        values = {"whose": list(customer_ids), "since": at - count.within, "until": at}
        for customer_id, number, newest in await tx.execute(query, values):
            found[customer_id][count.id] = Tally(number, newest)
    return found


def _counting_messages(count: Count) -> Select[str, int, Any]:
    handed = _messages.handed_at
    query = select(_messages.customer_id, func.count(), func.max(handed)).where(
        _messages.customer_id == _WHOSE,
        handed > bindparam("since"),
        handed <= bindparam("until"),
        _messages.topic.in_(sorted(count.topics)),
        _messages.state.not_in(sorted(LOST)),
    )
    query = query if count.channel is None else query.where(_messages.channel == count.channel)
    return query.group_by(_messages.customer_id)


def _counting_events(count: Count) -> Select[str, int, Any]:
    return (
        select(_events.customer_id, func.count(), func.max(_events.occurred_at))
        .where(
            _events.customer_id == _WHOSE,
            _events.occurred_at > bindparam("since"),
            _events.occurred_at <= bindparam("until"),
            _events.type.in_(sorted(count.types)),
        )
        .group_by(_events.customer_id)
    )
