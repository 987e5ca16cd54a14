"""What rules send and no route may carry is told at the channel's place."""

import logging
from pathlib import Path

import pytest

from rules.decide import Decider
from rules.holder import RulebookHolder
from rules.lint import check
from rules.routing import load_routes
from rules.unsendable import unsendable
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.routes import Carriage, Route, RouteTable
from tellal.persistence.session import Sessions
from tellal.services.house import furnish
from templates.environment import JinjaRenderer
from tests.rules.writing import CHANNELS, TOPIC, a_book, write
from tests.support.house import SetClock

SERVICE = TOPIC.replace("class: commercial", "class: service")
BY_TEXT = CHANNELS.replace("[sms, email, push]", "[push, sms]")
TABLE = load_routes()


def told(folder: Path, *providers: str, topic: str = TOPIC) -> list[str]:
    book = a_book(folder, topic=topic, channels=BY_TEXT)
    return [str(finding) for finding in unsendable(book, TABLE, providers)]


def test_the_book_that_ships_can_be_sent() -> None:
    assert check(None, TABLE) == ()


def test_a_promotion_by_text_to_turkey_needs_a_turkish_operator(tmp_path: Path) -> None:
    assert told(tmp_path, "twilio", "fcm") == [
        (
            "shop.yaml:8:50: warning: offer: commercial sms to TR: "
            "twilio carries nothing commercial to TR (set up netgsm)"
        )
    ]


def test_what_goes_to_every_country_is_in_order(tmp_path: Path) -> None:
    assert told(tmp_path) == []
    assert told(tmp_path, "twilio", "netgsm", "fcm") == []
    assert told(tmp_path, "twilio", "fcm", topic=SERVICE) == []


def test_a_channel_without_any_provider_is_told_once(tmp_path: Path) -> None:
    assert told(tmp_path, "smtp") == [
        (
            "shop.yaml:8:44: warning: offer: commercial push goes nowhere now: "
            "no route for push is set up (set up apns or fcm or web_push)"
        ),
        (
            "shop.yaml:8:50: warning: offer: commercial sms goes nowhere now: "
            "no route for sms is set up (set up netgsm or twilio)"
        ),
    ]


def test_what_no_route_of_the_table_carries_anywhere_is_a_mistake(tmp_path: Path) -> None:
    only_service = Carriage(
        countries=frozenset({"TR"}), classes=frozenset({MessageClass.SERVICE}), urls=False
    )
    table = RouteTable(
        routes=(Route(name="r", provider="p", channel=Channel.SMS, carries=(only_service,)),)
    )
    channels = CHANNELS.replace("[sms, email, push]", "[sms]")

    book = a_book(tmp_path, channels=channels)

    [finding] = unsendable(book, table)
    assert not finding.warns
    assert str(finding) == (
        "shop.yaml:8:44: offer: commercial sms goes nowhere: no route of the table takes it "
        "(add a route that may carry it, or take another channel)"
    )


def test_a_banner_needs_no_route(tmp_path: Path) -> None:
    channels = CHANNELS.replace("[sms, email, push]", "[banner]")

    assert unsendable(a_book(tmp_path, channels=channels), RouteTable(routes=())) == ()


def test_a_broken_book_tells_its_own_mistakes_only(tmp_path: Path) -> None:
    write(tmp_path, TOPIC + BY_TEXT.replace("send:", "sent:"))

    assert all("goes nowhere" not in str(one) for one in check(tmp_path, RouteTable(routes=())))
    assert check(tmp_path, RouteTable(routes=())) != ()


async def test_a_process_that_starts_says_it_in_its_log(
    tmp_path: Path, sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, TOPIC + BY_TEXT)

    with caplog.at_level(logging.WARNING, logger="tellal.services.house"):
        furnish(
            sessions=sessions,
            books=RulebookHolder(tmp_path),
            decider=Decider(None),
            renderer=JinjaRenderer(),
            clock=SetClock(),
            routes=TABLE.with_providers({"twilio", "fcm"}),
        )

    [record] = [one for one in caplog.records if "shop.yaml" in one.getMessage()]
    assert "shop.yaml:8:50: warning: offer: commercial sms to TR: twilio" in record.getMessage()
