"""Outcomes that no workflow follows are brought forward all the same."""

from collections.abc import Sequence

from tellal.domain.errors import NotFoundError
from tellal.domain.journeys import Step
from tellal.domain.messages import OutcomeState
from tellal.services.sweeping import Sweeper


class DueJourneys:
    """Hands out what is due, once; one outcome is broken."""

    def __init__(self, due: Sequence[str], broken: str = "") -> None:
        self._due = tuple(due)
        self._broken = broken
        self.advanced: list[str] = []

    async def due(self, limit: int) -> tuple[str, ...]:
        taken, self._due = self._due[:limit], self._due[limit:]
        return taken

    async def advance(self, outcome_id: str) -> Step:
        if outcome_id == self._broken:
            raise NotFoundError("no such outcome")
        self.advanced.append(outcome_id)
        return Step(
            outcome_id=outcome_id,
            state=OutcomeState.TOLD,
            stage="told",
            wait_until=None,
            rule="",
            topic="",
            brand="",
        )


async def test_everything_that_is_due_is_advanced_once() -> None:
    journeys = DueJourneys([str(n) for n in range(120)])
    sweeper = Sweeper(journeys)

    swept = [await sweeper.sweep() for _ in range(4)]

    assert swept == [50, 50, 20, 0]
    assert sorted(journeys.advanced, key=int) == [str(n) for n in range(120)]


async def test_a_broken_outcome_holds_up_no_other() -> None:
    journeys = DueJourneys(["a", "b", "c"], broken="b")

    assert await Sweeper(journeys).sweep() == 3
    assert sorted(journeys.advanced) == ["a", "c"]
