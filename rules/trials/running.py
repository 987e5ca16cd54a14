"""Runs tests of rules: each is decided as a server decides, by the reference."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from rules.decide import decide
from rules.rulebook import Rulebook
from rules.trials.definitions import Trial
from rules.trials.expecting import differences
from tellal.domain.decisions import Decision


class Standing(StrEnum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    TODO = "todo"
    """It fails, as its author knows."""
    DONE = "done"
    """It passes, though its author wrote that something is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A test with the decision that was made, and where it differs from what was expected."""

    trial: Trial
    decision: Decision
    differences: tuple[str, ...]

    @property
    def standing(self) -> Standing:
        """How the test ended."""
        if self.trial.todo:
            return Standing.TODO if self.differences else Standing.DONE
        return Standing.FAILED if self.differences else Standing.PASSED


def run(book: Rulebook, trials: Iterable[Trial]) -> tuple[Result, ...]:
    """Run tests in their order."""
    return tuple(_run(book, trial) for trial in trials)


def _run(book: Rulebook, trial: Trial) -> Result:
    decision = decide(book, trial.question)
    return Result(trial=trial, decision=decision, differences=differences(trial.expected, decision))
