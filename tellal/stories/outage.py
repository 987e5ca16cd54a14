"""An outage in its first form: those affected are told, until it is over, and not longer."""

import asyncio
from dataclasses import dataclass

from tellal.stories.cast import DISTRIBUTOR, Ensemble
from tellal.stories.client import Caller, Carrier, Json
from tellal.stories.scene import Scene

_CUSTOMERS = 2_000
_AT_ONCE = 16
_BEFORE_THE_END = 150
DISTRICTS = ("tepebasi", "odunpazari")
TOPIC = "outage_notice"
_PREFIX = "+90535"


@dataclass(frozen=True, kw_only=True)
class _Outage:
    scene: Scene
    utility: Caller
    carrier: Carrier

    async def told(self) -> list[str]:
        book = await self.carrier.book(channel="sms", limit=100_000)
        return [entry["to"] for entry in book if entry["to"].startswith(_PREFIX)]


async def play(scene: Scene, ensemble: Ensemble) -> None:
    """Play the outage's story."""
    stage = scene.stage
    async with (
        Caller(stage.api_url, ensemble.keys[DISTRIBUTOR]) as utility,
        Carrier(stage.carrier_url) as carrier,
    ):
        cast = _Outage(scene=scene, utility=utility, carrier=carrier)
        scene.say(f"{_CUSTOMERS} customers in two districts.")
        await _populate(cast)
        outage = await _declare(cast)
        await _resolve_in_the_middle(cast, outage)


async def _populate(cast: _Outage) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def put(n: int) -> None:
        async with gate:
            await cast.utility.customer(
                f"subscriber-{n}",
                contacts={"sms": _number(n)},
                attributes={"district": DISTRICTS[n % 2]},
            )

    await asyncio.gather(*(put(n) for n in range(_CUSTOMERS)))


async def _declare(cast: _Outage) -> Json:
    scene = cast.scene
    outage = await cast.utility.write(
        "/outages",
        {
            "title": "Transformer failure",
            "topic": TOPIC,
            "segment": {"customer.district": DISTRICTS[0]},
            "variables": {
                "area": "Tepebaşı",
                "expected_end": "18:30",
                "workaround": "Acil durumda 186'yı arayın.",
                "hotline": "186",
            },
        },
    )
    quiet = await scene.settled(cast.told)
    scene.expect("while it is suspected nobody is told", 0, len(quiet))
    return outage


async def _resolve_in_the_middle(cast: _Outage, outage: Json) -> None:
    scene = cast.scene
    path = f"/outages/{outage['id']}"
    await cast.utility.write(f"{path}/confirm", {}, times=2)
    scene.say("  confirmed")
    await scene.moment("confirmed")
    await scene.until(cast.told, lambda told: len(told) >= _BEFORE_THE_END)
    await scene.moment("telling")
    answer = await cast.utility.write(f"{path}/resolve", {}, times=2)
    at_the_stop = len(await cast.told())
    in_flight = int(answer["in_flight_at_stop"])
    scene.say(f"  resolved with {at_the_stop} told and {in_flight} in a provider's hands")
    told = await scene.settled(cast.told, quiet_s=3)
    scene.expect(
        "after the stop only what was in flight still left",
        True,
        len(told) <= at_the_stop + in_flight,
    )
    affected = {_number(n) for n in range(0, _CUSTOMERS, 2)}
    scene.expect("only the affected district was told (B11)", set(), set(told) - affected)
    scene.expect("nobody was told twice", len(set(told)), len(told))
    await _adds_up(cast, path, len(told))


async def _adds_up(cast: _Outage, path: str, told: int) -> None:
    scene = cast.scene

    async def look() -> Json:
        counts: Json = (await cast.utility.get(path))["counts"]
        return counts

    counts = await scene.until(look, lambda now: now["open"] == 0)
    scene.say(f"  the ledger: {counts}")
    scene.expect("no outcome is left open", 0, counts["open"])
    scene.expect(
        "audience is the sum of all outcomes",
        counts["audience"],
        sum(number for state, number in counts.items() if state != "audience"),
    )
    scene.expect("who is told in the ledger was told by the carrier", told, counts["told"])
    scene.expect("the stop spared somebody", True, counts["cancelled"] > 0)


def _number(n: int) -> str:
    return f"{_PREFIX}{n:07d}"
