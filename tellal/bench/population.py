"""`tellal bench population`: everybody decided in one statement, beside one customer at a time.

The reference and durable_rules get what makes them fast: a page of a thousand customers with
their addresses and consents comes in two queries, and the rest of the ledger is left out of their
time. A comparison of two rulebooks stands beside a bare query of the same joins and sums.
"""

import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from statistics import median

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from rules.decide import LedgerView, Question, decide
from rules.engine import FencedRules
from rules.routing import load_routes
from rules.rulebook import Rulebook
from tellal.bench.bare_population import BARE
from tellal.bench.populace import (
    AT,
    CONSENTS_EACH,
    MESSAGES_EACH,
    TOPIC,
    Populace,
    settle,
    thirty_rules,
)
from tellal.bench.server import on_a_server
from tellal.bench.usage import watched_memory
from tellal.domain.customers import Customer
from tellal.domain.decisions import Verdict
from tellal.persistence.people import page_of_customers
from tellal.persistence.session import Sessions, make_sessions
from tellal.services.asking import document, reachable, situation, unroutable
from tellal.services.consent_standing import agreed
from tellal.services.history import cap_uses, ledger_view
from tellal.services.population import SETTINGS, Deciding, Matter, Population

_PAGE = 1_000
_ONE_BY_ONE = 20_000
_COMPARED = 300
_ROUNDS = 3
_ROUTES = load_routes().with_providers({"twilio", "smtp", "fcm"})
_NOTHING_YET = LedgerView(told_version=None, pending=False, attempts_made=0)


def run(customers: int = 1_000_000) -> dict[str, object]:
    """Run the benchmark on a server of its own; `ratio` is over durable_rules one by one."""
    return on_a_server(partial(_run, size=customers))


async def _run(engine: AsyncEngine, size: int) -> dict[str, object]:
    sessions = make_sessions(engine)
    began = time.perf_counter()
    populace = await settle(engine, sessions, size)
    bench = _Bench(sessions, populace)
    bench.ours["seeded_in_s"] = round(time.perf_counter() - began, 1)
    await bench.compare()
    await bench.one_by_one()
    await bench.at_once()
    await bench.difference()
    return bench.result()


class _Bench:
    """The sides, and what each took."""

    def __init__(self, sessions: Sessions, populace: Populace) -> None:
        self._sessions, self._populace = sessions, populace
        self._book = thirty_rules()
        self._changed = thirty_rules(risk=900, usual="[sms, email]")
        self._deciding = Deciding(_ROUTES)
        self._matter = Matter(topic=TOPIC, at=AT, whom=Population(brand_id=populace.brand_id))
        self.ours: dict[str, object] = {
            "customers": populace.size,
            "consents": populace.size * CONSENTS_EACH,
            "messages": populace.size * MESSAGES_EACH,
            "rules": len(self._book.shards[TOPIC].order),
        }
        self.baseline: dict[str, object] = {}
        self._rates: dict[str, float] = {}

    async def compare(self) -> None:
        """Make sure that both decide alike: a fast wrong answer is worth nothing."""
        async with self._sessions() as tx, tx.begin():
            page = await page_of_customers(tx, self._populace.brand_id, after="", limit=_COMPARED)
            whom = Population(brand_id=self._populace.brand_id, ids=[one.id for one in page])
            matter = Matter(topic=TOPIC, at=AT, whom=whom)
            found = {
                one.customer: (one.verdict, one.steps, [reason.code for reason in one.reasons])
                async for one in self._deciding.stream(tx, self._book, matter)
            }
            topic = self._book.topics[TOPIC]
            for customer in page:
                uses = await cap_uses(
                    tx, customer.id, self._book.caps_of(TOPIC), AT, priority=topic.priority
                )
                question = _question(
                    self._book,
                    customer,
                    cap_uses=uses.instants,
                    ledger=await ledger_view(tx, customer.id, topic, AT),
                )
                theirs = decide(self._book, question)
                codes = [reason.code for reason in theirs.reasons]
                ours, expected = found[customer.id], (theirs.verdict, theirs.steps, codes)
                if ours != expected:
                    raise AssertionError(f"the statement says {ours}, the reference {expected}")

    async def one_by_one(self) -> None:
        """Decide some customers one after another, by the reference and by durable_rules."""
        program = self._book.programs[TOPIC].to_json()
        engine = FencedRules(TOPIC, json.loads(json.dumps(program)))
        shard = self._book.shards[TOPIC]

        def by_reference(customer: Customer) -> object:
            return decide(self._book, _question(self._book, customer))

        def by_durable(customer: Customer) -> object:
            known = self._book.vocabulary.known(document(customer, {}))
            known |= shard.derivable.complete(known, situation(customer, AT))
            return engine.ask([known.get(path) for path in shard.fields])

        for name, ask in (("reference", by_reference), ("durable_rules", by_durable)):
            began, number = time.perf_counter(), 0
            async for page in self._pages():
                number += len([ask(customer) for customer in page])
            self._note(name, number, time.perf_counter() - began)
            self.baseline[f"{name}_per_second"] = round(self._rates[name])

    async def at_once(self) -> None:
        """Decide everybody: sums only, then a row for each, which a cursor brings."""
        size = self._populace.size
        took = [await self._timed(self._sum) for _ in range(_ROUNDS)]
        self._note("sums", size, median(took))
        async with watched_memory(os.getpid()) as memory:
            self._note("streamed", size, await self._timed(self._stream))
        self.ours["per_second"] = round(self._rates["sums"])
        self.ours["streamed_per_second"] = round(self._rates["streamed"])
        self.ours["sums_s"] = round(median(took), 3)
        self.ours |= memory.as_json()

    async def difference(self) -> None:
        """Compare two rulebooks, and run the bare query."""
        pairs = [
            (await self._timed(self._bare), await self._timed(self._differ)) for _ in range(_ROUNDS)
        ]
        self.baseline["bare_query_s"] = round(median(bare for bare, _ in pairs), 3)
        self.ours["difference_s"] = round(median(ours for _, ours in pairs), 3)
        self.ours["difference_to_bare_query"] = round(median(o / b for b, o in pairs), 2)

    def result(self) -> dict[str, object]:
        """Say how many times as fast everybody is decided as one by one."""
        self.ours["to_reference"] = round(self._rates["sums"] / self._rates["reference"], 1)
        ratio = round(self._rates["sums"] / self._rates["durable_rules"], 1)
        return {
            "bench": "population",
            "ratio": ratio,
            "ours": self.ours,
            "baseline": self.baseline,
        }

    def _note(self, name: str, number: int, took: float) -> None:
        self._rates[name] = number / took

    async def _pages(self) -> AsyncIterator[Sequence[Customer]]:
        after = ""
        for _ in range(max(1, min(_ONE_BY_ONE, self._populace.size) // _PAGE)):
            async with self._sessions() as tx:
                page = await page_of_customers(
                    tx, self._populace.brand_id, after=after, limit=_PAGE
                )
            yield page
            after = page[-1].id

    async def _timed(self, do: Callable[[AsyncSession], Awaitable[None]]) -> float:
        async with self._sessions() as tx, tx.begin():
            began = time.perf_counter()
            await do(tx)
            return time.perf_counter() - began

    async def _sum(self, tx: AsyncSession) -> None:
        summed = await self._deciding.sums(tx, self._book, self._matter)
        self.ours["decided"] = sum(one.number for one in summed)
        for verdict in Verdict:
            number = sum(one.number for one in summed if one.verdict is verdict)
            self.ours[f"to_{verdict}"] = number

    async def _stream(self, tx: AsyncSession) -> None:
        number = 0
        async for _ in self._deciding.stream(tx, self._book, self._matter):
            number += 1
        self.ours["streamed"] = number

    async def _differ(self, tx: AsyncSession) -> None:
        found = await self._deciding.difference(tx, self._book, self._changed, self._matter)
        for kind in sorted({one.kind for one in found}):
            self.ours[f"difference_{kind}"] = sum(one.number for one in found if one.kind == kind)

    async def _bare(self, tx: AsyncSession) -> None:
        await tx.execute(SETTINGS)
        values = {"brand": self._populace.brand_id, "at": AT, "topic": TOPIC}
        (await tx.execute(text(BARE), values)).all()


def _question(
    book: Rulebook,
    customer: Customer,
    cap_uses: Mapping[str, tuple[datetime, ...]] | None = None,
    ledger: LedgerView = _NOTHING_YET,
) -> Question:
    kind = book.topics[TOPIC].message_class
    return Question(
        topic=TOPIC,
        at=AT,
        timezone=customer.timezone,
        document=document(customer, {}),
        cap_uses=cap_uses or {},
        consents=agreed(customer, AT),
        reachable=reachable(customer, kind, AT, banner=False),
        blocked=customer.blocked(kind, AT),
        country=customer.country,
        unroutable=unroutable(customer, kind, _ROUTES),
        ledger=ledger,
    )
