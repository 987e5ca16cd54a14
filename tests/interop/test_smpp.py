"""SMPP with what others wrote: npm's message centre for our client, Kannel for our simulator's."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from activities.providers.smpp.sms import SmppSms
from tellal.domain.messages import Answer, MessageState
from tellal.domain.sms.alphabets import Alphabet
from tellal.settings import SmppSettings
from tests.providers.test_smpp_reception import Kept, heard
from tests.providers.test_smpp_sms import a_text
from tests.support.answering import Answering
from tests.support.carrier import CarrierProbe, free_port
from tests.support.waiting import until

pytestmark = pytest.mark.interop

HERE = Path(__file__).parent
TURKISH = "Şubemiz bugün öğleden sonra kapalıdır; işlemleriniz için ığdır çağrı merkezi. " * 3


@dataclass
class Centre:
    """The running message centre of npm's, and what it has said."""

    settings: SmppSettings
    said: list[dict[str, Any]] = field(default_factory=list)

    def submitted(self) -> list[dict[str, Any]]:
        return [one for one in self.said if "submitted" in one]


@asynccontextmanager
async def npms_centre(**more: Any) -> AsyncIterator[Centre]:  # noqa: ANN401 - settings
    """Run npm's message centre for a block."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "node", str(HERE / "message_centre.js"), str(port), stdout=asyncio.subprocess.PIPE
    )
    centre = Centre(
        SmppSettings(
            host="127.0.0.1",
            port=port,
            system_id="bank",
            password=SecretStr("secret"),
            sender="BANKA",
            **more,
        )
    )

    async def listen() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            centre.said.append(json.loads(line))

    listening = asyncio.create_task(listen())

    async def it_listens() -> bool:
        return {"listening": True} in centre.said

    await until(it_listens)
    try:
        yield centre
    finally:
        process.kill()
        await process.wait()
        await listening


async def test_npms_message_centre_understands_us_and_we_understand_it() -> None:
    kept = Kept()
    async with npms_centre(alive_every_s=0.5) as centre, heard(centre.settings, kept):
        sms = SmppSms("npm", centre.settings)
        short = await sms.send(a_text(text="Kodunuz 1234 [€]", validity_s=600))
        wide = await sms.send(a_text(text="Łódź: prąd wróci o 14", encoding=Alphabet.UCS2.value))
        answer = await sms.send(a_text(text=TURKISH, encoding=Alphabet.TURKISH_SINGLE.value))

        async def all_is_heard() -> bool:
            asked = any("asked" in one for one in centre.said)
            return len(kept.receipts) == 2 + len(answer.parts) and bool(kept.texts) and asked

        await until(all_is_heard)
        await sms.close()

        async def it_heard_us_leave() -> bool:
            return {"unbound": True} in centre.said

        await until(it_heard_us_leave)

    first, second, *segments = centre.submitted()
    assert {one["password"] for one in centre.said if "bound" in one} == {"secret"}
    assert (first["to"], first["ton"], first["from"], first["from_ton"]) == (
        "905321112233",
        1,
        "BANKA",
        5,
    )
    assert (first["text"], second["text"]) == ("Kodunuz 1234 [€]", "Łódź: prąd wróci o 14")
    assert (short.answer, wide.answer) == (Answer.ACCEPTED, Answer.ACCEPTED)
    assert [one["submitted"] for one in segments] == list(answer.parts)
    places = [header for one in segments for header in one["headers"] if header.startswith("0003")]
    assert [place[-4:] for place in places] == ["0201", "0202"]
    assert all("240101" in one["headers"] for one in segments)
    assert {one.reference for one in kept.receipts} == {
        short.reference,
        wide.reference,
        *answer.parts,
    }
    assert {one.state for one in kept.receipts} == {MessageState.DELIVERED}
    [said] = kept.texts
    assert (said.sender, said.recipient, said.text) == ("+905321112233", "4605", "RET")
    print(  # noqa: T201 - shown by make interop
        "npm smpp 0.5.1 read our GSM-7 and UCS-2 texts and the headers of a Turkish text of two "
        "segments; its receipts and a person's RET reached us, enquire_link and unbind worked"
    )


KANNEL = """
group = core
admin-port = {admin}
admin-password = x
smsbox-port = {inner}
box-allow-ip = "127.0.0.1"
admin-allow-ip = "127.0.0.1"
log-file = "{folder}/bearerbox.log"
log-level = 0
dlr-storage = internal

group = smsc
smsc = smpp
smsc-id = tellal
host = 127.0.0.1
port = {smpp}
transceiver-mode = true
smsc-username = {user}
smsc-password = {password}
system-type = ""
source-addr-ton = 5
source-addr-npi = 0
dest-addr-ton = 1
dest-addr-npi = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {http}
sendsms-interface = 127.0.0.1
log-file = "{folder}/smsbox.log"
log-level = 0

group = sendsms-user
username = bank
password = x
concatenation = true
max-messages = 10

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "{came}/mo?from=%p&to=%P&text=%a"
"""


@asynccontextmanager
async def kannel(folder: Path, carrier: CarrierProbe, came: str) -> AsyncIterator[str]:
    """Run Kannel, connected to our message centre; yield where it takes texts over HTTP."""
    http, inner = free_port(), free_port()
    configuration = folder / "kannel.conf"
    configuration.write_text(
        KANNEL.format(
            admin=free_port(),
            inner=inner,
            http=http,
            folder=folder,
            smpp=carrier.account.smpp_port,
            user=carrier.account.smpp_system_id,
            password=carrier.account.smpp_password,
            came=came,
        )
    )
    async with _box("bearerbox", configuration, inner), _box("smsbox", configuration, http):
        yield f"http://127.0.0.1:{http}/cgi-bin/sendsms"


@asynccontextmanager
async def _box(name: str, configuration: Path, port: int) -> AsyncIterator[None]:
    """Run one of Kannel's processes for a block, which begins when its port is open."""
    process = await asyncio.create_subprocess_exec(
        f"/usr/sbin/{name}",
        str(configuration),
        cwd=configuration.parent,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def is_open() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    await until(is_open)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def test_kannel_is_served_by_our_message_centre(
    carrier: CarrierProbe, tmp_path: Path
) -> None:
    text = "Kesinti Kadikoy'de saat 14.00'te sona erecek; bilgi icin 186'yi arayin. " * 3
    async with (
        Answering() as ours,
        kannel(tmp_path, carrier, ours.url) as sendsms,
        httpx.AsyncClient() as http,
    ):
        order = {
            "username": "bank",
            "password": "x",
            "from": "BANKA",
            "to": "+905321112233",
            "text": text,
            "dlr-mask": "31",
            "dlr-url": f"{ours.url}/dlr?state=%d",
        }

        async def it_is_taken() -> bool:
            return (await http.get(sendsms, params=order)).status_code == httpx.codes.ACCEPTED

        await until(it_is_taken)

        async def it_is_told_of() -> bool:
            return any(one.path_and_query == "/dlr?state=1" for one in ours.requests)

        await until(it_is_told_of)
        await asyncio.to_thread(carrier.people_write, "+905321112233", "4605", "EV RET")

        async def it_is_brought() -> bool:
            return any(one.path_and_query.startswith("/mo?") for one in ours.requests)

        await until(it_is_brought)

    [entry] = carrier.book(to="+905321112233")
    [written] = [one for one in ours.requests if one.path_and_query.startswith("/mo?")]
    assert (entry["text"], entry["status"]) == (text, "delivered")
    assert len(entry["data"]["references"].split()) == len(text) // 153 + 1
    assert "text=EV+RET" in written.path_and_query
    print(  # noqa: T201 - shown by make interop
        "Kannel's SMPP client was let in by our message centre, whose book has its text of two "
        "segments whole; our receipts made its dlr-url say delivered, a person's text reached it"
    )
