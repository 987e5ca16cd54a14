"""What stories are played with: the house's own routes at a contract's rates, and daylight."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from rules.routing import load_routes
from tellal.stories.populace import daylight
from tellal.stories.programme import house_settings


def test_its_routes_are_the_houses_own_but_for_the_rates() -> None:
    own, shipped = load_routes(house_settings().routes), load_routes()

    assert [replace(one, rate=None) for one in own.routes] == [
        replace(one, rate=None) for one in shipped.routes
    ]
    assert own.needs == shipped.needs
    assert all(one.rate for one in own.routes)


@pytest.mark.parametrize("hour", range(24))
def test_customers_live_where_it_is_about_noon(hour: int) -> None:
    now = datetime(2026, 11, 23, hour, 59, tzinfo=UTC)

    assert now.astimezone(ZoneInfo(daylight(now))).hour == 12
