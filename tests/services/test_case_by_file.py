"""An eleventh channel is a file: no code knows its name."""

from pathlib import Path

import pytest

from rules.profiles import SHIPPED, load_profiles
from tellal.domain.cases import CaseState
from tellal.domain.errors import InvalidInputError, RefusedTransitionError
from tellal.persistence.session import Sessions
from tellal.services.editions import Edition, read_edition
from tellal.services.pinned import standings
from tests.support.cases import an_office
from tests.support.house import SetClock, a_house

KIOSK = """\
id: kiosk
name: Kiosk
source_system: KIOSK
requires: [queue_ticket]
call_before_close: always
notices:
  opened: [case_opened_tracked]
  resolved: [case_resolved_with_result]
"""


@pytest.mark.req("E23", "blocks")
async def test_a_file_makes_a_channel(sessions: Sessions, clock: SetClock, tmp_path: Path) -> None:
    for shipped in SHIPPED.glob("*.yaml"):
        (tmp_path / shipped.name).write_bytes(shipped.read_bytes())
    (tmp_path / "kiosk.yaml").write_text(KIOSK, encoding="utf-8")
    office = await an_office(a_house(sessions, clock, intake=tmp_path), clock)

    with pytest.raises(InvalidInputError) as refused:
        await office.open("kiosk")
    case = await office.open("kiosk", queue_ticket="K7")
    with pytest.raises(RefusedTransitionError) as early:
        await office.resolve(case)
    await office.call(case)
    await office.resolve(case)

    assert refused.value.field == "queue_ticket"
    assert early.value.code == "call_missing"
    assert case.source_system == "KIOSK"
    assert await office.told(case, CaseState.RESOLVED) == [("case_resolved_with_result", "sms")]
    assert (await office.open("web")).channel == "web"


async def test_a_topic_of_its_open_cases_is_not_taken_away(
    sessions: Sessions, clock: SetClock, tmp_path: Path
) -> None:
    (tmp_path / "kiosk.yaml").write_text(KIOSK, encoding="utf-8")
    office = await an_office(a_house(sessions, clock, intake=tmp_path), clock)
    await office.open("kiosk", queue_ticket="K7")
    shipped = read_edition(None)
    without = {
        path: said.replace("case_resolved_with_result", "case_over")
        for path, said in shipped.files.items()
    }

    async with sessions() as tx:
        found = await standings(tx, Edition(without), shipped, load_profiles(tmp_path))

    (standing,) = (one for one in found if one.topic == "case_resolved_with_result")
    assert standing.cases == 1
    assert standing.lacks == ("the topic",)
