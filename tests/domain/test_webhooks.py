"""Calls are signed as Standard Webhooks says, tried for a day, and never go inside."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tellal.domain.errors import InvalidInputError
from tellal.domain.open_internet import check_url, is_public
from tellal.domain.webhooks import PAUSES, make_secret, pause_after, signed

SECRET = make_secret(bytes(range(32)))


def test_others_libraries_take_our_signature() -> None:
    payload = json.dumps({"type": "outage.confirmed", "data": {"title": "Arıza"}}).encode()

    headers = signed(SECRET, "call-1", datetime.now(UTC), payload)

    assert Webhook(SECRET).verify(payload, dict(headers)) == json.loads(payload)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(payload + b" ", dict(headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(make_secret(bytes(32))).verify(payload, dict(headers))


def test_what_is_no_secret_signs_nothing() -> None:
    with pytest.raises(ValueError, match="no secret"):
        signed("whsec_?", "call-1", datetime.now(UTC), b"")


def test_pauses_grow_to_a_day_and_end() -> None:
    assert list(PAUSES) == sorted(PAUSES)
    assert timedelta(hours=23) < sum(PAUSES, timedelta()) <= timedelta(hours=24)
    assert pause_after(1) == PAUSES[0]
    assert pause_after(len(PAUSES)) == PAUSES[-1]
    assert pause_after(len(PAUSES) + 1) is None


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::a00:1", False),
        ("not an address", False),
    ],
)
def test_private_addresses_are_known_however_they_are_written(
    address: str, *, public: bool
) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("url", "private", "taken"),
    [
        ("https://partner.example/outages?of=us", False, True),
        ("http://partner.example/outages", False, False),
        ("http://partner.example/outages", True, False),
        ("http://127.0.0.1:8000/", False, False),
        ("http://127.0.0.1:8000/", True, True),
        ("http://localhost:8000/", True, True),
        ("https://localhost/", False, False),
        ("https://a.localhost/", False, False),
        ("https://10.0.0.1/", False, False),
        ("https://10.0.0.1/", True, True),
        ("https://[::ffff:10.0.0.1]/", False, False),
        ("https://8.8.8.8/", False, True),
        ("https://name:word@partner.example/", True, False),
        ("https://partner.example/#part", True, False),
        ("https:///path", True, False),
        ("https://partner.example:port/", True, False),
        ("https://[::1/", True, False),
        ("ftp://partner.example/", True, False),
        ("", True, False),
    ],
)
def test_addresses_are_of_the_open_internet_and_encrypted(
    url: str, *, private: bool, taken: bool
) -> None:
    if taken:
        check_url(url, private=private, setting="TELLAL_WEBHOOKS_PRIVATE")
        return
    with pytest.raises(InvalidInputError) as refused:
        check_url(url, private=private, setting="TELLAL_WEBHOOKS_PRIVATE")
    assert refused.value.field == "url"
