"""Push addresses: whose each is, and which route takes it."""

import pytest

from rules.routing import load_routes
from tellal.addresses import normalise
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.errors import InvalidInputError
from tellal.domain.push import PushKind, device_of, kind_of
from tellal.domain.routes import Load

DEVICE = "0123456789abcdef" * 4


def test_an_address_says_whose_it_is() -> None:
    assert kind_of(f"apns:{DEVICE}") is PushKind.APNS
    assert kind_of("f:APA91bFoi3lMMre9G3XzR1LrF4ZT") is PushKind.FCM
    assert device_of(f"apns:{DEVICE.upper()}") == DEVICE


@pytest.mark.parametrize("token", ["apns:", "apns:xyz", f"apns:{DEVICE[:-1]}", f"apns:{DEVICE}g"])
def test_a_device_token_that_is_none_is_refused_with_how_to_write_one(token: str) -> None:
    with pytest.raises(InvalidInputError, match="no device token") as refused:
        normalise(Channel.PUSH, token, region="TR")
    assert "hexadecimal" in refused.value.hint


def test_an_address_is_written_in_one_way() -> None:
    written = normalise(Channel.PUSH, f" apns:{DEVICE.upper()} ", region="TR")

    assert written == f"apns:{DEVICE}"


@pytest.mark.parametrize(
    ("kind", "routes"),
    [
        (PushKind.FCM, ["push"]),
        (PushKind.APNS, ["apns"]),
        (PushKind.WEB, ["web_push"]),
        (None, ["push", "apns", "web_push"]),
    ],
)
def test_a_route_of_pushes_takes_the_addresses_that_it_knows(
    kind: PushKind | None, routes: list[str]
) -> None:
    load = Load(
        channel=Channel.PUSH, country="", message_class=MessageClass.SERVICE, address_kind=kind
    )

    assert [one.name for one in load_routes().carrying(load)] == routes
