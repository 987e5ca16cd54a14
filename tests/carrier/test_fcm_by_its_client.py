"""The simulated FCM, judged by Google's own library."""

from collections.abc import Generator

import firebase_admin
import google.auth.credentials
import pytest
from firebase_admin import credentials, exceptions, messaging

from tests.support.carrier import CarrierProbe

TOKEN = "token-of-a-phone"


class Bearer(google.auth.credentials.Credentials):
    """A token that needs no renewal."""

    def __init__(self, token: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token = token

    def refresh(self, request: object) -> None:
        del request


class Account(credentials.Base):  # type: ignore[misc]  # firebase-admin has no types
    """What the library wants to be given instead of a service account's file."""

    def __init__(self, token: str) -> None:
        self._bearer = Bearer(token)

    def get_credential(self) -> Bearer:
        return self._bearer


@pytest.fixture
def app(carrier: CarrierProbe, monkeypatch: pytest.MonkeyPatch) -> Generator[firebase_admin.App]:
    address = carrier.url + "/v1/projects/{0}/messages:send"
    monkeypatch.setattr(messaging._MessagingService, "FCM_URL", address)
    account = carrier.account
    made = firebase_admin.initialize_app(
        Account(account.fcm_bearer), {"projectId": account.fcm_project}, name="judge"
    )
    yield made
    firebase_admin.delete_app(made)


def a_message() -> messaging.Message:
    return messaging.Message(
        fid=TOKEN,
        notification=messaging.Notification(title="Güvenlik", body="Şifrenizi paylaşmayın."),
        data={"message_id": "01K"},
    )


def test_a_message_is_taken(app: firebase_admin.App, carrier: CarrierProbe) -> None:
    name = messaging.send(a_message(), app=app)

    [entry] = carrier.book(channel="push")
    assert name == entry["reference"]
    assert name.startswith("projects/rehearsal/messages/")
    assert (entry["to"], entry["title"], entry["text"]) == (
        TOKEN,
        "Güvenlik",
        "Şifrenizi paylaşmayın.",
    )
    assert entry["message_id"] == "01K"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param("UNREGISTERED", messaging.UnregisteredError, id="dead token"),
        pytest.param("INVALID_ARGUMENT", exceptions.InvalidArgumentError, id="no token"),
        pytest.param("QUOTA_EXCEEDED", messaging.QuotaExceededError, id="quota"),
        pytest.param("SENDER_ID_MISMATCH", messaging.SenderIdMismatchError, id="not ours"),
        pytest.param("THIRD_PARTY_AUTH_ERROR", messaging.ThirdPartyAuthError, id="Apple's key"),
    ],
)
def test_each_error_is_the_librarys_own(
    app: firebase_admin.App, carrier: CarrierProbe, code: str, error: type[Exception]
) -> None:
    # With a longer pause the library would sit it out and post again, four times.
    carrier.fault("error", {"token": TOKEN}, code=code, retry_after=0)

    with pytest.raises(error) as raised:
        messaging.send(a_message(), app=app)

    assert raised.value.http_response.headers["Retry-After"] == "0"  # type: ignore[attr-defined]
    assert carrier.taken() == 0


def test_the_library_itself_posts_again_after_a_503(
    app: firebase_admin.App, carrier: CarrierProbe
) -> None:
    carrier.fault("error", {"token": TOKEN}, code="UNAVAILABLE", times=1)

    messaging.send(a_message(), app=app)

    assert (carrier.requests(to=TOKEN), carrier.taken(to=TOKEN)) == (2, 1)


def test_strangers_are_turned_away(carrier: CarrierProbe) -> None:
    url = "/v1/projects/rehearsal/messages:send"

    answer = carrier.http.post(url, json={}, headers={"Authorization": "Bearer wrong"})

    assert answer.status_code == 401
    assert answer.json()["error"]["status"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"message": {"data": {}}}', id="no message"),
        pytest.param(b'{"message": {"notification": {"title": "x"}}}', id="no recipient"),
        pytest.param(b'{"message": {"token": "t", "topic": "x"}}', id="two recipients"),
        pytest.param(b'{"message": {"token": "t", "data": {"n": 1}}}', id="data not text"),
    ],
)
def test_a_wrong_payload_names_the_payload(carrier: CarrierProbe, body: bytes) -> None:
    url = "/v1/projects/rehearsal/messages:send"
    bearer = {"Authorization": f"Bearer {carrier.account.fcm_bearer}"}

    answer = carrier.http.post(url, content=body, headers=bearer)

    kinds = [detail["@type"] for detail in answer.json()["error"]["details"]]
    assert answer.status_code == 400
    assert "type.googleapis.com/google.rpc.BadRequest" in kinds
