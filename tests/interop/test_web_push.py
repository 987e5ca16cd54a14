"""Web Push with what others wrote: npm's push service for us, and pywebpush for our simulator."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from pywebpush import WebPushException, webpush

from activities.providers.web_push import WebPush, public_key_of
from tellal.domain.messages import Answer, Remedy
from tellal.settings import WebPushSettings
from tests.providers.test_apns_push import KEY, a_push
from tests.providers.test_web_push import OURS, address_of
from tests.support.carrier import CarrierProbe, free_port
from tests.support.waiting import until

pytestmark = pytest.mark.interop

HERE = Path(__file__).parent


@asynccontextmanager
async def npms_push_service() -> AsyncIterator[httpx.AsyncClient]:
    """Run npm's push service for a block."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / "push_service.js"),
        str(port),
        stdout=asyncio.subprocess.DEVNULL,
    )
    async with httpx.AsyncClient(base_url=f"http://localhost:{port}") as http:

        async def it_answers() -> bool:
            try:
                return (await http.post("/status")).is_success
            except httpx.TransportError:
                return False

        await until(it_answers)
        try:
            yield http
        finally:
            process.kill()
            await process.wait()


async def test_npms_push_service_lets_us_in_and_reads_what_we_encrypted() -> None:
    message = a_push()
    other = WebPushSettings(key=SecretStr(KEY), subject="mailto:it@bank.example", private=True)
    sender = WebPush(other)
    async with npms_push_service() as service:
        wish = {"userVisibleOnly": "true", "applicationServerKey": public_key_of(OURS)}
        said = (await service.post("/subscribe", json=wish)).raise_for_status().json()["data"]
        to = a_push(id=message.id, address=address_of(said))
        sent = await sender.send(to)
        name = {"clientHash": said["clientHash"]}
        answer = await service.post("/get-notifications", json=name)
        await service.post(f"/expire-subscription/{said['clientHash']}")
        gone = await sender.send(to)
        await sender.close()

    [shown] = answer.json()["data"]["messages"]
    assert sent.answer is Answer.ACCEPTED
    assert json.loads(shown)["body"] == message.text
    assert (gone.code, gone.remedy) == ("410", Remedy.BAD_ADDRESS)
    print(  # noqa: T201 - shown by make interop
        "npm web-push-testing 1.2.2 believed our VAPID token, decrypted our push to the text that "
        "was sent, and its expired subscription ended the address"
    )


def test_pywebpush_is_served_by_our_push_service(carrier: CarrierProbe, tmp_path: Path) -> None:
    key = tmp_path / "web-push.pem"
    key.write_text(KEY)
    browser = carrier.subscribed(public_key_of(OURS))
    said = json.dumps({"title": "Kesinti", "body": "Şebeke 14.00'te açılacak."})

    answer = webpush(
        browser,
        said,
        vapid_private_key=str(key),
        vapid_claims={"sub": "mailto:it@bank.example"},
        ttl=60,
    )
    carrier.unsubscribed(browser["endpoint"])
    with pytest.raises(WebPushException, match="410"):
        webpush(
            browser,
            said,
            vapid_private_key=str(key),
            vapid_claims={"sub": "mailto:it@bank.example"},
            ttl=60,
        )

    [entry] = carrier.book(channel="push")
    assert not isinstance(answer, str)
    assert (answer.status_code, entry["text"]) == (201, "Şebeke 14.00'te açılacak.")
    print(  # noqa: T201 - shown by make interop
        "pywebpush 2.5 pushed to a browser of our simulator, which read it, and was told 410 later"
    )
