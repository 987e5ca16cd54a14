"""The rule engine: durable_rules behind a fence, in a process of its own that may fail.

This is the only module that imports durable_rules. `FencedRules` runs in the child process (see
`engine_process`), `RuleEngine` in the server, where it never blocks the event loop.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from durable.engine import Host, MessageNotHandledException

from rules.engine_child import ChildFailure, EngineChild, start_child
from rules.fence import MARK
from rules.questions import EngineAnswer
from rules.rulebook import Rulebook
from tellal import metrics
from tellal.domain.decisions import Value

__all__ = ["FencedRules", "MessageNotHandledException", "RuleEngine", "TimerlessHost"]

_log = logging.getLogger(__name__)

_MARKS = {MARK: 1, "id": "d"}
_START_S = 20.0
_SHORT_LIFE_S = 10.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


class TimerlessHost(Host):  # type: ignore[misc]  # durable_rules has no types
    """A host without its timer threads: they run actions elsewhere and touch freed memory."""

    def _run(self) -> None:
        """Start nothing."""


class FencedRules:
    """One topic's rules: a document goes in as the only fact, the numbers of what held come out.

    Each ruleset has one state for ever (deleting states crashes), its actions only note a number,
    and facts are derived by stages outside, never by asserting from within a rule.
    """

    def __init__(self, name: str, program: Mapping[str, Any]) -> None:
        self._fields = tuple(program["fields"])
        self._host = TimerlessHost()
        self._held: set[str] = set()
        self._stages: list[tuple[list[str], dict[str, str]]] = []
        for stage, (rulesets, facts) in enumerate(program["stages"]):
            names = []
            for number, rules in enumerate(rulesets):
                names.append(f"{name}/{stage}/{number}")
                runnable = {
                    rule: {**body, "run": self._noting(rule)} for rule, body in rules.items()
                }
                self._host.set_rulesets({names[-1]: runnable})
            self._stages.append((names, {str(rule): fact for rule, fact in facts}))

    def ask(self, values: Sequence[object]) -> tuple[list[str], list[int]]:
        """Return the facts that follow from a document, and the numbers of the rules that held.

        The document comes as the values of the program's fields, None for what is absent.
        """
        pairs = zip(self._fields, values, strict=True)
        known = {path: value for path, value in pairs if value is not None}
        known.update(_MARKS)
        derived: dict[str, None] = {}
        held: dict[int, None] = {}
        for names, facts in self._stages:
            for rule in self._run_stage(names, known):
                # An alternative of a rule that was cut is the rule.
                number = rule.partition("#")[0]
                held[int(number)] = None
                if number in facts:
                    derived[facts[number]] = None
            known.update({f"fact.{fact}": True for fact in derived})
        return list(derived), list(held)

    def _run_stage(self, names: Sequence[str], document: Mapping[str, object]) -> set[str]:
        self._held.clear()
        for name in names:
            try:
                self._host.assert_fact(name, dict(document))
            except MessageNotHandledException:
                continue  # no rule of it looks at such a document, and nothing was kept
            self._host.retract_fact(name, {"id": "d"})
        return set(self._held)

    def _noting(self, rule: str) -> Any:  # noqa: ANN401 - durable_rules takes any callable
        def note(_: object) -> None:
            self._held.add(rule)  # a set: two true alternatives fire a rule twice

        return note


@dataclass(slots=True, kw_only=True)
class EngineCounters:
    """What became of the questions: the sum of the last four is what the reference answered."""

    asked: int = 0
    answered: int = 0
    differed: int = 0
    restarted: int = 0
    late: int = 0
    crashed: int = 0
    skipped: int = 0
    unready: int = 0


class RuleEngine:
    """Asks a child process that runs the rules; whatever befalls it, an answer is never late.

    A question that the child cannot answer within the deadline gets None, and the reference
    answers it. A child that died, or that is silent for several deadlines, is replaced.
    """

    def __init__(self, *, deadline_s: float = 0.1) -> None:
        self.counters = EngineCounters()
        self._deadline_s = deadline_s
        self._book: Rulebook | None = None
        self._child: EngineChild | None = None
        self._ready = asyncio.Event()
        self._look = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to keep a child alive; it starts with the first rulebook."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name="rule-engine")

    def prepare(self, book: Rulebook) -> None:
        """Make a rulebook the one that the child runs, without waiting for it."""
        if self._book is None or self._book.revision != book.revision:
            self._book = book
            self._ready.clear()
            self._look.set()

    async def load(self, book: Rulebook) -> None:
        """Make a rulebook the one that the child runs, and wait until it does.

        A child that does not come up is no failure here: the reference answers meanwhile.
        """
        self.prepare(book)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), _START_S)

    async def ready(self) -> None:
        """Wait until a child answers."""
        await self._ready.wait()

    @property
    def pid(self) -> int | None:
        """The process id of the child that answers now."""
        return self._child.pid if self._child else None

    async def evaluate(
        self, book_revision: str, topic: str, document: Mapping[str, Value]
    ) -> EngineAnswer | None:
        """Say which rules of a topic hold for a document; None when the child cannot."""
        counters, child = self.counters, self._child
        counters.asked += 1
        if child is None or child.revision != book_revision:
            counters.unready += 1
            metrics.engine_asked("unready")
            return None
        if child.behind:
            # It owes an answer already: who asks on would only wait for the deadline.
            counters.skipped += 1
            metrics.engine_asked("skipped")
            return None
        answer = await child.ask(topic, document)
        if isinstance(answer, EngineAnswer):
            counters.answered += 1
            metrics.engine_asked("answered")
            return answer
        if answer is ChildFailure.LATE:
            counters.late += 1
            metrics.engine_asked("late")
        else:
            counters.crashed += 1
            metrics.engine_asked("crashed")
        return None

    def note_difference(self, topic: str) -> None:
        """Count and log that the answer was not the reference's."""
        self.counters.differed += 1
        metrics.engine_differed()
        _log.error("rule engine differs from the reference", extra={"topic": topic})

    async def close(self) -> None:
        """End the child and stop replacing it."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None

    async def _keep(self) -> None:
        """Keep a child for the current rulebook alive."""
        pause = 0.0
        while True:
            if self._book is None:
                await self._look.wait()
                self._look.clear()
                continue
            began = asyncio.get_running_loop().time()
            why = await self._run_child(self._book)
            lived = asyncio.get_running_loop().time() - began
            if why == "outdated":
                continue
            self.counters.restarted += 1
            metrics.engine_replaced()
            _log.warning("rule engine replaced", extra={"why": why, "lived_s": round(lived, 3)})
            pause = min(_LONGEST_PAUSE_S, pause * 2 or _FIRST_PAUSE_S)
            if lived > _SHORT_LIFE_S:
                pause = 0.0
            await asyncio.sleep(pause)

    async def _run_child(self, book: Rulebook) -> str:
        """Run one child until there is a reason for another; say which."""
        try:
            async with asyncio.timeout(_START_S):
                child = await start_child(book, deadline_s=self._deadline_s, wake=self._look.set)
        except (OSError, TimeoutError, ConnectionError) as error:
            return f"not started: {type(error).__name__}"
        try:
            self._child = child
            while True:
                if self._book is not book:
                    return "outdated"
                if child.failure is not None:
                    return child.failure
                self._ready.set()
                await self._look.wait()
                self._look.clear()
        finally:
            self._child = None
            self._ready.clear()
            await child.kill()
