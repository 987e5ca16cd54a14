"""A power distributor's cases: each applicant is told at opening and at closing, once."""

import asyncio
from dataclasses import dataclass
from typing import cast as typed

from tellal.stories.cast import DISTRIBUTOR, Ensemble
from tellal.stories.client import Caller, Carrier, Json, Mailbox
from tellal.stories.scene import Scene

HALIL = "+905330000201"
INCI = "+905330000202"

_REPEATS = 3


@dataclass(frozen=True, kw_only=True)
class _Utility:
    scene: Scene
    utility: Caller
    carrier: Carrier
    mailbox: Mailbox

    async def open(self, customer: str, channel: str, subject: str) -> str:
        case = await self.utility.write(
            "/cases",
            {"customer": customer, "channel": channel, "subject": subject},
            times=_REPEATS,
        )
        return typed(str, case["number"])

    async def do(self, number: str, command: str, **body: object) -> Json:
        return await self.utility.write(f"/cases/{number}/{command}", body, times=_REPEATS)

    async def texts(self, number: str, wanted: int) -> list[str]:
        async def look() -> list[str]:
            return [entry["text"] for entry in await self.carrier.book(to=number, limit=50)]

        await self.scene.until(look, lambda texts: len(texts) >= wanted)
        return await self.scene.settled(look)


async def play(scene: Scene, ensemble: Ensemble) -> None:
    """Play the distributor's story."""
    stage = scene.stage
    async with (
        Caller(stage.api_url, ensemble.keys[DISTRIBUTOR]) as utility,
        Carrier(stage.carrier_url) as carrier,
        Mailbox(stage.mailbox_url) as mailbox,
    ):
        cast = _Utility(scene=scene, utility=utility, carrier=carrier, mailbox=mailbox)
        await utility.customer("halil", contacts={"sms": HALIL}, first_name="Halil")
        await utility.customer("inci", contacts={"sms": INCI, "push": "token-inci"})
        await utility.customer("kadir", contacts={"email": "kadir@example.com"})
        await asyncio.gather(_web(cast), _app(cast), _no_mobile(cast))


async def _web(cast: _Utility) -> None:
    scene = cast.scene
    scene.say("Halil applies on the web; every call is repeated, as networks do.")
    number = await cast.open("halil", "web", "The meter shows too much")
    opening = await cast.texts(HALIL, 1)
    scene.expect("one SMS at opening, with the record number (E37)", True, _one(opening, number))
    await cast.do(number, "route", team="metering")
    await scene.moment("routed")
    early = await cast.utility.attempt(f"/cases/{number}/resolve", {"result": "done"})
    scene.expect(
        "resolving a routed case before the call is refused with the reason (E03)",
        (409, "answer_missing"),
        (early.status_code, early.json().get("code")),
    )
    await cast.do(number, "answer", answer="The meter was replaced.")
    early = await cast.utility.attempt(f"/cases/{number}/resolve", {"result": "done"})
    scene.expect(
        "also when the team has answered and nobody has called (E38)",
        (409, "call_missing"),
        (early.status_code, early.json().get("code")),
    )
    await cast.do(number, "call", reached=False, note="no answer")
    await cast.do(number, "call", reached=True, verified_as="applicant")
    await cast.do(number, "resolve", result="Sayacınız değiştirildi.")
    await scene.moment("resolved")
    texts = await cast.texts(HALIL, 2)
    for text in texts:
        scene.say(f"  SMS to Halil: {text}")
    scene.expect("two SMS in all, though every call came three times", 2, len(texts))
    scene.expect(
        "the second carries the result (E39)", True, "Sayacınız değiştirildi." in texts[-1]
    )


async def _app(cast: _Utility) -> None:
    scene = cast.scene
    number = await cast.open("inci", "app", "Street light is out")
    await cast.do(number, "route", team="lighting")
    await cast.do(number, "answer", answer="Lamp replaced.")
    await cast.do(number, "call", reached=True, verified_as="applicant")
    await cast.do(number, "resolve", result="Lamba değiştirildi.")
    texts = await cast.texts(INCI, 2)
    for text in texts:
        scene.say(f"  SMS to İnci: {text}")
    scene.expect("an app case: SMS at opening and at closing (E09, E12)", 2, len(texts))
    scene.expect("both name the record", True, all(number in text for text in texts))
    scene.expect(
        "the app's closing text says only that it is concluded",
        False,
        any("Lamba değiştirildi." in text for text in texts),
    )


async def _no_mobile(cast: _Utility) -> None:
    scene = cast.scene
    await cast.open("kadir", "web", "New connection")
    await scene.until(lambda: cast.mailbox.letters("kadir@example.com"), bool)
    letters = await scene.settled(lambda: cast.mailbox.letters("kadir@example.com"))
    scene.expect("without a mobile the notice goes by e-mail (E43)", 1, len(letters))


def _one(texts: list[str], number: str) -> bool:
    return len(texts) == 1 and number in texts[0]
