"""A payment switch fails: suspected, confirmed, told in time, updated, and over in mid-send.

A hundred thousand customers, nine thousand of them in the two provinces that are hit. What happened
is asked of the ledger, of the carriers' books and of the public channels, which have to agree.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx

from tellal.persistence.session import make_engine, make_sessions
from tellal.stories import app_outage, populace
from tellal.stories.cast import BANK, Ensemble
from tellal.stories.client import Caller, Carrier, Json, Mailbox
from tellal.stories.populace import PROVINCES, Populace
from tellal.stories.public_eye import CHANNELS, NOTHING, PublicEye, says
from tellal.stories.records import Ledger, Taken, Told, taken
from tellal.stories.scene import Scene

INCIDENT = "card_payments_down"
_TELLS = ("notice", "update")
_ENOUGH_TOLD = 600
"""How many have been told of a round when something happens in the middle of it."""
_ABOUT_OUTAGES = ("outage_notice", "outage_update", "outage_over")
_DEAD_PHONES = (100, 401, 1_500)
"""Customers of the two provinces whose apps are gone: the first two have an e-mail address."""
_LEFT, _LEFT_LATER = timedelta(minutes=12), timedelta(minutes=20)
_SINCE = timedelta(minutes=115)
_LATEST_CALL = timedelta(seconds=1)
_PATIENCE_S = 90.0
_REACHED = frozenset({"accepted", "sent", "delivered", "unknown"})


@dataclass(kw_only=True)
class Switch:
    """The story's cast, and the outage that it is about."""

    scene: Scene
    bank: Caller
    carrier: Carrier
    mailbox: Mailbox
    eye: PublicEye
    ledger: Ledger
    people: Populace
    outage_id: str = ""

    @property
    def path(self) -> str:
        """Where the API has the outage."""
        return f"/outages/{self.outage_id}"

    async def left(self) -> int:
        """Count whatever anybody was sent."""
        return await self.carrier.count() + await self.mailbox.count()

    async def expect_public(self, stage: str, said: str, **other: str) -> None:
        """Expect all public channels to say the same, but for those that say something `other`."""
        wanted = {channel: other.get(channel, said) for channel in CHANNELS}
        seen = await self.scene.until(
            lambda: self.eye.sees(self.outage_id), lambda now: now == wanted
        )
        self.scene.expect(f"{stage}: page, JSON, feed, banner and CAP agree", wanted, seen)


async def play(scene: Scene, ensemble: Ensemble) -> None:
    """Play the outage's story."""
    stage = scene.stage
    scene.say(f"{populace.SIZE} customers of a bank, in the places where they live.")
    people = await _settle(stage.database_url)
    async with (
        Caller(stage.api_url, ensemble.keys[BANK]) as bank,
        Carrier(stage.carrier_url) as carrier,
        Mailbox(stage.mailbox_url) as mailbox,
        PublicEye(stage.api_url, BANK) as eye,
        Ledger(stage.database_url) as ledger,
    ):
        cast = Switch(
            scene=scene,
            bank=bank,
            carrier=carrier,
            mailbox=mailbox,
            eye=eye,
            ledger=ledger,
            people=people,
        )
        await _suspected(cast)
        ends = await _looked_into(cast)
        await _planned(cast)
        await _confirmed(cast, ends)
        await _updated(cast)
        await _resolved_in_mid_send(cast)
        await _looked_back(cast)
        await app_outage.play(scene, bank, ledger)


async def _settle(database_url: str) -> Populace:
    engine = make_engine(database_url, pool=1)
    async with make_sessions(engine)() as tx, tx.begin():
        people = await populace.settle(tx, BANK, datetime.now(UTC))
    await engine.dispose()
    return people


async def _suspected(cast: Switch) -> None:
    scene, before = cast.scene, await cast.left()
    signals = [await _signal(cast, n) for n in range(10)]
    last = signals[-1]
    scene.say(f"{last['so_far']} people in {PROVINCES[0]} say that their cards are declined.")
    scene.expect(
        "the last of them makes a suspicion by itself (B15)",
        [False] * 9 + [True],
        [one["suspects"] for one in signals],
    )
    cast.outage_id = last["outage_id"]
    outage = await cast.bank.get(cast.path)
    scene.expect("it is suspected, no more", "suspected", outage["state"])
    scene.expect(
        "and the clock runs since the first signal (B17)",
        True,
        outage["first_signal_at"] is not None and outage["seconds_since_first_signal"] >= 0,
    )
    await cast.expect_public("before anybody has looked", NOTHING)
    await cast.bank.write(f"{cast.path}/show", {}, times=2)
    scene.say("A person releases the holding line for the status page.")
    await cast.expect_public("the holding line", says("investigating"), cap=NOTHING)
    scene.expect(
        "while it is suspected nobody is told (B16)", before, await scene.settled(cast.left, 1.0)
    )


async def _signal(cast: Switch, n: int) -> Json:
    return await cast.bank.write(
        "/outages/signals",
        {
            "incident": INCIDENT,
            "source": "social",
            "reference": f"post-{n}",
            "area": {"province": PROVINCES[0]},
        },
    )


async def _looked_into(cast: Switch) -> datetime:
    """Have the operator find out what it is; return when it is expected to end."""
    scene, now = cast.scene, datetime.now(UTC).replace(second=0, microsecond=0)
    ends = now + _LEFT
    scene.say(f"It is the payment switch, and {PROVINCES[1]} hangs on it, too.")
    await cast.bank.write(
        f"{cast.path}/update",
        {
            "title": "Payment switch failure",
            "areas": [{"province": province} for province in PROVINCES],
            "starts_at": (now - _SINCE).isoformat(),
            "expected_end": ends.isoformat(),
            "reason": "A payment switch has failed",
        },
    )
    early = await cast.bank.attempt(f"{cast.path}/confirm", {})
    scene.expect(
        "confirming is refused while nobody says what people can do (B12)",
        (httpx.codes.UNPROCESSABLE_ENTITY, "workaround"),
        (early.status_code, early.json()["errors"][0]["field"]),
    )
    await cast.bank.write(f"{cast.path}/update", {"workaround": "Havale ve EFT çalışıyor"})
    return ends


async def _planned(cast: Switch) -> None:
    scene = cast.scene
    plan = (await cast.bank.write(f"{cast.path}/plan", {}))["plan"]
    affected = await cast.ledger.living_in(cast.outage_id, PROVINCES)
    scene.expect("the plan knows how many are affected", len(affected), plan["affected"])
    channels = {one["channel"]: one for one in plan["channels"]}
    for name in ("sms", "push", "email"):
        scene.say(f"  {name} to {channels[name]['chosen']}: {channels[name]['why']}")
    sms = channels["sms"]
    scene.expect(
        "SMS for all would come too late, so it goes to the shops only (B02, B03)",
        ("priority", "only_priority_in_time"),
        (sms["chosen"], sms["code"]),
    )
    scene.expect(
        "its time is people by segments by rate: T = N·s/R",
        round(sms["audience"] * sms["segments"] / sms["rate"], 1),
        sms["takes_s"],
    )
    scene.expect(
        "push and e-mail are in time for everybody",
        [("everybody", "in_time")] * 2,
        [(channels[name]["chosen"], channels[name]["code"]) for name in ("push", "email")],
    )
    scene.expect(
        "the shops are told first",
        [["priority", "email", "push", "sms"], ["everybody", "email", "push"]],
        [[part["name"], *sorted(part["channels"])] for part in plan["parts"]],
    )
    scene.expect("one person's word is enough for so few", False, plan["needs_approval"])


async def _confirmed(cast: Switch, ends: datetime) -> None:
    scene = cast.scene
    for number in _DEAD_PHONES:
        (token,) = populace.those([number])
        await cast.carrier.fault(match={"token": token}, fault="error", code="UNREGISTERED")
    await cast.bank.write(f"{cast.path}/confirm", {}, times=2)
    scene.say("Confirmed.")
    await scene.moment("confirmed")
    await _until_told(cast, "notice")
    await scene.moment("telling")
    await cast.expect_public("confirmed", says("identified", ends))


async def _until_told(cast: Switch, kind: str) -> None:
    await cast.scene.until(
        lambda: cast.ledger.handed(cast.outage_id, kind),
        lambda handed: handed >= _ENOUGH_TOLD,
        _PATIENCE_S,
    )


async def _updated(cast: Switch) -> None:
    scene = cast.scene
    ends = datetime.now(UTC).replace(second=0, microsecond=0) + _LEFT_LATER
    view = await cast.bank.write(f"{cast.path}/update", {"expected_end": ends.isoformat()}, times=2)
    scene.say("It takes longer: those affected hear of it, and of nothing older any more.")
    scene.expect(
        "an update that matters begins a round and ends the one before",
        [("notice", "stopped"), ("update", "deciding")],
        [(one["kind"], one["state"]) for one in view["rounds"]],
    )
    idle = await cast.bank.attempt(f"{cast.path}/update", {"expected_end": ends.isoformat()})
    scene.expect(
        "to say the same again is refused (B13)",
        (httpx.codes.CONFLICT, "nothing_new"),
        (idle.status_code, idle.json().get("code")),
    )
    await cast.expect_public("updated", says("identified", ends))
    await _until_told(cast, "update")


async def _resolved_in_mid_send(cast: Switch) -> None:
    scene = cast.scene
    refusers = await _refuse(cast)
    view = await cast.bank.write(f"{cast.path}/resolve", {}, times=2)
    stopped = datetime.now(UTC)
    intents = await cast.ledger.intents(cast.outage_id, _TELLS)
    handed = await cast.ledger.handed(cast.outage_id, "update")
    in_flight = view["in_flight_at_stop"]
    scene.say(f"Resolved: {handed} had the update, {in_flight} are in a provider's hands.")
    await cast.expect_public("resolved", says("resolved"), banner=NOTHING)
    rounds = await scene.until(lambda: _rounds(cast), _all_closed, _PATIENCE_S)
    after = await cast.ledger.intents(cast.outage_id, _TELLS)
    scene.expect(
        "no intent was committed after the stop was acknowledged",
        (intents.number, True),
        (after.number, after.last is not None and after.last <= stopped),
    )
    messages = {one.id: one for one in await cast.ledger.messages(cast.outage_id)}
    book = [one for one in await taken(cast.carrier, cast.mailbox) if one.id in messages]
    scene.expect(
        "and the books show no call begun later than a second after it",
        [],
        _calls(book, messages, since=stopped + _LATEST_CALL),
    )
    await _nobody_twice(cast, book, messages)
    await _all_clear(cast, book, messages, refusers)
    await _add_up(cast, rounds)


async def _refuse(cast: Switch) -> dict[str, str]:
    """Have some who were told refuse the channel; return what the ledger should say of each."""
    told = await cast.ledger.outcomes(cast.outage_id, "update")
    channels: dict[str, set[str]] = {}
    for one in await cast.ledger.messages(cast.outage_id):
        channels.setdefault(one.customer_id, set()).add(one.channel)
    ways = [("push", "topic_off"), ("push", "topic_off"), ("email", "topic_off")]
    ways.append(("email", "blocked"))
    refusers: dict[str, str] = {}
    for customer_id, (state, _) in sorted(told.items()):
        mine = channels[customer_id] if state == "told" else set()
        way = next((one for one in ways if mine == {one[0]}), None)
        if way is not None:
            ways.remove(way)
            refusers[customer_id] = way[1]
            await _say_no(cast, cast.people.ref(customer_id), way[1])
    cast.scene.say(f"{len(refusers)} of those who were told want to hear no more of it.")
    return refusers


async def _say_no(cast: Switch, ref: str, how: str) -> None:
    if how == "topic_off":
        off = {"topics_off": list(_ABOUT_OUTAGES)}
        await cast.bank.write(f"/customers/{ref}/preferences", off, method="PATCH")
        return
    block = {"channel": "email", "address": f"{ref}@example.com", "origin": "customer"}
    await cast.bank.write("/blocks", {**block, "reason": "He wants no mails"})


async def _rounds(cast: Switch) -> dict[str, Json]:
    view = await cast.bank.get(cast.path)
    return {one["kind"]: one for one in view["rounds"]}


def _all_closed(rounds: dict[str, Json]) -> bool:
    clear = rounds["all_clear"]
    return clear["state"] == "decided" and not any(one["counts"]["open"] for one in rounds.values())


def _calls(book: Iterable[Taken], messages: dict[str, Told], *, since: datetime) -> list[str]:
    return sorted(
        f"{one.channel} {one.at.isoformat()}"
        for one in book
        if one.at > since and messages[one.id].kind in _TELLS
    )


async def _nobody_twice(cast: Switch, book: list[Taken], messages: dict[str, Told]) -> None:
    scene = cast.scene
    heard = Counter((messages[one.id].kind, messages[one.id].customer_id) for one in book)
    scene.expect(
        "nobody was told twice in one round", [], [one for one in heard.items() if one[1] > 1]
    )
    affected = await cast.ledger.living_in(cast.outage_id, PROVINCES)
    scene.expect(
        "only people of the two provinces were told (B11)",
        set(),
        {customer_id for _, customer_id in heard} - affected,
    )
    by_channel = Counter(one.channel for one in book if messages[one.id].kind in _TELLS)
    scene.say(f"  they heard by {dict(sorted(by_channel.items()))}")
    scene.expect(
        "by push, by e-mail, and the shops by SMS", {"email", "push", "sms"}, set(by_channel)
    )


async def _all_clear(
    cast: Switch, book: list[Taken], messages: dict[str, Told], refusers: dict[str, str]
) -> None:
    """Compare who heard that it is over with who had heard of it, and list every difference."""
    scene = cast.scene
    reached = {
        (one.customer_id, one.channel)
        for one in messages.values()
        if one.kind in _TELLS and one.state in _REACHED
    }
    clear = {(one.customer_id, one.channel) for one in messages.values() if one.kind == "all_clear"}
    outcomes = await cast.ledger.outcomes(cast.outage_id, "all_clear")
    told = {customer_id for customer_id, _ in reached}
    cleared = {customer_id for customer_id, _ in clear}
    scene.say(f"  {len(told)} had heard of it, {len(cleared)} hear that it is over")
    missing = {customer_id: outcomes[customer_id][1] for customer_id in told - cleared}
    for customer_id, reason in sorted(missing.items()):
        scene.say(f"    {cast.people.ref(customer_id)} does not: {reason}")
    scene.expect(
        "who was told gets the all-clear, but for those who have refused since", refusers, missing
    )
    # Of what was in doubt when it ended, and turned out not to be at the provider, they heard, too.
    doubted = {
        (one.customer_id, one.channel)
        for one in messages.values()
        if one.kind in _TELLS and one.tried and one.state == "cancelled"
    }
    maybe = reached | doubted
    scene.expect("nobody else gets it", set(), cleared - {customer_id for customer_id, _ in maybe})
    scene.expect("and everybody over a channel by which he was told", set(), clear - maybe)
    dead = {
        one.customer_id
        for one in messages.values()
        if one.kind in _TELLS and one.channel == "push" and one.state == "failed"
    }
    scene.expect("nobody gets it on a phone that rejected the notice", set(), {
        customer_id for customer_id, channel in clear if channel == "push"
    } & dead)  # fmt: skip
    unsure = {one.id for one in messages.values() if one.state == "unknown"}
    books = {one.id for one in book}
    handed = {one.id for one in messages.values() if one.state in _REACHED}
    scene.say(f"  {len(unsure)} of {len(handed)} messages are known to nobody for sure")
    scene.expect(
        "the ledger and the books know of the same messages", set(), (handed ^ books) - unsure
    )


async def _add_up(cast: Switch, rounds: dict[str, Json]) -> None:
    scene = cast.scene
    totals = await cast.ledger.totals(cast.outage_id)
    for kind, one in rounds.items():
        counts = one["counts"]
        scene.say(f"  {kind}: { {state: n for state, n in counts.items() if n} }")
        by_state = {state: n for state, n in counts.items() if state != "audience" and n}
        scene.expect(f"{kind}: the audience is the sum of all outcomes", True, (
            counts["audience"] == sum(by_state.values()) and by_state == totals[kind]
        ))  # fmt: skip
        scene.expect(f"{kind}: no outcome is left open", 0, counts["open"])
    spared = {kind: rounds[kind]["counts"]["cancelled"] > 0 for kind in _TELLS}
    scene.expect(
        "the update and the end spared people what was out of date",
        dict.fromkeys(_TELLS, True),
        spared,
    )


async def _looked_back(cast: Switch) -> None:
    """Write down what was learnt, and read how fast it was told."""
    scene = cast.scene
    learnt = {"what_happened": "A card of the switch died", "what_changes": "A spare is racked"}
    await cast.bank.write(f"{cast.path}/review", learnt)
    now = datetime.now(UTC)
    period = {"from": (now - _SINCE).isoformat(), "until": (now + _SINCE).isoformat()}
    report = await cast.bank.get("/reports/outages", **period)
    mine = next(one for one in report["outages"] if one["id"] == cast.outage_id)
    names = ("signal_to_public_s", "signal_to_confirmed_s", "confirmed_to_first_notice_s")
    seconds = {name: mine[name] for name in names}
    scene.say(f"  the report says: {seconds}")
    scene.expect(
        "the report knows how fast people heard, and that it was reviewed (B13, B14)",
        ([], False),
        ([name for name in names if seconds[name] is None], mine["review_missing"]),
    )
