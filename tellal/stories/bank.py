"""A bank's customers: told once, asked only if they do not have it, over what reaches them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tellal.stories.cast import BANK, Ensemble
from tellal.stories.client import Caller, Carrier, Json, Mailbox
from tellal.stories.scene import Scene

AWARENESS = "phishing_awareness"
PROMO = "iscep_promo"

_LOGINS = 50
_AT_ONCE = 10

AYSE = "+905320000101"
BORA = "+905320000102"
CEM = "+905320000103"
DENIZ = "+905320000104"
ELIF = "+905320000105"
FATMA = "+905320000106"
GOKHAN = "+905320000107"


@dataclass(frozen=True, kw_only=True)
class _Bank:
    scene: Scene
    bank: Caller
    carrier: Carrier
    mailbox: Mailbox
    ensemble: Ensemble

    async def login(self, ref: str, method: str, *, banner: bool = False) -> Json:
        return await self.bank.event(
            ref, "login", method=method, surface="web", can_show_banner=banner
        )

    async def texts(self, number: str, words: str = "") -> list[Json]:
        book = await self.carrier.book(to=number, limit=200)
        return [entry for entry in book if words in entry["text"]]

    async def delivered(self, ref: str, topic: str) -> list[Json]:
        async def look() -> list[Json]:
            found = await self.bank.messages(ref)
            return [m for m in found if m["topic"] == topic]

        return await self.scene.until(
            look, lambda found: any(m["state"] == "delivered" for m in found)
        )

    async def reasons(self, ref: str, topic: str) -> list[str]:
        return [d["reason"] or d["verdict"] for d in await self.bank.decisions(ref, topic)]


async def play(scene: Scene, ensemble: Ensemble) -> None:
    """Play the bank's story."""
    stage = scene.stage
    async with (
        Caller(stage.api_url, ensemble.keys[BANK]) as bank,
        Carrier(stage.carrier_url) as carrier,
        Mailbox(stage.mailbox_url) as mailbox,
    ):
        cast = _Bank(scene=scene, bank=bank, carrier=carrier, mailbox=mailbox, ensemble=ensemble)
        await _fifty_logins(cast)
        await _new_version(cast)
        await _live_token(cast)
        await _asked_once(cast)
        await _without_consent(cast)
        await _dead_token(cast)
        await _banner(cast)
        await _banner_unseen(cast)


async def _fifty_logins(cast: _Bank) -> None:
    scene = cast.scene
    scene.say("Ayşe logs in fifty times with Cep Anahtar, ten at a time.")
    await cast.bank.customer("ayse", contacts={"sms": AYSE, "email": "ayse@example.com"})
    await cast.bank.consent("ayse", "email")
    for _ in range(_LOGINS // _AT_ONCE):
        await asyncio.gather(*(cast.login("ayse", "cep_anahtar") for _ in range(_AT_ONCE)))
    await cast.delivered("ayse", AWARENESS)
    sent = await scene.settled(lambda: cast.texts(AYSE))
    for text in sent:
        scene.say(f"  SMS to Ayşe: {text['text']}")
    scene.expect("fifty logins lead to one awareness SMS (A01)", 1, len(sent))
    reasons = await cast.reasons("ayse", AWARENESS)
    scene.expect("every login was decided", _LOGINS, len(reasons))
    others = {"already_told", "already_pending"}
    scene.expect(
        "the other decisions say that she is told or being told",
        _LOGINS - 1,
        sum(reason in others for reason in reasons),
    )
    promotions = await cast.bank.decisions("ayse", PROMO)
    scene.expect(
        "no İşCep promotion to somebody who uses it (A04)",
        {"already_has_iscep"},
        {decision["reason"] for decision in promotions},
    )
    chain = _chain(promotions[0])
    for line in chain:
        scene.say(f"  because {line}")
    scene.expect(
        "the decision names the chain of both rules with file and line (A05)",
        True,
        _names(chain, "uses_cep_anahtar") and _names(chain, "uses_iscep"),
    )


async def _new_version(cast: _Bank) -> None:
    scene = cast.scene
    await cast.login("ayse", "cep_anahtar")
    same = await scene.settled(lambda: cast.texts(AYSE))
    scene.expect("the same version is not told again", 1, len(same))
    scene.say("The security team raises the content version of the warning.")
    await cast.ensemble.raise_version(AWARENESS)

    async def again() -> list[Json]:
        await cast.login("ayse", "cep_anahtar")
        return await cast.texts(AYSE)

    await scene.until(again, lambda sent: len(sent) > 1)
    sent = await scene.settled(lambda: cast.texts(AYSE))
    scene.expect("the new version is told once more", 2, len(sent))


async def _live_token(cast: _Bank) -> None:
    scene = cast.scene
    scene.say("Bora logs in with an SMS code, but his phone holds a live İşCep push token.")
    await cast.bank.customer("bora", contacts={"sms": BORA, "push": "token-bora-live"})
    await cast.bank.consent("bora", "email")
    await cast.login("bora", "sms_otp")
    promotion = (await cast.bank.decisions("bora", PROMO))[0]
    scene.expect(
        "a live push token proves İşCep by a rule of its own",
        ("already_has_iscep", False),
        (promotion["reason"], _names(_chain(promotion), "uses_cep_anahtar")),
    )
    pushes = await scene.until(
        lambda: cast.carrier.book(channel="push", to="token-bora-live"), bool
    )
    scene.expect("his warning comes as a push", 1, len(pushes))


async def _asked_once(cast: _Bank) -> None:
    scene = cast.scene
    scene.say("Cem has no app and has agreed to e-mail: he is asked once.")
    await cast.bank.customer("cem", contacts={"sms": CEM, "email": "cem@example.com"})
    await cast.bank.consent("cem", "email")
    for _ in range(3):
        await cast.login("cem", "password")
    letters = await scene.until(lambda: cast.mailbox.letters("cem@example.com"), bool)
    letters = await scene.settled(lambda: cast.mailbox.letters("cem@example.com"))
    scene.expect("one promotion by e-mail", 1, len(letters))
    if letters:
        scene.say(f"  e-mail to Cem: {letters[0]['subject']}")
    await cast.bank.event("cem", "app_installed")
    await cast.login("cem", "password")
    scene.expect(
        "he installs the app and is never asked again (A07)",
        "already_has_iscep",
        (await cast.bank.decisions("cem", PROMO))[0]["reason"],
    )


async def _without_consent(cast: _Bank) -> None:
    scene = cast.scene
    await cast.bank.customer("deniz", contacts={"sms": DENIZ, "email": "deniz@example.com"})
    await cast.login("deniz", "password")
    scene.expect(
        "without consent there is no promotion, and the reason says so (A08)",
        (["no_consent"], 0),
        (await cast.reasons("deniz", PROMO), len(await cast.mailbox.letters("deniz@example.com"))),
    )


async def _dead_token(cast: _Bank) -> None:
    scene = cast.scene
    scene.say("Elif's push token is dead: the warning falls back to SMS.")
    await cast.carrier.fault(match={"token": "token-elif-dead"}, fault="error", code="UNREGISTERED")
    await cast.bank.customer("elif", contacts={"sms": ELIF, "push": "token-elif-dead"})
    await cast.login("elif", "sms_otp")
    messages = await cast.delivered("elif", AWARENESS)
    scene.expect(
        "push fails, SMS is delivered",
        [("push", "failed"), ("sms", "delivered")],
        [(message["channel"], message["state"]) for message in messages],
    )


async def _banner(cast: _Bank) -> None:
    scene = cast.scene
    scene.say("Fatma's page can show a banner: the warning is shown where she is (A12).")
    await cast.bank.customer("fatma", contacts={"sms": FATMA})
    offer = (await cast.login("fatma", "password", banner=True))["banner"]
    scene.say(f"  banner: {offer['text']}")
    message = f"/messages/{offer['message_id']}"
    await cast.bank.write(f"{message}/shown", {})
    await cast.bank.write(f"{message}/acknowledged", {})
    again = await cast.login("fatma", "password", banner=True)
    reasons = {d["topic"]: d["reason"] for d in again["decisions"]}
    scene.expect("a banner that was shown counts as told", "already_told", reasons[AWARENESS])
    scene.expect("and no SMS goes besides", 0, len(await scene.settled(lambda: cast.texts(FATMA))))


async def _banner_unseen(cast: _Bank) -> None:
    scene = cast.scene
    scene.say("Gökhan's banner is offered and never shown: after its time an SMS goes.")
    await cast.bank.customer("gokhan", contacts={"sms": GOKHAN})
    await cast.login("gokhan", "password", banner=True)
    messages = await cast.delivered("gokhan", AWARENESS)
    scene.expect(
        "the next channel after the banner's time",
        [("banner", "accepted"), ("sms", "delivered")],
        [(message["channel"], message["state"]) for message in messages],
    )


def _chain(decision: Json) -> Sequence[str]:
    return [
        f"{fired['rule']} ({fired['file']}:{fired['line']}) {fired['text']}"
        for fired in decision["fired"]
    ]


def _names(chain: Sequence[str], rule: str) -> bool:
    return any(rule in line and ".yaml:" in line for line in chain)
