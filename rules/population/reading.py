"""Turns rows of the statements into what was decided."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from rules.decide import rank
from rules.definitions import OnReach, QuietAction, Rule, WaitFor
from rules.population import codes
from rules.population.needs import channels_of
from rules.population.phases import DEFER, SEND, SUPPRESS, TAGS, Masks
from rules.population.places import quiet_of
from rules.rulebook import Rulebook
from tellal.domain.channels import Channel
from tellal.domain.decisions import PlanStep, Reason, Verdict

VERDICTS = {SEND: Verdict.SEND, DEFER: Verdict.DEFER, SUPPRESS: Verdict.SUPPRESS}
_CHANNELS = {tag: channel for channel, tag in TAGS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What was decided about one customer; as a `Decision`, but rules and facts by name only.

    Where it is `unsure`, a cap by the calendar may put him off further: ask about him alone.
    """

    customer: str
    verdict: Verdict
    steps: tuple[PlanStep, ...] = ()
    reasons: tuple[Reason, ...] = ()
    fired: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    removed: Mapping[Channel, Reason] = field(default_factory=dict)
    shadow: tuple[str, ...] = ()
    unsure: bool = False


def way(tags: str | None) -> tuple[Channel, ...]:
    """Return the channels of a plan in their order, as the statements write them."""
    return tuple(_CHANNELS[tag] for tag in tags or "")


class Reader:
    """Reads the rows of one topic's decisions."""

    def __init__(self, book: Rulebook, topic: str) -> None:
        self._shard = book.shards[topic]
        self._masks = Masks(self._shard, "")
        self._channels = channels_of(self._shard)
        self._quiet = quiet_of(self._shard).numbered()

    def summary(self, row: Row[Any]) -> Summary:
        """Read a row of `statements.decisions`."""
        seen: Mapping[str, Any] = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's way to columns by name
        held = self._masks.held([seen[self._masks.name(n)] for n in range(self._masks.number)])
        found = {one: seen[f"went_{one}"] for one in self._channels}
        went = {one: code for one, code in found.items() if code is not None}
        verdict = VERDICTS[seen["verdict"]]
        removed = self._removed(seen, went)
        stops = tuple(self._stops(seen, held, went))
        silent = verdict is Verdict.SUPPRESS
        return Summary(
            customer=seen["id"],
            verdict=verdict,
            steps=() if silent else self._steps(seen, went),
            reasons=(*stops, *_ranked(removed)) if silent else (),
            fired=tuple(dict.fromkeys(rule.id for rule in self._fired(seen, held, went))),
            facts=self._facts(held),
            removed=removed,
            shadow=tuple(rule.id for rule in self._shard.shadow if rule.id in held),
            unsure=seen["unsure"],
        )

    def _facts(self, held: set[str]) -> tuple[str, ...]:
        rules = (asked.rule for stratum in self._shard.strata for asked in stratum)
        return tuple(sorted({rule.derives for rule in rules if rule.id in held}))

    def _order(self, seen: Mapping[str, Any]) -> list[Channel]:
        plan = seen["plan"]
        steps = () if plan is None else self._shard.channels[plan].rule.steps
        return [channel for channel, _ in steps]

    def _steps(self, seen: Mapping[str, Any], went: Mapping[Channel, int]) -> tuple[PlanStep, ...]:
        plan = self._shard.channels[seen["plan"]].rule
        steps = [
            PlanStep(channel=one, not_before=seen[f"leaves_{one}"], patience=patience)
            for one, patience in plan.steps
            if went[one] == codes.LEFT
        ]
        if plan.wait_for is WaitFor.ANY:
            first = _CHANNELS[seen["begins"]]
            steps.sort(key=lambda step: step.channel is not first)
        return tuple(steps)

    def _removed(
        self, seen: Mapping[str, Any], went: Mapping[Channel, int]
    ) -> dict[Channel, Reason]:
        """Return what was removed in the order in which the phases did."""
        order = self._order(seen)
        gone = [one for one in order if went.get(one, codes.LEFT) != codes.LEFT]
        gone.sort(key=lambda one: (_taken(went[one]), order.index(one)))
        return {one: codes.reason_of(self._shard, went[one], one) for one in gone}

    def _stops(
        self, seen: Mapping[str, Any], held: set[str], went: Mapping[Channel, int]
    ) -> Iterator[Reason]:
        shard = self._shard
        if seen["withheld"] is not None:
            yield codes.reason_of(shard, seen["withheld"])
        for n, asked in enumerate(shard.suppress):
            if asked.rule.id in held:
                yield codes.reason_of(shard, codes.SUPPRESSED + n)
        yield from self._remembered(seen)
        if seen["reason"] == codes.NO_CHANNEL:
            yield codes.reason_of(shard, codes.NO_CHANNEL)
        for n in self._caps_met(seen, went):
            if shard.caps[n].rule.on_reach is OnReach.SUPPRESS:
                yield codes.reason_of(shard, codes.CAP + n)
        for n in self._quiet_met(seen):
            if shard.quiet_hours[n].rule.action is QuietAction.SUPPRESS:
                yield codes.reason_of(shard, codes.QUIET + n)

    def _remembered(self, seen: Mapping[str, Any]) -> Iterator[Reason]:
        """Go through what his wishes and the ledger have against it."""
        shard = self._shard
        if seen["unwanted"] is not None:
            yield codes.reason_of(shard, seen["unwanted"])
        for name, code in (
            ("told", codes.ALREADY_TOLD),
            ("converted", codes.CONVERTED),
            ("is_pending", codes.ALREADY_PENDING),
            ("exhausted", codes.ATTEMPTS_EXHAUSTED),
        ):
            if seen[name]:
                yield codes.reason_of(shard, code)

    def _fired(
        self, seen: Mapping[str, Any], held: set[str], went: Mapping[Channel, int]
    ) -> Iterator[Rule]:
        """Go through the rules that had an effect, in the order of the phases."""
        shard = self._shard
        yield from (a.rule for stratum in shard.strata for a in stratum if a.rule.id in held)
        stops = [asked.rule for asked in shard.suppress if asked.rule.id in held]
        yield from stops
        if seen["converted"]:
            yield from (asked.rule for asked in shard.stop)
        silent = any(seen[name] for name in ("told", "converted", "is_pending", "exhausted"))
        left_out = seen["withheld"] is not None or seen["unwanted"] is not None
        if stops or silent or left_out:
            return
        if seen["plan"] is None:
            return
        yield shard.channels[seen["plan"]].rule
        offended = {(code - codes.LAW) // 2 for code in went.values() if _is(code, codes.LAW)}
        yield from (shard.law[n].rule for n in sorted(offended))
        yield from (shard.caps[n].rule for n in self._caps_met(seen, went))
        yield from (shard.quiet_hours[n].rule for n in self._quiet_met(seen))

    def _caps_met(self, seen: Mapping[str, Any], went: Mapping[Channel, int]) -> Iterator[int]:
        """Go through the full caps that found a channel which was left until then."""
        for n, asked in enumerate(self._shard.caps):
            left = [
                code == codes.LEFT or code >= codes.CAP + n
                for one, code in went.items()
                if asked.rule.channel in {None, one}
            ]
            if seen["full"] >> n & 1 and any(left):
                yield n

    def _quiet_met(self, seen: Mapping[str, Any]) -> Iterator[int]:
        if not self._quiet:
            return
        for channel in self._order(seen):
            met = seen[f"quiet_{channel}"] or 0
            for n, (rule, bit) in enumerate(self._quiet):
                if channel in rule.channels and met >> bit & 1:
                    yield n


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """So many decisions that are alike; `unsure` as of a `Summary`."""

    verdict: Verdict
    reason: Reason | None
    rule: str
    channels: tuple[Channel, ...]
    hour: datetime | None
    number: int
    unsure: bool = False


def read_sum(book: Rulebook, topic: str, row: Row[Any]) -> Sum:
    """Read a row of `statements.sums`."""
    shard = book.shards[topic]
    return Sum(
        verdict=VERDICTS[row.verdict],
        reason=None if row.reason is None else codes.reason_of(shard, row.reason),
        rule="" if row.plan is None else shard.channels[row.plan].rule.id,
        channels=way(row.way),
        hour=row.hour,
        number=int(row.number),
        unsure=row.unsure,
    )


def _is(code: int, phase: int) -> bool:
    return phase <= code < phase + 100_000


def _taken(code: int) -> int:
    """Return when a phase takes a channel away: of quiet hours, channel by channel."""
    if code == codes.UNPLANNED:
        return code
    if _is(code, codes.LAW):
        return codes.LAW + (code - codes.LAW) // 2
    for phase in (codes.QUIET, codes.SILENT, codes.UNROUTABLE):
        if _is(code, phase):
            return phase
    return code


def _ranked(removed: Mapping[Channel, Reason]) -> list[Reason]:
    """Order the reasons as `rules.decide` does: each once, the most telling first."""
    once: dict[str, Reason] = {}
    for reason in removed.values():
        once.setdefault(f"{reason.code} {reason.rule}", reason)
    return sorted(once.values(), key=lambda one: rank(one.code))
