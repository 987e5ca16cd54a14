"""A day of a real network, played by the simulator."""

from datetime import time
from pathlib import Path

import pytest

from tellal.carrier.day import DayError, load_day
from tellal.carrier.faults import Fault, FaultKind, Faults
from tellal.domain.channels import Channel

DAY = """
version: 1
day:
  - {from: "08:00", until: "10:00", fault: slow_receipts, by_s: 120, match: {channel: sms}}
  - {from: "11:00", until: "11:40", fault: error, code: 21611, rate: 0.4, match: {provider: twilio}}
"""


def a_day(tmp_path: Path, text: str = DAY) -> Path:
    path = tmp_path / "day.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_hours_become_seconds_from_the_beginning_and_what_is_over_is_left_out(
    tmp_path: Path,
) -> None:
    day = load_day(a_day(tmp_path))

    slow, failing = day.faults(begins=time(9), speed=60)
    [later] = day.faults(begins=time(10), speed=60)

    assert (slow.begins_s, slow.ends_s, slow.by_s) == (0, 60, 2)
    assert (failing.begins_s, failing.ends_s, failing.code) == (120, 160, "21611")
    assert (later.begins_s, later.match.provider) == (60, "twilio")


def test_a_fault_hits_only_while_it_goes_on_and_only_its_provider() -> None:
    faults = Faults(1)
    faults.add(Fault(fault=FaultKind.RESET, begins_s=3600))
    faults.add(Fault(fault=FaultKind.HANG, ends_s=0))
    faults.add(Fault.model_validate({"fault": "429", "match": {"provider": "netgsm"}}))

    def hit(provider: str) -> FaultKind | None:
        found = faults.of_request(channel=Channel.SMS, to="+1", text="", provider=provider)
        return None if found is None else found.fault

    assert (hit("twilio"), hit("netgsm")) == (None, FaultKind.TOO_MANY)


def test_slow_receipts_say_by_how_much() -> None:
    faults = Faults(1)
    faults.add(Fault(fault=FaultKind.SLOW_RECEIPTS, by_s=30))

    back = faults.of_callbacks(channel=Channel.SMS, to="+1", text="", provider="twilio")

    assert back.late_s == 30


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DAY.replace("10:00", "07:00"), "day.0: Value error, a spell ends after it begins"),
        (DAY.replace("slow_receipts", "slow"), "day.0.fault: Input should be"),
        (DAY.replace(", by_s: 120", ""), "a fault `slow_receipts` needs `by_s`"),
        ("day: [", "day.yaml"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DayError, match=words):
        load_day(a_day(tmp_path, text))
