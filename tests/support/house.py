"""The services of a process for tests: the shipped rulebook, a clock that the test sets."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rules.decide import Decider
from rules.holder import RulebookHolder
from rules.profiles import load_profiles
from rules.routing import load_routes
from tellal.domain.incidents import Incidents
from tellal.persistence.session import Sessions
from tellal.services.house import House, furnish
from templates.environment import JinjaRenderer

MORNING = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
"""Ten o'clock in Istanbul, a Monday: no quiet hours."""

ROUTES = load_routes().with_providers({"twilio", "smtp", "fcm"})


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime = MORNING) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def pass_by(self, time: timedelta) -> None:
        self.at += time


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def a_house(
    sessions: Sessions,
    clock: SetClock,
    incidents: Incidents | None = None,
    *,
    intake: Path | None = None,
) -> House:
    """Furnish a house; `incidents` and `intake` say what a folder of one's own does."""
    return furnish(
        sessions=sessions,
        books=RulebookHolder(None),
        decider=Decider(None),
        renderer=JinjaRenderer(),
        clock=clock,
        routes=ROUTES,
        incidents=incidents,
        profiles=load_profiles(intake),
    )


@pytest.fixture
async def house(sessions: Sessions, clock: SetClock) -> House:
    return a_house(sessions, clock)
