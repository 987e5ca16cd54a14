"""A flooded lane does not hold up the one above it, on a whole stack."""

from collections.abc import Iterator
from typing import Any

import pytest

from tellal.bench import flood
from tellal.settings import Settings
from tellal.stack.stack import Stack

pytestmark = pytest.mark.e2e

FLOOD = 20_000
WATCHED = 60


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(settings=Settings(), ui=False) as running:
        yield running


@pytest.mark.req("D68", "allows")
async def test_a_critical_message_passes_a_flood_of_bulk(stack: Stack) -> None:
    measured: dict[str, Any] = await flood.measure(stack, FLOOD, WATCHED)

    ours, idle = measured["ours"], measured["baseline"]
    # Behind the flood it would wait for seconds; a bound so wide bears a machine full of others.
    assert ours["p50_s"] < max(10 * idle["p50_s"], 0.3)
    assert ours["longest_s"] < FLOOD / ours["bulk_per_second"] / 2
    assert ours["bulk_left"] > 0
