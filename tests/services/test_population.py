"""A whole population decided at once, as each customer would be decided by himself."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.decide import Decider
from rules.holder import RulebookHolder
from rules.population.reading import Summary
from rules.routing import load_routes
from tellal.domain.channels import Channel, MessageClass, RecipientType
from tellal.domain.consents import Delegation, is_whole
from tellal.domain.customers import Brand, ConsentState
from tellal.domain.decisions import Decision, Verdict
from tellal.domain.messages import MessageState, OutcomeState
from tellal.domain.routes import Carriage, Route, RouteTable
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import read_customers
from tellal.persistence.session import Sessions
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.customers import (
    ConsentRow,
    ContactPointRow,
    CustomerRow,
    EventRow,
)
from tellal.persistence.tables.delivery import BlockRow
from tellal.persistence.tables.ledger import CapUseRow, CauseRow, MessageRow, OutcomeRow
from tellal.services.asking import Asking, Circumstances
from tellal.services.history import Journey
from tellal.services.population import Deciding, Matter, Population
from tests.rules.writing import write
from tests.support.builders import LONG_AGO, a_brand, a_customer

AT = datetime(2026, 3, 2, 18, 30, tzinfo=UTC)
AT_LAST = AT + timedelta(days=30)
_CUSTOMERS = 120

FIELDS = """
version: 1
fields:
  customer.segment: {type: text}
  customer.age: {type: int}
  customer.kind: {type: text}
  customer.locale: {type: text}
  customer.country: {type: text}
  customer.timezone: {type: text}
  customer.app.push_token: {type: bool}
  customer.products: {type: list}
  event.city: {type: text}
"""

BOOK = """
topics:
  - id: offer
    means: An offer
    class: CLASS
    expires: 2d
    on: [login]
    attempts: 3
    every: 1d
    stop_when: {customer.products: fund}
  - {id: other, means: Another, class: commercial, expires: 1d}
events:
  - {type: login, carries: [event.city]}
counts:
  - {id: told, of: messages, topics: [offer, other], within: 7d}
  - {id: texts, of: messages, class: commercial, channel: sms, within: 3d}
  - {id: logins, of: events, types: [login], within: 2d}
facts:
  - {id: modern, when: {any: [{customer.app.push_token: true}, {count.logins: {gte: 2}}]}}
suppress:
  - {id: old, when: {customer.age: {gte: 90}, fact.modern: false}, reason: old, text: Old}
  - {id: often, when: {count.texts: {gte: 2}}, reason: often, text: Often}
  - {id: just, when: {last.told: {within: 1h}}, reason: just, text: Just now}
  - {id: abroad, when: {customer.country: DE, event.city: Ankara}, reason: abroad, text: Abroad}
channels:
  - {id: a, when: {topic: offer, fact.modern: true}, send: [push, banner, sms, email],
     wait_for: any}
  - {id: b, when: {topic: offer, customer.locale: {starts_with: tr}}, send: [sms, email]}
  - {id: c, when: {topic: offer}, send: [email, whatsapp, sms]}
  - {id: d, when: {topic: other}, send: [sms]}
law:
  - {id: iys, when: {class: commercial}, channels: [sms, email, whatsapp], requires: consent,
     reason: no_consent, text: No consent}
caps:
  - {id: daily, count: {class: commercial}, limit: 1, per: 24h, channel: sms,
     on_reach: next_channel, reason: enough, text: Enough}
  - {id: weekly, count: {topics: [offer]}, limit: 2, per: calendar_week, on_reach: defer,
     reason: enough, text: Enough}
  - {id: monthly, count: {topics: [offer, other]}, limit: 3, per: 30d, on_reach: suppress,
     reason: fatigue, text: Fatigue}
quiet_hours:
  - {id: night, channels: [sms, push], between: [21:00, 09:00], action: defer, text: Night}
"""

ROUTES = RouteTable(
    routes=(
        *load_routes().with_providers({"smtp", "fcm"}).routes,
        *(
            Route(
                name=f"some-{channel}",
                provider="twilio",
                channel=channel,
                carries=(
                    Carriage(
                        countries=frozenset({"TR", "US", "GB"}),
                        classes=frozenset(MessageClass),
                        urls=True,
                    ),
                ),
            )
            for channel in (Channel.SMS, Channel.WHATSAPP)
        ),
    )
)
_NUMBERS = [
    "+905320000101",
    "+14155550100",  # California
    "+14165550100",  # Toronto: the same calling code
    "+447400123456",
    "+447700900123",  # a magic one
    "+447911123456",  # Guernsey has some of these
    "+491701234567",
    "+77011234567",
]
_ADDRESSES: Mapping[Channel, list[str]] = {
    Channel.SMS: _NUMBERS,
    Channel.WHATSAPP: _NUMBERS,
    Channel.EMAIL: ["Ayse@example.com", "ayse@example.com", "can@example.com", "z@example.com"],
    Channel.PUSH: ["token-0001", "token-0002", "token-0003"],
}


def told(decision: Decision | Summary) -> Mapping[str, object]:
    """Say what of a decision has to be alike, whoever made it."""
    fired = decision.fired
    return {
        "verdict": decision.verdict,
        "steps": decision.steps,
        "reasons": [(reason.code, reason.rule) for reason in decision.reasons],
        "fired": [one if isinstance(one, str) else one.rule for one in fired],
        "facts": decision.facts,
        "removed": {ch: (reason.code, reason.rule) for ch, reason in decision.removed.items()},
    }


class Writer:
    """Writes people with all that may befall them."""

    def __init__(self, tx: AsyncSession, brand: Brand, chance: random.Random) -> None:
        self.tx, self.brand, self.chance = tx, brand, chance
        self.own: dict[str, Journey] = {}
        self._cause = ""

    async def write(self, row: Any, **values: object) -> str:  # noqa: ANN401 - a row class
        made = {"id": new_id(), **values}
        if "brand_id" in table(row).c:
            made["brand_id"] = self.brand.id
        await self.tx.execute(insert(table(row)).values(**made))
        return str(made["id"])

    async def people(self) -> list[str]:
        for channel, addresses in _ADDRESSES.items():
            for address in addresses:
                if self.chance.random() < 0.2:
                    await self.block(channel, address)
        return [await self.person(n) for n in range(_CUSTOMERS)]

    async def block(self, channel: Channel, address: str) -> None:
        await self.write(
            BlockRow,
            address=address.lower() if channel is Channel.EMAIL else address,
            origin=self.chance.choice(["institution", "customer"]),
            reason="x",
            until=self.chance.choice([None, AT - timedelta(hours=1), AT, AT + timedelta(hours=1)]),
            placed_by="x",
            placed_at=LONG_AGO,
            lifted_at=self.chance.choice([None, None, None, AT]),
        )

    async def person(self, number: int) -> str:
        chance = self.chance
        facts = {
            "customer.segment": chance.choice(["mass", "İş", None]),
            "customer.age": chance.choice([19, 20, 91, "91", 91.5]),
            "customer.products": chance.choice([[], ["card"], ["fund", "card"]]),
            "customer.relation": chance.choice([[], ["student"], ["customer", "parent"], "x"]),
            "customer.locale": "what is stored elsewhere wins",
            "customer.app.push_token": chance.choice([False, True]),
        }
        kind = chance.choice(["individual", "merchant"])
        customer = await self.write(
            CustomerRow,
            ref=f"c{number}",
            kind=kind,
            locale=chance.choice(["tr-TR", "en-GB"]),
            timezone=chance.choice(["Europe/Istanbul", "America/New_York", "Asia/Kathmandu"]),
            country=chance.choice(["TR", "TR", "TR", "PL", "DE", ""]),
            first_name="",
            facts=facts,
            service_only=chance.random() < 0.1,
            topics_off=chance.choice([[], [], [], ["offer"], ["else"]]),
            complained=chance.choice([[], [], [], ["else", "offer"]]),
            created_at=LONG_AGO,
            updated_at=LONG_AGO,
        )
        for channel, addresses in _ADDRESSES.items():
            for address in chance.sample(addresses, chance.choice([0, 1, 1, 2])):
                await self.write(
                    ContactPointRow,
                    customer_id=customer,
                    channel=channel.value,
                    address=address,
                    bad_reason=chance.choice(["", "", "", "gone"]),
                    created_at=LONG_AGO,
                )
            for _ in range(chance.choice([0, 1, 2, 3])):
                state = ConsentState(chance.choice(["granted", "granted", "refused"]))
                role = RecipientType(chance.choice([kind, kind, kind, "merchant"]))
                purposes = chance.choice([[], [], ["news"], ["news", "offers"], ["else"]])
                of_dealer = chance.random() < 0.1
                delegation = Delegation(retailer="1", contract="2", goods=("x",))
                await self.write(
                    ConsentRow,
                    customer_id=customer,
                    channel=channel.value,
                    state=state.value,
                    source="x",
                    evidence={},
                    recipient_type=role.value,
                    purposes=purposes,
                    delegation=asdict(delegation) if of_dealer else {},
                    whole=is_whole(state, role, kind, purposes, delegation if of_dealer else None),
                    given_at=LONG_AGO + timedelta(days=chance.randrange(2)),
                    valid_until=chance.choice([None, None, AT - timedelta(hours=1), AT, AT_LAST]),
                    # When it was written down says nothing.
                    recorded_at=LONG_AGO + timedelta(days=chance.randrange(5)),
                )
        for _ in range(chance.choice([0, 0, 1, 3])):
            await self.write(
                EventRow,
                customer_id=customer,
                type=chance.choice(["login", "logout"]),
                payload={},
                occurred_at=AT - timedelta(hours=chance.choice([-1, 0, 1, 47, 48, 50])),
                received_at=AT,
            )
        for _ in range(chance.choice([0, 0, 1, 3])):
            await self.outcome(customer)
        return customer

    async def outcome(self, customer: str) -> None:
        chance = self.chance
        topic = chance.choice(["offer", "offer", "other"])
        simulated = chance.random() < 0.2
        tries = chance.randrange(3)
        cause = await self.write(
            CauseRow, kind="x", key=new_id(), topic=topic, state="running", created_at=LONG_AGO
        )
        outcome = await self.write(
            OutcomeRow,
            cause_id=cause,
            customer_id=customer,
            topic=topic,
            content_version=1,
            state=chance.choice([*OutcomeState, *[OutcomeState.EXPIRED] * 8]).value,
            reason="",
            plan=chance.choice([{}, {"simulated": False}])
            if not simulated
            else {"simulated": True},
            tries=tries,
            created_at=LONG_AGO,
        )
        if chance.random() < 0.3:
            self.own[customer] = Journey(outcome_id=outcome, tries=tries)
        ago = timedelta(minutes=chance.choice([10, 59, 60, 600, 2000, 9000, 44_000]))
        for try_no in range(1, tries + 1):
            message = await self.write(
                MessageRow,
                cause_id=cause,
                outcome_id=outcome,
                customer_id=customer,
                topic=topic,
                message_class="commercial",
                channel=chance.choice(["sms", "email"]),
                lane="bulk",
                priority=1,
                try_no=try_no,
                step=0,
                language="tr",
                variables={},
                state=chance.choice(list(MessageState)).value,
                state_at=AT,
                not_before=AT,
                expires_at=AT,
                simulated=simulated,
                handed_at=chance.choice([None, AT - ago]),
                created_at=AT,
            )
            for cap in chance.sample(["shop.daily", "shop.weekly", "shop.monthly"], 2):
                await self.write(
                    CapUseRow,
                    customer_id=customer,
                    cap=cap,
                    message_id=message,
                    used_at=AT - ago,
                    released_at=chance.choice([None, None, None, AT]),
                )


@pytest.mark.req("C05")
@pytest.mark.req("D39")
@pytest.mark.req("D40")
@pytest.mark.parametrize(
    ("kind", "says", "simulated"),
    [
        ("commercial", "", False),
        ("commercial", "", True),
        ("commercial", "purposes: [news]", False),
        ("commercial", "purposes: [offers, news]", True),
        ("service", "", False),
        ("service", "", True),
        ("service", "basis: ongoing_relationship", False),
        ("mandatory", "", False),
        ("mandatory", "", True),
    ],
)
async def test_a_population_is_decided_as_its_customers_are(
    sessions: Sessions, tmp_path: Path, kind: str, says: str, simulated: bool
) -> None:
    (tmp_path / "fields.yaml").write_text(FIELDS, encoding="utf-8")
    text = BOOK.replace("class: CLASS\n", f"class: {kind}\n    {says}\n".replace("    \n", ""))
    books = RulebookHolder(write(tmp_path, text))
    asking = Asking(books, Decider(None), ROUTES)
    deciding = Deciding(ROUTES)
    around = Circumstances(document={"event.city": "Ankara"}, banner=kind == "service")
    async with sessions() as tx, tx.begin():
        writer = Writer(tx, await a_brand(tx), random.Random(f"{kind} {simulated}"))
        await tx.execute(update(table(BrandRow)).values(exemption="foundation_university"))
        ids = await writer.people()
        whom = Population(brand_id=writer.brand.id, simulated=simulated)
        for asked in (whom, replace(whom, ids=ids[::3], own=writer.own)):
            matter = Matter(topic="offer", at=AT, whom=asked, around=around)
            found = {
                one.customer: told(one) async for one in deciding.stream(tx, books.current, matter)
            }
            expected = {
                customer.id: told(
                    (
                        await asking.ask(
                            tx,
                            customer,
                            "offer",
                            AT,
                            around=around,
                            own=asked.own.get(customer.id),
                            simulated=simulated,
                        )
                    ).decision
                )
                for customer in (await read_customers(tx, asked.ids or ids)).values()
            }
            assert {k: (v, expected[k]) for k, v in found.items() if v != expected[k]} == {}
            assert found == expected
            summed = await deciding.sums(tx, books.current, matter)
            parts = await Deciding(ROUTES, many=1).sums(tx, books.current, matter)
            assert Counter(parts) == Counter(summed)
            assert sum(one.number for one in summed) == len(expected)
            speaking = sum(one.number for one in summed if one.verdict is not Verdict.SUPPRESS)
            assert speaking == sum(v["verdict"] is not Verdict.SUPPRESS for v in expected.values())


async def test_two_rulebooks_are_compared_in_one_statement(
    sessions: Sessions, tmp_path: Path
) -> None:
    new = BOOK.replace("customer.age: {gte: 90}", "customer.age: {gte: 20}").replace(
        "send: [email, whatsapp, sms]", "send: [whatsapp, email]"
    )
    new = new.replace("between: [21:00, 09:00]", "between: [20:00, 10:00]")
    held = {}
    for name, text in {"old": BOOK, "new": new}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "fields.yaml").write_text(FIELDS, encoding="utf-8")
        held[name] = RulebookHolder(
            write(tmp_path / name, text.replace("CLASS", "service"))
        ).current
    deciding = Deciding(ROUTES)
    costs = {Channel.SMS: Decimal("0.05"), Channel.EMAIL: Decimal("0.001")}
    async with sessions() as tx, tx.begin():
        writer = Writer(tx, await a_brand(tx), random.Random("compared"))
        await writer.people()
        matter = Matter(topic="offer", at=AT, whom=Population(brand_id=writer.brand.id))
        each = {
            name: {one.customer: one async for one in deciding.stream(tx, book, matter)}
            for name, book in held.items()
        }

        found = await deciding.difference(tx, held["old"], held["new"], matter, costs)
        by_parts = Deciding(ROUTES, many=1)
        parts = await by_parts.difference(tx, held["old"], held["new"], matter, costs)

        assert Counter(replace(one, sample=()) for one in parts) == Counter(
            replace(one, sample=()) for one in found
        )
        kinds: dict[str, set[str]] = {}
        spent = {"old": Decimal(0), "new": Decimal(0)}
        for customer in each["old"]:
            before, after = each["old"][customer], each["new"][customer]
            kinds.setdefault(_kind(before, after), set()).add(customer)
            for name, one in (("old", before), ("new", after)):
                spent[name] += costs.get(one.steps[0].channel, Decimal(0)) if one.steps else 0
        assert set(kinds) == {"same", "lose", "channel", "time"}
        for kind, customers in kinds.items():
            alike = [one for one in found if one.kind == kind]
            assert sum(one.number for one in alike) == len(customers)
            sample = {customer for one in alike for customer in one.sample}
            assert sample <= customers
            assert bool(sample) is (kind != "same")
            assert all(len(one.sample) == min(20, one.number) for one in alike if kind != "same")
        assert sum(one.old_cost for one in found) == spent["old"]
        assert sum(one.new_cost for one in found) == spent["new"]


def _kind(before: Summary, after: Summary) -> str:
    if bool(before.steps) is not bool(after.steps):
        return "gain" if after.steps else "lose"
    if [one.channel for one in before.steps] != [one.channel for one in after.steps]:
        return "channel"
    if before.steps and before.steps[0].not_before != after.steps[0].not_before:
        return "time"
    return "same"


ONE_A_MONTH = """
topics: [{id: offer, means: An offer, class: service, expires: 2d, priority: 50}]
channels: [{id: a, when: {topic: offer}, send: [email]}]
caps:
  - {id: monthly, count: {topics: [offer]}, limit: 1, per: 30d, on_reach: suppress,
     reason: fatigue, text: Fatigue}
"""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A slot that is taken; it counts for the questions named in `counts`.

    Priorities are stored with their sign turned: -50 is as urgent as what is asked about.
    """

    state: str = "delivered"
    rehearsed: bool = False
    own: bool = False
    days: int = 1
    priority: int = -50
    counts: frozenset[str] = field(default=frozenset(), repr=False)  # a set has no order to show


EARNEST, REHEARSED = frozenset({"in earnest"}), frozenset({"rehearsed"})
BOTH = EARNEST | REHEARSED


@pytest.mark.req("A02")
@pytest.mark.parametrize("question", sorted(BOTH))
@pytest.mark.parametrize(
    "slot",
    [
        Slot(priority=-10, counts=BOTH),
        Slot(days=31),
        Slot(rehearsed=True, counts=REHEARSED),
        Slot(own=True),
        Slot(state="queued", counts=BOTH),
        Slot(state="queued", days=31, counts=BOTH),
        Slot(state="queued", priority=-10),
        Slot(state="queued", rehearsed=True, counts=REHEARSED),
        Slot(state="queued", own=True),
        Slot(state="queued", own=True, days=31),
    ],
    ids=str,
)
async def test_a_slot_counts_for_many_as_it_does_for_one(
    sessions: Sessions, tmp_path: Path, slot: Slot, question: str
) -> None:
    simulated = question in REHEARSED
    (tmp_path / "fields.yaml").write_text(FIELDS, encoding="utf-8")
    books = RulebookHolder(write(tmp_path, ONE_A_MONTH))
    async with sessions() as tx, tx.begin():
        writer = Writer(tx, await a_brand(tx), random.Random(0))
        customer = await a_customer(tx, writer.brand, contacts={Channel.EMAIL: "a@example.com"})
        cause = await writer.write(
            CauseRow, kind="x", key="x", topic="offer", state="running", created_at=LONG_AGO
        )
        outcome = await writer.write(
            OutcomeRow,
            cause_id=cause,
            customer_id=customer,
            topic="other",
            content_version=1,
            state="expired",
            reason="",
            plan={},
            tries=2,
            created_at=LONG_AGO,
        )
        message = await writer.write(
            MessageRow,
            cause_id=cause,
            outcome_id=outcome,
            customer_id=customer,
            topic="offer",
            message_class="service",
            channel="email",
            lane="bulk",
            priority=slot.priority,
            try_no=2 if slot.own else 1,
            step=0,
            language="tr",
            variables={},
            state=slot.state,
            state_at=AT,
            not_before=AT,
            expires_at=AT,
            simulated=slot.rehearsed,
            created_at=AT,
        )
        used_at = AT - timedelta(days=slot.days)
        await writer.write(
            CapUseRow, customer_id=customer, cap="shop.monthly", message_id=message, used_at=used_at
        )
        mine = {customer: Journey(outcome_id=outcome, tries=2)}
        matter = Matter(
            topic="offer",
            at=AT,
            whom=Population(
                brand_id=writer.brand.id, ids=[customer], own=mine, simulated=simulated
            ),
        )
        found = [one async for one in Deciding(ROUTES).stream(tx, books.current, matter)]
        person = (await read_customers(tx, [customer]))[customer]
        alone = await Asking(books, Decider(None), ROUTES).ask(
            tx, person, "offer", AT, own=mine[customer], simulated=simulated
        )
        expected = Verdict.SUPPRESS if question in slot.counts else Verdict.SEND
        assert [one.verdict for one in found] == [expected]
        assert alone.decision.verdict is expected
