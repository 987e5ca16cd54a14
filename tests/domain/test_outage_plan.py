"""Which channel still helps: the arithmetic of a plan, and what it never does."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from tellal.domain.channels import Channel
from tellal.domain.outage_plan import (
    UNKNOWN_END,
    Asked,
    Audience,
    Choices,
    Chosen,
    Way,
    Why,
    choose,
    span,
)
from tellal.domain.routes import Price

NOW = datetime(2026, 3, 2, 18, tzinfo=UTC)
SMS, PUSH, EMAIL = Channel.SMS, Channel.PUSH, Channel.EMAIL
WAYS = {
    PUSH: Way(rate=5_000),
    SMS: Way(rate=100, segments=2, price=Price(amount=Decimal("0.36"), currency="TRY")),
    EMAIL: Way(rate=200),
}


def asked(**said: object) -> Asked:
    """Ask about an outage that ends in two hours, of 5000 people with a phone."""
    whole: dict[str, object] = {
        "now": NOW,
        "ends": NOW + timedelta(hours=2),
        "lasts": timedelta(hours=2),
        "channels": (PUSH, SMS, EMAIL),
        "audiences": (Audience(channels=(SMS,), number=5_000),),
        "ways": WAYS,
        **said,
    }
    return Asked(**whole)  # type: ignore[arg-type]  # a test names what it changes


def people(number: int, *channels: Channel, priority: bool = False) -> Audience:
    return Audience(channels=channels, number=number, priority=priority)


def chosen(choices: Choices) -> Mapping[Channel, Chosen]:
    return {one.channel: one.chosen for one in choices.channels}


@pytest.mark.req("B01", "blocks")
@pytest.mark.req("B01", "allows")
@pytest.mark.parametrize(
    ("number", "rate", "hours", "whom"),
    [
        # Table of reference: people, segments a second, hours to the end, one segment each.
        pytest.param(5_000, 1, 2, Chosen.NOBODY, id="a feeder through a modem takes 83 min"),
        pytest.param(5_000, 10, 2, Chosen.EVERYBODY, id="a feeder at 10/s takes 8 min"),
        pytest.param(200_000, 100, 2, Chosen.EVERYBODY, id="a city at 100/s takes 33 min"),
        pytest.param(200_000, 100, 1, Chosen.NOBODY, id="which is too long for an hour"),
        pytest.param(1_000_000, 2_000, 1, Chosen.EVERYBODY, id="a million at 2000/s takes 8 min"),
        pytest.param(9_000_000, 2_000, 2, Chosen.NOBODY, id="a great bank takes 75 min"),
        pytest.param(9_000_000, 2_000, 4, Chosen.EVERYBODY, id="which is in time for four hours"),
    ],
)
def test_whether_a_group_is_too_large_follows_from_rate_and_time(
    number: int, rate: float, hours: int, whom: Chosen
) -> None:
    end = timedelta(hours=hours)

    choices = choose(
        asked(
            audiences=(people(number, SMS),),
            ways={SMS: Way(rate=rate)},
            ends=NOW + end,
            lasts=end,
        )
    )

    assert choices.of(SMS).chosen is whom


@pytest.mark.req("B03", "blocks")
def test_the_arithmetic_is_told_in_words() -> None:
    choices = choose(asked(audiences=(people(300_000, SMS),)))

    said = choices.of(SMS)
    assert said.code is Why.TOO_LATE
    assert said.why == (
        "300000 people, 2 segments each at 100/s, take 100 min; there are 55 min for it "
        "(50% of the 2 h left, less 5 min); it would be too late for some"
    )
    assert said.takes == timedelta(minutes=100)
    assert said.fits == 55 * 60 * 100 / 2
    assert said.useful_share == 1.0
    assert (said.told, said.cost) == (0, Decimal(0))


def test_what_it_costs_is_what_is_told() -> None:
    said = choose(asked(audiences=(people(1_000, SMS), people(500, PUSH, SMS)))).of(SMS)

    assert (said.told, said.cost, said.currency) == (1_000, Decimal("360.00"), "TRY")


def test_the_useful_share_is_what_would_hear_of_it_before_the_end() -> None:
    said = choose(asked(audiences=(people(1_440_000, SMS),))).of(SMS)

    assert said.takes == timedelta(hours=8)
    assert said.useful_share == 0.25


@pytest.mark.req("B18", "blocks")
@pytest.mark.req("B18", "allows")
def test_a_channel_that_depends_on_what_has_failed_is_out_and_its_people_go_on() -> None:
    audiences = (people(100, PUSH, SMS), people(50, PUSH))

    choices = choose(asked(audiences=audiences, broken={PUSH: "app_backend"}))

    assert choices.of(PUSH).code is Why.DEPENDS_ON_FAILED
    assert "app_backend" in choices.of(PUSH).why
    assert choices.of(SMS).told == 100
    assert choices.untold == 50


def test_the_priority_part_is_told_where_not_everybody_can_be() -> None:
    audiences = (people(300_000, SMS), people(200, SMS, priority=True))

    choices = choose(asked(audiences=audiences, has_priority=True))

    said = choices.of(SMS)
    assert (said.chosen, said.code, said.told) == (
        Chosen.PRIORITY,
        Why.ONLY_PRIORITY_IN_TIME,
        200,
    )
    assert "the 200 of the priority part are told" in said.why
    assert [(one.whom, one.channels, one.people) for one in choices.parts] == [
        (Chosen.PRIORITY, (PUSH, SMS, EMAIL), 200),
        (Chosen.EVERYBODY, (PUSH, EMAIL), 0),
    ]


def test_a_priority_part_that_cannot_be_in_time_is_not_told_either() -> None:
    audiences = (people(1, SMS), people(300_000, SMS, priority=True))

    assert choose(asked(audiences=audiences, has_priority=True)).of(SMS).code is Why.TOO_LATE


def test_the_priority_part_goes_first_where_everybody_is_told() -> None:
    audiences = (people(900, PUSH, SMS), people(90, SMS), people(10, SMS, priority=True))

    choices = choose(asked(audiences=audiences, has_priority=True))

    assert [(one.whom, one.people) for one in choices.parts] == [
        (Chosen.PRIORITY, 10),
        (Chosen.EVERYBODY, 990),
    ]


@pytest.mark.parametrize(
    ("lasts", "code"),
    [
        (timedelta(minutes=119), Why.TOO_SHORT_FOR_EMAIL),
        (timedelta(hours=2), Why.IN_TIME),
        (None, Why.IN_TIME),
    ],
)
def test_mails_are_for_long_outages(lasts: timedelta | None, code: Why) -> None:
    asks = asked(
        audiences=(people(10, EMAIL),), email_from=timedelta(hours=2), lasts=lasts, ends=None
    )

    assert choose(asks).of(EMAIL).code is code


def test_an_end_that_nobody_knows_is_taken_to_be_two_hours_away() -> None:
    assert asked(ends=None).left == UNKNOWN_END == timedelta(hours=2)


def test_after_the_expected_end_nobody_is_told() -> None:
    choices = choose(asked(ends=NOW - timedelta(minutes=1)))

    assert choices.of(SMS).code is Why.TOO_LATE
    assert not [part for part in choices.parts if part.people]


@pytest.mark.req("B02", "blocks")
@pytest.mark.req("B02", "allows")
def test_a_channel_that_the_kind_does_not_name_is_shown_with_its_reason() -> None:
    choices = choose(asked(channels=(EMAIL,), audiences=(people(7, PUSH, SMS, EMAIL),)))

    assert choices.of(SMS).code is Why.NOT_PLANNED
    assert choices.of(SMS).told == 0
    assert choices.of(EMAIL).told == 7


def test_without_a_route_a_channel_is_out() -> None:
    choices = choose(asked(ways={}, channels=(SMS,)))

    assert choices.of(SMS).code is Why.NO_ROUTE
    assert choices.parts == ()
    assert choices.untold == 5_000


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(seconds=50), "50 s"),
        (timedelta(minutes=8.3), "8.3 min"),
        (timedelta(hours=5), "5 h"),
        (timedelta(days=11.6), "11.6 d"),
    ],
)
def test_time_is_told_as_people_say_it(time: timedelta, words: str) -> None:
    assert span(time) == words


orders = st.lists(st.sampled_from([PUSH, SMS, EMAIL]), unique=True, max_size=3).map(tuple)
audiences = st.lists(
    st.builds(Audience, channels=orders, number=st.integers(0, 2_000_000), priority=st.booleans()),
    max_size=6,
).map(tuple)
ways = st.dictionaries(
    st.sampled_from([PUSH, SMS, EMAIL]),
    st.builds(Way, rate=st.floats(0.1, 20_000), segments=st.integers(1, 4)),
)
asks = st.builds(
    Asked,
    now=st.just(NOW),
    ends=st.none()
    | st.timedeltas(timedelta(hours=-1), timedelta(days=2)).map(lambda time: NOW + time),
    lasts=st.none() | st.timedeltas(timedelta(), timedelta(days=2)),
    channels=st.permutations([PUSH, SMS, EMAIL]).map(tuple),
    audiences=audiences,
    ways=ways,
    broken=st.dictionaries(st.sampled_from([PUSH, SMS]), st.just("core"), max_size=1),
    has_priority=st.booleans(),
    useful_until=st.floats(0.05, 1),
    margin=st.timedeltas(timedelta(), timedelta(minutes=20)),
    email_from=st.timedeltas(timedelta(), timedelta(hours=4)),
)


@pytest.mark.req("B03", "blocks")
@given(asks)
def test_nobody_is_chosen_whom_it_would_reach_too_late(asks: Asked) -> None:
    for one in choose(asks).channels:
        if one.told:
            assert asks.ways[one.channel].takes(one.told) + asks.margin <= asks.left * (
                asks.useful_until
            ) + timedelta(microseconds=1)
        if one.chosen is Chosen.EVERYBODY:
            assert one.told == one.audience


@pytest.mark.req("B18", "blocks")
@given(asks)
def test_nobody_is_told_over_what_is_broken(asks: Asked) -> None:
    choices = choose(asks)

    for channel in asks.broken:
        assert choices.of(channel).told == 0
        assert all(channel not in part.channels for part in choices.parts)


@given(asks)
def test_everybody_is_told_once_or_not_at_all_and_the_sums_agree(asks: Asked) -> None:
    choices = choose(asks)

    told = sum(one.told for one in choices.channels)
    assert told + choices.untold == sum(one.number for one in asks.audiences)
    assert sum(part.people for part in choices.parts) == told


RANK = {Chosen.NOBODY: 0, Chosen.PRIORITY: 1, Chosen.EVERYBODY: 2}
number = st.integers(0, 3_000_000)


@pytest.mark.req("B01", "blocks")
@given(first=number, few=number, more=st.integers(0, 3_000_000), rate=st.floats(0.5, 5_000))
def test_more_people_are_never_chosen_sooner(first: int, few: int, more: int, rate: float) -> None:
    def rank(size: int) -> int:
        folk = (people(first, SMS, priority=True), people(size, SMS))
        asks = asked(audiences=folk, ways={SMS: Way(rate=rate)}, has_priority=True)
        return RANK[choose(asks).of(SMS).chosen]

    assert rank(few + more) <= rank(few)


@pytest.mark.req("B01", "allows")
@given(size=number, slow=st.floats(0.5, 5_000), faster=st.floats(0, 5_000))
def test_a_faster_route_never_tells_fewer(size: int, slow: float, faster: float) -> None:
    def told(rate: float) -> int:
        return (
            choose(asked(audiences=(people(size, SMS),), ways={SMS: Way(rate=rate)})).of(SMS).told
        )

    assert told(slow + faster) >= told(slow)


@given(
    size=number,
    early=st.timedeltas(timedelta(), timedelta(days=1)),
    later=st.timedeltas(timedelta(), timedelta(days=1)),
)
def test_more_time_never_tells_fewer(size: int, early: timedelta, later: timedelta) -> None:
    asks = asked(audiences=(people(size, SMS),))

    def told(time: timedelta) -> int:
        return choose(replace(asks, ends=NOW + time)).of(SMS).told

    assert told(early + later) >= told(early)
