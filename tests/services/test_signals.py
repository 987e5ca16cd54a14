"""Signals: enough of the same make one suspicion; an answer opens an outage again for one."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, InvalidInputError
from tellal.domain.outages import OutageCommand, OutageState
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.outages import OutageSignalRow, WebhookCallRow
from tellal.services.house import House
from tellal.services.outage_sayings import Change
from tellal.services.outage_views import OutageView
from tellal.services.replies import Replies
from tellal.services.signals import Signal, SignalView
from tellal.services.webhooks import add_webhook
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock
from tests.support.outages import (
    IN_TEPEBASI,
    confirmed,
    decided,
    declared,
    handed_over,
    messages_of,
    resolved,
    seen,
)

_signals = table(OutageSignalRow)
_calls = table(WebhookCallRow)

NEEDED = 5
WITHIN = timedelta(minutes=10)
"""As the kind `power_failure` says."""
HERE = {"province": "eskisehir", "district": "tepebasi"}
DISTRICT = {"district": "tepebasi"}
THERE = {"province": "eskisehir", "district": "odunpazari"}
PEOPLE = 6


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx, "porsuk-edas")
        for n in range(PEOPLE):
            contacts = {Channel.SMS: number(n)}
            await a_customer(tx, brand, f"in-{n}", contacts=contacts, facts=IN_TEPEBASI)
        return brand


def number(n: int) -> str:
    return f"+90535000000{n}"


async def signal(house: House, brand: Brand, **said: Any) -> SignalView:  # noqa: ANN401
    values: dict[str, Any] = {"incident": "power_failure", "source": "social", "area": HERE}
    async with house.sessions() as tx, tx.begin():
        return await house.signals.take(tx, brand, Signal(**{**values, **said}), "crm")


async def many(
    house: House,
    brand: Brand,
    times: int,
    **said: Any,  # noqa: ANN401
) -> list[SignalView]:
    return [await signal(house, brand, **said) for _ in range(times)]


async def running(house: House, brand: Brand) -> Sequence[OutageView]:
    async with house.sessions() as tx:
        return await house.outages.page(tx, brand.id, running=True)


# ---------------------------------------------------------------- suspicions


@pytest.mark.req("B15", "blocks")
@pytest.mark.req("B15", "allows")
@pytest.mark.req("B16", "blocks")
async def test_enough_signals_of_one_place_make_a_suspicion_and_tell_nobody(
    house: House, brand: Brand, clock: SetClock
) -> None:
    first = clock.now()
    few = []
    for place in (HERE, DISTRICT, {**HERE, "feeder": "F1"}, HERE):
        few.append(await signal(house, brand, area=place))
        clock.pass_by(timedelta(minutes=2))
    nothing_yet = await running(house, brand)

    enough = await signal(house, brand)

    [outage] = await running(house, brand)
    assert [(one.so_far, one.suspects, one.outage_id) for one in few] == [
        (n, False, None) for n in range(1, NEEDED)
    ]
    assert nothing_yet == ()
    assert (enough.suspects, enough.so_far, enough.needed) == (True, NEEDED, NEEDED)
    assert (outage.id, outage.state) == (enough.outage_id, "suspected")
    assert (outage.first_signal_at, outage.areas) == (first, (DISTRICT,))
    assert outage.seconds_since_first_signal == timedelta(minutes=8).total_seconds()
    await decided(house, outage)
    assert (await seen(house, brand, outage)).rounds == ()
    async with house.sessions() as tx:
        [declared_by] = [e.by for e in await house.outages.history(tx, brand.id, outage.id)]
    assert declared_by == f"{NEEDED} signals (crm)"


@pytest.mark.req("B15", "blocks")
async def test_the_window_ends(house: House, brand: Brand, clock: SetClock) -> None:
    await many(house, brand, NEEDED - 1)
    clock.pass_by(WITHIN + timedelta(seconds=1))

    late = await signal(house, brand)
    old = await signal(house, brand, at=clock.now() - timedelta(days=1))

    assert (late.so_far, late.suspects) == (1, False)
    assert (old.so_far, old.suspects) == (1, False)


@pytest.mark.req("B15", "blocks")
async def test_who_says_it_came_in_the_future_is_not_believed(
    house: House, brand: Brand, clock: SetClock
) -> None:
    await signal(house, brand, at=clock.now() + timedelta(days=1))

    async with house.sessions() as tx:
        [at] = (await tx.execute(select(_signals.c.at))).scalars()
    assert at == clock.now()


@pytest.mark.req("B15", "blocks")
@pytest.mark.req("B15", "allows")
@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"area": THERE}, id="another place"),
        pytest.param({"incident": "internet_down"}, id="another kind"),
        pytest.param({"reference": "tweet-1"}, id="the same reference"),
        pytest.param({"customer": "in-0"}, id="the same customer"),
        pytest.param({"simulated": True}, id="a rehearsal"),
    ],
)
async def test_what_does_not_say_the_same_once_more_does_not_count(
    house: House, brand: Brand, other: dict[str, object]
) -> None:
    await many(house, brand, NEEDED - 2)
    alike = {"reference", "customer"} & set(other)
    if alike:
        await signal(house, brand, **other)
    else:
        await signal(house, brand)

    found = await many(house, brand, 3, **other)

    assert not any(one.suspects for one in found)
    assert await running(house, brand) == ()
    assert (await signal(house, brand)).suspects


@pytest.mark.req("B15", "blocks")
async def test_another_brands_signals_do_not_count(house: House, brand: Brand) -> None:
    async with house.sessions() as tx, tx.begin():
        other = await a_brand(tx, "another")
    await many(house, other, NEEDED - 1)

    assert (await signal(house, brand)).so_far == 1


@pytest.mark.req("B15", "blocks")
@pytest.mark.req("B15", "allows")
async def test_signals_without_a_place_do_not_tie_places_together(
    house: House, brand: Brand
) -> None:
    await many(house, brand, 2, area=HERE)
    await many(house, brand, 2, area=THERE)

    nowhere = await signal(house, brand, area={})
    still = await signal(house, brand, area=THERE)
    enough = await signal(house, brand, area=THERE)

    assert (nowhere.so_far, nowhere.suspects) == (3, False)
    assert (still.so_far, still.suspects) == (4, False)
    assert enough.suspects
    [outage] = await running(house, brand)
    assert outage.areas == (THERE,)


@pytest.mark.req("B15", "allows")
async def test_without_any_place_it_is_suspected_everywhere(house: House, brand: Brand) -> None:
    found = await many(house, brand, NEEDED, area={})

    assert found[-1].suspects
    assert (await running(house, brand))[0].areas == ()


@pytest.mark.req("B15", "blocks")
@pytest.mark.req("B15", "allows")
async def test_later_signals_belong_to_what_runs(
    house: House, brand: Brand, clock: SetClock
) -> None:
    now = clock.now()
    await many(house, brand, NEEDED)
    [outage] = await running(house, brand)

    later = await signal(house, brand, area={"district": "tepebasi"})
    earlier = await signal(house, brand, at=now - timedelta(minutes=3))
    elsewhere = await signal(house, brand, area=THERE)

    assert {later.outage_id, earlier.outage_id} == {outage.id}
    assert (later.so_far, earlier.so_far) == (NEEDED + 1, NEEDED + 2)
    assert elsewhere.outage_id is None
    assert {one.suspects for one in (later, earlier, elsewhere)} == {False}
    assert (await seen(house, brand, outage)).first_signal_at == now - timedelta(minutes=3)


@pytest.mark.req("B15", "blocks")
async def test_what_was_said_long_before_does_not_make_an_outage_older(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await confirmed(
        house, brand, incident="power_failure", segment={}, areas=[{"district": "tepebasi"}]
    )

    old = await signal(house, brand, at=clock.now() - timedelta(hours=13))

    assert old.outage_id is None
    assert (await seen(house, brand, outage)).first_signal_at is None


@pytest.mark.req("B15", "blocks")
@pytest.mark.req("B15", "allows")
async def test_signals_that_come_at_the_same_time_make_one_suspicion(
    house: House, brand: Brand
) -> None:
    await many(house, brand, NEEDED - 1)

    found = await asyncio.gather(*(signal(house, brand) for _ in range(4)))

    [outage] = await running(house, brand)
    assert sum(one.suspects for one in found) == 1
    assert {one.outage_id for one in found} == {outage.id}


@pytest.mark.req("B15", "blocks")
@pytest.mark.req("B15", "allows")
async def test_a_rehearsal_has_suspicions_of_its_own(house: House, brand: Brand) -> None:
    await many(house, brand, NEEDED, simulated=True)
    [rehearsed] = await running(house, brand)

    earnest = await signal(house, brand)

    assert rehearsed.simulated
    assert (earnest.outage_id, earnest.so_far) == (None, 1)


@pytest.mark.req("B15", "blocks")
@pytest.mark.req("B15", "allows")
async def test_after_it_was_dismissed_it_takes_as_many_again(house: House, brand: Brand) -> None:
    await many(house, brand, 2, customer="in-0")
    await many(house, brand, NEEDED - 1)
    [outage] = await running(house, brand)
    async with house.sessions() as tx, tx.begin():
        await house.outages.end(
            tx, brand=brand, outage_id=outage.id, command=OutageCommand.DISMISS, by="ada"
        )

    again = await many(house, brand, NEEDED)

    assert [one.so_far for one in again] == list(range(1, NEEDED + 1))
    assert again[-1].suspects


@pytest.mark.parametrize(
    ("said", "field"),
    [
        pytest.param({"incident": "power_failur"}, "incident", id="kind"),
        pytest.param({"incident": "planned_power"}, "incident", id="planned"),
        pytest.param({"area": {"distrikt": "x"}}, "area", id="place"),
        pytest.param({"customer": "nobody"}, "customer", id="customer"),
    ],
)
async def test_what_there_is_not_is_refused(
    house: House, brand: Brand, said: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await signal(house, brand, **said)

    assert refused.value.field == field


async def test_a_kind_that_nobody_suspects_by_signals_only_counts_them(
    house: House, brand: Brand
) -> None:
    found = await many(house, brand, 30, incident="other_failure")

    assert not any(one.suspects for one in found)
    assert {one.needed for one in found} == {0}


# ---------------------------------------------------------------- still out


async def ended(
    house: House,
    brand: Brand,
    **said: Any,  # noqa: ANN401
) -> tuple[OutageView, list[Any]]:
    """End an outage of which all have read; return it with the all-clears that have left."""
    outage = await confirmed(house, brand, incident="power_failure", **said)
    await decided(house, outage)
    await handed_over(house, [one.id for one in await messages_of(house, outage, "notice")])
    await resolved(house, brand, outage)
    await decided(house, outage)
    clear = await messages_of(house, outage, "all_clear")
    assert len(clear) == PEOPLE
    await handed_over(house, [one.id for one in clear])
    return outage, clear


async def say(house: House, text: str, n: int = 0, reference: str = "") -> bool:
    replies = Replies(house.signals, house.clock)
    async with house.sessions() as tx, tx.begin():
        return await replies.take(
            tx, sender=number(n), text=text, reference=reference or f"SM-{n}-{text}"
        )


async def restored(house: House, brand: Brand, outage: OutageView, *refs: str) -> OutageView:
    async with house.sessions() as tx, tx.begin():
        done = await house.outages.restored(
            tx, brand=brand, outage_id=outage.id, refs=refs, by="ada"
        )
    await decided(house, outage)
    return done


async def still_out(house: House, brand: Brand, outage: OutageView, ref: str) -> None:
    async with house.sessions() as tx, tx.begin():
        await house.signals.customer_still_out(
            tx, brand, outage.id, customer=ref, source="hotline", reference="", by="crm"
        )


async def test_who_answers_that_he_is_still_without_is_counted_once(
    house: House, brand: Brand
) -> None:
    outage, _ = await ended(house, brand)

    heard = [await say(house, "yok"), await say(house, "yok"), await say(house, "Hala yok!")]

    assert heard == [True, True, True]
    assert (await seen(house, brand, outage)).still_out == 1
    async with house.sessions() as tx:
        commands = [one.command for one in await house.outages.history(tx, brand.id, outage.id)]
    assert commands.count("still_out") == 1


@pytest.mark.parametrize("text", ["Teşekkürler", "yok artık, harika", "", "STOP", "offf"])
async def test_other_answers_are_left_to_whom_they_are_for(
    house: House, brand: Brand, text: str
) -> None:
    outage, _ = await ended(house, brand)

    assert not await say(house, text)
    assert (await seen(house, brand, outage)).still_out == 0


async def test_strangers_and_who_was_never_told_of_an_end_change_nothing(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await confirmed(house, brand, incident="power_failure")
    await decided(house, outage)
    await handed_over(house, [one.id for one in await messages_of(house, outage, "notice")])

    before = await say(house, "YOK")
    await resolved(house, brand, outage)
    await decided(house, outage)
    not_told_yet = await say(house, "YOK")
    await handed_over(house, [m.id for m in await messages_of(house, outage, "all_clear")])
    stranger = await say(house, "YOK", 9)
    clock.pass_by(timedelta(hours=48, seconds=1))
    too_late = await say(house, "YOK")

    assert (before, not_told_yet, stranger, too_late) == (False, False, False, False)
    async with house.sessions() as tx:
        assert (await tx.execute(select(func.count()).select_from(_signals))).scalar_one() == 0


async def test_an_answer_after_it_was_opened_again_changes_nothing(
    house: House, brand: Brand
) -> None:
    outage, _ = await ended(house, brand)
    async with house.sessions() as tx, tx.begin():
        await house.outages.reopen(tx, brand=brand, outage_id=outage.id, change=Change(), by="ada")

    assert not await say(house, "YOK")


async def test_the_newest_end_is_what_an_answer_is_about(house: House, brand: Brand) -> None:
    old, _ = await ended(house, brand)
    new, _ = await ended(house, brand, title="Another", anyway=True)

    await say(house, "YOK")

    assert (await seen(house, brand, old)).still_out == 0
    assert (await seen(house, brand, new)).still_out == 1


async def test_who_is_restored_gets_the_all_clear_once_and_nobody_else(
    house: House, brand: Brand
) -> None:
    outage, clear = await ended(house, brand)
    for n in range(3):
        await say(house, "YOK", n)

    await restored(house, brand, outage, "in-0", "in-1", "in-5")
    with pytest.raises(ConflictError, match="nobody of these") as refused:
        await restored(house, brand, outage, "in-0", "in-5")
    first = await messages_of(house, outage, "all_clear")
    await restored(house, brand, outage)
    both = await messages_of(house, outage, "all_clear")

    known = {m.id for m in clear}
    by_ref = await customers(house, brand)
    assert refused.value.code == "nobody"
    assert {m.customer_id for m in first if m.id not in known} == {by_ref["in-0"], by_ref["in-1"]}
    assert len(first) == PEOPLE + 2
    assert {m.customer_id for m in both} - {m.customer_id for m in clear} == set()
    assert [m.customer_id for m in both if m.id not in {one.id for one in first}] == [
        by_ref["in-2"]
    ]


async def test_who_is_without_again_after_he_was_restored_is_heard_again(
    house: House, brand: Brand
) -> None:
    outage, _ = await ended(house, brand)
    await still_out(house, brand, outage, "in-0")
    await restored(house, brand, outage)

    await still_out(house, brand, outage, "in-0")
    await still_out(house, brand, outage, "in-0")

    again = await restored(house, brand, outage)
    assert again.state == "resolved"
    assert len(await messages_of(house, outage, "all_clear")) == PEOPLE + 2


@pytest.mark.req("B15", "blocks")
@pytest.mark.req("B15", "allows")
@pytest.mark.parametrize(
    "scope",
    [
        pytest.param({}, id="by a segment"),
        pytest.param(
            {"segment": {}, "areas": [{"district": "odunpazari"}, {"district": "tepebasi"}]},
            id="by places",
        ),
    ],
)
async def test_enough_who_are_still_without_make_one_suspicion_of_where_they_are(
    house: House, brand: Brand, clock: SetClock, scope: dict[str, object]
) -> None:
    outage, _ = await ended(house, brand, **scope)
    clock.pass_by(timedelta(minutes=1))
    first = clock.now()

    for n in range(NEEDED - 1):
        await say(house, "YOK", n)
    nothing_yet = await running(house, brand)
    for n in range(NEEDED - 1, PEOPLE):
        await say(house, "YOK", n)

    assert nothing_yet == ()
    [suspected] = await running(house, brand)
    assert (suspected.state, suspected.incident) == ("suspected", outage.incident)
    assert suspected.first_signal_at == first
    assert (suspected.segment, suspected.areas) in (
        (IN_TEPEBASI, ()),
        ({}, ({"district": "tepebasi"},)),
    )
    assert (await seen(house, brand, outage)).still_out == PEOPLE


async def test_nobody_is_still_without_while_it_runs(house: House, brand: Brand) -> None:
    outage = await declared(house, brand, incident="power_failure")

    with pytest.raises(ConflictError, match="not over"):
        await still_out(house, brand, outage, "in-0")
    with pytest.raises(ConflictError, match="not over"):
        await restored(house, brand, outage)


async def test_a_customer_whom_the_brand_does_not_have_is_refused(
    house: House, brand: Brand
) -> None:
    outage, _ = await ended(house, brand)

    with pytest.raises(InvalidInputError, match="no such customer"):
        await still_out(house, brand, outage, "somebody")


async def test_webhooks_hear_of_it_unless_it_is_rehearsed(house: House, brand: Brand) -> None:
    async with house.sessions() as tx, tx.begin():
        await add_webhook(
            tx,
            brand.id,
            url="https://ops.example/hook",
            means="",
            made_by="ada",
            now=house.clock.now(),
        )
    earnest, _ = await ended(house, brand)
    rehearsed, _ = await ended(house, brand, simulated=True)

    await still_out(house, brand, earnest, "in-0")
    await still_out(house, brand, rehearsed, "in-0")

    async with house.sessions() as tx:
        query = select(_calls.c.body).where(_calls.c.kind == "outage.still_out")
        assert list((await tx.execute(query)).scalars()) == [{"outage_id": earnest.id}]
    assert (await seen(house, brand, rehearsed)).state == OutageState.RESOLVED


async def customers(house: House, brand: Brand) -> dict[str, str]:
    rows = table(CustomerRow)
    async with house.sessions() as tx:
        found = await tx.execute(select(rows.c.ref, rows.c.id).where(rows.c.brand_id == brand.id))
        return {row.ref: row.id for row in found}


def test_the_window_of_power_failures_is_what_these_tests_take_it_for(house: House) -> None:
    suspicion = house.incidents.kinds["power_failure"].suspicion

    assert suspicion is not None
    assert (suspicion.signals, suspicion.within) == (NEEDED, WITHIN)
