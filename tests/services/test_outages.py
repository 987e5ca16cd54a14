"""Commands of operators: what they change, whom they have told, and what they refuse."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rules.incident_files import load_incidents
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import (
    ConflictError,
    DeniedError,
    InvalidInputError,
    RefusedTransitionError,
)
from tellal.domain.messages import MessageState
from tellal.domain.outages import OutageCommand, OutageState
from tellal.persistence.session import Sessions
from tellal.services.house import House
from tellal.services.outage_sayings import Change, Go, Review
from tellal.services.outage_views import OutageView
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock, a_house
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

AFFECTED = 7


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx, "porsuk-edas")
        for n in range(AFFECTED):
            await a_customer(
                tx,
                brand,
                f"in-{n}",
                contacts={Channel.SMS: f"+90535000000{n}"},
                facts=IN_TEPEBASI,
            )
        await a_customer(tx, brand, "out", facts={"customer.district": "odunpazari"})
        await a_customer(
            tx,
            brand,
            "mute",
            contacts={Channel.PUSH: "a-token"},
            facts={**IN_TEPEBASI, "customer.app.stolen": True},
        )
        return brand


async def change(
    house: House,
    brand: Brand,
    outage: OutageView,
    **said: Any,  # noqa: ANN401 - any part of it
) -> OutageView:
    async with house.sessions() as tx, tx.begin():
        return await house.outages.update(
            tx, brand=brand, outage_id=outage.id, change=Change(**said), by="ada"
        )


async def given(
    house: House,
    brand: Brand,
    outage: OutageView,
    **said: Any,  # noqa: ANN401 - any part of it
) -> OutageView:
    async with house.sessions() as tx, tx.begin():
        go = Go(**said)
        return await house.outages.confirm(
            tx, brand=brand, outage_id=outage.id, go=go, by=go.person or "ada"
        )


async def reopened(house: House, brand: Brand, outage: OutageView, said: Change) -> OutageView:
    async with house.sessions() as tx, tx.begin():
        return await house.outages.reopen(tx, brand=brand, outage_id=outage.id, change=said)


@pytest.mark.req("B16", "blocks")
async def test_nobody_is_decided_while_it_is_suspected(house: House, brand: Brand) -> None:
    outage = await declared(house, brand)

    await decided(house, outage)

    found = await seen(house, brand, outage)
    assert (found.counts["audience"], found.rounds) == (0, ())
    assert "confirm" in found.allowed


@pytest.mark.req("B16", "allows")
async def test_a_person_may_show_a_holding_line_of_a_suspicion(house: House, brand: Brand) -> None:
    outage = await declared(house, brand, incident="power_failure")
    async with house.sessions() as tx, tx.begin():
        shown = await house.outages.show(
            tx, brand=brand, outage_id=outage.id, text={"en": "We are looking."}, by="ada"
        )
        entry = (await house.outages.history(tx, brand.id, outage.id))[-1]

    assert shown.shown_at is not None
    assert (shown.state, shown.rounds) == ("suspected", ())
    assert entry.public["en"] == "We are looking."
    assert entry.public["tr"]


@pytest.mark.req("B11", "blocks")
@pytest.mark.req("B11", "allows")
@pytest.mark.req("D62")
@pytest.mark.req("B16", "allows")
async def test_only_the_segment_is_decided_and_the_ledger_adds_up(
    house: House, brand: Brand
) -> None:
    outage = await confirmed(house, brand)

    await decided(house, outage)
    await decided(house, outage)

    counts = (await seen(house, brand, outage)).counts
    assert counts["audience"] == AFFECTED + 1
    assert counts["open"] >= AFFECTED
    assert counts["audience"] == sum(n for state, n in counts.items() if state != "audience")


async def test_places_and_a_condition_both_say_who_is_affected(house: House, brand: Brand) -> None:
    outage = await confirmed(
        house, brand, areas=[{"district": "tepebasi"}], segment={"customer.app.stolen": True}
    )

    await decided(house, outage)

    assert (await seen(house, brand, outage)).counts["audience"] == 1


@pytest.mark.req("B03", "blocks")
async def test_resolving_spares_the_unsent_and_counts_what_is_in_flight(
    house: House, brand: Brand
) -> None:
    outage = await confirmed(house, brand)
    await decided(house, outage)
    texts = [m for m in await messages_of(house, outage, "notice") if m.channel == "sms"]
    await handed_over(house, [texts[0].id], MessageState.HANDING_OVER)

    ended = await resolved(house, brand, outage)

    after = await messages_of(house, outage, "notice")
    assert ended.in_flight_at_stop == 1
    assert sum(m.state == "handing_over" for m in after) == 1
    assert all(m.state in ("cancelled", "handing_over") for m in after)


async def test_the_all_clear_goes_to_those_who_were_told_and_by_the_same_channel(
    house: House, brand: Brand
) -> None:
    outage = await confirmed(house, brand)
    await decided(house, outage)
    texts = [m for m in await messages_of(house, outage, "notice") if m.channel == "sms"]
    await handed_over(house, [m.id for m in texts[:2]])
    await handed_over(house, [texts[2].id], MessageState.UNKNOWN)
    await handed_over(house, [texts[3].id], MessageState.FAILED)

    await resolved(house, brand, outage)
    await decided(house, outage)

    clear = await messages_of(house, outage, "all_clear")
    assert {m.customer_id for m in clear} == {m.customer_id for m in texts[:3]}
    assert {m.channel for m in clear} == {"sms"}


async def test_who_was_being_told_at_the_end_gets_the_all_clear_later(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await confirmed(house, brand)
    await decided(house, outage)
    texts = [m for m in await messages_of(house, outage, "notice") if m.channel == "sms"]
    await handed_over(house, [texts[0].id], MessageState.HANDING_OVER)
    await resolved(house, brand, outage)
    await decided(house, outage)
    before = await messages_of(house, outage, "all_clear")

    await handed_over(house, [texts[0].id])
    clock.pass_by(timedelta(seconds=5))
    await decided(house, outage)

    after = await messages_of(house, outage, "all_clear")
    assert before == []
    assert [m.customer_id for m in after] == [texts[0].customer_id]


async def test_commands_follow_the_transition_table(house: House, brand: Brand) -> None:
    outage = await declared(house, brand)

    with pytest.raises(RefusedTransitionError, match="cannot resolve an outage that is suspected"):
        await resolved(house, brand, outage)

    async with house.sessions() as tx, tx.begin():
        gone = await house.outages.end(
            tx, brand=brand, outage_id=outage.id, command=OutageCommand.DISMISS, by="ada"
        )
    assert gone.state == OutageState.DISMISSED
    with pytest.raises(RefusedTransitionError):
        await change(house, brand, outage, reason="wind")


@pytest.mark.req("B04", "blocks")
async def test_a_failure_is_not_announced_and_works_are_not_confirmed(
    house: House, brand: Brand, clock: SetClock
) -> None:
    begins = clock.now() + timedelta(days=3)
    failure = await declared(house, brand)
    works = await declared(
        house,
        brand,
        incident="planned_power",
        starts_at=begins,
        expected_end=begins + timedelta(hours=1),
        variables={},
    )

    for command, outage in (
        (house.outages.announce, failure),
        (house.outages.confirm, works),
    ):
        async with house.sessions() as tx, tx.begin():
            with pytest.raises(RefusedTransitionError):
                await command(tx, brand=brand, outage_id=outage.id, by="ada")
        assert (await seen(house, brand, outage)).state == outage.state


@pytest.mark.req("B12", "blocks")
@pytest.mark.req("B12", "allows")
async def test_texts_that_do_not_say_what_people_can_do_are_refused(
    house: House, brand: Brand
) -> None:
    outage = await declared(house, brand, workaround="", variables={"hotline": "186"})

    async with house.sessions() as tx, tx.begin():
        with pytest.raises(InvalidInputError, match="what people can do meanwhile") as refused:
            await house.outages.confirm(tx, brand=brand, outage_id=outage.id, by="ada")
    assert refused.value.field == "workaround"

    await change(house, brand, outage, no_workaround=True)
    async with house.sessions() as tx, tx.begin():
        done = await house.outages.confirm(tx, brand=brand, outage_id=outage.id, by="ada")
    assert done.state == "confirmed"


@pytest.mark.req("B13", "blocks")
@pytest.mark.req("B13", "allows")
async def test_a_notice_is_repeated_only_if_something_matters(
    house: House, brand: Brand, clock: SetClock
) -> None:
    end = clock.now() + timedelta(hours=4)
    outage = await confirmed(house, brand, expected_end=end)

    with pytest.raises(ConflictError, match="nothing of it is new"):
        await change(house, brand, outage, expected_end=end)
    later = await change(house, brand, outage, expected_end=end + timedelta(minutes=5))
    much_later = await change(house, brand, outage, expected_end=end + timedelta(hours=2))

    assert [one.kind for one in later.rounds] == ["notice"]
    assert "matters" in later.told_nobody_why
    assert [one.kind for one in much_later.rounds] == ["notice", "update"]
    assert much_later.rounds[0].state == "stopped"


async def test_an_update_takes_the_place_of_what_has_not_left(
    house: House, brand: Brand, clock: SetClock
) -> None:
    outage = await confirmed(house, brand, expected_end=clock.now() + timedelta(hours=4))
    await decided(house, outage)
    first = [m for m in await messages_of(house, outage, "notice") if m.channel == "sms"]
    await handed_over(house, [first[0].id])

    await change(house, brand, outage, workaround="Mobil santral meydanda")
    await decided(house, outage)

    left = [m for m in await messages_of(house, outage, "notice") if m.state != "cancelled"]
    updates = await messages_of(house, outage, "update")
    assert [m.id for m in left] == [first[0].id]
    assert {m.customer_id for m in updates} >= {m.customer_id for m in first}
    assert updates[0].variables["outage"]["workaround"] == "-"


async def test_a_scope_that_grows_tells_only_who_is_new_in_it(house: House, brand: Brand) -> None:
    outage = await confirmed(
        house, brand, segment={}, areas=[{"district": "tepebasi"}], title="Transformer"
    )
    await decided(house, outage)
    before = {m.id for m in await messages_of(house, outage, "notice")}

    wider = [{"district": "tepebasi"}, {"district": "odunpazari"}]
    widened = await change(house, brand, outage, areas=wider)
    await decided(house, outage)

    after = await messages_of(house, outage, "notice")
    assert [one.kind for one in widened.rounds] == ["notice"]
    assert before < {m.id for m in after}
    assert (await seen(house, brand, outage)).counts["audience"] == AFFECTED + 2


@pytest.mark.req("B13", "blocks")
async def test_who_is_told_by_one_outage_is_not_told_again_by_another_like_it(
    house: House, brand: Brand
) -> None:
    first = await confirmed(house, brand)
    await decided(house, first)
    second = await confirmed(house, brand, segment={}, title="The same", anyway=True)
    await decided(house, second)

    told = {m.customer_id for m in await messages_of(house, first, "notice")}
    told_again = {m.customer_id for m in await messages_of(house, second, "notice")}
    assert told
    assert told_again
    assert not told & told_again


async def test_who_is_still_without_by_another_outage_gets_no_all_clear(
    house: House, brand: Brand
) -> None:
    first = await confirmed(house, brand)
    await decided(house, first)
    await handed_over(house, [m.id for m in await messages_of(house, first, "notice")])
    other = await confirmed(
        house, brand, incident="power_failure", title="Another", segment=IN_TEPEBASI
    )
    await decided(house, other)

    await resolved(house, brand, first)
    await decided(house, first)

    assert await messages_of(house, other, "notice")
    assert await messages_of(house, first, "all_clear") == []


@pytest.mark.req("B13", "blocks")
@pytest.mark.req("B13", "allows")
async def test_the_same_outage_is_not_declared_twice(house: House, brand: Brand) -> None:
    await declared(house, brand)

    with pytest.raises(ConflictError, match="runs already for the same people"):
        await declared(house, brand)
    assert (await declared(house, brand, anyway=True)).state == "suspected"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        pytest.param({"incident": "power_failur"}, "no kind of incident", id="kind"),
        pytest.param({"components": ["app_backnd"]}, "no component", id="component"),
        pytest.param({"areas": [{"distrikt": "x"}]}, "an area has no 'distrikt'", id="place"),
        pytest.param({"areas": [{}]}, "an area names no place", id="empty place"),
        pytest.param({"segment": {"customer.districts": "x"}}, "customer.districts", id="segment"),
        pytest.param({"topic": "outage_notic"}, "no topic", id="topic"),
    ],
)
async def test_what_there_is_not_is_refused_with_what_there_is(
    house: House, brand: Brand, said: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words):
        await declared(house, brand, **said)


async def test_it_does_not_end_before_it_begins(
    house: House, brand: Brand, clock: SetClock
) -> None:
    with pytest.raises(InvalidInputError, match="ends before it begins"):
        await declared(house, brand, expected_end=clock.now() - timedelta(hours=1))


async def test_it_can_be_opened_again_and_those_affected_are_told_anew(
    house: House, brand: Brand
) -> None:
    outage = await confirmed(house, brand)
    await decided(house, outage)
    await resolved(house, brand, outage)

    async with house.sessions() as tx, tx.begin():
        again = await house.outages.reopen(
            tx, brand=brand, outage_id=outage.id, change=Change(), by="ada"
        )
    await decided(house, outage)

    fresh = [m for m in await messages_of(house, outage, "notice") if m.state == "queued"]
    assert again.state == "confirmed"
    assert len({m.customer_id for m in fresh}) >= AFFECTED


@pytest.mark.req("B13", "blocks")
@pytest.mark.req("B13", "allows")
async def test_what_was_learnt_is_written_down_once(house: House, brand: Brand) -> None:
    outage = await confirmed(house, brand)
    said = Review(what_happened="A transformer burnt", what_was_late="", what_changes="Spare one")
    async with house.sessions() as tx, tx.begin():
        with pytest.raises(ConflictError, match="not over"):
            await house.outages.review(tx, brand=brand, outage_id=outage.id, said=said)
    await resolved(house, brand, outage)

    async with house.sessions() as tx, tx.begin():
        await house.outages.review(tx, brand=brand, outage_id=outage.id, said=said, by="ada")
        with pytest.raises(ConflictError, match="already"):
            await house.outages.review(tx, brand=brand, outage_id=outage.id, said=said)
        kept = await house.outages.reviewed(tx, brand.id, outage.id)

    assert kept is not None
    assert (kept.by, kept.what_changes) == ("ada", "Spare one")


async def test_above_the_threshold_a_second_person_gives_the_word(
    sessions: Sessions, clock: SetClock, brand: Brand
) -> None:
    house = a_strict_house(sessions, clock)
    outage = await declared(house, brand, incident="power_failure")

    with pytest.raises(DeniedError, match="each with his own key"):
        await given(house, brand, outage, person="")
    asked = await given(house, brand, outage, person="ada")
    with pytest.raises(ConflictError, match="somebody else"):
        await given(house, brand, outage, person="ada")
    with pytest.raises(DeniedError, match="each with his own key"):
        await given(house, brand, outage, person="")
    done = await given(house, brand, outage, person="bob")

    assert (asked.state, asked.waits_for_approval, asked.rounds) == ("suspected", "ada", ())
    assert (done.state, done.confirmed_by) == ("confirmed", "bob")


async def test_who_overrides_a_plan_to_tell_more_people_needs_a_second_person_for_them(
    sessions: Sessions, clock: SetClock, brand: Brand
) -> None:
    house = a_strict_house(sessions, clock)
    soon = clock.now() + timedelta(seconds=30)
    few = {"segment": {"customer.district": "odunpazari"}}
    outage = await declared(house, brand, incident="power_failure", expected_end=soon, **few)
    crowd = await declared(house, brand, incident="power_failure", expected_end=soon)
    everybody = {"sms": "everybody"}

    alone = await given(house, brand, outage, person="ada", channels=everybody, reason="a few")
    asked = await given(house, brand, crowd, person="ada", channels=everybody, reason="all")
    agreed = await given(house, brand, crowd, person="bob")

    assert (crowd.plan["told"], crowd.plan["needs_approval"]) == (0, False)
    assert (alone.state, alone.plan["told"]) == ("confirmed", 1)
    assert (asked.state, asked.waits_for_approval) == ("suspected", "ada")
    assert asked.plan["told"] == asked.plan["reachable"] == AFFECTED + 1
    assert (agreed.state, agreed.plan["overridden"]) == ("confirmed", everybody)


async def test_what_one_person_confirmed_does_not_grow_beyond_what_one_person_may_tell(
    sessions: Sessions, clock: SetClock, brand: Brand
) -> None:
    house = a_strict_house(sessions, clock)
    narrow = {"customer.district": "odunpazari"}
    outage = await confirmed(house, brand, incident="power_failure", segment=narrow)
    grown: dict[str, Any] = {"segment": IN_TEPEBASI}

    with pytest.raises(ConflictError, match="two persons' word") as refused:
        await change(house, brand, outage, **grown)
    await resolved(house, brand, outage)
    with pytest.raises(ConflictError, match="two persons' word"):
        await reopened(house, brand, outage, Change(**grown))

    after = await seen(house, brand, outage)
    assert refused.value.code == "second_person"
    assert (after.state, after.segment) == ("resolved", narrow)


async def test_what_two_persons_confirmed_may_grow(
    sessions: Sessions, clock: SetClock, brand: Brand
) -> None:
    house = a_strict_house(sessions, clock)
    outage = await declared(house, brand, incident="power_failure")
    await given(house, brand, outage, person="ada")
    await given(house, brand, outage, person="bob")

    grown = await change(house, brand, outage, segment={"customer.district": "odunpazari"})

    assert grown.state == "confirmed"


async def test_in_an_emergency_nobody_else_is_waited_for_and_that_is_kept(
    sessions: Sessions, clock: SetClock, brand: Brand
) -> None:
    house = a_strict_house(sessions, clock)

    done = await confirmed(
        house, brand, incident="power_failure", go=Go(break_glass="a hospital is dark")
    )

    assert (done.state, done.broke_glass) == ("confirmed", "a hospital is dark")


@pytest.mark.req("B10", "blocks")
@pytest.mark.req("B10", "allows")
async def test_planned_works_are_announced_in_time_or_with_a_reason(
    house: House, brand: Brand, clock: SetClock
) -> None:
    begins = clock.now() + timedelta(hours=5)
    outage = await declared(
        house,
        brand,
        incident="planned_power",
        starts_at=begins,
        expected_end=begins + timedelta(hours=2),
        variables={},
    )
    async with house.sessions() as tx, tx.begin():
        with pytest.raises(ConflictError, match="48 hours before"):
            await house.outages.announce(tx, brand=brand, outage_id=outage.id, by="ada")
    async with house.sessions() as tx, tx.begin():
        done = await house.outages.announce(
            tx, brand=brand, outage_id=outage.id, go=Go(reason="a pole leans"), by="ada"
        )

    assert outage.state == "draft"
    assert done.state == "announced"
    assert any("late" in hint for hint in outage.hints)


def a_strict_house(sessions: Sessions, clock: SetClock) -> House:
    """Furnish a house in which one person may tell three people at most."""
    shipped = load_incidents()
    kinds = {name: replace(kind, approval_above=3) for name, kind in shipped.kinds.items()}
    return a_house(sessions, clock, replace(shipped, kinds=kinds))
