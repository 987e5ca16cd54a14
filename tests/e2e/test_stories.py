"""The stories on a whole stack, and what they leave behind in histories and logs."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from tellal.stack.stack import Stack
from tellal.stories import bank, campaign, channels, consent, distributor, populace
from tellal.stories.programme import STORIES, house_settings, play
from tellal.stories.scene import StoryResult

PERSONAL = (
    "ayse@example.com",
    "cem@example.com",
    "kadir@example.com",
    "token-bora-live",
    "token-elif-dead",
    "Halil",
    "Sayacınız",
    "holder-",
    populace.PREFIX,
    populace.TOKENS,
    *(getattr(bank, name) for name in ("AYSE", "BORA", "CEM", "DENIZ", "ELIF", "FATMA", "GOKHAN")),
    distributor.HALIL,
    distributor.INCI,
    *(getattr(consent, name) for name in ("ZEYNEP", "EMINE", "HALE", "FILIZ")),
    consent.CROWD[0][:-4],
    "Haber verin",
    campaign.PREFIX,
    *(row.phone for row in channels.MATRIX),
    *(row.mail for row in channels.MATRIX),
    channels.RESULT,
    channels.REPLY,
)

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(settings=house_settings(), ui=False) as running:
        yield running
    gc.collect()


@pytest.fixture(scope="module")
async def told(stack: Stack) -> dict[str, StoryResult]:
    results = await play(stack, [], print)
    return {result.id: result for result in results}


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(
            "bank",
            id="bank",
            marks=[pytest.mark.req(f"A0{n}") for n in (1, 2, 4, 5, 6, 7, 8)]
            + [pytest.mark.req("A12")],
        ),
        pytest.param(
            "distributor",
            id="distributor",
            marks=[
                pytest.mark.req(row)
                for row in (
                    "E01", "E02", "E03", "E04", "E09", "E10", "E11", "E12", "E37", "E38", "E39",
                    "E43",
                )
            ],
        ),
        pytest.param(
            "outage",
            id="outage",
            marks=[
                pytest.mark.req(row)
                for row in (
                    "B02", "B03", "B11", "B12", "B13", "B14", "B15", "B16", "B17", "B18",
                )
            ],
        ),
        pytest.param(
            "consent",
            id="consent",
            marks=[
                pytest.mark.req(row)
                for row in ("D01", "D08", "D09", "D10", "D13", "D33", "D37", "D41")
            ],
        ),
        pytest.param(
            "campaign",
            id="campaign",
            marks=[pytest.mark.req(row) for row in ("D62", "D64", "D65", "D66", "D73")],
        ),
        pytest.param(
            "channels",
            id="channels",
            marks=[
                pytest.mark.req(row)
                for row in (
                    "E01", "E04", "E08", "E09", "E12", "E14", "E15", "E16", "E17", "E20", "E22",
                    "E26", "E27", "E28", "E31", "E33", "E34", "E35", "E36", "E37", "E39", "E40",
                    "E41", "E42",
                )
            ],
        ),
    ],
)  # fmt: skip
async def test_a_story_is_told_as_expected(told: dict[str, StoryResult], story: str) -> None:
    assert told[story].observed == told[story].expected
    assert told[story].ok


async def test_every_story_is_in_the_test(told: dict[str, StoryResult]) -> None:
    assert set(told) == set(STORIES)


async def test_no_history_attribute_or_log_names_a_person(
    told: dict[str, StoryResult], stack: Stack
) -> None:
    assert told
    written = {part: log.read_text(errors="replace") for part, log in stack.logs().items()}

    dumps = [text async for text in _everything_temporal_knows(stack.temporal_address)]

    assert len(dumps) > len(STORIES)
    for value in PERSONAL:
        assert not [part for part, text in written.items() if value in text], value
        assert not [text for text in dumps if value in text], value


async def _everything_temporal_knows(address: str) -> AsyncIterator[str]:
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    async for execution in client.list_workflows():
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        history = await handle.fetch_history()
        yield history.to_json() + str(execution.raw_info)
        await asyncio.sleep(0)
