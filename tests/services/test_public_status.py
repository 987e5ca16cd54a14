"""What the public sees of an outage, from the first suspicion to the end, on a real database."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from tellal.domain.customers import Brand
from tellal.domain.status import ComponentStatus, Indicator, Mood, PublicState, Snapshot
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.outages import OutageRow
from tellal.services.public_status import read_snapshots
from tests.support.builders import a_brand
from tests.support.public import HOLDING_LINE, INCIDENTS, NOON, an_entry, an_outage

_outages = table(OutageRow)
LATER = NOON + timedelta(hours=1)


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


async def seen(sessions: Sessions, *, minutes: float = 60, exercise: bool = False) -> Snapshot:
    async with sessions() as tx:
        (only,) = await read_snapshots(
            tx, INCIDENTS, now=NOON + timedelta(minutes=minutes), exercise=exercise
        )
    return only


@pytest.mark.req("B16", "blocks")
@pytest.mark.req("B16", "allows")
async def test_a_suspicion_is_not_shown_until_a_person_releases_it(
    sessions: Sessions, brand: Brand
) -> None:
    async with sessions() as tx, tx.begin():
        outage_id = await an_outage(
            tx, brand, "suspected", incident="feeder", reason="Yıldırım", components=["core"]
        )
        await an_entry(tx, outage_id, "update", "suspected", public={"tr": "Kesin yıldırım."})
    hidden = await seen(sessions)

    async with sessions() as tx, tx.begin():
        at = NOON + timedelta(minutes=5)
        await tx.execute(update(_outages).values(shown_at=at))
        await an_entry(tx, outage_id, "show", "suspected", minutes=5)
    shown = await seen(sessions)

    assert hidden.all() == ()
    (outage,) = shown.outages
    assert (outage.title, outage.reason, outage.confirmed) == ("", "", False)
    assert outage.state is PublicState.INVESTIGATING
    assert outage.on("banner")
    assert not outage.on("cap")
    assert [dict(one.text) for one in outage.updates] == [HOLDING_LINE]
    assert (shown.indicator, shown.mood) == (Indicator.NONE, Mood.LOOKING)
    assert {one.status for one in shown.components} == {ComponentStatus.OPERATIONAL}


@pytest.mark.req("B16")
async def test_an_unfounded_suspicion_that_was_shown_is_taken_back(
    sessions: Sessions, brand: Brand
) -> None:
    async with sessions() as tx, tx.begin():
        for shown_at in (NOON, None):
            outage_id = await an_outage(tx, brand, "suspected", shown_at=shown_at)
            await an_entry(tx, outage_id, "show", "suspected", public=HOLDING_LINE)
            await an_entry(tx, outage_id, "dismiss", "dismissed", minutes=10)
        await tx.execute(update(_outages).values(resolved_at=NOON + timedelta(minutes=10)))

    (outage,) = (await seen(sessions)).history

    assert outage.over
    assert not outage.confirmed
    assert [one.state for one in outage.updates] == [
        PublicState.RESOLVED,
        PublicState.INVESTIGATING,
    ]


@pytest.mark.req("B08")
async def test_a_failure_is_told_with_its_reason_and_all_its_promises(
    sessions: Sessions, brand: Brand
) -> None:
    first, second = NOON + timedelta(hours=2), NOON + timedelta(hours=3)
    async with sessions() as tx, tx.begin():
        outage_id = await an_outage(
            tx, brand, "suspected", reason="Yıldırım", expected_end=second, components=["core"]
        )
        await an_entry(tx, outage_id, "declare", "suspected", expected_end=first.isoformat())
        await an_entry(tx, outage_id, "confirm", "confirmed", minutes=5, public={"tr": "Arıza."})
        await an_entry(tx, outage_id, "update", "confirmed", minutes=6)
        await an_entry(
            tx, outage_id, "update", "confirmed", minutes=20, expected_end=second.isoformat()
        )
        await an_entry(
            tx, outage_id, "update", "confirmed", minutes=30, public={"tr": "Onarıldı."},
            public_state="monitoring",
        )  # fmt: skip

    snapshot = await seen(sessions)

    (outage,) = snapshot.outages
    assert outage.reason == "Yıldırım"
    assert outage.expected_ends == (
        (NOON + timedelta(minutes=5), first),
        (NOON + timedelta(minutes=20), second),
    )
    assert [one.number for one in outage.updates] == [3, 2, 1]
    assert [one.state for one in outage.told()] == [
        PublicState.IDENTIFIED,
        PublicState.IDENTIFIED,
        PublicState.MONITORING,
    ]
    assert (snapshot.indicator, snapshot.mood) == (Indicator.MAJOR, Mood.MAJOR)
    assert {one.id: one.status for one in snapshot.components} == {
        "app": ComponentStatus.PARTIAL_OUTAGE,
        "branches": ComponentStatus.OPERATIONAL,
    }


@pytest.mark.parametrize(
    ("severity", "status"),
    [
        ("minor", ComponentStatus.DEGRADED),
        ("major", ComponentStatus.PARTIAL_OUTAGE),
        ("critical", ComponentStatus.MAJOR_OUTAGE),
    ],
)
async def test_the_worst_of_what_runs_is_shown(
    sessions: Sessions, brand: Brand, severity: str, status: ComponentStatus
) -> None:
    async with sessions() as tx, tx.begin():
        await an_outage(tx, brand, "in_progress", kind="planned", components=["branches"])
        await an_outage(tx, brand, "confirmed", severity="minor", components=["branches"])
        await an_outage(tx, brand, "confirmed", severity=severity, components=["branches"])

    snapshot = await seen(sessions)

    assert snapshot.indicator == severity
    assert snapshot.components[-1].status is status


async def test_planned_works_are_shown_from_their_announcement_on(
    sessions: Sessions, brand: Brand
) -> None:
    tomorrow = NOON + timedelta(days=1)
    states = {}
    async with sessions() as tx, tx.begin():
        works = await an_outage(
            tx, brand, "draft", kind="planned", starts_at=tomorrow, components=["branches"]
        )
        never = await an_outage(tx, brand, "draft", kind="planned", starts_at=tomorrow)
        await an_entry(tx, never, "cancel", "cancelled")
        await an_entry(tx, works, "declare", "draft", public={"tr": "Sır."})
    states["draft"] = await seen(sessions)
    for minutes, command, state in (
        (1, "announce", "announced"),
        (2, "remind", "reminded"),
        (3, "start", "in_progress"),
        (4, "cancel", "cancelled"),
    ):
        async with sessions() as tx, tx.begin():
            await an_entry(tx, works, command, state, minutes=minutes)
        states[state] = await seen(sessions)

    assert states["draft"].all() == ()
    assert [one.id for one in states["announced"].planned] == [works]
    assert len(states["reminded"].planned[0].updates) == 1  # a reminder changes nothing
    (running,) = states["in_progress"].outages
    assert running.state is PublicState.IN_PROGRESS
    assert states["in_progress"].indicator is Indicator.NONE
    assert states["in_progress"].components[-1].status is ComponentStatus.UNDER_MAINTENANCE
    (over,) = states["cancelled"].history
    assert over.cancelled
    assert "Sır." not in str(states)


async def test_works_put_off_show_both_times(sessions: Sessions, brand: Brand) -> None:
    first, second = NOON + timedelta(days=1), NOON + timedelta(days=2)
    async with sessions() as tx, tx.begin():
        works = await an_outage(tx, brand, "draft", kind="planned", starts_at=second)
        await an_entry(tx, works, "announce", "announced", starts_at=first.isoformat())
        await an_entry(
            tx, works, "reschedule", "announced", minutes=1, starts_at=second.isoformat()
        )

    (one,) = (await seen(sessions)).planned

    assert [update.starts_at for update in one.told()] == [first, second]
    assert one.since == second


async def test_simulated_outages_are_seen_in_an_exercise_only(
    sessions: Sessions, brand: Brand
) -> None:
    async with sessions() as tx, tx.begin():
        real = await an_outage(tx, brand, "confirmed")
        rehearsed = await an_outage(tx, brand, "confirmed", simulated=True)

    assert [one.id for one in (await seen(sessions)).all()] == [real]
    exercise = await seen(sessions, exercise=True)
    assert [one.id for one in exercise.all()] == [rehearsed]
    assert exercise.exercise
    assert exercise.outages[0].exercise


async def test_uptime_counts_overlapping_failures_once_and_works_not_at_all(
    sessions: Sessions, brand: Brand
) -> None:
    day = timedelta(days=1)
    spells = [
        ("failure", NOON - 100 * day, NOON - 81 * day),  # nine days of it are in the ninety
        ("failure", NOON - 83 * day, NOON - 72 * day),  # nine more
        ("planned", NOON - 50 * day, NOON - 20 * day),
    ]
    async with sessions() as tx, tx.begin():
        for kind, start, end in spells:
            state = "completed" if kind == "planned" else "resolved"
            await an_outage(
                tx, brand, state, kind=kind, starts_at=start, resolved_at=end,
                components=["branches"],
            )  # fmt: skip

    branches = (await seen(sessions, minutes=0)).components[-1]

    assert branches.uptime == pytest.approx(0.8)


async def test_what_is_long_over_is_not_shown(sessions: Sessions, brand: Brand) -> None:
    async with sessions() as tx, tx.begin():
        for days in (89, 91):
            await an_outage(
                tx, brand, "resolved", starts_at=NOON - timedelta(days=days, hours=5),
                resolved_at=NOON - timedelta(days=days),
            )  # fmt: skip

    snapshot = await seen(sessions, minutes=0)

    assert [one.ended for one in snapshot.history] == [NOON - timedelta(days=89)]


async def test_brands_share_nothing(sessions: Sessions, brand: Brand) -> None:
    async with sessions() as tx, tx.begin():
        other = await a_brand(tx, "other-bank")
        await an_outage(tx, other, "confirmed", components=["the-other's-own"])
        snapshots = await read_snapshots(tx, INCIDENTS, now=LATER)

    of = {one.brand.name: one for one in snapshots}
    assert of[brand.name].all() == ()
    assert len(of["other-bank"].outages) == 1
    assert "the-other's-own" not in {one.id for one in of[brand.name].components}


async def test_areas_are_said_in_words(sessions: Sessions, brand: Brand) -> None:
    area = {"district": "Tepebaşı", "province": "Eskişehir"}
    async with sessions() as tx, tx.begin():
        await an_outage(tx, brand, "confirmed", areas=[area, area, {"feeder": "F12"}])
        await an_outage(
            tx, brand, "confirmed", areas=[area], variables={"area": "Porsuk'un kuzeyi"}
        )

    outages = (await seen(sessions)).outages

    assert {one.areas for one in outages} == {("Tepebaşı, Eskişehir",), ("Porsuk'un kuzeyi",)}
