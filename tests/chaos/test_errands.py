"""What a chaos run asks for, and when it kills."""

import random
from collections import Counter

import pytest

from tellal.chaos.errands import CALM, COMMERCIAL, MANDATORY, SERVICE, plan
from tellal.chaos.killing import schedule

PARTS = ("worker", "api", "temporal", "postgres", "carrier", "mailbox")


@pytest.mark.parametrize("messages", [8, 240, 300, 5000])
def test_a_plan_asks_for_so_many_messages_once_each(messages: int) -> None:
    errands = plan(messages, 3).errands

    assert len(errands) == messages
    assert len(set(errands)) == messages


def test_every_channel_and_every_class_is_in_a_plan() -> None:
    wanted = plan(240, 2)

    topics = Counter(errand.topic for errand in wanted.errands)
    assert set(topics) == {SERVICE, COMMERCIAL, MANDATORY}
    assert {person.channel.value for person in wanted.people} == {"sms", "email", "push"}
    assert {person.district for person in wanted.people} == {CALM, *wanted.outages}
    out = {errand.customer for many in wanted.outages.values() for errand in many}
    assert not out & {one.customer for one in wanted.events if one.topic == COMMERCIAL}


def test_every_part_is_killed_at_least_twice_in_the_big_form() -> None:
    blows = schedule(PARTS, 20, random.Random(1))

    assert len(blows) == 20
    assert min(Counter(blow.part for blow in blows).values()) >= 2
    assert [blow.after for blow in blows] == sorted(blow.after for blow in blows)
    assert 0 <= blows[0].after <= blows[-1].after < 1


def test_a_seed_repeats_the_kills() -> None:
    one, other = (schedule(PARTS, 20, random.Random(seed)) for seed in (7, 7))

    assert one == other != schedule(PARTS, 20, random.Random(8))
