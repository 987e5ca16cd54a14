"""The engine's process may die, freeze or be late; the answer is right and in time all the same."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from rules.decide import Decider
from rules.engine import RuleEngine
from rules.questions import EngineAnswer
from rules.rulebook import Rulebook, load_rulebook
from tellal.domain.decisions import Decision, Value
from tests.rules.writing import a_book, a_question

USER: dict[str, Value] = {"customer.login.method": "cep_anahtar", "customer.no": "9876501"}


@pytest.fixture
async def engine() -> AsyncIterator[RuleEngine]:
    engine = RuleEngine(deadline_s=0.5)
    await engine.start()
    yield engine
    await engine.close()


async def _decide(engine: RuleEngine, book: Rulebook) -> Decision:
    return await Decider(engine).decide(book, a_question(USER, topic="iscep_promo"))


def _right(decision: Decision) -> bool:
    return [r.code for r in decision.reasons] == ["already_has_iscep"] and len(decision.fired) == 3


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_engine_answers(engine: RuleEngine) -> None:
    book = load_rulebook()
    await engine.load(book)

    decision = await _decide(engine, book)

    assert _right(decision)
    assert decision.executor == "durable_rules"
    assert (engine.counters.asked, engine.counters.answered) == (1, 1)


def test_it_answers_on_the_loop_that_the_processes_run() -> None:
    """Its pipes are asyncio's in a test, and uvloop's in the API and the worker."""

    async def asked() -> tuple[Decision, int]:
        engine, book = RuleEngine(deadline_s=5), load_rulebook()
        async with asyncio.timeout(20):
            await engine.start()
            await engine.load(book)
            decision = await _decide(engine, book)
            await engine.close()
        return decision, engine.counters.answered

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        decision, answered = runner.run(asked())

    assert _right(decision)
    assert answered == 1


async def test_hundreds_at_once_are_answered_each_for_itself(engine: RuleEngine) -> None:
    book = load_rulebook()
    await engine.load(book)
    decider = Decider(engine)
    methods = ["cep_anahtar", "password"] * 150

    decisions = await asyncio.gather(
        *(
            decider.decide(book, a_question({"customer.login.method": method}, topic="iscep_promo"))
            for method in methods
        )
    )

    assert [bool(decision.facts) for decision in decisions] == [True, False] * 150
    assert engine.counters.differed == 0


async def test_a_killed_child_is_answered_for_and_replaced(engine: RuleEngine) -> None:
    book = load_rulebook()
    await engine.load(book)
    pid = engine.pid
    assert pid is not None

    os.kill(pid, signal.SIGKILL)
    decision = await _decide(engine, book)

    assert _right(decision)
    assert decision.executor == "reference"
    await _until(lambda: engine.counters.restarted == 1)
    await engine.ready()
    assert engine.pid != pid
    assert (await _decide(engine, book)).executor == "durable_rules"


async def test_a_frozen_child_is_answered_for_in_time_and_replaced(
    engine: RuleEngine, caplog: pytest.LogCaptureFixture
) -> None:
    book = load_rulebook()
    await engine.load(book)
    pid = engine.pid
    assert pid is not None

    os.kill(pid, signal.SIGSTOP)
    with caplog.at_level(logging.WARNING, logger="rules.engine"):
        first = await _decide(engine, book)
        second = await _decide(engine, book)
        await _until(lambda: engine.counters.restarted == 1)
    await engine.ready()
    third = await _decide(engine, book)

    assert [_right(decision) for decision in (first, second, third)] == [True] * 3
    assert [d.executor for d in (first, second, third)] == [
        "reference",
        "reference",
        "durable_rules",
    ]
    assert engine.counters.late == 1
    assert not _alive(pid)
    assert "9876501" not in caplog.text + str([vars(record) for record in caplog.records])


async def test_a_late_answer_is_not_taken_for_another_question(engine: RuleEngine) -> None:
    book = load_rulebook()
    await engine.load(book)
    pid = engine.pid
    assert pid is not None

    os.kill(pid, signal.SIGSTOP)
    late = await _decide(engine, book)
    os.kill(pid, signal.SIGCONT)
    await _until(lambda: not _owes(engine))
    other = await Decider(engine).decide(book, a_question({}, topic="iscep_promo"))

    assert late.executor == "reference"
    assert (other.executor, other.facts) == ("durable_rules", ())
    assert engine.pid == pid


def _owes(engine: RuleEngine) -> bool:
    return engine._child is not None and engine._child.behind


async def test_an_error_of_the_engine_is_answered_for(engine: RuleEngine) -> None:
    book = load_rulebook()
    await engine.load(book)

    # A number that durable_rules cannot read: its error ends the child.
    answer = await engine.evaluate(
        book.revision,
        "iscep_promo",
        {"customer.login.method": float("1e-07")},  # type: ignore[dict-item]
    )

    assert answer is None
    assert engine.counters.crashed == 1
    await _until(lambda: engine.counters.restarted == 1)
    await engine.ready()
    assert (await _decide(engine, book)).executor == "durable_rules"


async def test_a_new_rulebook_takes_over_while_the_reference_answers(
    engine: RuleEngine, tmp_path: Path
) -> None:
    old, new = load_rulebook(), a_book(tmp_path)
    await engine.load(old)

    first = await Decider(engine).decide(new, a_question())
    await engine.load(new)
    second = await Decider(engine).decide(new, a_question())

    assert (first.executor, second.executor) == ("reference", "durable_rules")
    assert (first.steps, first.revision) == (second.steps, second.revision)
    assert engine.counters.restarted == 0


def _read(document: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return what the promotion's rules may see of a document: never a number."""
    return {path: value for path, value in document.items() if path != "customer.no"}


class _Wrong:
    """An engine that says that nothing holds."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Mapping[str, Value]]] = []
        self.differed: list[str] = []

    def prepare(self, book: Rulebook) -> None:
        """Need nothing."""

    async def evaluate(
        self, book_revision: str, topic: str, document: Mapping[str, Value]
    ) -> EngineAnswer | None:
        """Be wrong."""
        self.asked.append((book_revision, topic, document))
        return EngineAnswer(facts=frozenset(), fired=frozenset())

    def note_difference(self, topic: str) -> None:
        """Count."""
        self.differed.append(topic)


async def test_where_they_differ_the_reference_wins_and_it_is_counted() -> None:
    wrong = _Wrong()

    decision = await Decider(wrong).decide(load_rulebook(), a_question(USER, topic="iscep_promo"))

    assert _right(decision)
    assert decision.executor == "reference"
    assert wrong.differed == ["iscep_promo"]
    [(revision, topic, document)] = wrong.asked
    assert (revision, topic) == (decision.revision, "iscep_promo")
    asked = {path: value for path, value in document.items() if not path.startswith("active.")}
    assert asked == _read(USER)


async def test_without_an_engine_the_reference_answers() -> None:
    decision = await Decider(None).decide(load_rulebook(), a_question(USER, topic="iscep_promo"))

    assert (_right(decision), decision.executor) == (True, "reference")


async def test_closing_ends_the_child() -> None:
    engine = RuleEngine()
    await engine.start()
    await engine.load(load_rulebook())
    pid = engine.pid
    assert pid is not None

    await engine.close()

    assert not _alive(pid)
    assert await engine.evaluate("", "iscep_promo", {}) is None


_PARENT = """
import asyncio, sys
from rules.engine import RuleEngine
from rules.rulebook import load_rulebook

async def main():
    engine = RuleEngine()
    await engine.start()
    await engine.load(load_rulebook())
    print(engine.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("frozen", [False, True])
async def test_the_child_dies_with_its_parent(*, frozen: bool) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    if frozen:
        os.kill(pid, signal.SIGSTOP)

    parent.kill()
    await parent.wait()

    await _until(lambda: not _alive(pid) or _is_zombie(pid))


def _is_zombie(pid: int) -> bool:
    """In a container without an init nobody collects an orphan."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"
