"""The phases of a decision as columns: which channels are left, when they may go, and why not.

They follow `rules.decide` and `rules.phases` step by step. Channels do not meet before the end, so
each has columns of its own: `why_` is the number of what took it away (null if the plan does not
name it), `free_` when caps let it go, `quiet_` which quiet hours it would have met, `goes_` when it
goes.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Integer,
    Interval,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    not_,
    null,
    or_,
    true,
    type_coerce,
)
from sqlalchemy.types import TypeEngine

from rules.decide import over_at, rank
from rules.definitions import ChannelPlan, OnReach, QuietAction, Requirement, Rule, WaitFor
from rules.population import codes
from rules.population.columns import Fields
from rules.population.conditions import condition
from rules.population.layers import Column, Layers, number
from rules.population.needs import (
    PENDING,
    SERVICE_ONLY,
    TOLD,
    WISH,
    Needs,
    Run,
    attempts_column,
    blocked_column,
    channels_of,
    consent_column,
    open_column,
    unroutable_column,
)
from rules.population.places import PERIODS, quiet_of, waits_for_caps
from rules.shards import Shard
from tellal.domain.channels import Channel, MessageClass

WIDTH = 62
"""Rules per mask; a bigint has 63 bits that count."""
SEND, DEFER, SUPPRESS = 0, 1, 2
_RANK_STEP = 10**8
_INSTANT = DateTime(timezone=True)
_NUMBER = BigInteger()
TAGS = {channel: str(n) for n, channel in enumerate(Channel, start=1)}


class Masks:
    """Says where the bit of each rule of a shard stands: in which mask, and which one."""

    def __init__(self, shard: Shard, prefix: str) -> None:
        self._prefix = prefix
        facts = sum(len(stratum) for stratum in shard.strata)
        stages = [[asked.rule.id for asked in stratum] for stratum in shard.strata]
        stages.append([asked.rule.id for asked in shard.order[facts:]])
        self._places: dict[str, tuple[int, int]] = {}
        self.stages: list[list[tuple[int, list[str]]]] = []
        self.number = 0
        for stage in stages:
            chunks = [stage[n : n + WIDTH] for n in range(0, len(stage), WIDTH)]
            self.stages.append([(self.number + n, chunk) for n, chunk in enumerate(chunks)])
            for chunk in chunks:
                self._places |= {rule: (self.number, bit) for bit, rule in enumerate(chunk)}
                self.number += 1

    def name(self, mask: int) -> str:
        """Name the column of a mask."""
        return f"{self._prefix}mask_{mask}"

    def any_of(self, layers: Layers, rules: Iterable[str]) -> Column:
        """Ask whether one of some rules held."""
        wanted: dict[int, int] = {}
        for rule in rules:
            if rule in self._places:
                mask, bit = self._places[rule]
                wanted[mask] = wanted.get(mask, 0) | 1 << bit
        return or_(
            false(),
            *(
                layers[self.name(mask)].bitwise_and(number(bits)) != number(0)
                for mask, bits in wanted.items()
            ),
        )

    def held(self, masks: Sequence[int]) -> set[str]:
        """Return the rules that held, by the values of the masks."""
        return {rule for rule, (mask, bit) in self._places.items() if masks[mask] >> bit & 1}


class Phases:
    """Puts the phases of one shard on top of the layers, each reading what the one below found."""

    def __init__(
        self,
        *,
        layers: Layers,
        shard: Shard,
        fields: Fields,
        needs: Needs,
        run: Run,
        prefix: str,
        idle: Collection[str] = (),
    ) -> None:
        self._layers, self._shard, self._fields = layers, shard, fields
        self._idle = idle
        self._needs, self._run, self._prefix = needs, run, prefix
        self._channels = channels_of(shard)
        self._quiet = quiet_of(shard)
        self.masks = Masks(shard, prefix)
        self._at = literal(run.at, _INSTANT)

    def add(self) -> None:
        """Add them all."""
        self._ask_rules()
        self._stop_or_choose()
        self._go_through_law()
        self._go_through_caps()
        self._go_through_time()
        self._drop_what_expires()
        self._conclude()

    @property
    def state(self) -> list[str]:
        """Name the columns from which, with the place, verdict, reason, channels and time follow.

        The last to read what is a person's own are those of full caps.
        """
        caps = range(len(self._shard.caps))
        names = ["stops", "plan", *(f"why_{one}" for one in self._channels)]
        names += ["in_force"] if self._quiet.rules else []
        names += [f"full_{n}" for n in caps]
        names += [f"crowd_{n}" for n in caps if self._by_calendar(n)]
        return [f"{self._prefix}{name}" for name in names]

    def __getitem__(self, name: str) -> Column:
        """Return one of the columns of this shard."""
        return self._layers[f"{self._prefix}{name}"]

    def _put(self, columns: Mapping[str, Column]) -> None:
        self._layers.add({f"{self._prefix}{name}": one for name, one in columns.items()})

    def _held(self, rule: Rule) -> Column:
        return self.masks.any_of(self._layers, [rule.id])

    def _ask_rules(self) -> None:
        derives: dict[str, list[str]] = {}
        conditions = {asked.rule.id: asked.when for asked in self._shard.order}
        strata = [*self._shard.strata, ()]

        def fact(name: str) -> Column:
            return self.masks.any_of(self._layers, derives.get(name, ()))

        for stage, rules in zip(self.masks.stages, strata, strict=True):
            columns = {}
            for mask, names in stage:
                bits = [
                    case(
                        (condition(conditions[name], self._fields.read, fact), number(1 << bit)),
                        else_=number(0),
                    )
                    for bit, name in enumerate(names)
                    if name not in self._idle
                ]
                columns[self.masks.name(mask)] = cast(_united(bits), BigInteger)
            self._layers.add(columns)
            for asked in rules:
                derives.setdefault(asked.rule.derives, []).append(asked.rule.id)

    def _stop_or_choose(self) -> None:
        """Say what the ledger has against it, and choose the first channels rule that holds."""
        shard, layers, topic = self._shard, self._layers, self._shard.topic
        attempts: Column = number(0)
        columns: dict[str, Column] = {name: false() for name in ("told", "is_pending", "exhausted")}
        if topic.is_remembered:
            tried = layers[attempts_column(topic.attempts_within)]
            attempts = func.coalesce(tried, number(0))
            columns["is_pending"] = layers[PENDING].is_(true())
            if topic.once:
                columns["told"] = (layers[TOLD] >= number(topic.content_version)).is_(true())
            else:
                columns["exhausted"] = attempts >= number(topic.attempts)
        columns["unwanted"] = self._unwanted()
        stop = [asked.rule.id for asked in shard.stop]
        columns["converted"] = and_(self.masks.any_of(layers, stop), attempts > number(0))
        withheld = codes.WITHHELD.get(self._run.withheld)
        columns["withheld"] = cast(null() if withheld is None else number(withheld), BigInteger)
        columns["plan"] = _first(
            (self._held(asked.rule), number(n)) for n, asked in enumerate(shard.channels)
        )
        self._put(columns)
        stopped, planned = (
            self.masks.any_of(layers, [asked.rule.id for asked in section])
            for section in (shard.suppress, shard.channels)
        )
        self._put(
            {
                "stops": case(
                    (self["withheld"].is_not(null()), self["withheld"]),
                    (stopped, self._first_suppression()),
                    (self["unwanted"].is_not(null()), self["unwanted"]),
                    (self["told"], number(codes.ALREADY_TOLD)),
                    (self["converted"], number(codes.CONVERTED)),
                    (self["is_pending"], number(codes.ALREADY_PENDING)),
                    (self["exhausted"], number(codes.ATTEMPTS_EXHAUSTED)),
                    (not_(planned), number(codes.NO_CHANNEL)),
                )
            }
        )

    @property
    def _goes_on(self) -> Column:
        return self["stops"].is_(null())

    def _unwanted(self) -> Column:
        """Say what of his wishes stands against the topic, as `Wishes.against` does."""
        kind = self._shard.topic.message_class
        if kind is MessageClass.MANDATORY:
            return cast(null(), BigInteger)
        wish = self._layers[WISH]
        branches = [
            (wish == name, number(codes.UNWANTED[name])) for name in ("complained", "topic_off")
        ]
        if kind is MessageClass.COMMERCIAL:
            only = self._layers[SERVICE_ONLY].is_(true())
            branches.append((only, number(codes.UNWANTED["service_only"])))
        return cast(case(*branches), BigInteger)

    def _first_suppression(self) -> Column:
        return _first(
            (self._held(asked.rule), number(codes.SUPPRESSED + n))
            for n, asked in enumerate(self._shard.suppress)
        )

    def _go_through_law(self) -> None:
        self._put({f"why_{channel}": self._lawful(channel) for channel in self._channels})

    def _lawful(self, channel: Channel) -> Column:
        kind = self._shard.topic.message_class
        planned = [
            n
            for n, asked in enumerate(self._shard.channels)
            if channel in {one for one, _ in asked.rule.steps}
        ]
        branches: list[tuple[Column, Column]] = [
            (not_(and_(self._goes_on, self._planned(planned))), cast(null(), BigInteger))
        ]
        for n, asked in enumerate(self._shard.law):
            law = asked.rule
            if law.id in self._idle or law.requires is Requirement.NOTHING:
                continue
            if channel not in law.channels:
                continue
            agreed = self._layers[consent_column(channel, self._shard.topic.purposes)]
            offends = agreed.is_not(true()) if law.wants_consent else agreed.is_(false())
            binds = [self._held(law), offends]
            if law.countries:
                binds.append(self[f"law_{n}"])
            code = codes.LAW + 2 * n
            offence: Column = number(code)
            if law.wants_consent:
                offence = case((agreed.is_(null()), number(code + 1)), else_=offence)
            branches.append((and_(*binds), offence))
        unroutable = self._layers[unroutable_column(channel, kind)]
        branches.append((unroutable, number(codes.UNROUTABLE)))
        if channel in self._run.down:
            branches.append((true(), number(codes.DOWN)))
        if channel is Channel.BANNER:
            if not self._run.banner:
                branches.append((true(), number(codes.NO_ADDRESS)))
        else:
            blocked = self._layers[blocked_column(channel, kind)]
            silence = case((blocked, number(codes.BLOCKED)), else_=number(codes.NO_ADDRESS))
            branches.append((not_(self._layers[open_column(channel, kind)]), silence))
        if channel in self._run.unplanned:
            branches.append((true(), number(codes.UNPLANNED)))
        return case(*branches, else_=number(codes.LEFT))

    def _planned(self, plans: Sequence[int]) -> Column:
        if len(plans) == len(self._shard.channels):
            return true()
        return or_(*(self["plan"] == number(n) for n in plans))

    def _go_through_caps(self) -> None:
        caps = self._shard.caps
        columns: dict[str, Column] = {}
        for n, asked in enumerate(caps):
            counts, free = and_(self._goes_on, self._held(asked.rule)), self._free_at(n)
            if asked.rule.on_reach is not OnReach.DEFER:
                # Of other caps it matters only that they are full: who is alike there is alike.
                free = case((free.is_not(null()), true()))
            columns[f"full_{n}"] = case((counts, free))
            if self._by_calendar(n):
                columns[f"crowd_{n}"] = case((counts, self._crowd(n)))
        self._put(columns)
        full = [
            case((self[f"full_{n}"].is_not(null()), number(1 << n)), else_=number(0))
            for n in range(len(caps))
        ]
        stops = [
            (self._hits(n), number(codes.CAP + n))
            for n, cap in enumerate(caps)
            if cap.rule.on_reach is OnReach.SUPPRESS
        ]
        columns = {"full": cast(_united(full), BigInteger), "cap_stop": _first(stops)}
        for channel in self._channels:
            cut, why = self._cut(channel), self[f"why_{channel}"]
            columns[f"why_after_caps_{channel}"] = case(
                (and_(why == number(codes.LEFT), cut.is_not(null())), number(codes.CAP) + cut),
                else_=why,
            )
            columns[f"free_{channel}"] = self._put_off(channel)
        self._put(columns)

    def _by_calendar(self, n: int) -> bool:
        return not isinstance(self._shard.caps[n].rule.window, timedelta)

    def _uses(self, n: int) -> Column:
        cap = self._shard.caps[n].rule
        return self._layers[self._needs.cap_column(cap.id, self._shard.topic.priority)]

    def _crowd(self, n: int) -> Column:
        """Return a cap's slots if they are as many as would fill a period, otherwise none."""
        uses, limit = self._uses(n), self._shard.caps[n].rule.limit
        enough = func.cardinality(uses, type_=Integer) >= number(limit)
        return case((enough, uses), else_=literal_column("'{}'", ARRAY(_INSTANT)))

    def _free_at(self, n: int) -> Column:
        """Say when the next slot of a cap gets free, null if one is free now."""
        cap = self._shard.caps[n].rule
        uses = self._uses(n)
        # The oldest of as many as the limit, counted from the end.
        taken = _at(uses, func.cardinality(uses, type_=Integer) - number(cap.limit - 1))
        if isinstance(cap.window, timedelta):
            free = taken + _seconds(cap.window)
            return case((free > self._at, free))
        begins = self[f"periods_{n}"]
        pieces = range(1, PERIODS + 1)
        room = [_used(uses, begins, number(one)) < number(cap.limit) for one in pieces]
        first = [null(), *(_at(begins, number(one)) for one in pieces[1:])]
        # The first period with a free slot is mostly this one: one is free now.
        return case((taken.is_not(null()), case(*zip(room, first, strict=True))))

    def _cut(self, channel: Channel) -> Column:
        """Return the number of the cap that takes a channel away."""
        return _first(
            (self[f"full_{n}"].is_not(null()), number(n))
            for n, cap in enumerate(self._shard.caps)
            if cap.rule.on_reach is OnReach.NEXT_CHANNEL and cap.rule.channel in {None, channel}
        )

    def _hits(self, n: int) -> Column:
        """Ask whether a full cap finds a channel that caps before it have left."""
        cap = self._shard.caps[n].rule
        left = [
            and_(
                self[f"why_{one}"] == number(codes.LEFT),
                func.coalesce(self._cut(one), number(n)) >= number(n),
            )
            for one in self._channels
            if cap.channel in {None, one}
        ]
        return and_(self[f"full_{n}"].is_not(null()), or_(false(), *left))

    def _put_off(self, channel: Channel) -> Column:
        deferring = [
            self[f"full_{n}"]
            for n, cap in enumerate(self._shard.caps)
            if cap.rule.on_reach is OnReach.DEFER and cap.rule.channel in {None, channel}
        ]
        left = and_(self[f"why_{channel}"] == number(codes.LEFT), self._cut(channel).is_(null()))
        # GREATEST leaves nulls out: caps that are not full put nothing off.
        return case((left, func.greatest(self._at, *deferring) if deferring else self._at))

    def _go_through_time(self) -> None:
        rules = self._quiet.rules
        if not rules:
            self._put({f"goes_{one}": self._unless_stopped(one) for one in self._channels})
            return
        inforce = [
            case((self._held(rule), number(1 << bit)), else_=number(0))
            for rule, bit in self._quiet.numbered()
        ]
        bound = cast(_united(inforce), BigInteger).bitwise_and(self["binding"])
        self._put({"in_force": bound})
        columns = {f"quiet_{one}": self._met(one) for one in self._channels}
        self._put(columns | {f"goes_{one}": self._settled(one) for one in self._channels})

    def _piece(self, channel: Channel) -> Column:
        """Find the piece of time in which a channel gets free, mostly the first: that is now."""
        if not waits_for_caps(self._shard):
            return number(1)
        free = self[f"free_{channel}"]
        found = func.width_bucket(free, self["quiet_from"], type_=Integer)
        return case((free > self._at, found), else_=number(1))

    def _unless_stopped(self, channel: Channel) -> Column:
        return case((self["cap_stop"].is_(null()), self[f"free_{channel}"]))

    def _met(self, channel: Channel) -> Column:
        """Return the quiet hours in force in which a channel would go."""
        cover = self._mask(channel)
        there = _at(self["quiet_which"], self._piece(channel), BigInteger())
        met = self["in_force"].bitwise_and(there).bitwise_and(number(cover))
        return case((self._unless_stopped(channel).is_not(null()), met))

    def _mask(self, channel: Channel, *actions: QuietAction) -> int:
        return self._quiet.mask(
            rule
            for rule, _ in self._quiet.numbered()
            if channel in rule.channels and (not actions or rule.action in actions)
        )

    def _settled(self, channel: Channel) -> Column:
        """Let a channel wait for the end of the quiet hours that defer it."""
        away = self._mask(channel, QuietAction.NEXT_CHANNEL)
        goes = self._unless_stopped(channel)
        deferring = self._mask(channel, QuietAction.DEFER)
        if deferring:
            chosen = self["in_force"].bitwise_and(number(deferring))
            pieces = func.cardinality(self["quiet_from"], type_=Integer)
            place = chosen * pieces + self._piece(channel)
            until = _at(self["quiet_until"], place)
            goes = case((goes.is_not(null()), func.greatest(goes, until)))
        if away:
            goes = case((self._met(channel).bitwise_and(number(away)) == number(0), goes))
        return goes

    def _quiet_stop(self, channel: Channel) -> Column:
        """Return the number of the first quiet hours that stop everything, over a channel."""
        return self._lowest(channel, QuietAction.SUPPRESS)

    def _lowest(self, channel: Channel, action: QuietAction) -> Column:
        met = self[f"quiet_{channel}"]
        return _first(
            (met.bitwise_and(number(1 << bit)) != number(0), number(codes.QUIET + n))
            for n, (rule, bit) in enumerate(self._quiet.numbered())
            if rule.action is action and channel in rule.channels
        )

    def _drop_what_expires(self) -> None:
        stop = self._by_plan(self._quiet_stop) if self._quiet.rules else cast(null(), _NUMBER)
        columns: dict[str, Column] = {"quiet_stop": stop}
        run = self._run
        expires = literal(over_at(self._shard.topic, run.at, run.until), _INSTANT)
        for one in self._channels:
            goes = self[f"goes_{one}"]
            why = [(goes >= expires, number(codes.EXPIRES))]
            if self._quiet.rules and self._mask(one, QuietAction.NEXT_CHANNEL):
                away = self._lowest(one, QuietAction.NEXT_CHANNEL)
                why.insert(0, (away.is_not(null()), away))
            columns[f"went_{one}"] = case(*why, else_=self[f"why_after_caps_{one}"])
            columns[f"leaves_{one}"] = case((goes < expires, goes))
        self._put(columns)

    def _unsure(self) -> Column:
        """Ask whether a cap by the calendar is full in the period into which something waits.

        A decision about one customer then lets him wait on, round by round; a statement cannot.
        """
        full = []
        for n, asked in enumerate(self._shard.caps):
            if not self._by_calendar(n):
                continue
            cap, crowd, begins = asked.rule, self[f"crowd_{n}"], self[f"periods_{n}"]
            for one in self._channels:
                if cap.channel in {None, one}:
                    leaves = self[f"leaves_{one}"]
                    piece = func.width_bucket(leaves, begins, type_=Integer)
                    used = _used(crowd, begins, piece) >= number(cap.limit)
                    late = or_(leaves >= _at(begins, number(PERIODS + 1)), used)
                    full.append(and_(crowd.is_not(null()), leaves > self._at, late))
        return func.coalesce(or_(false(), *full), false())

    def _conclude(self) -> None:
        self._put({"unsure": self._unsure()})
        spoken = and_(*(self[stop].is_(null()) for stop in ("stops", "cap_stop", "quiet_stop")))
        self._put(
            {
                "begins": case((spoken, self._by_rule(self._begins, Text()))),
                **{f"rank_{one}": self._ranked(one) for one in self._channels},
            }
        )
        begins = self["begins"]
        starts = _first(
            ((begins == _tag(one), self[f"leaves_{one}"]) for one in self._channels), _INSTANT
        )
        self._put(
            {
                "starts": starts,
                "verdict": case(
                    (begins.is_(null()), number(SUPPRESS)),
                    (starts > self._at, number(DEFER)),
                    else_=number(SEND),
                ),
                "reason": case(
                    (
                        begins.is_(null()),
                        func.coalesce(
                            self["stops"], self["cap_stop"], self["quiet_stop"], self._worst()
                        ),
                    )
                ),
                "way": case(
                    (
                        begins.is_not(null()),
                        func.concat(begins, self._by_rule(self._rest, Text()), type_=Text),
                    )
                ),
            }
        )

    def _begins(self, plan: ChannelPlan) -> Column:
        leaves = [(one, self[f"leaves_{one}"]) for one, _ in plan.steps]
        if plan.wait_for is WaitFor.ANY:
            soonest = func.least(*(goes for _, goes in leaves), type_=_INSTANT)
            return _first(((goes == soonest, _tag(one)) for one, goes in leaves), Text())
        return _first(((goes.is_not(null()), _tag(one)) for one, goes in leaves), Text())

    def _rest(self, plan: ChannelPlan) -> Column:
        """Write the channels that follow the first, in their order."""
        return func.concat(
            *(
                case(
                    (
                        and_(self[f"leaves_{one}"].is_not(null()), self["begins"] != _tag(one)),
                        _tag(one),
                    )
                )
                for one, _ in plan.steps
            ),
            type_=Text,
        )

    def _worst(self) -> Column:
        """Return the number of the most telling of the reasons that took channels away."""
        ranks = [self[f"rank_{one}"] for one in self._channels]
        worst = func.least(*ranks, cast(null(), BigInteger))
        return _first((self[f"rank_{one}"] == worst, self[f"went_{one}"]) for one in self._channels)

    def _ranked(self, channel: Channel) -> Column:
        """Rank what took a channel away: by what it tells, then in the order of taking away.

        Quiet hours look at one channel after another, phases before them at one rule after another.
        """
        why = self[f"went_{channel}"]
        ranks = [
            (why == number(code), number(rank(codes.reason_of(self._shard, code).code)))
            for code in self._telling()
        ]
        ranked = case(*ranks, else_=number(rank("")))
        by_time = and_(why >= number(codes.QUIET), why < number(codes.EXPIRES))
        taken = case((by_time, number(codes.QUIET)), else_=why)
        place = self._by_rule(lambda plan: _place(plan, channel))
        worst = ranked * number(_RANK_STEP) + taken * number(len(Channel) + 1) + place
        return case((why > number(codes.LEFT), worst))

    def _telling(self) -> list[int]:
        """Return the numbers of reasons that have a rank of their own."""
        known = [
            *range(codes.LAW, codes.LAW + 2 * len(self._shard.law)),
            *(codes.UNROUTABLE, codes.DOWN, codes.BLOCKED, codes.NO_ADDRESS, codes.UNPLANNED),
            *range(codes.CAP, codes.CAP + len(self._shard.caps)),
            *range(codes.QUIET, codes.QUIET + len(self._shard.quiet_hours)),
        ]
        return [code for code in known if rank(codes.reason_of(self._shard, code).code) < rank("")]

    def _by_rule(
        self, write: Callable[[ChannelPlan], Column], kind: TypeEngine[Any] = _NUMBER
    ) -> Column:
        """Write something for the plan that was chosen."""
        written = [(n, write(asked.rule)) for n, asked in enumerate(self._shard.channels)]
        return _first(((self["plan"] == number(n), one) for n, one in written), kind)

    def _by_plan(self, write: Callable[[Channel], Column]) -> Column:
        """Take the first channel of the plan for which there is something."""
        return self._by_rule(
            lambda plan: func.coalesce(
                *(write(one) for one, _ in plan.steps), cast(null(), BigInteger)
            )
        )


def _united(bits: Sequence[Column]) -> Column:
    united: Column = number(0)
    for bit in bits:
        united = united.bitwise_or(bit)
    return united


def _first(branches: Iterable[tuple[Column, Column]], kind: TypeEngine[Any] = _NUMBER) -> Column:
    """Take the first value of which the condition holds; with no branches, nothing at all."""
    listed = list(branches)
    return case(*listed) if listed else cast(null(), kind)


def _used(uses: Column, begins: Column, piece: Column) -> Column:
    """Count the slots that were taken in one of the periods that begin at some instants."""

    def before(instant: Column) -> Column:
        last = instant - literal_column("INTERVAL '1 microsecond'", Interval)
        return func.width_bucket(last, uses, type_=Integer)

    return before(_at(begins, piece + number(1))) - before(_at(begins, piece))


def _at(array: Column, place: Column, kind: TypeEngine[Any] = _INSTANT) -> Column:
    """Return an element of an array, null beyond its end."""
    element: Column = type_coerce(array, ARRAY(kind))[place]
    return element


def _seconds(span: timedelta) -> Column:
    """Write a span in seconds: what an interval of days comes to depends on the session's zone."""
    return literal_column(f"INTERVAL '{round(span.total_seconds())} seconds'", Interval)


def _tag(channel: Channel) -> Column:
    return literal_column(f"'{TAGS[channel]}'", Text).collate("C")


def _place(plan: ChannelPlan, channel: Channel) -> Column:
    named = [one for one, _ in plan.steps]
    return number(named.index(channel) if channel in named else len(named))
