"""By when a complaint is to be answered is data, of each country."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rules.complaint_law import FILE, duties_of, read_duties
from rules.source import SHIPPED_LAW
from tellal.domain.errors import RulebookError

pytestmark = pytest.mark.req("D54")

ISTANBUL = ZoneInfo("Europe/Istanbul")


def at(day: int, hour: int = 10, *, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=ISTANBUL)


def test_turkey_knows_the_ways_of_complaint_and_where_each_deadline_comes_from() -> None:
    duties = duties_of("TR")

    assert {"e_devlet", "ministry", "provincial_directorate", "btk"} <= duties.keys()
    assert all(duty.source and duty.means for duty in duties.values())


def test_a_country_without_a_file_is_under_its_base() -> None:
    assert duties_of("PL") == duties_of("DE") == read_duties(SHIPPED_LAW / "eu" / FILE)
    assert "e_devlet" not in duties_of("PL")


@pytest.mark.req("D54", "allows")
def test_days_run_on_and_the_last_counts_to_its_end() -> None:
    duty = duties_of("TR")["e_devlet"]

    assert duty.due(at(2), ISTANBUL, "TR") == at(18, 0)
    assert duty.due(at(2, 23), ISTANBUL, "TR") == at(18, 0)


def test_working_days_leave_out_weekends_and_holidays() -> None:
    duty = duties_of("TR")["btk"]

    # From Monday, 13 April: two weekends, and the holiday of 23 April.
    assert duty.due(at(13, month=4), ISTANBUL, "TR") == at(29, 0, month=4)


@pytest.mark.req("D54", "blocks")
@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("version: 1", "version: 2", "'version: 1'"),
        ("id: btk", "id: kvkk", "stands there twice"),
        ("working_days: 10", "working_days: 10\n    days: 3", "either 'days' or 'working_days'"),
        ("working_days: 10", "hours: 10", "unknown key 'hours'"),
        ("warn_days: 4", "warn_days: 11", "before the complaint has come"),
        ("warn_days: 4", "", "'warn_days' is missing"),
        ("working_days: 10", "working_days: soon", "whole number"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, before: str, after: str, words: str) -> None:
    shipped = (SHIPPED_LAW / "tr" / FILE).read_text(encoding="utf-8")
    assert before in shipped
    file = tmp_path / FILE
    file.write_text(shipped.replace(before, after), encoding="utf-8")

    with pytest.raises(RulebookError) as caught:
        read_duties(file)

    assert words in str(caught.value)
