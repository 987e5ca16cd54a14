"""The app's own back-end fails in a small town: nobody is told in the app that the app is down."""

from datetime import UTC, datetime, timedelta

from tellal.stories.client import Caller, Json
from tellal.stories.populace import TOWN
from tellal.stories.records import Ledger
from tellal.stories.scene import Scene

_LASTS = timedelta(hours=3)
_OWNER = 9
"""The number of a customer in the town whose phone has the app, and a number for texts."""


async def play(scene: Scene, bank: Caller, ledger: Ledger) -> None:
    """Play the second, small outage."""
    scene.say(f"The app's back-end fails for those in {TOWN}.")
    now = datetime.now(UTC)
    outage = await bank.write(
        "/outages",
        {
            "incident": "mobile_banking_down",
            "title": "The app does not work",
            "areas": [{"province": TOWN}],
            "expected_end": (now + _LASTS).isoformat(),
            "workaround": "İnternet bankacılığı çalışıyor",
        },
    )
    path = f"/outages/{outage['id']}"
    plan = {one["channel"]: one["chosen"] for one in outage["plan"]["channels"]}
    scene.expect("push is not in the plan", "nobody", plan["push"])
    await bank.write(f"{path}/confirm", {})
    await _warned(scene, bank)

    async def look() -> Json:
        first: Json = (await bank.get(path))["rounds"][0]
        return first

    notice = await scene.until(look, lambda one: one["state"] == "decided" and _closed(one))
    await bank.write(f"{path}/resolve", {})
    messages = await ledger.messages(outage["id"])
    scene.expect("its app push is not used (B18)", {"email"}, {one.channel for one in messages})
    scene.expect("and everybody in the town is accounted for", True, (
        notice["counts"]["audience"] == len(await ledger.living_in(outage["id"], [TOWN]))
    ))  # fmt: skip


async def _warned(scene: Scene, bank: Caller) -> None:
    """Have somebody with the app log in meanwhile: what he must know goes another way."""
    ref = f"holder-{_OWNER}"
    await bank.event(ref, "login", method="sms_otp", surface="web", can_show_banner=False)

    async def look() -> list[str]:
        return [
            m["channel"] for m in await bank.messages(ref) if m["topic"] == "phishing_awareness"
        ]

    channels = await scene.until(look, bool)
    scene.expect("nor by any other message meanwhile", ["sms"], channels)


def _closed(one: Json) -> bool:
    return bool(one["counts"]["audience"]) and not one["counts"]["open"]
