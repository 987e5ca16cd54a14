"""An operator's consents: given by a word, confirmed, used, taken back in mid-campaign, proved."""

import asyncio
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tellal.domain.consent_rules import REGISTRY_TIME
from tellal.domain.registry import in_registry_time, written
from tellal.domain.registry_answers import Account
from tellal.services.registry_clock import registry_clock
from tellal.stories.cast import OPERATOR, Ensemble
from tellal.stories.client import Caller, Carrier, Json
from tellal.stories.inspection import inspect
from tellal.stories.populace import daylight
from tellal.stories.scene import Scene
from tellal.stories.terminal import Terminal

CAMPAIGN = "commitment_ending"
CODE, KEYWORD = "4605", "MARKA"
IYS_CODE, BRAND_CODE = 100001, 720001

ZEYNEP = "+905340000301"
EMINE = "+4915112340302"
HALE = "+905340000303"
FILIZ = "+905340000304"
CROWD = tuple(f"+90534001{number:04d}" for number in range(100))

_AT_ONCE = 20
_UNDER_WAY = 8
"""How many texts of the campaign have left when she refuses."""
_ENDS_IN = timedelta(days=20)
_NEXT_DUE = re.compile(r"next due: (\d{4}-\d\d-\d\d \d\d:\d\d)")

_REFUSED = "Talebiniz alındı; bu kanaldan size artık ticari ileti gönderilmeyecek. {brand}"
_BY_TEXT = f"{CODE} numarasına {KEYWORD} RET yazın"
_BY_MAIL = "iletisim@marka.example adresine RET yazın"
_IDENTITY = "Marka İletişim A.Ş. Mersis 0000000000000033"
_FOOTER = f"Ret: {KEYWORD} RET yaz, {CODE} numarasına ücretsiz gönder"
_SENDER = {
    "kind": "company",
    "trade_name": "Marka İletişim A.Ş.",
    "mersis": "0000000000000033",
    "phone": "08500000003",
    "email": "iletisim@marka.example",
    "sector": "internet",
    "short_codes": [{"code": CODE, "keyword": KEYWORD}],
}


@dataclass(frozen=True, kw_only=True)
class _Operator:
    scene: Scene
    brand: Caller
    carrier: Carrier
    noon: str
    """Where it is day: commercial texts do not ring by night."""

    async def customer(self, ref: str, number: str) -> None:
        await self.brand.customer(ref, contacts={"sms": number}, timezone=self.noon)

    async def campaign(self, ref: str) -> Json:
        return await self.brand.event(
            ref, "commitment_ending_soon", ends_on=f"{datetime.now(UTC) + _ENDS_IN:%Y-%m-%d}"
        )

    async def writes(self, number: str, words: str, reference: str) -> list[Json]:
        """Bring a text as a gateway does that missed the answer: the same call twice, and again."""
        said = {
            "gateway": "gateway",
            "reference": reference,
            "sender": number,
            "recipient": CODE,
            "text": words,
        }
        return [
            await self.brand.write("/inbound", said, times=2),
            await self.brand.write("/inbound", said),
        ]

    async def texts(self, number: str) -> list[Json]:
        return await self.carrier.book(to=number, limit=50)

    async def records(self, ref: str) -> list[Json]:
        found: list[Json] = (await self.brand.get(f"/customers/{ref}/consents"))["items"]
        return found

    async def arrived(self, number: str, wanted: int) -> list[Json]:
        """Wait for texts to a number, and whether more follow than are wanted."""
        await self.scene.until(lambda: self.texts(number), lambda found: len(found) >= wanted)
        return await self.scene.settled(lambda: self.texts(number), quiet_s=1.0)


async def play(scene: Scene, ensemble: Ensemble) -> None:
    """Play the operator's story."""
    stage = scene.stage
    async with (
        Caller(stage.api_url, ensemble.keys[OPERATOR]) as brand,
        Carrier(stage.carrier_url) as carrier,
    ):
        cast = _Operator(
            scene=scene, brand=brand, carrier=carrier, noon=daylight(datetime.now(UTC))
        )
        await brand.write("/sender", _SENDER, method="PUT")
        await _account(cast)
        await _by_a_word(cast)
        await _by_a_signed_hook(cast)
        await _on_the_web(cast)
        await _campaign(cast)
        await _crowd(cast)
        refusal = await _refused_meanwhile(cast)
        await _at_the_registry(cast, refusal)
        await inspect(scene, OPERATOR, "zeynep", refusal["id"])


async def _account(cast: _Operator) -> None:
    codes = ("--iys-code", str(IYS_CODE), "--brand-code", str(BRAND_CODE))
    said = await _tellal(cast, "registry", "account", OPERATOR, *codes)
    cast.scene.say(f"  {said}")


async def _by_a_word(cast: _Operator) -> None:
    scene, words = cast.scene, "mârka"
    scene.say(f"Zeynep texts {words!r} to {CODE}; the gateway brings it three times.")
    await cast.customer("zeynep", ZEYNEP)
    answers = await cast.writes(ZEYNEP, words, "in-1")
    scene.expect(
        "the brand's keyword in any spelling is a consent, once (D08)",
        [["granted"], []],
        [answer["did"] for answer in answers],
    )
    (record,) = await cast.records("zeynep")
    scene.expect(
        "the ledger proves it: what she wrote, from which number, to which, and how it came",
        ("granted", "HS_MESAJ", words, ZEYNEP, CODE, "in-1"),
        (
            record["state"],
            record["source"],
            *(record["evidence"].get(name) for name in ("text", "number", "to", "message")),
        ),
    )
    texts = await cast.arrived(ZEYNEP, 1)
    for text in texts:
        scene.say(f"  SMS to Zeynep: {text['text']}")
    scene.expect("she is answered once", 1, len(texts))
    scene.expect(
        "which confirms it on the same day, with the way to refuse (D33)",
        (True, True, True),
        _confirmed(texts[:1], record, _BY_TEXT),
    )


async def _by_a_signed_hook(cast: _Operator) -> None:
    scene = cast.scene
    scene.say("Emine, abroad, texts 'Marka onaylıyorum'; her carrier brings it signed, and twice.")
    await cast.customer("emine", EMINE)
    hook = f"{scene.stage.api_url}/v1/hooks/twilio/inbound"
    await cast.carrier.text(EMINE, CODE, "Marka ONAYLIYORUM", hook, times=2)
    records = await cast.records("emine")
    scene.expect(
        "a signed text is a consent, once",
        [("granted", "HS_MESAJ", "Marka ONAYLIYORUM")],
        [(one["state"], one["source"], one["evidence"].get("text")) for one in records],
    )
    scene.expect("and is answered once", 1, len(await cast.arrived(EMINE, 1)))


async def _on_the_web(cast: _Operator) -> None:
    scene = cast.scene
    scene.say("Hale ticks a box on the web: nothing answers her, so she is written to.")
    await cast.customer("hale", HALE)
    record = await cast.brand.write(
        "/customers/hale/consents",
        {
            "channel": "sms",
            "state": "granted",
            "source": "HS_WEB",
            "evidence": {"text": "Haber verin.", "name": "Hale Ak", "preselected": False},
        },
    )
    texts = await cast.arrived(HALE, 1)
    for text in texts:
        scene.say(f"  SMS to Hale: {text['text']}")
    scene.expect(
        "one confirmation on the same day, with the way to refuse (D33)",
        (1, (True, True, True)),
        (len(texts), _confirmed(texts[:1], record, _BY_MAIL)),
    )


async def _campaign(cast: _Operator) -> None:
    scene = cast.scene
    scene.say("A campaign goes to Emine, who agreed, and to Filiz, who was never asked.")
    await cast.customer("filiz", FILIZ)
    await cast.campaign("emine")
    await cast.campaign("filiz")
    sent = (await cast.arrived(EMINE, 2))[1:]
    for text in sent:
        scene.say(f"  SMS to Emine: {text['text']}")
    body = sent[0]["text"] if sent else ""
    scene.expect(
        "the campaign says who sends it and how to refuse, free of charge (D01, D41)",
        (1, True, True),
        (len(sent), _IDENTITY in body, body.endswith(_FOOTER)),
    )
    decisions = await cast.brand.decisions("filiz", CAMPAIGN)
    scene.expect(
        "without consent nothing goes, and the decision says why",
        (["no_consent"], 0),
        ([one["reason"] for one in decisions], len(await cast.texts(FILIZ))),
    )


async def _crowd(cast: _Operator) -> None:
    """Bring in everybody else who agreed, and write the campaign to all of them behind a hold."""
    scene = cast.scene
    scene.say(f"{len(CROWD)} more have agreed; the campaign is written to all, and held back.")
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def come(place: int, number: str) -> None:
        async with at_once:
            await cast.customer(f"crowd-{place}", number)
            await cast.brand.consent(f"crowd-{place}", "sms")
            await cast.campaign(f"crowd-{place}")

    hold = await cast.brand.write(
        "/holds", {"topic": CAMPAIGN, "reason": "Waits for its hour", "by": "Marketing"}
    )
    await asyncio.gather(*(come(place, number) for place, number in enumerate(CROWD)))
    await cast.campaign("zeynep")
    known = await scene.until(
        lambda: cast.carrier.registry(BRAND_CODE), lambda found: {ZEYNEP, EMINE, HALE} <= set(found)
    )
    (granted,) = await cast.records("zeynep")
    scene.expect(
        "İYS has her consent, with its source and moment",
        ("ONAY", "HS_MESAJ", _told(granted)),
        tuple(known.get(ZEYNEP, {}).get(name) for name in ("status", "source", "consentDate")),
    )
    # What is not marked as held by then would leave before all others, and hers is the last.
    await scene.until(lambda: _to_zeynep(cast), lambda one: one["held_by"] == hold["id"])
    await cast.brand.write(f"/holds/{hold['id']}/release", {"by": "Marketing"})


async def _refused_meanwhile(cast: _Operator) -> Json:
    scene = cast.scene
    await scene.until(lambda: _promotions(cast), lambda found: len(found) >= _UNDER_WAY)
    await cast.carrier.fault(match={"text": "/sps/"}, fault="429")
    waiting = await _to_zeynep(cast)
    answers = await cast.writes(ZEYNEP, f"{KEYWORD} RET", "in-2")
    before = await _promotions(cast)
    scene.say(f"Zeynep texts '{KEYWORD} RET' when {len(before)} of them have left.")
    scene.expect(
        "her refusal counts at once, and once (D09)",
        ("queued", [["refused"], []]),
        (waiting["state"], [answer["did"] for answer in answers]),
    )
    hers = (await cast.brand.get(f"/messages/{waiting['id']}"))["message"]
    scene.expect(
        "what waited for her is cancelled with its reason (D13)",
        ("cancelled", "no_consent"),
        (hers["state"], hers["code"]),
    )
    sent = await scene.settled(lambda: _promotions(cast))
    scene.expect(
        "the campaign goes on for all others, once each",
        (sorted(CROWD), True),
        (sorted(one["to"] for one in sent), len(before) < len(sent)),
    )
    texts = await cast.arrived(ZEYNEP, 2)
    later = [one["text"] for one in texts[1:]]
    for text in later:
        scene.say(f"  SMS to Zeynep: {text}")
    scene.expect(
        "after her refusal she gets its answer alone, once, without promotion (D10)",
        [_REFUSED.format(brand=_SENDER["trade_name"])],
        later,
    )
    scene.expect("and no carrier ever had a promotion to her", [], _promoting(texts))
    stands = await cast.brand.get("/customers/zeynep/consents/sms")
    scene.expect(
        "and the ledger says that she refused",
        (False, "refused"),
        (stands["allowed"], stands["state"]),
    )
    return (await cast.records("zeynep"))[-1]


async def _at_the_registry(cast: _Operator, refusal: Json) -> None:
    scene = cast.scene
    given = datetime.fromisoformat(refusal["given_at"])
    account = Account(brand_id="", iys_code=IYS_CODE, brand_code=BRAND_CODE)
    _, due = registry_clock().due(given, account)
    scene.say("İYS takes nothing for a while; a report says until when it has to know.")
    said = await _tellal(cast, "report", "registry", "--brand", OPERATOR)
    for line in said.splitlines()[:2]:
        scene.say(f"  {line}")
    found = _NEXT_DUE.search(said)
    scene.expect(
        "her refusal waits, and is due with the third business day",
        (True, f"{due.astimezone(REGISTRY_TIME):%Y-%m-%d %H:%M}"),
        (" 0 late, 0 refused" in said, found[1] if found else said),
    )
    await cast.carrier.behave()

    async def stands() -> Json:
        return (await cast.carrier.registry(BRAND_CODE)).get(ZEYNEP, {})

    told = await scene.until(stands, lambda one: one.get("status") == "RET")
    in_time = datetime.now(UTC) < due
    scene.expect(
        "İYS has her refusal in time, with its source and moment",
        ("RET", "HS_MESAJ", _told(refusal), True),
        (*(told.get(name) for name in ("status", "source", "consentDate")), in_time),
    )


async def _tellal(cast: _Operator, *words: str) -> str:
    """Run a command as an operator does, and return what it wrote."""
    settings = {"TELLAL_DATABASE_URL": cast.scene.stage.database_url}
    with tempfile.TemporaryDirectory() as folder:
        said = await Terminal(folder=Path(folder), settings=settings).run(*words)
    cast.scene.expect(f"`tellal {' '.join(words[:2])}` ends well", 0, said.code)
    return said.words.strip()


async def _to_zeynep(cast: _Operator) -> Json:
    (found,) = [one for one in await cast.brand.messages("zeynep") if one["topic"] == CAMPAIGN]
    return found


async def _promotions(cast: _Operator) -> list[Json]:
    crowd = set(CROWD)
    book = await cast.carrier.book(limit=100_000)
    return [one for one in _promoting(book) if one["to"] in crowd]


def _promoting(texts: Sequence[Json]) -> list[Json]:
    return [one for one in texts if one["text"].startswith("Kampanya:")]


def _confirmed(texts: Sequence[Json], record: Json, how: str) -> tuple[bool, ...]:
    """Say of texts whether they confirm a record, say how to refuse, and came in time."""
    until = datetime.fromisoformat(record["confirm_by"])
    return tuple(
        check
        for text in texts
        for check in (
            text["text"].startswith("Ticari ileti onayınız"),
            how in text["text"],
            datetime.fromisoformat(text["at"]) <= until,
        )
    )


def _told(record: Json) -> str:
    """Write when a record was given as İYS is told it."""
    return written(in_registry_time(datetime.fromisoformat(record["given_at"])))
