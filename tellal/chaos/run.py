"""One chaos run: a stack of its own, its errands, the kills, and the verdict."""

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tellal.chaos import ledger
from tellal.chaos.asking import Json, PatientCaller
from tellal.chaos.errands import SERVICE, Plan, plan
from tellal.chaos.feeding import Feed
from tellal.chaos.judging import Evidence, judge
from tellal.chaos.killing import Killer, Say, schedule
from tellal.chaos.misbehaving import Providers, book_of, faults_in
from tellal.chaos.report import Report
from tellal.domain.channels import Channel
from tellal.persistence.session import Sessions, make_engine, make_sessions
from tellal.settings import FcmSettings, LaneSettings, Settings, SmtpSettings, TwilioSettings
from tellal.stack.service import Part
from tellal.stack.stack import Stack
from tellal.stories.cast import BANK, gather_ensemble

BOOK = Path(__file__).with_name("book")

_SLOTS = 8
_LANES = 3
_TIMEOUT_S = 2.0
_QUIET_S = 3.0
_LOOK_EVERY_S = 0.5
_TELL_EVERY_S = 10.0
_PEOPLE_PER_OUTAGE = 400
_NO_LOOK_UP = frozenset({Channel.EMAIL.value, Channel.PUSH.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run.

    `seconds_per_kill` stretches the run: errands are spread over so many for every kill.
    `patience_s` is how long to wait at the end until nothing moves. `speed` is a rehearsal's.
    """

    messages: int = 5000
    kills: int = 20
    seed: int = 1
    seconds_per_kill: float = 8.0
    patience_s: float = 300.0
    speed: float = 1.0


def settings_of(order: Order) -> Settings:
    """Return the settings of the run's stack: its rules, and providers that are soon given up."""
    lane = LaneSettings(concurrency=_SLOTS)
    return Settings(
        rulebook=BOOK,
        rehearsal_speed=order.speed,
        twilio=TwilioSettings(timeout_s=_TIMEOUT_S),
        fcm=FcmSettings(timeout_s=_TIMEOUT_S),
        smtp=SmtpSettings(timeout_s=_TIMEOUT_S, connections=_SLOTS),
        critical_lane=lane,
        journeys_lane=lane,
        bulk_lane=lane,
    )


async def run(stack: Stack, order: Order, say: Say) -> Report:
    """Run on a stack that has just started."""
    begun = time.monotonic()
    ensemble = await gather_ensemble(stack.database_url, stack.rulebook)
    wanted = plan(order.messages, max(2, order.messages // (_PEOPLE_PER_OUTAGE * 2)))
    async with PatientCaller(stack.api_url, ensemble.keys[BANK]) as caller:
        return await _Run(stack=stack, order=order, say=say, caller=caller, plan=wanted).play(begun)


def victims(stack: Stack) -> dict[str, Part]:
    """Return what is killed, by name: everything that the run has started itself."""
    ours: tuple[Part | None, ...] = (
        stack.worker,
        stack.api,
        stack.temporal,
        stack.postgres,
        stack.carrier,
        stack.mailbox,
    )
    return {part.name: part for part in ours if part is not None}


class _Run:
    def __init__(
        self, *, stack: Stack, order: Order, say: Say, caller: PatientCaller, plan: Plan
    ) -> None:
        self._stack = stack
        self._order = order
        self._say = say
        self._caller = caller
        self._plan = plan
        self._feed = Feed(caller=caller, plan=plan)
        self._providers = Providers(stack.carrier_url, stack.mailbox_url)

    async def play(self, begun: float) -> Report:
        await self._feed.introduce()
        for part in ("carrier", "mailbox"):
            await self._providers.misbehave_in(part)
        errands = len(self._plan.errands)
        self._say(f"{len(self._plan.people)} customers; {errands} messages are asked for")
        parts = victims(self._stack)
        killer = Killer(
            parts,
            revived=self._providers.misbehave_in,
            work=self._feed,
            say=self._say,
        )
        seconds = self._order.seconds_per_kill * self._order.kills
        chance = random.Random(self._order.seed)  # noqa: S311 (a run that can be repeated)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed.run(seconds))
            group.create_task(killer.run(schedule(list(parts), self._order.kills, chance)))
        engine = make_engine(self._stack.database_url, pool=2)
        try:
            sessions = make_sessions(engine)
            settled_s = await self._settle(sessions)
            return await self._report(sessions, killer, begun, settled_s)
        finally:
            await engine.dispose()

    async def _settle(self, sessions: Sessions) -> float:
        """Wait until nothing moves; return how long that took."""
        begun = quiet_since = told_at = time.monotonic()
        before: object = None
        while time.monotonic() - begun < self._order.patience_s:
            count, newest = await ledger.moving(sessions)
            walking = await self._providers.walking()
            if count or walking or (count, newest) != before:
                quiet_since = time.monotonic()
            before = (count, newest)
            if time.monotonic() - quiet_since >= _QUIET_S:
                break
            if time.monotonic() - told_at >= _TELL_EVERY_S:
                told_at = time.monotonic()
                self._say(f"{told_at - begun:7.1f} s  after the last kill {count} still move")
            await asyncio.sleep(_LOOK_EVERY_S)
        return time.monotonic() - begun

    async def _report(
        self, sessions: Sessions, killer: Killer, begun: float, settled_s: float
    ) -> Report:
        requests, mails = await self._providers.requests(), await self._providers.mails()
        found = await ledger.outcomes(sessions)
        faults = faults_in(requests, mails)
        without_look_up = sum(
            count for (channel, _), count in faults.items() if channel in _NO_LOOK_UP
        )
        evidence = Evidence(
            errands=self._plan.errands,
            outcomes=found,
            book=book_of(requests, mails),
            audiences=self._audiences(),
            reported=await self._reported(),
            most_unknown=without_look_up + len(killer.kills) * _SLOTS * _LANES,
        )
        return Report(
            order={"messages": len(self._plan.errands), "seed": self._order.seed},
            kills=killer.kills,
            faults=faults,
            outcomes=found,
            book=len(evidence.book),
            repeated_calls=self._caller.repeated,
            verdict=judge(evidence),
            settled_s=settled_s,
            seconds=time.monotonic() - begun,
        )

    def _audiences(self) -> dict[str, int]:
        """Say how many people each cause of many was asked to reach."""
        warned = sum(errand.topic == SERVICE for errand in self._plan.events)
        return {f"topic:{SERVICE}@1": warned} | {
            f"outage:{outage}:1": len(self._plan.outages[district])
            for district, outage in self._feed.outages.items()
        }

    async def _reported(self) -> Mapping[str, Mapping[str, int]]:
        found: dict[str, Mapping[str, int]] = {}
        for outage in self._feed.outages.values():
            view: Json = await self._caller.get(f"/outages/{outage}")
            found[f"outage:{outage}:1"] = view["counts"]
        return found
