"""An office for tests: it opens cases and brings them forward, each command in its transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from tellal.domain.calls import TaskState
from tellal.domain.cases import CallOutcome, CaseCommand, CaseState, Closure, ReplyWay, VerifiedAs
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand, ConsentState
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow, OutboxRow
from tellal.services import case_views
from tellal.services.case_calls import CallTask
from tellal.services.case_views import CaseView
from tellal.services.cases import CaseInput, Particulars
from tellal.services.explicit_consents import ExplicitConsents, ExplicitInput
from tellal.services.house import House
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock

HALIL = "+905330000201"
MAIL = "halil@example.com"


@dataclass(frozen=True, kw_only=True)
class Office:
    """One brand's officers."""

    house: House
    clock: SetClock
    brand: Brand

    async def open(
        self,
        channel: str,
        customer: str = "halil",
        **particulars: Any,  # noqa: ANN401 - as they are
    ) -> CaseView:
        async with self.house.sessions() as tx, tx.begin():
            return await self.house.cases.open(
                tx,
                brand=self.brand,
                customer_ref=customer,
                channel=channel,
                subject="meter",
                by="officer",
                particulars=Particulars(**particulars),
            )

    async def do(
        self,
        case: CaseView,
        command: CaseCommand,
        **said: Any,  # noqa: ANN401 - as they are
    ) -> CaseView:
        async with self.house.sessions() as tx, tx.begin():
            return await self.house.cases.command(
                tx,
                brand_id=self.brand.id,
                number=case.number,
                command=command,
                body=CaseInput(**said),
                by="officer",
            )

    async def route(self, case: CaseView, team: str = "metering") -> CaseView:
        return await self.do(case, CaseCommand.ROUTE, team=team)

    async def answer(self, case: CaseView) -> CaseView:
        return await self.do(case, CaseCommand.ANSWER, answer="replaced")

    async def call(
        self,
        case: CaseView,
        outcome: CallOutcome = CallOutcome.REACHED,
        verified_as: VerifiedAs = VerifiedAs.APPLICANT,
        **said: Any,  # noqa: ANN401 - as they are
    ) -> CaseView:
        return await self.do(
            case, CaseCommand.CALL, outcome=outcome, verified_as=verified_as, **said
        )

    async def reply(self, case: CaseView, way: ReplyWay) -> CaseView:
        return await self.do(case, CaseCommand.REPLY, way=way, text="Sayacınız doğru ölçüyor.")

    async def resolve(
        self,
        case: CaseView,
        result: str = "The meter was replaced",
        closure: Closure = Closure.RESOLVED,
    ) -> CaseView:
        return await self.do(case, CaseCommand.RESOLVE, result=result, closure=closure)

    async def merge(self, case: CaseView, into: CaseView) -> CaseView:
        async with self.house.sessions() as tx, tx.begin():
            return await self.house.cases.merge(
                tx, brand_id=self.brand.id, number=case.number, into=into.number, by="officer"
            )

    async def answered(self, channel: str = "web", **particulars: Any) -> CaseView:  # noqa: ANN401 - as they are
        case = await self.open(channel, **particulars)
        await self.route(case)
        return await self.answer(case)

    async def concluded(self, channel: str = "web") -> CaseView:
        case = await self.answered(channel)
        await self.call(case)
        return await self.resolve(case)

    async def consent(self, category: str = "health") -> None:
        signed = ExplicitInput(
            category=category,
            state=ConsentState.GRANTED,
            document="acik-riza",
            version="1",
            language="tr",
            signature={"kind": "wet", "file": "KVK-17"},
        )
        async with self.house.sessions() as tx, tx.begin():
            await ExplicitConsents(self.clock).record(tx, self.brand.id, "halil", signed, by="crm")

    async def told(self, case: CaseView, *states: CaseState) -> list[tuple[str, str]]:
        """Have the notices of some states decided; return what leaves, by topic and channel."""
        for state in states:
            await self.house.case_notices.notice(case.id, state)
        return [(one.topic, one.channel) for one in await self.messages()]

    async def messages(self) -> list[Any]:
        messages = table(MessageRow)
        async with self.house.sessions() as tx:
            return list((await tx.execute(select(messages).order_by(messages.c.id))).all())

    async def view(self, case: CaseView) -> CaseView:
        async with self.house.sessions() as tx:
            return await case_views.view(tx, self.brand.id, case.number)

    async def tasks(self, state: TaskState | None = None) -> tuple[CallTask, ...]:
        async with self.house.sessions() as tx:
            return await self.house.case_calls.page(tx, self.brand.id, state=state)

    async def claim(self, task: CallTask, by: str = "desk-1") -> CallTask:
        async with self.house.sessions() as tx, tx.begin():
            return await self.house.case_calls.claim(tx, self.brand.id, task.id, by=by)

    async def assess(self, case: CaseView, **answers: bool) -> CaseView:
        async with self.house.sessions() as tx, tx.begin():
            return await self.house.case_closing.assess(
                tx, self.brand.id, case.number, answers=answers, note="", by="officer"
            )

    async def outbox(self) -> list[Mapping[str, Any]]:
        rows = table(OutboxRow)
        async with self.house.sessions() as tx:
            found = await tx.execute(select(rows).order_by(rows.c.id))
            return [dict(row._mapping) for row in found]

    def pass_by(self, **time: float) -> None:
        self.clock.pass_by(timedelta(**time))


async def an_office(house: House, clock: SetClock) -> Office:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx, "porsuk-edas")
        contacts = {Channel.SMS: HALIL, Channel.EMAIL: MAIL}
        await a_customer(tx, brand, "halil", contacts=contacts)
    return Office(house=house, clock=clock, brand=brand)
