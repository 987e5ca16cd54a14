"""Instruments count what they are told of, keep labels in bounds, and can be scraped."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from tellal import metrics
from tellal.exposition import listen, shown
from tellal.metrics import EVENTS, OTHER
from tellal.stack.ports import LOOPBACK, free_port


def value(name: str, **labels: str) -> float:
    return EVENTS.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    ("tell", "name", "labels"),
    [
        (lambda: metrics.engine_asked("late"), "engine_answers_total", {"result": "late"}),
        (metrics.engine_differed, "engine_differences_total", {}),
        (metrics.engine_replaced, "engine_replacements_total", {}),
        (lambda: metrics.swept(done=True), "sweeper_advances_total", {"result": "done"}),
        (lambda: metrics.swept(done=False), "sweeper_advances_total", {"result": "failed"}),
        (lambda: metrics.lane_stumbled("bulk"), "lane_stumbles_total", {"lane": "bulk"}),
        (
            lambda: metrics.receipt_unplaced("twilio"),
            "receipts_total",
            {"provider": "twilio", "state": "unplaced"},
        ),
        (
            lambda: metrics.decided("suppress", "no_consent", "durable_rules"),
            "decisions_total",
            {
                "verdict": "suppress",
                "reason": "no_consent",
                "executor": "durable_rules",
                "simulated": "no",
            },
        ),
        (
            lambda: metrics.decided("send", "", "reference", simulated=True),
            "decisions_total",
            {"verdict": "send", "reason": "", "executor": "reference", "simulated": "yes"},
        ),
    ],
)
def test_what_is_told_is_counted_once(
    tell: Callable[[], None], name: str, labels: dict[str, str]
) -> None:
    before = value(f"tellal_{name}", **labels)

    tell()

    assert value(f"tellal_{name}", **labels) == before + 1


def test_a_hand_over_is_counted_and_timed() -> None:
    said = {"provider": "counted", "channel": "sms"}

    metrics.handed_over(**said, answer="rejected", code="21610", seconds=0.3)
    metrics.handed_over(**said, answer="accepted", code="", seconds=0.2)

    name = "tellal_handovers_total"
    assert value(name, **said, answer="rejected", code="21610") == 1
    assert value(name, **said, answer="accepted", code="") == 1
    assert value("tellal_handover_duration_seconds_sum", **said) == pytest.approx(0.5)


def test_a_receipt_is_timed_only_if_its_hand_over_is_known() -> None:
    metrics.receipt_taken("counted", "delivered", None)
    metrics.receipt_taken("counted", "delivered", 12.0)
    metrics.receipt_taken("counted", "sent", -0.2)  # the clocks of two machines

    delay = "tellal_receipt_delay_seconds"
    assert value("tellal_receipts_total", provider="counted", state="delivered") == 2
    assert value(f"{delay}_count", provider="counted") == 2
    assert value(f"{delay}_sum", provider="counted") == 12.0


def test_late_work_is_timed_from_its_moment() -> None:
    metrics.begun_late("counted", 45.0)

    assert value("tellal_schedule_lag_seconds_bucket", work="counted", le="30.0") == 0
    assert value("tellal_schedule_lag_seconds_bucket", work="counted", le="60.0") == 1


def test_a_route_that_closes_again_rests_no_more() -> None:
    metrics.route_is_open("sms/fake", is_open=True, paused_until=1_790_000_000.0)
    opened = value("tellal_route_open", route="sms/fake")
    until = value("tellal_route_paused_until_seconds", route="sms/fake")
    metrics.route_is_open("sms/fake", is_open=False)

    assert (opened, until) == (1.0, 1_790_000_000.0)
    assert value("tellal_route_open", route="sms/fake") == 0
    assert value("tellal_route_paused_until_seconds", route="sms/fake") == 0


@pytest.mark.parametrize("code", ["+905320000101", "905320000101", "ayşe", "a b", "x" * 65])
def test_what_is_no_code_never_becomes_a_label(code: str) -> None:
    metrics.handed_over("stranger", "sms", "rejected", code, 0.1)

    labels = [sample.labels for family in EVENTS.collect() for sample in family.samples]
    assert code not in {one for label in labels for one in label.values()}
    said = {"provider": "stranger", "channel": "sms", "answer": "rejected"}
    assert value("tellal_handovers_total", **said, code=OTHER) >= 1


def test_a_provider_that_invents_codes_fills_nobodys_memory() -> None:
    codes = metrics._Codes(3)

    assert [codes.label(code) for code in ("a", "b", "c", "d", "a", "")] == [
        "a",
        "b",
        "c",
        OTHER,
        "a",
        "",
    ]


async def test_a_process_without_a_server_can_be_scraped_until_it_stops() -> None:
    port, stop = free_port(), asyncio.Event()
    first, second = CollectorRegistry(), CollectorRegistry()
    Counter("tellal_one", "One.", registry=first).inc()
    Counter("tellal_two", "Two.", registry=second).inc(2)
    address = f"http://{LOOPBACK}:{port}/metrics"

    listening = asyncio.create_task(listen(shown(first, second), LOOPBACK, port, stop))
    async with httpx.AsyncClient(trust_env=False) as client:
        await asyncio.sleep(0)
        answer = await client.get(address)
        stop.set()
        await listening
        with pytest.raises(httpx.ConnectError):
            await client.get(address)

    families = {one.name: one for one in text_string_to_metric_families(answer.text)}
    assert [families[name].samples[0].value for name in ("tellal_one", "tellal_two")] == [1, 2]
    assert "tellal_one_created" not in families
    assert families["process_resident_memory_bytes"].samples[0].value > 0


async def test_a_taken_port_is_said() -> None:
    port, stop = free_port(), asyncio.Event()
    listening = asyncio.create_task(listen(CollectorRegistry(), LOOPBACK, port, stop))
    await asyncio.sleep(0)

    with pytest.raises(OSError, match="in use"):
        await listen(CollectorRegistry(), LOOPBACK, port, asyncio.Event())
    stop.set()
    await listening
