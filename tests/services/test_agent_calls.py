"""Calls that people make, from the lane to what comes of them, on a real database."""

import asyncio
from dataclasses import dataclass

import pytest
from sqlalchemy import select, update

from activities.providers.agents import AgentCalls
from tellal.domain.calls import AGENTS
from tellal.domain.cases import CallOutcome
from tellal.domain.channels import Channel, Lane, MessageClass, Receipts as Told
from tellal.domain.consents import ConsentChannel, Source
from tellal.domain.customers import Brand, ConsentState
from tellal.domain.errors import ConflictError, NotFoundError
from tellal.domain.handover import Answered, Carrier
from tellal.domain.messages import Answer, HandOver, OutgoingMessage
from tellal.domain.routes import Route, RouteTable
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import ConsentRow, ContactPointRow
from tellal.persistence.tables.ledger import MessageRow, OutcomeRow
from tellal.persistence.tables.operations import AgentCallRow
from tellal.services.agent_call_views import AgentCall, page
from tellal.services.agent_calls import AgentDesk, owe
from tellal.services.consents import ConsentInput, Consents
from tellal.services.handover import HandOvers
from tellal.services.progress import Progress
from tests.support.builders import a_brand, a_customer
from tests.support.desk import EVERYWHERE, a_desk
from tests.support.ledger import SetClock, a_message, message

NUMBER = "+902122520000"
BY_AGENTS = RouteTable(
    routes=(Route(name="agents", provider=AGENTS, channel=Channel.CALL, carries=EVERYWHERE),)
)


@dataclass
class Office:
    """A brand with one call to make."""

    sessions: Sessions
    clock: SetClock
    brand: Brand
    message_id: str
    call_id: str = ""

    @property
    def desk(self) -> AgentDesk:
        return AgentDesk(self.clock, Progress(self.clock), Consents(self.clock))

    def lane(self) -> HandOvers:
        return a_desk(
            self.sessions,
            self.clock,
            carriers={AGENTS: Carrier(provider=AGENTS, receipts=Told.DELIVERY, looks_up=True)},
            routes=BY_AGENTS,
        )

    async def hand_over(self) -> HandOver | None:
        """Let the lane claim the message and hand it over; None if it did not leave."""
        sender, lane = AgentCalls(self.owe), self.lane()
        claimed = await lane.claim(Lane.JOURNEYS, 1)
        if not claimed:
            return None
        answer = await sender.send(claimed[0])
        assert await sender.look_up(claimed[0], self.clock.now()) == answer, "once for an attempt"
        await lane.record([Answered(message=claimed[0], answer=answer)])
        self.call_id = answer.reference
        return answer

    async def owe(self, one: OutgoingMessage) -> str:
        return await owe(self.sessions, self.clock, one)

    async def claim(self, by: str = "ayla") -> AgentCall:
        async with self.sessions() as tx, tx.begin():
            return await self.desk.claim(tx, self.brand, self.call_id, by=by)

    async def tell(self, outcome: CallOutcome, by: str = "ayla") -> AgentCall:
        async with self.sessions() as tx, tx.begin():
            return await self.desk.tell(tx, self.brand, self.call_id, outcome, by=by)

    async def due(self) -> list[str]:
        async with self.sessions() as tx:
            found = await page(tx, self.brand.id, self.clock.now(), due=True)
        return [one.id for one in found]

    async def outcome(self) -> str:
        async with self.sessions() as tx:
            return str((await tx.execute(select(table(OutcomeRow).c.state))).scalar_one())

    async def message(self) -> tuple[str, str]:
        row = await message(self.sessions, self.message_id)
        return row.state, row.code

    async def refuses_calls(self) -> None:
        async with self.sessions() as tx, tx.begin():
            await Consents(self.clock).record(
                tx,
                brand=self.brand,
                ref="ayse",
                said=ConsentInput(
                    channel=ConsentChannel.CALL,
                    state=ConsentState.REFUSED,
                    source=Source.HS_WEB.value,
                ),
            )


async def an_office(
    sessions: Sessions, *, message_class: MessageClass, consent: str = "granted"
) -> Office:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        who = await a_customer(
            tx,
            brand,
            "ayse",
            contacts={Channel.CALL: NUMBER},
            consents={Channel.CALL: consent} if consent else {},
        )
        message_id = await a_message(
            tx,
            brand,
            customer_id=who,
            channel=Channel.CALL,
            message_class=message_class,
            variables={"text": "Taahhüdünüz bitiyor."},
        )
    return Office(sessions, SetClock(), brand, message_id)


@pytest.fixture
async def office(sessions: Sessions) -> Office:
    """Return a service call that is to be made."""
    made = await an_office(sessions, message_class=MessageClass.SERVICE)
    answer = await made.hand_over()
    assert answer is not None
    assert answer.answer is Answer.ACCEPTED
    return made


@pytest.fixture
async def promotion(sessions: Sessions) -> Office:
    """Return a promotion that an agent is to make, with consent."""
    made = await an_office(sessions, message_class=MessageClass.COMMERCIAL)
    assert await made.hand_over() is not None
    return made


async def test_who_claims_a_call_sees_number_and_script_and_nobody_else(office: Office) -> None:
    assert await office.due() == [office.call_id]

    mine = await office.claim()

    assert (mine.number, mine.script) == (NUMBER, "Taahhüdünüz bitiyor.")
    assert (mine.state, mine.claimed_by) == ("claimed", "ayla")
    assert await office.due() == []
    with pytest.raises(ConflictError, match="another agent"):
        await office.claim(by="berk")
    office.clock.advance(minutes=31)
    assert await office.due() == [office.call_id], "whoever forgets it has it no more"


async def test_two_who_claim_at_once_are_one(office: Office) -> None:
    both = await asyncio.gather(office.claim("ayla"), office.claim("berk"), return_exceptions=True)

    assert sum(isinstance(one, AgentCall) for one in both) == 1
    assert sum(isinstance(one, ConflictError) for one in both) == 1


async def test_whoever_was_reached_is_told(office: Office) -> None:
    await office.claim()

    told = await office.tell(CallOutcome.REACHED)

    assert (told.state, told.tries) == ("done", 1)
    assert await office.message() == ("delivered", "")
    assert await office.outcome() == "told"
    async with office.sessions() as tx:
        assert (await tx.execute(select(table(AgentCallRow).c.script))).scalar_one() == ""
    with pytest.raises(ConflictError, match="this call is done"):
        await office.tell(CallOutcome.REACHED)


@pytest.mark.req("C01", "allows")
async def test_a_promotion_with_consent_is_called(promotion: Office) -> None:
    assert (await promotion.claim()).number == NUMBER


@pytest.mark.req("C01", "blocks")
@pytest.mark.req("C06", "blocks")
@pytest.mark.parametrize("consent", ["", "refused"])
async def test_a_promotion_without_consent_makes_no_call(sessions: Sessions, consent: str) -> None:
    made = await an_office(sessions, message_class=MessageClass.COMMERCIAL, consent=consent)

    assert await made.hand_over() is None

    assert await made.message() == ("cancelled", "no_consent")
    assert await made.due() == []


@pytest.mark.req("C06", "blocks")
async def test_consent_that_was_withdrawn_meanwhile_shows_no_number(promotion: Office) -> None:
    await promotion.refuses_calls()

    claimed = await promotion.claim()

    assert (claimed.state, claimed.reason) == ("cancelled", "no_consent")
    assert (claimed.number, claimed.script) == ("", "")
    assert await promotion.message() == ("cancelled", "no_consent")
    assert await promotion.due() == []


async def test_a_service_call_needs_no_consent(office: Office) -> None:
    await office.refuses_calls()

    assert (await office.claim()).number == NUMBER


@pytest.mark.req("C06", "blocks")
async def test_who_does_not_want_to_be_called_has_refused_calls(promotion: Office) -> None:
    await promotion.claim()

    told = await promotion.tell(CallOutcome.REFUSED)

    assert told.state == "done"
    assert await promotion.message() == ("delivered", "")
    consents = table(ConsentRow)
    async with promotion.sessions() as tx:
        newest = select(consents).order_by(consents.c.id.desc()).limit(1)
        refusal = (await tx.execute(newest)).one()
    assert (refusal.channel, refusal.state) == ("call", "refused")
    assert refusal.source == "HS_CAGRI_MERKEZI"
    assert refusal.evidence["call"] == promotion.call_id


async def test_who_does_not_answer_is_called_again_and_then_reached_otherwise(
    sessions: Sessions, office: Office
) -> None:
    async with sessions() as tx, tx.begin():
        longer = update(table(MessageRow)).values(expires_at=office.clock.at.replace(year=2027))
        await tx.execute(longer)
    for again, outcome in enumerate([CallOutcome.NO_ANSWER, CallOutcome.BUSY], start=1):
        await office.claim()
        told = await office.tell(outcome)
        assert (told.state, told.tries) == ("open", again)
        assert await office.due() == []
        with pytest.raises(ConflictError, match="so soon"):
            await office.claim()
        office.clock.advance(hours=24)
    await office.claim()

    last = await office.tell(CallOutcome.NO_ANSWER)

    assert (last.state, last.tries) == ("unreachable", 3)
    assert await office.message() == ("undelivered", "no_answer")


async def test_a_wrong_number_is_marked(office: Office) -> None:
    await office.claim()

    await office.tell(CallOutcome.WRONG_NUMBER)

    async with office.sessions() as tx:
        bad = (await tx.execute(select(table(ContactPointRow).c.bad_reason))).scalar_one()
    assert bad == "agents:wrong_number"
    assert await office.message() == ("failed", "wrong_number")


async def test_nobody_is_called_at_night(office: Office) -> None:
    office.clock.advance(hours=5)

    with pytest.raises(ConflictError, match="hour") as refused:
        await office.claim()

    assert refused.value.code == "too_early"


async def test_what_nobody_is_to_be_told_any_more_is_not_called(
    sessions: Sessions, office: Office
) -> None:
    async with sessions() as tx, tx.begin():
        await tx.execute(update(table(OutcomeRow)).values(state="told"))

    claimed = await office.claim()

    assert (claimed.state, claimed.reason, claimed.number) == ("cancelled", "not_wanted", "")


async def test_a_call_whose_time_is_over_is_not_made(sessions: Sessions, office: Office) -> None:
    async with sessions() as tx, tx.begin():
        await tx.execute(update(table(MessageRow)).values(expires_at=office.clock.at))

    assert (await office.claim()).reason == "expired"


async def test_only_who_has_claimed_a_call_tells_of_it(office: Office) -> None:
    with pytest.raises(ConflictError, match="claim the call"):
        await office.tell(CallOutcome.REACHED)


async def test_another_brands_call_is_not_there(sessions: Sessions, office: Office) -> None:
    async with sessions() as tx, tx.begin():
        other = await a_brand(tx, "other")
        with pytest.raises(NotFoundError):
            await office.desk.claim(tx, other, office.call_id, by="ayla")


async def test_a_call_of_which_nobody_knows_whether_it_was_kept_is_made_once(
    sessions: Sessions,
) -> None:
    made = await an_office(sessions, message_class=MessageClass.SERVICE)

    async def kept_unheard(one: OutgoingMessage) -> str:
        await made.owe(one)
        raise ConnectionError("the connection was lost while it was committed")

    lane = made.lane()
    [claimed] = await lane.claim(Lane.JOURNEYS, 1)
    answer = await AgentCalls(kept_unheard).send(claimed)
    await lane.record([Answered(message=claimed, answer=answer)])
    assert await AgentCalls(kept_unheard).look_up(claimed, made.clock.now()) is None
    made.clock.advance(seconds=10)
    [doubt] = await lane.doubts(Lane.JOURNEYS, 1)
    found = await AgentCalls(made.owe).look_up(doubt.message, doubt.since)
    assert found is not None
    await lane.settle(doubt, found)

    assert answer.answer is Answer.AMBIGUOUS
    async with sessions() as tx:
        calls = (await tx.execute(select(table(AgentCallRow).c.id))).scalars().all()
    assert list(calls) == [found.reference] == await made.due()
