"""What is personal is emptied by age, kind by kind, and every run proves what it did."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from rules.keeping import Kind, load_periods
from tellal.domain.customers import Brand
from tellal.domain.errors import RulebookError
from tellal.persistence.session import Sessions
from tellal.services.consent_proof import verify_consents
from tellal.services.consent_sealing import Sealer
from tellal.services.leases import Leases
from tellal.services.purging import SWEEPS, Purging, purges
from tests.support.builders import a_brand
from tests.support.house import SetClock
from tests.support.marked import MARK, a_marked_person, where_named

NOW = datetime.now(UTC)
"""Ids are made by the machine's own clock, so these tests live by it."""
LONG = timedelta(days=2000)
PERIODS = load_periods()


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    """A brand, with somebody of whom everything is held, and whose affairs are closed."""
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_marked_person(tx, brand, SetClock(NOW))
        now = {"now": NOW}
        await tx.execute(text("UPDATE complaints SET closed_at = :now"), now)
        await tx.execute(text("UPDATE cases SET state = 'resolved', resolved_at = :now"), now)
        await tx.execute(text("UPDATE messages SET state = 'delivered', created_at = :now"), now)
        await tx.execute(text("UPDATE outcomes SET state = 'told', closed_at = :now"), now)
        return brand


def purging(sessions: Sessions, *, after: timedelta, batch: int = 1_000) -> Purging:
    clock = SetClock(datetime.now(UTC) + after)
    return Purging(sessions, clock, PERIODS, Leases(sessions, clock), batch=batch)


async def close_to(kind: Kind, sessions: Sessions) -> tuple[int, int]:
    """Purge a minute before a kind's time is over, and an hour after it.

    Ids are made when the test runs, which may be minutes after `NOW` was read.
    """
    keep = PERIODS[kind].keep
    early = await purging(sessions, after=keep - timedelta(minutes=1)).purge()
    late = await purging(sessions, after=keep + timedelta(hours=1)).purge()
    return early[kind], late[kind]


@pytest.mark.usefixtures("brand")
@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        (Kind.MESSAGE_TEXTS, 3),
        (Kind.DECISION_INPUTS, 1),
        (Kind.EVENT_DATA, 2),
        (Kind.COMPLAINT_WORDS, 1),
        (Kind.CASE_TEXTS, 2),
        (Kind.INBOUND_WORDS, 1),
        (Kind.SIGNAL_ORIGINS, 1),
    ],
)
async def test_a_kind_goes_when_its_time_is_over_and_not_before(
    sessions: Sessions, kind: Kind, rows: int
) -> None:
    assert await close_to(kind, sessions) == (0, rows)


@pytest.mark.usefixtures("brand")
async def test_afterwards_only_what_has_no_age_names_anybody(sessions: Sessions) -> None:
    removed = await purging(sessions, after=LONG, batch=1).purge()
    again = await purging(sessions, after=LONG).purge()

    async with sessions() as tx:
        left = await where_named(tx, [MARK])
    assert all(number > 0 for kind, number in removed.items() if kind is not Kind.CONSENT_EVIDENCE)
    assert sum(again.values()) == 0
    assert left.keys() == {
        "customers", "contact_points", "consents", "blocks", "idempotency_keys",
        "shown_notices", "explicit_consents", "group_members",
    }  # fmt: skip


async def test_replaced_consents_lose_their_evidence_and_the_chain_still_verifies(
    sessions: Sessions, brand: Brand
) -> None:
    async with sessions() as tx, tx.begin():
        await tx.execute(
            text(
                "INSERT INTO consents (id, brand_id, customer_id, channel, state, source, evidence,"
                " address, given_at, recorded_at) SELECT '00' || substr(id, 3), brand_id,"
                " customer_id, channel, state, source, evidence, address,"
                " given_at - interval '9 days', recorded_at FROM consents WHERE state = 'granted'"
            )
        )
    sealer = Sealer(sessions, SetClock(NOW))
    await sealer.work()

    removed = await purging(sessions, after=LONG).purge()
    await sealer.work()

    async with sessions() as tx:
        query = text("SELECT state FROM consents WHERE erased_by = 'retention'")
        states = (await tx.execute(query)).scalars().all()
    async with sessions() as tx:
        assert (await verify_consents(tx, brand.id)).faults == ()
    assert removed[Kind.CONSENT_EVIDENCE] == 1
    assert states == ["granted"]


@pytest.mark.usefixtures("brand")
async def test_what_is_of_somebody_whose_complaint_is_open_stays(sessions: Sessions) -> None:
    async with sessions() as tx, tx.begin():
        await tx.execute(text("UPDATE complaints SET closed_at = NULL"))

    removed = await purging(sessions, after=LONG).purge()

    assert sum(removed.values()) == 0


async def test_every_run_says_what_it_removed_and_by_which_cut_off(
    sessions: Sessions, brand: Brand
) -> None:
    async with sessions() as tx, tx.begin():
        other = await a_brand(tx, "other-bank")
    work = purging(sessions, after=LONG, batch=1)
    removed = await work.purge()

    begins, ends = NOW, NOW + LONG + timedelta(days=2)
    async with sessions() as tx:
        ours = await purges(tx, brand.id, begins, ends)
        others = await purges(tx, other.id, begins, ends)
        earlier = await purges(tx, brand.id, begins, NOW + timedelta(days=1))
    assert {Kind(one.kind): one.removed for one in ours} == removed
    assert {one.kind for one in others} == {kind.value for kind in Kind}
    assert {one.removed for one in others} == {0}
    assert earlier == []
    kept = {Kind(one.kind): one.at - one.cut_off for one in ours}
    assert kept == {kind: period.keep for kind, period in PERIODS.items()}


@pytest.mark.usefixtures("brand")
async def test_the_proof_cannot_be_changed(sessions: Sessions) -> None:
    await purging(sessions, after=LONG).purge()

    for change in ("UPDATE purges SET removed = 0", "DELETE FROM purges"):
        with pytest.raises(DBAPIError, match="only ever added to"):
            async with sessions() as tx, tx.begin():
                await tx.execute(text(change))


@pytest.mark.usefixtures("brand")
async def test_it_is_done_once_a_day_by_one_worker(sessions: Sessions) -> None:
    first = await purging(sessions, after=LONG).purge_if_due()
    another = await purging(sessions, after=LONG).purge_if_due()
    within = await purging(sessions, after=LONG + timedelta(hours=23)).purge_if_due()
    next_day = await purging(sessions, after=LONG + timedelta(hours=25)).purge_if_due()

    assert (first, another, within, next_day) == (True, False, False, True)


def test_every_kind_has_a_period_and_something_to_empty() -> None:
    assert set(PERIODS) == set(SWEEPS) == set(Kind)
    assert all(one.source for one in PERIODS.values())


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("version: 1", "version: 2", "'version: 1'"),
        ("id: event_data", "id: event_dates", "is not one of"),
        ("id: event_data", "id: case_texts", "stands there twice"),
        ("keep: 730d", "keep: for ever", "time span"),
        ("    keep: 730d\n", "", "'keep' is missing"),
        ("    keep: 730d\n", "    keep: 730d\n    kept: 1d\n", "unknown key 'kept'"),
        ("source: As the message that it explains", "source: ''", "where the period comes from"),
    ],
)
def test_a_mistake_in_the_file_is_told(tmp_path: Path, before: str, after: str, words: str) -> None:
    shipped = Path("rules/retention.yaml").read_text(encoding="utf-8")
    assert before in shipped
    file = tmp_path / "retention.yaml"
    file.write_text(shipped.replace(before, after), encoding="utf-8")

    with pytest.raises(RulebookError) as caught:
        load_periods(file)

    assert words in str(caught.value)
