"""Our push adapter against the simulator: what it sends, and what it makes of each answer."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from pydantic import SecretStr

from activities.providers.fcm_push import CODES, FcmPush
from tellal.clock import SystemClock
from tellal.domain.channels import Channel, Lane, MessageClass, Receipts
from tellal.domain.messages import Answer, OutgoingMessage, Remedy
from tellal.ids import new_id
from tellal.settings import FcmSettings
from tests.support.answering import Answering
from tests.support.carrier import WHATEVER_GOES_WRONG, CarrierProbe, free_port

TOKEN = "token-of-a-phone"
IMPATIENT_S = 1.0


def a_push(**changes: str | int) -> OutgoingMessage:
    message = OutgoingMessage(
        id=new_id(),
        attempt=1,
        channel=Channel.PUSH,
        message_class=MessageClass.SERVICE,
        lane=Lane.JOURNEYS,
        sender="",
        address=TOKEN,
        subject="Güvenliğiniz için",
        text="Şifrenizi kimseyle paylaşmayın.",
        topic="phishing_awareness",
        validity_s=3600,
    )
    return replace(message, **changes)  # type: ignore[arg-type]  # the names are checked at run time


def a_project_at(url: str, bearer: str = "b") -> FcmSettings:
    return FcmSettings(project="p", base_url=url, bearer_token=SecretStr(bearer))


@pytest.fixture
async def push(carrier: CarrierProbe) -> AsyncGenerator[FcmPush]:
    sender = FcmPush(carrier.fcm(timeout_s=IMPATIENT_S))
    yield sender
    await sender.close()


async def test_an_accepted_push_carries_what_the_message_says(
    push: FcmPush, carrier: CarrierProbe
) -> None:
    message = a_push()

    answer = await push.send(message)

    [entry] = carrier.book(to=TOKEN)
    assert (answer.answer, answer.reference) == (Answer.ACCEPTED, entry["reference"])
    assert (entry["title"], entry["text"]) == (message.subject, message.text)
    assert entry["message_id"] == message.id
    assert entry["data"]["topic"] == "phishing_awareness"
    assert carrier.requests() == 1


async def test_a_repeat_replaces_on_the_phone_and_ends_with_its_validity() -> None:
    message = a_push()
    async with Answering(200, {"name": "projects/p/messages/1"}) as google:
        sender = FcmPush(a_project_at(google.url))
        await sender.send(message)
        await sender.close()

    [request] = google.requests
    sent = json.loads(request.body)["message"]
    assert sent["android"]["collapse_key"] == message.id
    assert sent["android"]["notification"]["tag"] == message.id
    assert sent["android"]["ttl"] == "3600s"
    assert sent["apns"]["headers"]["apns-collapse-id"] == message.id
    assert int(sent["apns"]["headers"]["apns-expiration"]) > SystemClock().now().timestamp()


async def test_it_declares_that_nothing_comes_back(push: FcmPush) -> None:
    assert (push.channel, push.receipts) == (Channel.PUSH, Receipts.NONE)
    assert await push.look_up(a_push(), SystemClock().now()) is None


@WHATEVER_GOES_WRONG
async def test_one_attempt_is_one_request_whatever_goes_wrong(
    push: FcmPush, carrier: CarrierProbe, fault: str, answer: Answer, remedy: Remedy
) -> None:
    await push.send(a_push(address="another"))  # the next one reuses this connection
    carrier.fault(fault, {"token": TOKEN})

    given = await push.send(a_push())

    assert (given.answer, given.remedy) == (answer, remedy)
    assert carrier.requests(to=TOKEN) == 1
    assert carrier.taken(to=TOKEN) == int(fault.endswith("after_accept"))


@pytest.mark.parametrize(
    ("code", "answer", "remedy"),
    [
        pytest.param("UNREGISTERED", Answer.REJECTED, Remedy.BAD_ADDRESS, id="dead token"),
        pytest.param("INVALID_ARGUMENT", Answer.REJECTED, Remedy.BAD_ADDRESS, id="no token"),
        pytest.param("SENDER_ID_MISMATCH", Answer.REJECTED, Remedy.NEXT_CHANNEL, id="not ours"),
        pytest.param("THIRD_PARTY_AUTH_ERROR", Answer.REJECTED, Remedy.HALT, id="Apple's key"),
        pytest.param("QUOTA_EXCEEDED", Answer.REJECTED, Remedy.RETRY, id="quota"),
        pytest.param("UNAVAILABLE", Answer.AMBIGUOUS, Remedy.RECONCILE, id="unavailable"),
        pytest.param("INTERNAL", Answer.AMBIGUOUS, Remedy.RECONCILE, id="internal"),
    ],
)
async def test_an_error_says_what_to_do_next(
    push: FcmPush, carrier: CarrierProbe, code: str, answer: Answer, remedy: Remedy
) -> None:
    carrier.fault("error", {"token": TOKEN}, code=code)

    given = await push.send(a_push())

    assert (given.answer, given.code, given.remedy) == (answer, code, remedy)
    assert carrier.requests() == 1


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [pytest.param(7, 7.0, id="named"), pytest.param(None, 60.0, id="not named")],
)
async def test_the_pause_that_a_429_asks_for_is_handed_on(
    push: FcmPush, carrier: CarrierProbe, retry_after: int | None, pause: float
) -> None:
    carrier.fault("429", retry_after=retry_after)

    assert (await push.send(a_push())).retry_after_s == pause


async def test_a_payload_of_ours_that_is_wrong_does_not_kill_the_token(push: FcmPush) -> None:
    answer = await push.send(a_push(address=""))

    assert (answer.code, answer.remedy) == ("INVALID_ARGUMENT", Remedy.NEXT_CHANNEL)


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        pytest.param(401, "UNAUTHENTICATED", Remedy.HALT, id="bearer refused"),
        pytest.param(403, "PERMISSION_DENIED", Remedy.HALT, id="not permitted"),
        pytest.param(404, "NOT_FOUND", Remedy.HALT, id="no such project"),
        pytest.param(429, "RESOURCE_EXHAUSTED", Remedy.RETRY, id="exhausted"),
        pytest.param(400, "INVALID_ARGUMENT", Remedy.NEXT_CHANNEL, id="no detail"),
        pytest.param(409, "ABORTED", Remedy.NEXT_CHANNEL, id="unheard of"),
    ],
)
async def test_an_error_without_a_code_of_its_own(status: int, code: str, remedy: Remedy) -> None:
    document = {"error": {"code": status, "message": "no", "status": code}}
    async with Answering(status, document) as google:
        sender = FcmPush(a_project_at(google.url))
        answer = await sender.send(a_push())
        await sender.close()

    assert (answer.answer, answer.code, answer.remedy) == (Answer.REJECTED, code, remedy)


async def test_apples_refusal_has_two_names() -> None:
    assert CODES["APNS_AUTH_ERROR"] is CODES["THIRD_PARTY_AUTH_ERROR"]


async def test_a_success_that_names_nothing_is_ambiguous() -> None:
    async with Answering(200, {"hello": 1}) as google:
        sender = FcmPush(a_project_at(google.url))
        answer = await sender.send(a_push())
        await sender.close()

    assert (answer.answer, answer.code) == (Answer.AMBIGUOUS, "unreadable")


async def test_a_refused_connection_may_be_tried_again() -> None:
    sender = FcmPush(a_project_at(f"http://127.0.0.1:{free_port()}"))

    answer = await sender.send(a_push())
    await sender.close()

    assert (answer.answer, answer.remedy) == (Answer.REJECTED, Remedy.RETRY)


async def test_without_a_bearer_nothing_leaves() -> None:
    async with Answering(200, {"name": "projects/p/messages/1"}) as google:
        sender = FcmPush(a_project_at(google.url, bearer=""))
        answer = await sender.send(a_push())
        await sender.close()

    assert (answer.answer, answer.remedy) == (Answer.REJECTED, Remedy.HALT)
    assert google.requests == []


def a_service_account(folder: Path, token_uri: str) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    file = folder / "account.json"
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key": pem,
        "client_email": "push@p.example",
        "token_uri": token_uri,
    }
    file.write_text(json.dumps(account))
    return file


async def test_a_service_accounts_token_is_fetched_once_for_many(tmp_path: Path) -> None:
    token = {"access_token": "fresh", "expires_in": 3600, "token_type": "Bearer"}
    async with (
        Answering(200, token) as accounts,
        Answering(200, {"name": "projects/p/messages/1"}) as google,
    ):
        file = a_service_account(tmp_path, accounts.url)
        sender = FcmPush(FcmSettings(project="p", base_url=google.url, credentials_file=file))
        answers = await asyncio.gather(*(sender.send(a_push()) for _ in range(5)))
        await sender.close()

    assert {answer.answer for answer in answers} == {Answer.ACCEPTED}
    assert len(accounts.requests) == 1
    assert {request.headers["authorization"] for request in google.requests} == {"Bearer fresh"}


async def test_a_token_about_to_end_is_renewed(tmp_path: Path) -> None:
    token = {"access_token": "short", "expires_in": 60, "token_type": "Bearer"}
    async with (
        Answering(200, token) as accounts,
        Answering(200, {"name": "projects/p/messages/1"}) as google,
    ):
        file = a_service_account(tmp_path, accounts.url)
        sender = FcmPush(FcmSettings(project="p", base_url=google.url, credentials_file=file))
        await sender.send(a_push())
        await sender.send(a_push())
        await sender.close()

    assert len(accounts.requests) == 2


@pytest.mark.parametrize(
    ("token_uri", "remedy"),
    [
        pytest.param("refused", Remedy.HALT, id="account refused"),
        pytest.param("nowhere", Remedy.RETRY, id="nobody there"),
    ],
)
async def test_without_a_token_nothing_is_sent(
    tmp_path: Path, carrier: CarrierProbe, token_uri: str, remedy: Remedy
) -> None:
    async with Answering(400, {"error": "invalid_grant"}) as accounts:
        where = accounts.url if token_uri == "refused" else f"http://127.0.0.1:{free_port()}"
        file = a_service_account(tmp_path, where)
        settings = carrier.fcm().model_copy(update={"credentials_file": file})
        sender = FcmPush(settings)
        answer = await sender.send(a_push())
        await sender.close()

    assert (answer.answer, answer.code, answer.remedy) == (Answer.REJECTED, "no_token", remedy)
    assert carrier.requests() == 0
