"""Our pushes to browsers against the simulator, which decrypts as a browser does."""

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from aiohttp import ThreadedResolver
from aiohttp.abc import ResolveResult
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr, ValidationError

from activities.providers.web_push import CODES, WebPush, public_key_of
from tellal.addresses import normalise
from tellal.domain.channels import Channel, Lane, Receipts
from tellal.domain.errors import InvalidInputError
from tellal.domain.messages import Answer, OutgoingMessage, Remedy
from tellal.domain.push import octets_of
from tellal.settings import WebPushSettings
from tests.providers.test_apns_push import KEY, PUBLIC, a_push
from tests.support.answering import Answering
from tests.support.carrier import WHATEVER_GOES_WRONG, CarrierProbe, free_port
from tests.support.ledger import SetClock

IMPATIENT_S = 1.0
OURS = WebPushSettings(key=SecretStr(KEY), subject="mailto:it@bank.example", private=True)


def address_of(said: Mapping[str, object]) -> str:
    """Return the address that a customer's entry holds for a browser."""
    return normalise(Channel.PUSH, json.dumps(said), region="TR")


@pytest.fixture
async def push(carrier: CarrierProbe) -> AsyncGenerator[WebPush]:
    sender = WebPush(carrier.web_push(key=KEY, timeout_s=IMPATIENT_S))
    yield sender
    await sender.close()


@pytest.fixture
def message(carrier: CarrierProbe) -> OutgoingMessage:
    return a_push(address=address_of(carrier.subscribed(public_key_of(OURS))))


def test_it_says_what_it_can_do(push: WebPush) -> None:
    assert (push.provider, push.channel) == ("web_push", Channel.PUSH)
    assert push.receipts is Receipts.NONE
    assert not push.looks_up


async def test_a_browser_shows_what_the_message_says(
    push: WebPush, carrier: CarrierProbe, message: OutgoingMessage
) -> None:
    answer = await push.send(message)

    [entry] = carrier.book(channel="push")
    assert (answer.answer, answer.reference) == (
        Answer.ACCEPTED,
        carrier.url + entry["reference"],
    )
    assert (entry["title"], entry["text"]) == (message.subject, message.text)
    assert (entry["message_id"], entry["data"]["topic"]) == (message.id, "phishing_awareness")
    assert (entry["headers"]["ttl"], entry["headers"]["topic"]) == ("3600", message.id)
    assert carrier.requests() == 1


@pytest.mark.parametrize(
    ("lane", "urgency"),
    [(Lane.CRITICAL, "high"), (Lane.JOURNEYS, "normal"), (Lane.BULK, "low")],
)
async def test_urgency_is_the_lanes(
    push: WebPush, carrier: CarrierProbe, message: OutgoingMessage, lane: Lane, urgency: str
) -> None:
    await push.send(replace(message, lane=lane, validity_s=None))

    [entry] = carrier.book(channel="push")
    assert entry["headers"]["urgency"] == urgency
    assert entry["headers"]["ttl"] == str(28 * 86_400)


@WHATEVER_GOES_WRONG
async def test_whatever_goes_wrong_is_an_answer(
    push: WebPush,
    carrier: CarrierProbe,
    message: OutgoingMessage,
    *,
    fault: str,
    answer: Answer,
    remedy: Remedy,
) -> None:
    carrier.fault(fault, {"provider": "web_push"})

    found = await push.send(message)

    assert (found.answer, found.remedy) == (answer, remedy)
    assert carrier.requests() == 1, "one request, whatever came of it"
    assert carrier.taken() == (1 if "after" in fault else 0)


@pytest.mark.parametrize("status", [*CODES, "418"])
async def test_each_refusal_means_what_the_table_says(
    push: WebPush, carrier: CarrierProbe, message: OutgoingMessage, status: str
) -> None:
    carrier.fault("error", code=status)

    found = await push.send(message)

    assert (found.answer, found.code) == (Answer.REJECTED, status)
    assert found.remedy is CODES.get(status, Remedy.NEXT_CHANNEL)


async def test_a_limit_says_for_how_long(
    push: WebPush, carrier: CarrierProbe, message: OutgoingMessage
) -> None:
    carrier.fault("429", retry_after=7)

    assert (await push.send(message)).retry_after_s == 7.0


async def test_who_has_unsubscribed_is_gone(push: WebPush, carrier: CarrierProbe) -> None:
    browser = carrier.subscribed()
    carrier.unsubscribed(browser["endpoint"])
    never = {**browser, "endpoint": browser["endpoint"] + "x"}

    gone = await push.send(a_push(address=address_of(browser)))
    unknown = await push.send(a_push(address=address_of(never)))

    assert (gone.code, gone.remedy) == ("410", Remedy.BAD_ADDRESS)
    assert (unknown.code, unknown.remedy) == ("404", Remedy.BAD_ADDRESS)


async def test_a_browser_that_subscribed_with_another_key_does_not_stop_the_route(
    push: WebPush, carrier: CarrierProbe
) -> None:
    browser = carrier.subscribed("of-somebody-else")

    answer = await push.send(a_push(address=address_of(browser)))

    assert (answer.code, answer.remedy) == ("403", Remedy.NEXT_CHANNEL)


async def test_a_text_that_no_push_service_takes_is_not_sent(
    push: WebPush, carrier: CarrierProbe, message: OutgoingMessage
) -> None:
    answer = await push.send(replace(message, text="ğ" * 2000))

    assert (answer.code, answer.remedy) == ("too_long", Remedy.NEXT_CHANNEL)
    assert carrier.requests() == 0


async def test_our_word_is_for_one_push_service_and_renewed_in_time(
    message: OutgoingMessage,
) -> None:
    clock = SetClock(datetime.now(UTC))
    async with Answering(201) as one, Answering(201) as other:
        sender = WebPush(OURS, clock)
        keys = message.address.partition("#")[2]
        for server in (one, other, one):
            await sender.send(replace(message, address=f"web:{server.url}/x#{keys}"))
        clock.advance(hours=7)
        await sender.send(replace(message, address=f"web:{one.url}/x#{keys}"))
        await sender.close()
        said = [request.headers["authorization"] for request in one.requests + other.requests]

    first, again, renewed, elsewhere = said
    assert first == again
    assert len({first, renewed, elsewhere}) == 3
    token = renewed.removeprefix("vapid t=").partition(",")[0]
    claims = jwt.decode(token, PUBLIC, algorithms=["ES256"], audience=one.url)
    assert claims["sub"] == "mailto:it@bank.example"
    assert claims["exp"] == int(clock.at.timestamp()) + 12 * 3600


async def test_an_endpoint_is_asked_as_it_was_written() -> None:
    async with Answering(201) as service:
        sender = WebPush(OURS)
        where = "/w/?token=BQYA%2bK%2f:%3a+~a%20b"
        await sender.send(a_push(address=f"web:{service.url}{where}#{_keys()}"))
        await sender.close()

    [request] = service.requests
    assert request.path_and_query == where


async def test_a_name_that_leads_inside_is_found_out_when_it_is_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ThreadedResolver, "resolve", _inside)
    sender = WebPush(OURS.model_copy(update={"private": False}))

    answer = await sender.send(a_push(address=f"web:https://push.example/x#{_keys()}"))

    assert (answer.code, answer.remedy) == ("private_address", Remedy.BAD_ADDRESS)
    await sender.close()


async def _inside(*_: object) -> list[ResolveResult]:
    """Look a name up in a zone that somebody has pointed into our own network."""
    return [
        ResolveResult(
            hostname="push.example", host="10.0.0.7", port=443, family=2, proto=0, flags=0
        )
    ]


async def test_where_nobody_listens_nothing_has_left(push: WebPush) -> None:
    nobody = f"web:http://127.0.0.1:{free_port()}/x#{_keys()}"

    answer = await push.send(a_push(address=nobody))

    assert (answer.code, answer.remedy) == ("unreachable", Remedy.RETRY)


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:1/x", "https://127.0.0.1/x", "https://10.0.0.7/x", "https://localhost/x"],
)
async def test_a_subscription_leads_into_no_network_of_ours(endpoint: str) -> None:
    sender = WebPush(OURS.model_copy(update={"private": False}))

    answer = await sender.send(a_push(address=f"web:{endpoint}#{_keys()}"))

    assert (answer.code, answer.remedy) == ("private_address", Remedy.BAD_ADDRESS)
    await sender.close()


def _keys() -> str:
    said = address_of(
        {
            "endpoint": "https://push.example/x",
            "keys": {"p256dh": public_key_of(OURS), "auth": "AAAAAAAAAAAAAAAAAAAAAA"},
        }
    )
    return said.partition("#")[2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"endpoint": "http://push.example/x"}, "https"),
        ({"keys": {}}, "toJSON"),
        ({"keys": {"p256dh": "AAAA", "auth": "AAAAAAAAAAAAAAAAAAAAAA"}}, "P-256"),
        ({"keys": {"p256dh": public_key_of(OURS), "auth": "AAAA"}}, "16 octets"),
        ({"keys": {"p256dh": public_key_of(OURS), "auth": "!!"}}, "toJSON"),
        ({"endpoint": "https://push.example/" + "x" * 2000}, "1024"),
    ],
)
def test_what_is_no_subscription_is_refused_with_the_reason(
    changes: dict[str, object], words: str
) -> None:
    right = {
        "endpoint": "https://push.example/x",
        "keys": {"p256dh": public_key_of(OURS), "auth": "AAAAAAAAAAAAAAAAAAAAAA"},
    }
    assert address_of(right).startswith("web:https://push.example/x#")
    assert normalise(Channel.PUSH, address_of(right), region="TR") == address_of(right)

    with pytest.raises(InvalidInputError, match=words):
        address_of({**right, **changes})


@pytest.mark.parametrize("key", ["", "no key"])
def test_a_key_that_cannot_be_read_stops_the_start(tmp_path: Path, key: str) -> None:
    file = tmp_path / "web-push.pem"
    file.write_text(key)

    with pytest.raises(InvalidInputError, match="cannot be read"):
        WebPush(WebPushSettings(key_file=file, subject="mailto:it@bank.example"))


def test_push_services_must_know_whom_to_reach() -> None:
    with pytest.raises(ValidationError, match="subject"):
        WebPushSettings(key=SecretStr(KEY))


def test_our_public_key_is_what_browsers_take() -> None:
    key = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(), octets_of(public_key_of(OURS))
    )
    assert key == PUBLIC
