"""A person's whole record is handed out and erased: by construction, and as the database says."""

import json
import zipfile
from io import BytesIO

import pytest
from sqlalchemy import String, text, update
from sqlalchemy.dialects.postgresql import JSONB

from tellal.domain.cases import CaseState
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, NotFoundError
from tellal.domain.messages import OutcomeState
from tellal.domain.outbox import OutboxKind
from tellal.persistence.columns import table
from tellal.persistence.metadata import metadata
from tellal.persistence.people import page_of_customers
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.consent_proof import verify_consents
from tellal.services.consent_sealing import Sealer
from tellal.services.consents import Consents
from tellal.services.held import HOLDINGS, NOT_HELD, Holding
from tellal.services.house import House
from tellal.services.person_erasure import Erasure, Persons
from tellal.services.person_export import export_person
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock
from tests.support.ledger import message, outbox
from tests.support.marked import MAIL, MARK, NUMBER, REF, Marked, a_marked_person, where_named

WORDS = (MARK, NUMBER)


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


@pytest.fixture
async def marked(sessions: Sessions, brand: Brand, clock: SetClock) -> Marked:
    """Zeynep, and somebody else of whom nothing may be touched."""
    async with sessions() as tx, tx.begin():
        await a_customer(tx, brand, "ali")
        return await a_marked_person(tx, brand, clock)


@pytest.fixture
def persons(house: House, clock: SetClock) -> Persons:
    return Persons(Consents(clock), house.progress, clock)


async def erased(house: House, persons: Persons, brand: Brand) -> Erasure:
    async with house.sessions() as tx, tx.begin():
        return await persons.erase(tx, brand, REF, by="dpo")


def test_every_table_holds_something_of_a_person_or_says_why_not() -> None:
    held = {holding.table.name for holding in HOLDINGS}
    tables = metadata().tables

    assert held | NOT_HELD.keys() == set(tables)
    assert held & NOT_HELD.keys() == set()
    assert all(NOT_HELD.values())
    naming = {
        n for n, t in tables.items() if {"customer_id", "address", "recipient"} & {*t.c.keys()}
    }
    assert naming - held <= {"test_sends"}


@pytest.mark.parametrize("holding", HOLDINGS, ids=lambda one: one.name)
def test_every_text_of_a_holding_is_emptied_or_named_as_harmless(holding: Holding) -> None:
    texts = {c.name for c in holding.table.c if isinstance(c.type, String | JSONB)}
    erased_by_consents = {"address", "evidence", "salt"} if holding.elsewhere else set()

    settled = {*holding.emptied, *holding.harmless, *holding.staff, *erased_by_consents}

    assert holding.removes_rows or sorted(texts - settled) == []
    assert settled - erased_by_consents <= {*holding.table.c.keys()}
    assert holding.emptied.keys() & holding.harmless == set()


@pytest.mark.usefixtures("marked")
async def test_an_export_holds_all_of_her_and_nothing_of_others(
    sessions: Sessions, brand: Brand, clock: SetClock
) -> None:
    async with sessions() as tx:
        packed = await export_person(tx, brand, REF, clock)
        named = await where_named(tx, WORDS)

    with zipfile.ZipFile(BytesIO(packed)) as files:
        document = json.loads(files.read("person.json"))
        readme = files.read("README.txt").decode()
    held = document["held"]
    assert held.keys() == {holding.name for holding in HOLDINGS}
    assert [name for name, rows in held.items() if not rows] == ["consent_seals", "erasures"]
    by_table = {holding.table.name: holding.name for holding in HOLDINGS}
    for name, number in named.items():
        if name in by_table:
            rows = [one for one in held[by_table[name]] if any(w in json.dumps(one) for w in WORDS)]
            assert len(rows) == number
    assert named.keys() - by_table.keys() == {"idempotency_keys"}
    assert held["messages"][0]["text"] == f"Merhaba {MARK}"
    assert "by" not in held["case_entries"][0]
    assert "Çalışanlarımızın adları" in readme
    assert "ali" not in {one["ref"] for one in held["customer"]}


@pytest.mark.usefixtures("marked")
async def test_nothing_personal_is_left_anywhere(
    house: House, persons: Persons, brand: Brand
) -> None:
    async with house.sessions() as tx:
        before = await where_named(tx, WORDS)

    done = await erased(house, persons, brand)

    async with house.sessions() as tx:
        assert await where_named(tx, [*WORDS, MAIL, REF]) == {}
        others = await tx.execute(text("SELECT count(*) FROM customers WHERE ref = 'ali'"))
        assert others.scalar_one() == 1
        everybody = await page_of_customers(tx, brand.id, after="", limit=10)
        assert [one.ref for one in everybody] == ["ali"]
    assert len(before) >= 15
    assert done.counts["customer"] == 1
    assert done.counts["consents"] == 2


async def test_what_runs_has_ended_and_what_waits_never_leaves(
    house: House, persons: Persons, brand: Brand, marked: Marked
) -> None:
    await erased(house, persons, brand)

    waiting = await message(house.sessions, marked.waiting)
    told = await message(house.sessions, marked.told)
    items = [(one.kind, one.workflow_id) for one in await outbox(house.sessions)]
    assert (waiting.state, waiting.code) == ("cancelled", "erased")
    assert told.state == "delivered"
    assert (OutboxKind.PROGRESSED.value, "nudge/marked") in items
    assert (OutboxKind.CASE_CHANGED.value, f"case/{marked.case}") in items
    async with house.sessions() as tx:
        query = "SELECT state FROM cases WHERE customer_id = :id"
        states = await tx.execute(text(query), {"id": marked.customer_id})
        assert states.scalars().all() == ["resolved"]
        query = "SELECT state, reason FROM outcomes WHERE id = :id"
        row = (await tx.execute(text(query), {"id": marked.outcome})).one()
    assert tuple(row) == ("cancelled", "erased")
    step = await house.journeys.advance(marked.outcome)
    assert step.state == "cancelled"


async def test_the_workflow_of_an_ended_case_has_nobody_to_tell(
    house: House, persons: Persons, brand: Brand, marked: Marked
) -> None:
    await erased(house, persons, brand)

    notice = await house.case_notices.notice(marked.case, CaseState.RESOLVED)

    assert [step.state for step in notice.steps] == [OutcomeState.SUPPRESSED]
    assert {one.kind for one in await outbox(house.sessions)} <= {"progressed", "case_changed"}
    async with house.sessions() as tx:
        assert await where_named(tx, [*WORDS, REF]) == {}
    assert (await house.case_notices.describe(marked.case)).state == "resolved"
    assert await house.case_notices.remind(marked.case, CaseState.ROUTED) is False


async def test_causes_add_up_and_chains_verify_afterwards(
    house: House, persons: Persons, brand: Brand, marked: Marked, clock: SetClock
) -> None:
    sealer = Sealer(house.sessions, clock)
    await sealer.work()
    await erased(house, persons, brand)
    await sealer.work()

    async with house.sessions() as tx:
        found = await verify_consents(tx, brand.id)
        counted = (
            await tx.execute(
                text(
                    "SELECT sum(open), sum(cancelled), "
                    "sum(told + suppressed + expired + failed + unknown) "
                    "FROM cause_counts JOIN messages USING (cause_id) WHERE messages.id = :id"
                ),
                {"id": marked.waiting},
            )
        ).one()
        stones = await tx.execute(text("SELECT count(*) FROM consents WHERE tombstone IS NOT NULL"))
        assert stones.scalar_one() == 2
    assert found.faults == ()
    assert tuple(counted) == (0, 1, 0)


async def test_a_message_in_a_lanes_hands_is_waited_for(
    house: House, persons: Persons, brand: Brand, marked: Marked
) -> None:
    messages = table(MessageRow)
    async with house.sessions() as tx, tx.begin():
        mine = update(messages).where(messages.c.id == marked.waiting)
        await tx.execute(mine.values(state="handing_over"))

    with pytest.raises(ConflictError, match="at this moment"):
        await erased(house, persons, brand)

    async with house.sessions() as tx:
        assert await where_named(tx, [REF])


@pytest.mark.usefixtures("marked")
async def test_said_twice_it_is_the_same_erasure_and_a_stranger_is_not_found(
    house: House, persons: Persons, brand: Brand
) -> None:
    first = await erased(house, persons, brand)
    second = await erased(house, persons, brand)

    assert first == second
    async with house.sessions() as tx, tx.begin():
        with pytest.raises(NotFoundError):
            await persons.erase(tx, brand, "nobody", by="dpo")
