"""Mails that come back, on a real database: who is told otherwise, who no more."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Row, func, select, update

from tellal.carrier.reports import Kind
from tellal.domain.bounces import Said
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.consents import ConsentChannel
from tellal.domain.customers import Brand, ConsentState
from tellal.domain.errors import InvalidInputError
from tellal.domain.messages import MessageState, OutcomeState
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ComplaintRow, ConsentRow, ContactPointRow
from tellal.persistence.tables.delivery import CauseCountRow, ReceiptInboxRow
from tellal.persistence.tables.ledger import CauseRow, MessageRow, OutcomeRow, ReceiptRow
from tellal.services.annoyance import annoyance
from tellal.services.bounces import Bounces, Worked
from tellal.services.complaints import Complaints
from tellal.services.consents import ConsentInput, Consents
from tellal.services.house import House
from tellal.services.moves import Move
from tellal.services.receipt_inbox import InboxWork
from tellal.services.receipts import Receipts
from tests.support.bounces import came_back, paths
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock
from tests.support.ledger import message

_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_points = table(ContactPointRow).c
TOPIC = "tariff_change"
BOTH = {Channel.EMAIL: "cem@example.com", Channel.SMS: "+905320000103"}


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(tx, brand, "cem", contacts=BOTH, consents={Channel.EMAIL: "granted"})
        return brand


@pytest.fixture
async def mail(house: House, brand: Brand) -> str:
    """A mail that the relay took: to the ledger its reader is told."""
    async with house.sessions() as tx, tx.begin():
        await house.events.record(
            tx, brand=brand, customer_ref="cem", type="tariff_changed", payload={}
        )
    async with house.sessions() as tx:
        query = select(_messages.c.id).where(_messages.c.topic == TOPIC)
        message_id: str = (await tx.execute(query)).scalar_one()
    await leaves(house, message_id)
    await moves(house, message_id, MessageState.ACCEPTED)
    assert (await outcome(house)).state == OutcomeState.TOLD
    return message_id


async def leaves(house: House, message_id: str, attempt: int = 1) -> None:
    """Have a lane hand a mail over."""
    async with house.sessions() as tx, tx.begin():
        await tx.execute(
            update(_messages)
            .where(_messages.c.id == message_id)
            .values(state="handing_over", receipts="bounce_only", provider="smtp", attempt=attempt)
        )


async def moves(house: House, message_id: str, state: MessageState) -> None:
    async with house.sessions() as tx, tx.begin():
        reference = f"<{message_id}@anadolu.example>"
        move = Move(message_id=message_id, state=state, reference=reference, provider="smtp")
        await house.progress.move(tx, [move])


def bounces_of(house: House) -> Bounces:
    complaints = Complaints(house.books, house.progress, house.clock)
    return Bounces(paths(), complaints=complaints, progress=house.progress, clock=house.clock)


async def comes(house: House, raw: bytes, **how: str) -> Worked:
    """Have a mail come back, and a worker work its receipt in."""
    async with house.sessions() as tx, tx.begin():
        worked = await bounces_of(house).take(tx, raw, **how)
    await InboxWork(house.sessions, house.clock, Receipts(house.clock, house.progress)).work()
    return worked


async def outcome(house: House) -> Row[Any]:
    async with house.sessions() as tx:
        return (await tx.execute(select(_outcomes).where(_outcomes.c.topic == TOPIC))).one()


async def of_topic(house: House) -> list[tuple[str, str, str]]:
    async with house.sessions() as tx:
        rows = (_messages.c.channel, _messages.c.state, _messages.c.code)
        query = select(*rows).where(_messages.c.topic == TOPIC).order_by(_messages.c.id)
        return [tuple(row) for row in await tx.execute(query)]


async def bad_reason(house: House) -> str:
    async with house.sessions() as tx:
        query = select(_points.bad_reason).where(_points.channel == "email")
        return str((await tx.execute(query)).scalar_one())


async def count(house: House, row: type[Any]) -> int:
    async with house.sessions() as tx:
        return int((await tx.execute(select(func.count()).select_from(table(row)))).scalar_one())


async def test_a_mail_that_comes_back_is_followed_by_the_next_channel(
    house: House, mail: str
) -> None:
    worked = await comes(house, came_back(mail))

    reopened = await outcome(house)
    assert (reopened.state, reopened.closed_at) == (OutcomeState.OPEN, None)
    [due] = await house.journeys.due(10)
    step = await house.journeys.advance(due)

    assert worked == Worked(said=Said.FAILED, message_id=mail, code="5.1.1", fault="address")
    assert step.stage == "trying sms"
    assert await of_topic(house) == [("email", "undelivered", "5.1.1"), ("sms", "queued", "")]
    assert await bad_reason(house) == "smtp:5.1.1"


async def test_the_sweeper_goes_on_to_follow_what_has_been_opened_again(
    house: House, mail: str
) -> None:
    """The workflow went home when the mail was taken: nobody hears what it would be told."""
    await comes(house, came_back(mail))
    [due] = await house.journeys.due(10)
    step = await house.journeys.advance(due)
    assert step.wait_until is not None
    assert (await outcome(house)).workflow_id
    assert (await outcome(house)).check_at == step.wait_until

    async with house.sessions() as tx, tx.begin():
        query = select(_messages.c.id).where(_messages.c.channel == "sms")
        text = (await tx.execute(query)).scalar_one()
        await house.progress.move(
            tx, [Move(message_id=text, state=MessageState.FAILED, code="30005")]
        )
    assert await house.journeys.due(10) == (due,)
    await house.journeys.advance(due)

    closed = await outcome(house)
    assert (closed.state, closed.reason) == (OutcomeState.FAILED, "30005")


@pytest.mark.parametrize(
    ("kind", "code", "why"),
    [
        pytest.param(Kind.FAILED, "5.2.2", "5.2.2", id="full"),
        pytest.param(Kind.FAILED, "5.7.1", "5.7.1", id="policy"),
        pytest.param(Kind.FAILED, "4.4.7", "4.4.7", id="given up"),
        pytest.param(Kind.ODD, "", "bounced", id="in qmail's words"),
    ],
)
async def test_an_address_that_is_not_dead_stays_good(
    house: House, mail: str, kind: Kind, code: str, why: str
) -> None:
    await comes(house, came_back(mail, kind, code))

    assert await of_topic(house) == [("email", "undelivered", why)]
    assert (await outcome(house)).state == OutcomeState.OPEN
    assert await bad_reason(house) == ""


@pytest.mark.parametrize(
    ("kind", "said", "state"),
    [
        (Kind.DELAYED, Said.DELAYED, "accepted"),
        (Kind.AWAY, Said.NOTHING, "accepted"),
        (Kind.RELAYED, Said.RELAYED, "sent"),
        (Kind.DELIVERED, Said.DELIVERED, "delivered"),
    ],
)
async def test_what_is_no_failure_fails_nothing(
    house: House, mail: str, kind: Kind, said: Said, state: str
) -> None:
    worked = await comes(house, came_back(mail, kind))

    assert worked.said is said
    assert [one[1] for one in await of_topic(house)] == [state]
    assert (await outcome(house)).state == OutcomeState.TOLD


async def test_the_same_mail_twice_and_a_delay_after_it_change_nothing(
    house: House, mail: str
) -> None:
    for kind in (Kind.DELAYED, Kind.FAILED, Kind.FAILED, Kind.DELAYED, Kind.RELAYED):
        await comes(house, came_back(mail, kind))

    assert [one[1] for one in await of_topic(house)] == ["undelivered"]
    assert await count(house, ReceiptRow) == 2


async def test_a_bounce_that_outruns_the_relays_answer_counts(house: House, brand: Brand) -> None:
    async with house.sessions() as tx, tx.begin():
        await house.events.record(
            tx, brand=brand, customer_ref="cem", type="tariff_changed", payload={}
        )
    async with house.sessions() as tx:
        message_id = (await tx.execute(select(_messages.c.id))).scalar_one()
    await leaves(house, message_id)

    await comes(house, came_back(message_id))
    await moves(house, message_id, MessageState.ACCEPTED)

    assert (await message(house.sessions, message_id)).state == "undelivered"
    assert (await outcome(house)).state == OutcomeState.OPEN


async def test_the_failure_of_an_attempt_that_was_replaced_does_not_count(
    house: House, mail: str
) -> None:
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(_messages).where(_messages.c.id == mail).values(attempt=2))

    await comes(house, came_back(mail, attempt=1))
    assert (await message(house.sessions, mail)).state == "accepted"
    await comes(house, came_back(mail, attempt=2))

    assert (await message(house.sessions, mail)).state == "undelivered"


async def test_an_attempt_that_was_never_made_is_nobodys(house: House, mail: str) -> None:
    assert (await comes(house, came_back(mail, attempt=2))).message_id is None
    assert (await comes(house, came_back(new_id()))).message_id is None
    assert await count(house, ReceiptInboxRow) == 0


async def test_another_brands_key_fails_no_mail(house: House, mail: str) -> None:
    worked = await comes(house, came_back(mail), brand_id=new_id())

    assert (worked.said, worked.message_id) == (Said.NOTHING, None)
    assert (await message(house.sessions, mail)).state == "accepted"


async def test_who_was_told_otherwise_stays_told(house: House, mail: str) -> None:
    await comes(house, came_back(mail, Kind.FAILED, "5.2.2"))
    [due] = await house.journeys.due(10)
    await house.journeys.advance(due)
    async with house.sessions() as tx, tx.begin():
        query = select(_messages.c.id).where(_messages.c.channel == "sms")
        text = (await tx.execute(query)).scalar_one()
        await tx.execute(update(_messages).where(_messages.c.id == text).values(state="accepted"))
        await house.progress.move(tx, [Move(message_id=text, state=MessageState.DELIVERED)])
    assert (await outcome(house)).state == OutcomeState.TOLD

    await comes(house, came_back(mail, Kind.FAILED, "5.1.1"))

    assert (await outcome(house)).state == OutcomeState.TOLD
    assert await house.journeys.due(10) == ()


@pytest.mark.parametrize("why", ["its time is over", "it was stopped"])
async def test_what_comes_back_too_late_says_that_nobody_was_told(
    house: House, mail: str, clock: SetClock, why: str
) -> None:
    if why == "it was stopped":
        causes = table(CauseRow)
        async with house.sessions() as tx, tx.begin():
            await tx.execute(update(causes).values(state="stopped"))
    else:
        clock.pass_by(timedelta(days=60))

    await comes(house, came_back(mail))

    closed = await outcome(house)
    assert (closed.state, closed.reason) == (OutcomeState.FAILED, "5.1.1")
    assert await house.journeys.due(10) == ()
    assert await of_topic(house) == [("email", "undelivered", "5.1.1")]


async def test_the_counts_of_a_cause_follow(house: House, mail: str) -> None:
    counts = table(CauseCountRow).c
    cause = (await message(house.sessions, mail)).cause_id
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(table(CauseRow)).values(counted=True))

    await comes(house, came_back(mail))

    async with house.sessions() as tx:
        sums = (func.sum(counts.open), func.sum(counts.told), func.sum(counts.failed))
        moved = (await tx.execute(select(*sums).where(counts.cause_id == cause))).one()
    assert tuple(moved) == (1, -1, 0)


@pytest.mark.parametrize(
    ("message_class", "refusals"),
    [(MessageClass.COMMERCIAL, {"email": 1}), (MessageClass.SERVICE, {})],
)
@pytest.mark.req("A10")
async def test_who_calls_it_spam_hears_no_more_of_it(
    house: House,
    mail: str,
    brand: Brand,
    *,
    message_class: MessageClass,
    refusals: dict[str, int],
) -> None:
    at = house.clock.now()
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(_messages).values(message_class=message_class.value))

    for _ in range(2):
        worked = await comes(house, came_back(mail, Kind.ABUSE))
        assert worked.said is Said.COMPLAINT

    async with house.sessions() as tx:
        report = await annoyance(tx, brand.id, at - timedelta(days=1), at + timedelta(days=1))
        filed = (await tx.execute(select(table(ComplaintRow)))).one()
    [topic] = report.topics
    assert (topic.topic, topic.complaints, topic.refusals) == (TOPIC, 1, sum(refusals.values()))
    assert report.refusals == refusals
    assert (filed.message_id, filed.source, filed.resumed) == (mail, "feedback_loop", False)
    assert [one[1] for one in await of_topic(house)] == ["accepted"]
    async with house.sessions() as tx, tx.begin():
        event = await house.events.record(
            tx, brand=brand, customer_ref="cem", type="tariff_changed", payload={}
        )
    assert [one.reason for one in event.decisions if one.topic == TOPIC] == ["complained"]


async def test_who_has_refused_before_does_not_refuse_again(
    house: House, mail: str, brand: Brand
) -> None:
    async with house.sessions() as tx, tx.begin():
        await tx.execute(update(_messages).values(message_class="commercial"))
        await Consents(house.clock).record(
            tx,
            brand=brand,
            ref="cem",
            said=ConsentInput(
                channel=ConsentChannel.EMAIL, state=ConsentState.REFUSED, source="HS_EPOSTA"
            ),
        )
    before = await count(house, ConsentRow)

    await comes(house, came_back(mail, Kind.ABUSE))

    assert await count(house, ConsentRow) == before == 2


async def test_the_envelope_says_to_whom_it_came_where_no_header_does(
    house: House, mail: str
) -> None:
    raw = b"From: MAILER-DAEMON@mx.example\nSubject: failure notice\n\nSorry.\n"
    to = paths().of(paths().find(came_back(mail).decode()))  # type: ignore[arg-type]  # it is there

    assert (await comes(house, raw)).message_id is None
    assert (await comes(house, raw, to=f"<{to}>")).message_id == mail


async def test_without_return_addresses_nothing_comes_back(house: House) -> None:
    complaints = Complaints(house.books, house.progress, house.clock)
    nowhere = Bounces(None, complaints=complaints, progress=house.progress, clock=house.clock)

    async with house.sessions() as tx:
        with pytest.raises(InvalidInputError, match="no return addresses") as refused:
            await nowhere.take(tx, b"From: a@b.example\n\n")
    assert "TELLAL_SMTP__BOUNCES__ADDRESS" in str(refused.value.hint)
