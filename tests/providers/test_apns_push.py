"""Our adapter for Apple against the simulator: what it sends, and what it makes of each answer."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from activities.providers.apns_push import CODES, ApnsPush
from tellal.carrier.apns_routes import STATUSES
from tellal.domain.channels import Channel, Lane, MessageClass, Receipts
from tellal.domain.errors import InvalidInputError
from tellal.domain.messages import Answer, OutgoingMessage, Remedy
from tellal.ids import new_id
from tellal.settings import ApnsSettings
from tests.support.answering import Answering
from tests.support.carrier import WHATEVER_GOES_WRONG, CarrierProbe, free_port
from tests.support.ledger import SetClock

DEVICE = "0123456789abcdef" * 4
ADDRESS = f"apns:{DEVICE}"
IMPATIENT_S = 1.0
_MADE = ec.generate_private_key(ec.SECP256R1())
KEY = _MADE.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()
PUBLIC = _MADE.public_key()


def a_push(**changes: object) -> OutgoingMessage:
    message = OutgoingMessage(
        id=new_id(),
        attempt=1,
        channel=Channel.PUSH,
        message_class=MessageClass.SERVICE,
        lane=Lane.JOURNEYS,
        sender="",
        address=ADDRESS,
        subject="Güvenliğiniz için",
        text="Şifrenizi kimseyle paylaşmayın.",
        topic="phishing_awareness",
        validity_s=3600,
    )
    return replace(message, **changes)  # type: ignore[arg-type]  # the names are checked at run time


def an_app_at(url: str) -> ApnsSettings:
    return ApnsSettings(
        team_id="TEAM1", key_id="KEY1", key=SecretStr(KEY), topic="example.bank", base_url=url
    )


@pytest.fixture
async def push(carrier: CarrierProbe) -> AsyncGenerator[ApnsPush]:
    sender = ApnsPush(carrier.apns(key=KEY, timeout_s=IMPATIENT_S))
    yield sender
    await sender.close()


async def test_an_accepted_push_carries_what_the_message_says(
    push: ApnsPush, carrier: CarrierProbe
) -> None:
    message = a_push()

    answer = await push.send(message)

    [entry] = carrier.book(to=ADDRESS)
    assert (answer.answer, answer.reference) == (Answer.ACCEPTED, entry["reference"])
    assert (entry["title"], entry["text"]) == (message.subject, message.text)
    assert (entry["message_id"], entry["data"]["topic"]) == (message.id, "phishing_awareness")
    assert entry["headers"]["apns-topic"] == "example.bank"
    assert carrier.requests() == 1


@pytest.mark.parametrize(("lane", "priority"), [(Lane.CRITICAL, "10"), (Lane.BULK, "5")])
async def test_a_repeat_replaces_on_the_device_and_ends_with_its_validity(
    lane: Lane, priority: str
) -> None:
    message, clock = a_push(lane=lane), SetClock()
    async with Answering(200) as apple:
        sender = ApnsPush(an_app_at(apple.url), clock)
        await sender.send(message)
        await sender.close()

    [request] = apple.requests
    assert request.path_and_query == f"/3/device/{DEVICE}"
    assert request.headers["apns-collapse-id"] == message.id
    assert request.headers["apns-push-type"] == "alert"
    assert request.headers["apns-priority"] == priority
    assert request.headers["apns-expiration"] == str(int(clock.at.timestamp()) + 3600)
    assert json.loads(request.body)["aps"]["alert"]["body"] == message.text


async def test_tokens_are_signed_and_renewed_neither_too_often_nor_too_late() -> None:
    clock, tokens = SetClock(datetime.now(UTC)), []
    async with Answering(200) as apple:
        sender = ApnsPush(an_app_at(apple.url), clock)
        for _ in range(3):
            await sender.send(a_push())
            clock.advance(minutes=21)
        await sender.close()
        tokens = [one.headers["authorization"].removeprefix("bearer ") for one in apple.requests]

    first, again, renewed = tokens
    assert first == again != renewed
    said = jwt.decode(renewed, PUBLIC, algorithms=["ES256"], options={"verify_iat": False})
    begun = clock.at - timedelta(minutes=21)
    assert said == {"iss": "TEAM1", "iat": int(begun.timestamp())}
    assert jwt.get_unverified_header(first)["kid"] == "KEY1"


async def test_a_token_that_apple_calls_expired_is_made_anew() -> None:
    clock = SetClock()
    async with Answering(403, {"reason": "ExpiredProviderToken"}) as apple:
        sender = ApnsPush(an_app_at(apple.url), clock)
        answer = await sender.send(a_push())
        clock.advance(seconds=1)
        await sender.send(a_push())
        await sender.close()

    assert (answer.code, answer.remedy) == ("ExpiredProviderToken", Remedy.RETRY)
    assert len({one.headers["authorization"] for one in apple.requests}) == 2


async def test_it_declares_that_nothing_comes_back(push: ApnsPush) -> None:
    assert (push.channel, push.receipts) == (Channel.PUSH, Receipts.NONE)
    assert await push.look_up(a_push(), datetime.now(UTC)) is None


@WHATEVER_GOES_WRONG
async def test_one_attempt_is_one_request_whatever_goes_wrong(
    push: ApnsPush, carrier: CarrierProbe, fault: str, answer: Answer, remedy: Remedy
) -> None:
    await push.send(a_push(address=f"apns:{'f' * 64}"))  # the next one reuses this connection
    carrier.fault(fault, {"to": ADDRESS, "provider": "apns"})

    given = await push.send(a_push())

    assert (given.answer, given.remedy) == (answer, remedy)
    assert carrier.requests(to=ADDRESS) == 1
    assert carrier.taken(to=ADDRESS) == int(fault.endswith("after_accept"))


SAID = sorted(STATUSES)


@pytest.mark.parametrize("code", SAID)
async def test_each_reason_of_apples_says_what_to_do_next(
    push: ApnsPush, carrier: CarrierProbe, code: str
) -> None:
    carrier.fault("error", {"to": ADDRESS}, code=code)

    given = await push.send(a_push())

    if STATUSES[code] >= 500:
        assert (given.answer, given.remedy) == (Answer.AMBIGUOUS, Remedy.RECONCILE)
    else:
        assert (given.answer, given.code, given.remedy) == (Answer.REJECTED, code, CODES[code])
    assert carrier.requests() == 1


DEAD = {"BadDeviceToken", "Unregistered", "ExpiredToken"}


def test_only_a_dead_token_ends_an_address_and_only_settings_stop_the_route() -> None:
    assert {code for code, remedy in CODES.items() if remedy is Remedy.BAD_ADDRESS} == DEAD
    halting = {code for code, remedy in CODES.items() if remedy is Remedy.HALT}
    assert {"TopicDisallowed", "InvalidProviderToken", "BadTopic"} <= halting
    assert not halting & {"DeviceTokenNotForTopic", "PayloadTooLarge"}


@pytest.mark.parametrize(("retry_after", "pause"), [(7, 7.0), (None, 60.0)])
async def test_the_pause_that_a_429_asks_for_is_handed_on(
    push: ApnsPush, carrier: CarrierProbe, retry_after: int | None, pause: float
) -> None:
    carrier.fault("429", retry_after=retry_after)

    assert (await push.send(a_push())).retry_after_s == pause


async def test_a_text_that_is_too_long_does_not_kill_the_token(push: ApnsPush) -> None:
    answer = await push.send(a_push(text="x" * 5000))

    assert (answer.code, answer.remedy) == ("PayloadTooLarge", Remedy.NEXT_CHANNEL)


async def test_where_nobody_listens_nothing_has_left() -> None:
    sender = ApnsPush(an_app_at(f"http://127.0.0.1:{free_port()}"))
    answer = await sender.send(a_push())
    await sender.close()

    assert (answer.code, answer.remedy) == ("unreachable", Remedy.RETRY)


def test_a_key_that_is_none_is_said_at_the_start() -> None:
    settings = an_app_at("https://api.push.apple.com").model_copy(update={"key": SecretStr("x")})

    with pytest.raises(InvalidInputError, match="Apple's key cannot be read"):
        ApnsPush(settings)
