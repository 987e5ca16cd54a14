"""The gauges say what stands in the ledger, by the indexes of what is unfinished, within bounds."""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import TextClause, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Lane
from tellal.domain.messages import MessageState
from tellal.domain.outbox import OutboxKind
from tellal.metrics import LEDGER
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import MessageRow, OutcomeRow
from tellal.services import gauges
from tellal.services.gauges import Gauges
from tellal.services.outbox import enqueue
from tests.support.builders import a_brand
from tests.support.ledger import NOON, SetClock, a_message

MESSAGES = table(MessageRow)


@pytest.fixture
async def reader(sessions: Sessions) -> AsyncIterator[Gauges]:
    """Gauges that begin with an empty ledger, and end with one for the next test."""
    reader = Gauges(sessions, SetClock())
    await reader.read()
    yield reader
    async with sessions() as tx, tx.begin():
        await tx.execute(text("TRUNCATE messages, outcomes, outbox CASCADE"))
    await reader.read()


def gauge(name: str, **labels: str) -> float | None:
    return LEDGER.get_sample_value(name, labels)


def ago(**duration: float) -> datetime:
    return NOON - timedelta(**duration)


async def write(sessions: Sessions, *messages: Mapping[str, Any]) -> None:
    """Write messages of one brand; what `a_message` has no word for is set afterwards."""
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        for one in messages:
            later = {k: v for k, v in one.items() if k in ("check_at", "lease_until", "provider")}
            written = await a_message(
                tx, brand, **{name: value for name, value in one.items() if name not in later}
            )
            if later:
                await tx.execute(update(MESSAGES).where(MESSAGES.c.id == written).values(**later))


async def test_an_empty_ledger_is_nought_everywhere(reader: Gauges) -> None:
    await reader.read()

    for lane in Lane:
        assert gauge("tellal_lane_oldest_due_seconds", lane=lane.value) == 0
        assert gauge("tellal_lane_waiting_messages", lane=lane.value, due="now") == 0
    assert gauge("tellal_outbox_items") == 0
    assert gauge("tellal_dispatcher_lag_seconds") == 0
    assert gauge("tellal_ledger_read_timestamp_seconds") == NOON.timestamp()


async def test_a_lane_is_as_old_as_its_oldest_message_of_any_priority(
    reader: Gauges, sessions: Sessions
) -> None:
    await write(
        sessions,
        {"lane": Lane.BULK, "priority": 0, "not_before": ago(minutes=9)},
        {"lane": Lane.BULK, "priority": -5, "not_before": ago(seconds=3)},
        {
            "lane": Lane.BULK,
            "priority": -5,
            "not_before": ago(hours=-8),
            "state": MessageState.DEFERRED,
        },
        {"lane": Lane.CRITICAL, "not_before": ago(seconds=70), "state": MessageState.DEFERRED},
        {"lane": Lane.JOURNEYS, "not_before": ago(days=1), "state": MessageState.DELIVERED},
    )

    await reader.read()

    assert gauge("tellal_lane_oldest_due_seconds", lane="bulk") == 540
    assert gauge("tellal_lane_waiting_messages", lane="bulk", due="now") == 2
    assert gauge("tellal_lane_waiting_messages", lane="bulk", due="later") == 1
    assert gauge("tellal_lane_oldest_due_seconds", lane="critical") == 70
    assert gauge("tellal_lane_oldest_due_seconds", lane="journeys") == 0


async def test_what_is_not_due_yet_makes_no_lane_old(reader: Gauges, sessions: Sessions) -> None:
    await write(
        sessions, {"lane": Lane.BULK, "not_before": ago(hours=-1), "state": MessageState.DEFERRED}
    )

    await reader.read()

    assert gauge("tellal_lane_oldest_due_seconds", lane="bulk") == 0


async def test_unknowns_are_told_by_provider_and_vanish_when_they_are_found(
    reader: Gauges, sessions: Sessions
) -> None:
    unknown = {"state": MessageState.UNKNOWN, "provider": "twilio"}
    await write(sessions, {**unknown, "check_at": NOON}, {**unknown, "check_at": NOON}, unknown)
    await reader.read()
    seen = [
        gauge("tellal_unknown_messages", provider="twilio", stage=stage)
        for stage in ("looked_up", "given_up")
    ]

    async with sessions() as tx, tx.begin():
        await tx.execute(update(MESSAGES).values(state="delivered"))
    await reader.read()

    assert seen == [2, 1]
    assert gauge("tellal_unknown_messages", provider="twilio", stage="looked_up") == 0
    assert gauge("tellal_unknown_messages", provider="twilio", stage="given_up") == 0


async def test_a_lease_counts_when_it_has_run_out(reader: Gauges, sessions: Sessions) -> None:
    in_hand = {"state": MessageState.HANDING_OVER}
    await write(
        sessions,
        {**in_hand, "lease_until": ago(seconds=1)},
        {**in_hand, "lease_until": ago(seconds=-9)},
    )

    await reader.read()

    assert gauge("tellal_expired_leases") == 1


async def test_the_outbox_is_as_old_as_what_was_written_first(
    reader: Gauges, sessions: Sessions
) -> None:
    async with sessions() as tx, tx.begin():
        for at in (ago(seconds=50), ago(seconds=20)):
            await enqueue(
                tx,
                brand_id="b",
                kind=OutboxKind.CASE_OPENED,
                workflow_id="case/1",
                body={},
                now=at,
            )
        # Tried in vain, and to be tried again later.
        await tx.execute(
            text("UPDATE outbox SET due_at = :later WHERE created_at = :first"),
            {"later": ago(seconds=-5), "first": ago(seconds=50)},
        )

    await reader.read()

    assert gauge("tellal_outbox_items") == 2
    assert gauge("tellal_outbox_oldest_seconds") == 50
    assert gauge("tellal_dispatcher_lag_seconds") == 20


async def test_an_outcome_that_nobody_looks_at_makes_the_sweeper_late(
    reader: Gauges, sessions: Sessions
) -> None:
    await write(sessions, {}, {})
    outcomes = table(OutcomeRow)
    async with sessions() as tx, tx.begin():
        await tx.execute(update(outcomes).values(check_at=ago(seconds=33)))

    await reader.read()

    assert gauge("tellal_sweeper_lag_seconds") == 33


async def test_counting_ends_at_the_bound(
    reader: Gauges, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "MOST", 2)
    await write(
        sessions, *[{"lane": Lane.BULK, "not_before": ago(minutes=9 - n)} for n in range(4)]
    )

    await reader.read()

    assert gauge("tellal_lane_waiting_messages", lane="bulk", due="now") == 2
    assert gauge("tellal_lane_oldest_due_seconds", lane="bulk") == 540


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (gauges.LANES, "messages_to_claim messages_deferred"),
        (gauges.UNKNOWN, "messages_unknown"),
        (gauges.LEASES, "messages_leased"),
        (gauges.OUTBOX, "outbox_due"),
        (gauges.OUTCOMES, "outcomes_due"),
    ],
)
async def test_in_a_large_ledger_only_the_partial_indexes_are_read(
    sessions: Sessions, query: TextClause, index: str
) -> None:
    async with sessions() as tx, tx.begin():
        await _make_large(tx)
    async with sessions() as tx:
        explained = text(f"EXPLAIN {query.text}")
        bound = {"now": NOON, "most": gauges.MOST}
        wanted = {name: value for name, value in bound.items() if f":{name}" in query.text}
        await tx.execute(gauges.BOUNDS)
        plan = "\n".join((await tx.execute(explained, wanted)).scalars())

    found = re.findall(r"using (\w+)|Index Scan on (\w+)", plan)
    assert {name for pair in found for name in pair if name} == set(index.split())
    assert "Seq Scan" not in plan
    assert "Sort" not in plan


async def _make_large(tx: AsyncSession) -> None:
    """Have many rows in every table that is read, nearly all of them finished."""
    await a_message(tx, await a_brand(tx))
    for name, row, unfinished in (
        ("messages", MESSAGES, "queued"),
        ("outcomes", table(OutcomeRow), "open"),
    ):
        unlike = {"id", "outcome_id", "state", "try_no", "cause_id"} & set(row.c.keys())
        alike = [column for column in row.c.keys() if column not in unlike]  # noqa: SIM118 - columns
        await tx.execute(text(f"ALTER TABLE {name} DISABLE TRIGGER ALL"))
        made = {
            "id": "'filler' || n",
            "outcome_id": "'filler' || n",
            "cause_id": "'filler' || n",
            "state": f"CASE WHEN n % 500 = 0 THEN '{unfinished}' ELSE 'done' END",
            "try_no": "1",
        }
        columns = ", ".join([*unlike, *alike])
        values = ", ".join([*(made[column] for column in unlike), *alike])
        await tx.execute(
            text(
                f"INSERT INTO {name} ({columns}) SELECT {values} FROM {name}, "
                "generate_series(1, 20000) AS n"
            )
        )
    await enqueue(
        tx, brand_id="b", kind=OutboxKind.CASE_OPENED, workflow_id="case/1", body={}, now=NOON
    )
    await tx.execute(
        text(
            "INSERT INTO outbox (id, brand_id, kind, workflow_id, body, created_at, due_at, tries, "
            "error, done_at) SELECT 'filler' || n, brand_id, kind, workflow_id, body, created_at, "
            "due_at, tries, error, created_at FROM outbox, generate_series(1, 20000) AS n"
        )
    )
    await tx.execute(text("ANALYZE"))
