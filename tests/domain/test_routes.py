"""Routes: what one may carry, which one takes a message, and when one is left alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tellal.domain.channels import Channel, MessageClass
from tellal.domain.messages import Answer, HandOver, Remedy
from tellal.domain.route_health import Health, Results, results_of
from tellal.domain.routes import (
    Carriage,
    Choice,
    Load,
    Route,
    RouteTable,
    by_weight,
    has_link,
    is_name,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALL = frozenset(MessageClass)
NO_PROMOTION = ALL - {MessageClass.COMMERCIAL}


def carriage(
    *countries: str, classes: frozenset[MessageClass] = ALL, urls: bool = True
) -> Carriage:
    return Carriage(countries=frozenset(countries), classes=classes, urls=urls)


def a_route(name: str = "abroad", *carries: Carriage, weight: int = 100) -> Route:
    return Route(
        name=name,
        provider=name,
        channel=Channel.SMS,
        carries=carries or (carriage(),),
        weight=weight,
    )


def a_load(
    country: str = "TR",
    message_class: MessageClass = MessageClass.SERVICE,
    *,
    channel: Channel = Channel.SMS,
    link: bool = False,
) -> Load:
    return Load(channel=channel, country=country, message_class=message_class, has_link=link)


ABROAD = a_route("abroad", carriage("TR", classes=NO_PROMOTION, urls=False), carriage())
TURKISH = a_route("turkish", carriage("TR"))


@pytest.mark.parametrize(
    ("sender", "named"),
    [
        ("ANADOLUBANK", True),
        ("+905320000101", False),
        ("4605", False),
        ("MG" + "0a" * 16, False),
        ("", False),
    ],
)
def test_where_senders_are_numbers_a_name_does_not_pass(sender: str, named: bool) -> None:
    numbers = replace(carriage("US"), names=False)
    route = a_route("abroad", numbers, carriage())

    load = replace(a_load("US"), named_sender=is_name(sender))

    words = "abroad takes only numbers for senders to US" if named else ""
    assert route.refuses(load) == words
    assert route.refuses(replace(load, country="DE")) == ""


@pytest.mark.parametrize(
    ("route", "load", "words"),
    [
        pytest.param(ABROAD, a_load(), "", id="may"),
        pytest.param(
            ABROAD,
            a_load(channel=Channel.EMAIL),
            "abroad does not carry email",
            id="another channel",
        ),
        pytest.param(
            ABROAD,
            a_load(message_class=MessageClass.COMMERCIAL),
            "abroad carries nothing commercial to TR",
            id="class",
        ),
        pytest.param(ABROAD, a_load(link=True), "abroad carries no links to TR", id="link"),
        pytest.param(ABROAD, a_load("PL", MessageClass.COMMERCIAL, link=True), "", id="others"),
        pytest.param(ABROAD, a_load("", link=True), "", id="an unknown country is another"),
        pytest.param(TURKISH, a_load("PL"), "turkish does not go to PL", id="country"),
        pytest.param(TURKISH, a_load(""), "turkish does not go to an unknown country", id="none"),
    ],
)
def test_a_route_says_in_words_what_it_refuses(route: Route, load: Load, words: str) -> None:
    assert route.refuses(load) == words


def test_the_first_entry_that_names_the_country_decides() -> None:
    strict = carriage("TR", "AZ", classes=frozenset({MessageClass.MANDATORY}))
    route = a_route("strict", strict, carriage("TR"), carriage())

    assert route.refuses(a_load("AZ")) == "strict carries nothing service to AZ"
    assert route.refuses(a_load("TR")) == "strict carries nothing service to TR"
    assert route.refuses(a_load("DE")) == ""


def test_a_table_says_why_none_of_its_routes_carries_something() -> None:
    table = RouteTable(routes=(ABROAD, TURKISH))

    assert table.why_not(a_load(message_class=MessageClass.COMMERCIAL)) == ""
    assert table.why_not(a_load(channel=Channel.PUSH)) == "no route for push is set up"
    only_abroad = table.with_providers({"abroad"})
    assert only_abroad.why_not(a_load(link=True)) == "abroad carries no links to TR"
    assert table.carrying(a_load(link=True)) == (TURKISH,)
    assert table.channels == {Channel.SMS}


@pytest.mark.parametrize(
    "text",
    [
        "www.x.com",
        "WWW.ORNEK.TR",
        "https://ornek.example/a",
        "iscep://ac",
        "market://details?id=1",
        "isbank.com.tr",
        "Ayrintilar isbank.com.tr.",
        "işbank.com",
        "şifre.net'e girin",
        "ornek.com.au",
        "ornek.co.uk",
        "bit.ly/3xYz",
        "goo.gl/maps",
        "t.me/kanal",
        "kisa.istanbul/abc",
        "iletisim@ornek.com.tr",
        "(ornek.com)",
        "ornek.com:8080",
        "Bilgi:ornek.org",
    ],
)
def test_a_link_is_seen(text: str) -> None:
    assert has_link(text)
    assert has_link(f"Sayin musterimiz, {text} adresine bakiniz")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "saat 18.30",
        "18.30-23.15 arasi",
        "Tepebasi.Ariza",
        "Kesinti bitti.Tesekkurler",
        "Tutar 1.250,50 TL",
        "1.250.000,00",
        "A.Ş.",
        "Anadolu Bankası A.Ş. Mersis 0000000000000011 B002",
        "T.C. Enerji",
        "02.03.2026",
        "Osmangazi Mah. No.5/3 D.2",
        "3.5 kWh/ay",
        "ve/veya",
        "RET yazip 4605e gonderin",
        "IBAN no.TR12 0006",
        "com net org",
        "iletisim@anadolu.example",
        ".com",
        "http",
    ],
)
def test_what_only_looks_like_a_link_is_none(text: str) -> None:
    assert not has_link(text)


def test_a_long_text_is_searched_in_no_time() -> None:
    assert not has_link("a." * 50_000 + "a-" * 50_000)


def test_messages_are_shared_out_by_weight() -> None:
    routes = (a_route("small", weight=100), a_route("large", weight=300))

    shares = Counter(by_weight(routes, f"message-{n}:1").name for n in range(20_000))

    assert shares["small"] / 20_000 == pytest.approx(0.25, abs=0.02)
    assert shares.total() == 20_000


def test_the_same_message_takes_the_same_route() -> None:
    routes = (a_route("small"), a_route("large", weight=300))

    assert len({by_weight(routes, "one-message:1").name for _ in range(50)}) == 1


def a_choice(*healths: Health, routes: Sequence[Route] = (ABROAD, TURKISH)) -> Choice:
    health = {one.route: one for one in healths}
    return Choice(table=RouteTable(routes=tuple(routes)), health=health, now=NOW)


def names_of(choice: Choice, *, last: str = "") -> set[str]:
    found = set()
    for n in range(200):
        picked = choice.pick(choice.table.routes, key=f"{n}:1", last=last)
        assert isinstance(picked, Route)
        found.add(picked.name)
    return found


def test_what_came_back_goes_another_way() -> None:
    assert names_of(a_choice()) == {"abroad", "turkish"}
    assert names_of(a_choice(), last="abroad") == {"turkish"}


def test_what_came_back_goes_the_same_way_where_there_is_no_other() -> None:
    resting = Health(route="turkish", paused_until=NOW + timedelta(seconds=1))

    assert names_of(a_choice(routes=(ABROAD,)), last="abroad") == {"abroad"}
    assert names_of(a_choice(resting), last="abroad") == {"abroad"}


def test_a_route_on_probation_gets_a_message_though_another_is_sound() -> None:
    tried = Health(route="abroad", open_until=NOW, opened_times=2)

    choice = a_choice(tried)

    assert choice.is_on_probation("abroad")
    assert names_of(choice) == {"abroad", "turkish"}


def test_when_all_rest_it_is_said_when_the_first_works_again() -> None:
    soon, later = NOW + timedelta(seconds=3), NOW + timedelta(seconds=9)
    choice = a_choice(
        Health(route="abroad", paused_until=soon, open_until=later),
        Health(route="turkish", open_until=soon),
    )

    assert choice.pick(choice.table.routes, key="1:1") == soon
    assert choice.rests_until("abroad") == later
    assert choice.resting_channels == {Channel.SMS}


def test_a_channel_works_while_one_of_its_routes_does() -> None:
    resting = Health(route="abroad", open_until=NOW + timedelta(seconds=1))

    assert a_choice(resting).resting_channels == set()
    assert names_of(a_choice(resting)) == {"turkish"}


def answer(
    kind: Answer, remedy: Remedy | None = None, *, code: str = "", pause_s: float | None = None
) -> HandOver:
    return HandOver(answer=kind, provider="p", code=code, remedy=remedy, retry_after_s=pause_s)


ACCEPTED = answer(Answer.ACCEPTED)
TIMEOUT = answer(Answer.AMBIGUOUS, Remedy.RECONCILE, code="timeout")
BROKEN = answer(Answer.REJECTED, Remedy.RETRY, code="503")
THROTTLED = answer(Answer.REJECTED, Remedy.RETRY, code="429", pause_s=7)
WRONG = answer(Answer.REJECTED, Remedy.HALT, code="20003")


@pytest.mark.parametrize(
    ("answers", "results"),
    [
        pytest.param([ACCEPTED] * 3, Results(successes=3), id="well"),
        pytest.param([TIMEOUT, BROKEN], Results(failures=2, code="503"), id="badly"),
        pytest.param([THROTTLED], Results(pause_s=7), id="a pause is no failure"),
        pytest.param(
            [
                answer(Answer.REJECTED, Remedy.BAD_ADDRESS),
                answer(Answer.REJECTED, Remedy.OPTED_OUT),
            ],
            Results(successes=2),
            id="whoever knows persons works",
        ),
        pytest.param(
            [
                answer(Answer.REJECTED, Remedy.NEXT_ROUTE),
                answer(Answer.REJECTED, Remedy.NEXT_CHANNEL),
            ],
            Results(),
            id="says nothing of the route",
        ),
        pytest.param([WRONG], Results(halted="20003"), id="our settings"),
        pytest.param([WRONG, ACCEPTED], Results(successes=1), id="somebody's settings"),
    ],
)
def test_answers_are_summed_up(answers: list[HandOver], results: Results) -> None:
    assert results_of(answers) == results


def after(health: Health, *steps: Results, at: datetime = NOW) -> Health:
    for results in steps:
        health = health.after(results, at)
    return health


FAILED, WENT = Results(failures=1, code="503"), Results(successes=1)


def test_a_single_error_never_moves_a_breaker() -> None:
    health = after(Health(route="r"), FAILED)

    assert health.rests_until(NOW) is None
    assert not health.on_probation
    assert after(health, WENT, WENT) == Health(route="r")


@pytest.mark.parametrize(
    ("of_a_hundred", "opens"),
    [
        pytest.param(20, False, id="a fifth"),
        pytest.param(33, False, id="a third"),
        pytest.param(45, True, id="nearly half"),
        pytest.param(100, True, id="all"),
    ],
)
def test_a_breaker_opens_when_more_than_a_third_fails(of_a_hundred: int, opens: bool) -> None:
    health, failed = Health(route="r"), 0
    for n in range(1, 301):
        fails = n * of_a_hundred // 100 > failed
        failed += fails
        health = health.after(FAILED if fails else WENT, NOW)

    assert health.is_open(NOW) is opens


def opened() -> Health:
    return after(Health(route="r"), Results(failures=10, code="503"))


def test_an_open_breaker_says_why_and_until_when() -> None:
    health = opened()

    assert health.rests_until(NOW) == NOW + timedelta(seconds=10)
    assert (health.reason, health.failures, health.opened_times) == ("503", 0, 1)


def test_it_stays_open_twice_as_long_each_time_up_to_five_minutes() -> None:
    health, at, spans = opened(), NOW, []
    for _ in range(7):
        assert health.open_until is not None
        spans.append((health.open_until - at).total_seconds())
        at = health.open_until
        assert health.rests_until(at) is None
        health = health.probing(at).after(FAILED, at)

    assert spans == [10, 20, 40, 80, 160, 300, 300]


def test_what_left_before_it_opened_changes_nothing_while_it_is_open() -> None:
    health = opened()

    assert after(health, FAILED, Results(failures=30, code="late"), WENT) == health


def test_while_one_message_probes_the_others_wait() -> None:
    at = NOW + timedelta(seconds=10)

    health = opened().probing(at)

    assert health.on_probation
    assert health.rests_until(at) == at + timedelta(seconds=20)
    assert health.rests_until(at + timedelta(seconds=20)) is None


def test_a_probe_that_goes_well_heals() -> None:
    at = NOW + timedelta(seconds=10)

    assert opened().probing(at).after(WENT, at) == Health(route="r")


def test_one_failure_on_probation_opens_it_again() -> None:
    at = NOW + timedelta(seconds=10)

    health = opened().after(FAILED, at)

    assert health.open_until == at + timedelta(seconds=20)
    assert health.opened_times == 2


@pytest.mark.parametrize(
    ("asked_s", "rests_s"),
    [
        pytest.param(7, 7, id="as asked"),
        pytest.param(0, 0.1, id="a moment at least"),
        pytest.param(86_400, 300, id="five minutes at most"),
    ],
)
def test_a_pause_is_kept_within_bounds(asked_s: float, rests_s: float) -> None:
    health = after(Health(route="r"), Results(pause_s=asked_s))

    assert health.rests_until(NOW) == NOW + timedelta(seconds=rests_s)
    assert not health.is_open(NOW)


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    health = after(Health(route="r"), Results(pause_s=60), Results(pause_s=1))

    assert health.paused_until == NOW + timedelta(seconds=60)


def test_a_pause_asked_of_a_probe_is_kept_though_another_went_well() -> None:
    at = NOW + timedelta(seconds=10)

    health = opened().probing(at).after(Results(successes=1, pause_s=2), at)

    assert health.rests_until(at) == at + timedelta(seconds=2)
    assert not health.on_probation


def test_wrong_settings_stop_a_route_at_once_and_for_long() -> None:
    health = after(Health(route="r"), Results(halted="20003"), Results(halted="20003"))

    assert health.open_until == NOW + timedelta(minutes=5)
    assert (health.reason, health.opened_times) == ("20003", 1)
    mended = health.after(WENT, NOW + timedelta(minutes=5))
    assert mended.rests_until(NOW + timedelta(minutes=5)) is None
    assert not mended.on_probation
