"""A small chaos run: processes die, providers misbehave; nothing is lost and nobody hears twice."""

import asyncio
from collections import Counter

import pytest

from tellal.chaos.report import Report
from tellal.chaos.run import Order, run, settings_of
from tellal.stack.stack import Stack

pytestmark = pytest.mark.e2e

ORDER = Order(messages=240, kills=6, seed=3, seconds_per_kill=4.0, patience_s=150.0, speed=4.0)


@pytest.fixture(scope="module")
def report() -> Report:
    with Stack(settings=settings_of(ORDER), durable=True, ui=False) as stack:
        return asyncio.run(run(stack, ORDER, print))


def test_nothing_is_lost_and_nobody_hears_twice(report: Report) -> None:
    assert report.ok, "\n".join(report.lines())


def test_it_was_chaos(report: Report) -> None:
    killed = Counter(kill.part for kill in report.kills)

    assert killed.total() == ORDER.kills
    assert set(killed) == {"worker", "api", "temporal", "postgres", "carrier", "mailbox"}
    assert {channel for channel, _ in report.faults} == {"sms", "push", "email"}
    assert report.book >= ORDER.messages - report.verdict.most_unknown
    assert {message.message_class for one in report.outcomes for message in one.messages} == {
        "service",
        "commercial",
        "mandatory",
    }
