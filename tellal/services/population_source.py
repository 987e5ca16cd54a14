"""A row per customer with all that decisions need, from the tables of people and the ledger.

Every part is gathered once for everybody and joined, never looked up per customer: a million
customers are a few hashes. Conditions on the ids go into every part, so that a few customers are
found by the indexes.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    FromClause,
    Select,
    String,
    and_,
    any_,
    case,
    cast,
    column,
    exists,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from rules.definitions import Count, Counted
from rules.population.needs import (
    PENDING,
    SERVICE_ONLY,
    TOLD,
    WISH,
    Needs,
    Source,
    attempts_column,
    blocked_column,
    consent_column,
    open_column,
    unroutable_column,
)
from tellal.addresses import country_of
from tellal.domain.blocks import BlockOrigin
from tellal.domain.channels import BY_NUMBER, Channel, MessageClass
from tellal.domain.customers import ConsentState
from tellal.domain.messages import LOST, UNSENT, OutcomeState
from tellal.domain.routes import Load, RouteTable
from tellal.domain.simulation import NUMBERS
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import (
    ConsentRow,
    ContactPointRow,
    CustomerRow,
    EventRow,
)
from tellal.persistence.tables.delivery import BlockRow
from tellal.persistence.tables.ledger import CapUseRow, MessageRow, OutcomeRow
from tellal.services.history import Journey

Way = tuple[Channel, MessageClass]
Column = ColumnElement[Any]

_customers = table(CustomerRow)
_points = table(ContactPointRow).c
_consents = table(ConsentRow).c
_blocks = table(BlockRow).c
_caps = table(CapUseRow).c
_messages = table(MessageRow).c
_events = table(EventRow).c
_outcomes = table(OutcomeRow).c

_LAPSED, _BITS = "lapsed", "bits"
_ELSEWHERE = "??"
"""A country that no route names."""
_PUSH_TOKEN = "customer.app.push_token"  # noqa: S105 - the path of a fact
_TEXTS = {f"customer.{name}": name for name in ("kind", "locale", "timezone", "country")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """Where routes carry one class over one channel, by the beginnings of addresses.

    `everywhere` is the answer where it does not depend on the address. Of calling codes that
    several countries share and routes tell apart, `numbers` has the addresses that can be reached:
    such a number says only as a whole where it belongs.
    """

    everywhere: bool | None
    codes: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()


Reach = Mapping[Way, Carried]


async def read_reach(
    tx: AsyncSession,
    routes: RouteTable,
    ways: Collection[Way],
    brand_id: str,
    ids: Collection[str] | None,
) -> Reach:
    """Find out where routes carry what; asks for addresses only where calling codes are shared."""
    found = {}
    for way in ways:
        carried = _carried(routes, way)
        if carried.shared:
            query = select(_points.address).distinct()
            query = query.where(
                _points.brand_id == brand_id,
                _points.channel == way[0].value,
                _points.bad_reason == "",
                _begins_with(_points.address, carried.shared),
                *_only(_points.customer_id, ids),
            )
            numbers = tuple(
                [
                    one
                    async for (one,) in await tx.stream(query)
                    if _goes(routes, way, country_of(one))
                ]
            )
            carried = Carried(
                everywhere=None, codes=carried.codes, shared=carried.shared, numbers=numbers
            )
        found[way] = carried
    return found


def population_source(
    needs: Needs,
    *,
    topic: str,
    at: datetime,
    brand_id: str,
    ids: Collection[str] | None,
    own: Mapping[str, Journey],
    simulated: bool,
    reach: Reach,
    cuts: Sequence[str] = (),
) -> Source:
    """Offer what decisions need of a brand's customers, or of those of some ids.

    `cuts` are the ids of customers behind which a part ends, in their order.
    """
    everybody = _Gathering(
        needs=needs,
        topic=topic,
        at=at,
        brand_id=brand_id,
        ids=ids,
        own=own,
        simulated=simulated,
        reach=reach,
    )
    ends = (None, *cuts, None)
    parts = [replace(everybody, after=one, until=next_) for one, next_ in pairwise(ends)]
    return Source(
        rows=everybody.rows(),
        parts=[part.rows() for part in parts] if cuts else (),
        texts=_TEXTS,
        marks={_PUSH_TOKEN: "has_app"},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathering:
    needs: Needs
    topic: str
    at: datetime
    brand_id: str
    ids: Collection[str] | None
    own: Mapping[str, Journey]
    simulated: bool
    reach: Reach
    after: str | None = None
    until: str | None = None

    def rows(self) -> FromClause:
        """Join all parts to the customers."""
        c = _customers.c
        found: FromClause = _customers
        columns: list[Column] = [
            c[name] for name in ("id", "timezone", "country", "kind", "locale", "facts")
        ]
        topic = literal(self.topic, String)
        wish = case(
            (c.complained.has_key(topic), "complained"), (c.topics_off.has_key(topic), "topic_off")
        )
        columns += [wish.label(WISH), c.service_only.label(SERVICE_ONLY)]
        parts: list[tuple[Select[Any] | None, Callable[[FromClause], list[Column]]]] = [
            (self._of_points(), self._reached),
            *((self._of_consents(of), partial(self._agreed, of)) for of in self._purposes()),
            (self._of_caps(), _others),
            (self._of_outcomes(), _others),
            *((query, _others) for query in self._of_counts()),
        ]
        for query, read in parts:
            if query is not None:
                part = query.subquery()
                found = found.outerjoin(part, part.c.customer_id == c.id)
                columns += read(part)
        everybody = (
            select(*columns)
            .select_from(found)
            .where(c.brand_id == self.brand_id, c.erased_at.is_(None))
        )
        return everybody.where(*self._only(c.id)).subquery("everybody")

    def _only(self, customer_id: Column) -> list[Column]:
        """Leave out whom nobody asks about, or who belongs to another part."""
        found = _only(customer_id, self.ids)
        if self.after is not None:
            found.append(customer_id > self.after)
        if self.until is not None:
            found.append(customer_id <= self.until)
        return found

    def _of_points(self) -> Select[Any]:
        """Gather good addresses; the newest of a channel is the one that routes are asked for."""
        in_force = select(
            _blocks.address,
            func.bool_or(_blocks.origin == BlockOrigin.INSTITUTION.value).label("strictly"),
        ).where(
            _blocks.brand_id == self.brand_id,
            _blocks.lifted_at.is_(None),
            or_(_blocks.until.is_(None), _blocks.until > literal(self.at, _blocks.until.type)),
        )
        blocks = in_force.group_by(_blocks.address).subquery("blocks")
        as_blocked = case(
            (_points.channel == Channel.EMAIL.value, func.lower(_points.address)),
            else_=_points.address,
        )
        free = {
            kind: blocks.c.strictly.is_not(true())
            if kind is MessageClass.MANDATORY
            else blocks.c.address.is_(None)
            for kind in MessageClass
        }
        bits = self._bits()
        of_channels = []
        for channel in self._channels():
            said: Column = literal(bits[_good(channel)])
            for way in self._ways():
                if way[0] is channel:
                    said = said + case((free[way[1]], bits[open_column(*way)]), else_=0)
            of_channels.append((_points.channel == channel.value, said))
        # One for all of them: every aggregate more is counted over every address.
        columns: list[Column] = [func.bit_or(case(*of_channels, else_=0)).label(_BITS)]
        for way in self._ways():
            if self.reach[way].everywhere is None:
                mine = _points.channel == way[0].value
                carried = and_(mine, self._carries(_points.address, way))
                columns.append(func.max(_points.id).filter(mine).label(_newest(way)))
                columns.append(func.max(_points.id).filter(carried).label(_carried_id(way)))
        points = _points.id.table.outerjoin(blocks, blocks.c.address == as_blocked)
        return (
            select(_points.customer_id, *columns)
            .select_from(points)
            .where(
                _points.brand_id == self.brand_id,
                _points.bad_reason == "",
                *self._only(_points.customer_id),
            )
            .group_by(_points.customer_id)
        )

    def _ways(self) -> list[Way]:
        return sorted(self.needs.ways)

    def _channels(self) -> list[Channel]:
        return sorted({channel for channel, _ in self.needs.ways} | {Channel.PUSH})

    def _bits(self) -> dict[str, int]:
        """Number what addresses say: which channels there are, and which ways nothing blocks."""
        names = [_good(channel) for channel in self._channels()]
        names += [open_column(*way) for way in self._ways()]
        return {name: 1 << place for place, name in enumerate(names)}

    def _reached(self, part: FromClause) -> list[Column]:
        bits = self._bits()

        def says(name: str) -> Column:
            return func.coalesce(part.c[_BITS], 0).op("&")(bits[name]) != 0

        columns: list[Column] = [says(_good(Channel.PUSH)).label("has_app")]
        for way in self._ways():
            good, free = says(_good(way[0])), says(open_column(*way))
            carried = self.reach[way].everywhere
            stuck = (
                part.c[_newest(way)].is_distinct_from(part.c[_carried_id(way)])
                if carried is None
                else not_(true() if carried else false())
            )
            unroutable = and_(good, stuck)
            columns += [
                free.label(open_column(*way)),
                and_(good, ~free).label(blocked_column(*way)),
                unroutable.label(unroutable_column(*way)),
            ]
        return columns

    def _carries(self, address: Column, way: Way) -> Column:
        carried = self.reach[way]
        known = address == any_(literal(list(carried.numbers), ARRAY(String)))
        return or_(
            _begins_with(address, carried.codes),
            and_(_begins_with(address, carried.shared), known),
        )

    def _purposes(self) -> list[tuple[str, ...]]:
        """Return the sets of purposes that topics name; one of none where a topic names none."""
        return sorted({purposes for _, purposes in self.needs.consents})

    def _asked(self, purposes: tuple[str, ...]) -> list[Channel]:
        return sorted(channel for channel, of in self.needs.consents if of == purposes)

    def _of_consents(self, purposes: tuple[str, ...]) -> Select[Any]:
        """Gather when each channel was granted last and refused, and whether a grant is over."""
        rows: FromClause = _consents.id.table
        about: dict[int, Column] = {0: true()}
        telling: Column = _consents.whole
        if purposes:
            # Whoever grants speaks in a role, and the customer's may have changed.
            rows = rows.join(_customers, _customers.c.id == _consents.customer_id)
            about = dict(enumerate(map(_speaks_of, purposes)))
            telling = or_(*about.values())
        columns = [
            func.max(_consents.given_at)
            .filter(_consents.channel == channel.value, _consents.state == state.value, speaks)
            .label(f"{state}_{channel}_{n}")
            for channel in self._asked(purposes)
            for n, speaks in about.items()
            for state in ConsentState
        ]
        over = func.bool_or(self._is_over())
        return (
            select(_consents.customer_id, over.label(_LAPSED), *columns)
            .select_from(rows)
            .where(
                _consents.brand_id == self.brand_id,
                telling,
                *self._only(_consents.customer_id),
            )
            .group_by(_consents.customer_id)
        )

    def _is_over(self) -> Column:
        return _consents.valid_until <= _instant(self.at)

    def _agreed(self, purposes: tuple[str, ...], part: FromClause) -> list[Column]:
        columns: list[Column] = []
        for channel in self._asked(purposes):
            said = [
                self._said(part, channel, n, purpose) for n, purpose in enumerate(purposes or ("",))
            ]
            agreed = said[0]
            if len(said) > 1:
                # Of several purposes each must be granted, and none refused.
                agreed = case(
                    (or_(*(one.is_(false()) for one in said)), false()),
                    (and_(*(one.is_(true()) for one in said)), true()),
                )
            columns.append(agreed.label(consent_column(channel, purposes)))
        return columns

    def _said(self, part: FromClause, channel: Channel, n: int, purpose: str) -> Column:
        yes = part.c[f"{ConsentState.GRANTED}_{channel}_{n}"]
        no = part.c[f"{ConsentState.REFUSED}_{channel}_{n}"]
        # Several at one instant: the later id is in force, and a grant that has lapsed says
        # nothing. It is so rare that a look-up may cost.
        newest = (
            self._newest(channel, purpose)
            if purpose
            else func.newest_consent(
                _customers.c.id, channel.value, _instant(self.at), type_=Boolean
            )
        )
        return case(
            (and_(yes.is_(None), no.is_(None)), null()),
            (part.c[_LAPSED], newest),
            (or_(no.is_(None), yes > no), true()),
            (or_(yes.is_(None), no > yes), false()),
            else_=newest,
        )

    def _newest(self, channel: Channel, purpose: str) -> Column:
        """Look the record up that is in force for a purpose, as `newest_consent` does for any."""
        said = case(
            (_consents.state == ConsentState.REFUSED.value, false()),
            (self._is_over(), null()),
            else_=true(),
        )
        return (
            select(said)
            .where(
                _consents.customer_id == _customers.c.id,
                _consents.channel == channel.value,
                _speaks_of(purpose),
            )
            .order_by(_consents.given_at.desc(), _consents.id.desc())
            .limit(1)
            .correlate(_customers)
            .scalar_subquery()
        )

    def _of_caps(self) -> Select[Any] | None:
        """Gather the slots that were taken lately, oldest first, as `cap_uses` does for one."""
        if not self.needs.caps:
            return None
        since = {seen: self.at - reach for seen, reach in self.needs.caps.items()}
        slots = union_all(self._left(min(since.values())), self._waiting()).subquery("slots")
        columns = [
            func.array_agg(aggregate_order_by(slots.c.goes_at, slots.c.goes_at))
            .filter(
                slots.c.cap == cap,
                slots.c.goes_at > _instant(begin),
                # Priorities are stored with their sign turned; what has left gives way to nobody.
                or_(slots.c.priority.is_(None), slots.c.priority <= -priority),
            )
            .label(self.needs.cap_column(cap, priority))
            for (cap, priority), begin in since.items()
        ]
        return select(slots.c.customer_id, *columns).group_by(slots.c.customer_id)

    def _left(self, farthest: datetime) -> Select[Any]:
        """Find the slots of what has left, by the few messages that are to be left out.

        To join every slot to its message would read all that was ever sent.
        """
        left_out = [_unsent()]
        if not self.simulated:
            left_out.append(_messages.simulated)
        apart = [
            select(_messages.id).where(condition, *self._only(_messages.customer_id))
            for condition in left_out
        ]
        if self.own:
            apart.append(select(_messages.id).join(*self._own_tries()))
        messages = union_all(*apart).subquery("apart")
        return select(
            _caps.customer_id,
            _caps.cap,
            _caps.used_at.label("goes_at"),
            cast(null(), _messages.priority.type).label("priority"),
        ).where(
            *self._are_slots(),
            _caps.used_at > _instant(farthest),
            ~exists().where(messages.c.id == _caps.message_id),
        )

    def _waiting(self) -> Select[Any]:
        """Find the slots of what has not left, however long ago they were taken."""
        query = (
            select(
                _caps.customer_id,
                _caps.cap,
                func.greatest(_caps.used_at, _instant(self.at)).label("goes_at"),
                _messages.priority,
            )
            .join(_messages.id.table, _messages.id == _caps.message_id)
            # A slot is of the customer of its message; to know it spares most of the joining.
            .where(*self._are_slots(), _unsent(), *self._only(_messages.customer_id))
        )
        if not self.simulated:
            query = query.where(_messages.simulated.is_(False))
        if self.own:
            mine, is_own = self._own_tries()
            query = query.outerjoin(mine, is_own).where(mine.c.outcome_id.is_(None))
        return query

    def _are_slots(self) -> list[Column]:
        names = sorted({cap for cap, _ in self.needs.caps})
        return [
            _caps.cap == any_(literal(names, ARRAY(String))),
            _caps.released_at.is_(None),
            *self._only(_caps.customer_id),
        ]

    def _own_tries(self) -> tuple[FromClause, Column]:
        """Return the journeys that ask again, and which messages are of the try that goes on."""
        mine = self._journeys()
        return mine, and_(
            mine.c.outcome_id == _messages.outcome_id, mine.c.tries == _messages.try_no
        )

    def _of_outcomes(self) -> Select[Any] | None:
        """Gather what the topic's outcomes say: told, on the way, how often tried."""
        if not self.needs.ledger:
            return None
        other: Column = true()
        again: Column = literal(0)
        outcomes: FromClause = _outcomes.id.table
        if self.own:
            mine = self._journeys()
            outcomes = outcomes.outerjoin(mine, mine.c.whose == _outcomes.customer_id)
            other = mine.c.outcome_id.is_distinct_from(_outcomes.id)
            again = func.max(func.least(func.coalesce(mine.c.tries, 0), 1))
        told = func.max(_outcomes.content_version).filter(
            _outcomes.state == OutcomeState.TOLD.value, other
        )
        pending = func.bool_or(and_(_outcomes.state == OutcomeState.OPEN.value, other))
        not_cancelled = _outcomes.state != OutcomeState.CANCELLED.value
        attempts = []
        for within in self.needs.attempts:
            since = true() if within is None else _outcomes.created_at > self.at - within
            tries = func.sum(_outcomes.tries).filter(not_cancelled, or_(since, not_(other)))
            made = func.coalesce(tries, 0) - again
            attempts.append(made.label(attempts_column(within)))
        query = (
            select(
                _outcomes.customer_id,
                told.label(TOLD),
                pending.label(PENDING),
                *attempts,
            )
            .select_from(outcomes)
            .where(
                _outcomes.brand_id == self.brand_id,
                _outcomes.topic == self.topic,
                *self._only(_outcomes.customer_id),
            )
            .group_by(_outcomes.customer_id)
        )
        if not self.simulated:
            query = query.where(_outcomes.plan["simulated"].as_boolean().is_not(True))
        return query

    def _journeys(self) -> FromClause:
        """Name the outcomes that ask again, with the number of the try that goes on."""
        ids = [journey.outcome_id for journey in self.own.values()]
        tries = [journey.tries for journey in self.own.values()]
        number = _outcomes.tries.type
        given = func.unnest(
            literal(list(self.own), ARRAY(String)),
            literal(ids, ARRAY(String)),
            literal(tries, ARRAY(number)),
        )
        named = (column("whose", String), column("outcome_id", String), column("tries", number))
        return given.table_valued(*named, name="own").render_derived()

    def _of_counts(self) -> list[Select[Any]]:
        """Gather how often what is counted happened, and when last."""
        queries = []
        for of, counted, moment in (
            (Counted.MESSAGES, _messages, _messages.handed_at),
            (Counted.EVENTS, _events, _events.occurred_at),
        ):
            counts = [count for count in self.needs.counts if count.of is of]
            if not counts:
                continue
            columns = [
                one
                for count in counts
                for one in (
                    func.count()
                    .filter(self._counts(count, moment))
                    .label(self.needs.count_column(count)),
                    func.max(moment)
                    .filter(self._counts(count, moment))
                    .label(self.needs.last_column(count)),
                )
            ]
            farthest = max((count.within for count in counts), default=timedelta())
            query = (
                select(counted.customer_id, *columns)
                .where(
                    counted.brand_id == self.brand_id,
                    moment > _instant(self.at - farthest),
                    moment <= _instant(self.at),
                    *self._only(counted.customer_id),
                )
                .group_by(counted.customer_id)
            )
            if of is Counted.MESSAGES:
                query = query.where(_messages.state.not_in(sorted(LOST)))
                if not self.simulated:
                    query = query.where(_messages.simulated.is_(False))
            queries.append(query)
        return queries

    def _counts(self, count: Count, moment: Column) -> Column:
        since = moment > _instant(self.at - count.within)
        if count.of is Counted.EVENTS:
            return and_(since, _events.type.in_(sorted(count.types)))
        meant = and_(since, _messages.topic.in_(sorted(count.topics)))
        return meant if count.channel is None else and_(meant, _messages.channel == count.channel)


def _unsent() -> Column:
    return _messages.state.in_(sorted(UNSENT))


def _speaks_of(purpose: str) -> Column:
    """Say whether a record settles a purpose, as `ConsentRecord.speaks_of` does."""
    covers = or_(_consents.purposes == cast([], JSONB), _consents.purposes.has_key(purpose))
    granted = and_(
        _consents.recipient_type == _customers.c.kind, _consents.delegation == cast({}, JSONB)
    )
    return and_(covers, or_(_consents.state == ConsentState.REFUSED.value, granted))


def _good(channel: Channel) -> str:
    return f"good_{channel}"


def _newest(way: Way) -> str:
    return f"newest_{way[0]}_{way[1]}"


def _carried_id(way: Way) -> str:
    return f"newest_carried_{way[0]}_{way[1]}"


def _others(part: FromClause) -> list[Column]:
    return [one for one in part.c if one.name != "customer_id"]


def _only(customer_id: Column, ids: Collection[str] | None) -> list[Column]:
    return [] if ids is None else [customer_id == any_(literal(list(ids), ARRAY(String)))]


def _instant(at: datetime) -> Column:
    return literal(at, _consents.recorded_at.type)


def _begins_with(address: Column, codes: Collection[str]) -> Column:
    """Ask whether an address begins with one of some calling codes; none begins with another."""
    lengths = sorted({len(code) for code in codes})
    return or_(
        false(),
        *(
            func.left(address, length)
            == any_(literal([code for code in codes if len(code) == length], ARRAY(String)))
            for length in lengths
        ),
    )


def _goes(routes: RouteTable, way: Way, country: str) -> bool:
    return not routes.why_not(Load(channel=way[0], country=country, message_class=way[1]))


def _carried(routes: RouteTable, way: Way) -> Carried:
    """Sort calling codes by whether a route goes to the countries that have them."""
    if way[0] not in BY_NUMBER:
        return Carried(everywhere=_goes(routes, way, ""))
    countries = {*routes.countries, "", _ELSEWHERE}
    answers = {country: _goes(routes, way, country) for country in countries}
    if len(set(answers.values())) == 1:
        return Carried(everywhere=answers[""])
    codes, shared = [], []
    for number, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        code = f"+{number}"
        possible = set(regions)
        if len(regions) > 1:
            possible |= {"", *(r.country for r in NUMBERS if r.stem.startswith(code))}
        goes = {answers.get(country, answers[_ELSEWHERE]) for country in possible}
        if goes == {True}:
            codes.append(code)
        elif goes == {True, False}:
            shared.append(code)
    return Carried(everywhere=None, codes=tuple(codes), shared=tuple(shared))
