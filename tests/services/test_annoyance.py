"""Sums of what people got, from the ledger."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text, update

from tellal.domain.channels import Channel
from tellal.domain.customers import Brand, ConsentState
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import lock_customer
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import ConsentRow
from tellal.persistence.tables.ledger import DecisionRow, MessageRow
from tellal.services.annoyance import Annoyance, MostTold, annoyance
from tellal.services.asking import Circumstances
from tellal.services.complaints import ComplaintInput, Complaints
from tellal.services.entries import Matter
from tellal.services.house import House
from tests.support.builders import a_brand, a_customer

pytestmark = pytest.mark.req("A10")

_messages = table(MessageRow)
_consents = table(ConsentRow)

CASE, WARNING, PROMO = "case_opened", "phishing_awareness", "iscep_promo"
BOTH = {Channel.SMS: "+905320000101", Channel.EMAIL: "ayse@example.com"}


class Told:
    """A brand whose customers got messages."""

    def __init__(self, house: House, brand: Brand, customers: Mapping[str, str]) -> None:
        self.house = house
        self.brand = brand
        self.customers = customers

    async def decided(
        self, ref: str, *, topic: str = CASE, simulated: bool = False, banner: bool = False
    ) -> str:
        """Decide about a customer; return the message's id, or why there is none."""
        async with self.house.sessions() as tx, tx.begin():
            customer = await lock_customer(tx, self.brand.id, ref)
            matter = Matter(
                topic=topic,
                cause_kind="test",
                cause_key=new_id(),
                workflow_id="case/1",
                simulated=simulated,
                around=Circumstances(document={"event.can_show_banner": banner}, banner=banner),
            )
            decided = await self.house.deciding.decide(tx, self.brand, customer, matter)
        return decided.posted.message_id if decided.posted else decided.decision.reasons[0].code

    async def got(self, ref: str, state: str, *, days: int = 1, **how: Any) -> str:  # noqa: ANN401 - as decided
        """Decide about a customer and bring the message into a state; return its id."""
        message_id = await self.decided(ref, **how)
        handed = self.house.clock.now() - timedelta(days=days)
        async with self.house.sessions() as tx, tx.begin():
            change = update(_messages).where(_messages.c.id == message_id)
            await tx.execute(change.values(state=state, handed_at=handed))
        return message_id

    async def refused(self, ref: str, channel: Channel, message: str = "") -> None:
        async with self.house.sessions() as tx, tx.begin():
            values = {
                "id": new_id(),
                "brand_id": self.brand.id,
                "customer_id": self.customers[ref],
                "channel": channel.value,
                "state": ConsentState.REFUSED.value,
                "source": "one_click" if message else "branch",
                "evidence": {"message": message} if message else {},
                "recorded_at": self.house.clock.now(),
            }
            await tx.execute(insert(_consents).values(**values))

    async def complained(self, ref: str, topic: str) -> None:
        complaints = Complaints(self.house.books, self.house.progress, self.house.clock)
        said = ComplaintInput(customer=ref, source="web", topic=topic)
        async with self.house.sessions() as tx, tx.begin():
            await complaints.file(tx, self.brand.id, said, by="test")

    async def report(self, **how: Any) -> Annoyance:  # noqa: ANN401 - as annoyance
        now = self.house.clock.now()
        begins, ends = now - timedelta(days=30), now + timedelta(days=1)
        async with self.house.sessions() as tx:
            return await annoyance(tx, self.brand.id, begins, ends, **how)


@pytest.fixture
async def told(house: House) -> Told:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        agreed = {Channel.SMS: "granted", Channel.EMAIL: "granted"}
        customers = {
            ref: await a_customer(tx, brand, ref, contacts=BOTH, consents=agreed)
            for ref in ("much", "once", "never")
        }
    return Told(house, brand, customers)


def groups(**numbers: int) -> dict[str, int]:
    """Name the groups of which somebody is."""
    names = {"none": "0", "one": "1", "two": "2", "few": "3-5", "many": "6-10", "flood": "11+"}
    return {shown: numbers.get(name, 0) for name, shown in names.items()}


async def test_messages_are_counted_per_person_until_they_are_known_not_to_have_arrived(
    told: Told,
) -> None:
    for state in ("delivered", "sent", "accepted", "unknown", "failed", "undelivered"):
        await told.got("much", state)
    await told.got("once", "delivered")
    await told.got("once", "delivered", days=40)
    await told.got("once", "delivered", simulated=True)

    report = await told.report()

    assert (report.messages, report.customers) == (5, groups(none=1, one=1, few=1))
    assert report.most == [
        MostTold(customer_id=told.customers["much"], messages=4),
        MostTold(customer_id=told.customers["once"], messages=1),
    ]
    assert [one.messages for one in (await told.report(most=1)).most] == [4]


async def test_people_are_grouped_for_each_class_channel_and_topic(told: Told) -> None:
    for _ in range(6):
        await told.got("much", "delivered")
    for ref in ("much", "once"):
        await told.got(ref, "delivered", topic=PROMO)

    report = await told.report()

    assert report.customers == groups(none=1, one=1, many=1)
    by_class = {name: (one.messages, one.customers) for name, one in report.by_class.items()}
    assert by_class == {
        "commercial": (2, groups(none=1, one=2)),
        "service": (6, groups(none=2, many=1)),
    }
    by_channel = {name: (one.messages, one.customers) for name, one in report.by_channel.items()}
    assert by_channel == {
        "email": (2, groups(none=1, one=2)),
        "sms": (6, groups(none=2, many=1)),
    }
    by_topic = {one.topic: (one.messages, one.customers) for one in report.topics}
    assert by_topic == {
        CASE: (6, groups(none=2, many=1)),
        PROMO: (2, groups(none=1, one=2)),
    }


async def test_a_banner_counts_once_it_was_shown(told: Told) -> None:
    await told.got("once", "accepted", topic=WARNING, banner=True)
    await told.got("much", "delivered", topic=WARNING, banner=True)

    report = await told.report()

    assert {name: one.messages for name, one in report.by_channel.items()} == {"banner": 1}


async def test_complaints_and_refusals_are_set_against_the_messages_of_their_topic(
    told: Told,
) -> None:
    for _ in range(3):
        await told.got("much", "delivered")
    promotion = await told.got("once", "delivered", topic=PROMO)
    await told.complained("much", CASE)
    await told.complained("never", WARNING)
    await told.refused("once", Channel.EMAIL, promotion)
    await told.refused("never", Channel.EMAIL)
    await told.refused("never", Channel.SMS)

    report = await told.report()

    figures = {
        one.topic: (one.messages, one.complaints, one.per_thousand, one.refusals)
        for one in report.topics
    }
    assert figures == {
        CASE: (3, 1, 333.333, 0),
        PROMO: (1, 0, 0.0, 1),
        WARNING: (0, 1, None, 0),
    }
    assert report.refusals == {"email": 2, "sms": 1}


async def test_what_was_kept_back_is_counted_by_reason_and_rehearsals_are_not(told: Told) -> None:
    await told.complained("once", CASE)
    reasons = [await told.decided("once", simulated=simulated) for simulated in (False, True)]

    assert reasons == ["complained", "complained"]
    assert (await told.report()).suppressed == {"complained": 1}


async def test_another_brand_has_none_of_it(told: Told) -> None:
    await told.got("once", "delivered")
    async with told.house.sessions() as tx, tx.begin():
        other = await a_brand(tx, "another-bank")

    report = await Told(told.house, other, {}).report()

    assert (report.messages, report.customers, report.most) == (0, groups(), [])


async def test_reasons_are_summed_up_without_reading_explanations(sessions: Sessions) -> None:
    """The condition of the query is that of the index; otherwise each body would be read."""
    decisions = table(DecisionRow)
    [index] = [one for one in decisions.indexes if one.name == "decisions_silent"]
    condition = index.dialect_options["postgresql"]["where"]
    query = (
        f"EXPLAIN SELECT reason, count(*) FROM decisions WHERE brand_id = 'b' AND at >= now() "
        f"AND {condition} GROUP BY reason"
    )

    async with sessions() as tx:
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        await tx.execute(text("SET LOCAL enable_bitmapscan = off"))
        plan = "\n".join((await tx.execute(text(query))).scalars())

    assert "Index Only Scan using decisions_silent" in plan
