"""Texts to colleagues: they arrive once and marked, and nobody else gets anything."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from activities.assembly import SendersOnDemand
from rules.holder import RulebookHolder
from rules.routing import load_routes
from tellal.domain.channels import Channel, Lane
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError, NotFoundError
from tellal.domain.handover import Answered
from tellal.domain.routes import RouteTable
from tellal.domain.sms.alphabets import Alphabet
from tellal.domain.sms.segments import segmented
from tellal.persistence.bell import Bell
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.delivery import TrialRow
from tellal.persistence.tables.ledger import CapUseRow, MessageRow, OutcomeRow
from tellal.persistence.tables.outages import OutageNoticeRow
from tellal.services.allow_list import AllowList
from tellal.services.house import House
from tellal.services.lane_desk import lane_desk
from tellal.services.outage_views import OutageView, counts
from tellal.services.posting import LANE_CHANNEL
from tellal.services.trials import Trials, Wanted, masked
from tellal.settings import Settings
from templates.environment import JinjaRenderer
from tests.support.builders import a_brand, a_customer
from tests.support.carrier import CarrierProbe, MailboxProbe
from tests.support.house import MORNING, SetClock
from tests.support.outages import confirmed, decided

MOBILE, MAIL = "+905321112233", "elif@bank.example"
LIST = ("+90 532 111 22 33", "@bank.example")
_trials = table(TrialRow)

UNBOUNDED = RouteTable(routes=tuple(replace(one, rate=None) for one in load_routes().routes))
"""The routes that ship, with no rate: a clock that stands still refills no tokens."""

TWILIO = frozenset({Alphabet.GSM7, Alphabet.UCS2})


@pytest.fixture
def settings(carrier: CarrierProbe, mailbox: MailboxProbe) -> Settings:
    """Settings of a set-up whose providers are the simulator and the mailbox."""
    return Settings(
        twilio=carrier.twilio(), smtp=mailbox.smtp(), fcm=carrier.fcm(), allow_list=LIST
    )


@pytest.fixture
async def senders(settings: Settings) -> AsyncIterator[SendersOnDemand]:
    made = SendersOnDemand(settings)
    yield made
    await made.close()


@pytest.fixture
def trials(
    sessions: Sessions, clock: SetClock, settings: Settings, senders: SendersOnDemand
) -> Trials:
    return Trials(
        sessions,
        clock,
        books=RulebookHolder(None),
        renderer=JinjaRenderer(),
        senders=senders,
        routes=load_routes().with_providers(settings.providers),
        allow_list=AllowList.of(settings.allow_list),
    )


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(tx, brand, "ayse", locale="pl-PL")
        return brand


def wanted(**changes: object) -> Wanted:
    usual: Mapping[str, object] = {
        "topic": "case_opened",
        "channel": Channel.SMS,
        "to": MOBILE,
        "customer_like": "ayse",
    }
    return Wanted(**{**usual, **changes})  # type: ignore[arg-type]  # checked at run time


async def how_many(sessions: Sessions, *rows: type) -> int:
    async with sessions() as tx:
        found = [await tx.execute(select(func.count()).select_from(table(row))) for row in rows]
        return sum(int(one.scalar_one()) for one in found)


async def test_a_text_to_a_colleague_arrives_once_and_marked(
    trials: Trials, brand: Brand, carrier: CarrierProbe, sessions: Sessions
) -> None:
    trial = await trials.send(brand, wanted(), by="ops")

    [entry] = carrier.book(to=MOBILE)
    async with sessions() as tx:
        kept = (await tx.execute(select(_trials))).one()
    assert carrier.requests() == 1
    assert entry["text"] == trial.text
    assert trial.text == "[TEST] Zgłoszenie przyjęte, nr 2026-000417. Powiadomimy o wyniku."
    assert (trial.answer, trial.provider, trial.to) == ("accepted", "twilio", "…2233")
    assert trial.reference == entry["reference"]
    assert (kept.recipient, kept.sent_by, kept.sent_at) == ("…2233", "ops", MORNING)
    assert (kept.topic, kept.answer, kept.brand_id) == ("case_opened", "accepted", brand.id)


async def test_a_test_is_in_no_report_and_takes_no_slot(
    trials: Trials, brand: Brand, sessions: Sessions
) -> None:
    await trials.send(brand, wanted(topic="iscep_promo", channel=Channel.EMAIL, to=MAIL), by="ops")

    assert await how_many(sessions, TrialRow) == 1
    assert await how_many(sessions, MessageRow, OutcomeRow, CapUseRow) == 0


async def test_the_mark_is_counted_in_segments(
    trials: Trials, brand: Brand, sessions: Sessions
) -> None:
    async with sessions() as tx, tx.begin():
        await a_customer(tx, brand, "can", locale="tr-TR")

    trial = await trials.send(brand, wanted(customer_like="can"), by="ops")

    unmarked = trial.text.removeprefix("[TEST] ")
    assert trial.segments == segmented(trial.text, alphabets=TWILIO, reserved=5).count == 2
    assert segmented(unmarked, alphabets=TWILIO, reserved=5).count == 1


async def test_a_mail_is_marked_in_its_subject_and_in_its_html(
    trials: Trials, brand: Brand, mailbox: MailboxProbe
) -> None:
    await trials.send(brand, wanted(channel=Channel.EMAIL, to=MAIL), by="ops")

    [mail] = mailbox.mails(MAIL)
    assert mail["subject"].startswith("[TEST] ")
    assert "<p>[TEST]</p>" in mail["html"]
    assert "2026-000417" in mail["text"]
    assert mailbox.attempts(MAIL) == 1


@pytest.mark.req("D63", "blocks")
@pytest.mark.parametrize(
    ("channel", "to"),
    [
        pytest.param(Channel.SMS, "+905321112234", id="a stranger's number"),
        pytest.param(Channel.EMAIL, "elif@other.example", id="another domain"),
        pytest.param(Channel.EMAIL, "elif@mail.bank.example", id="a subdomain"),
        pytest.param(Channel.EMAIL, "elif@notbank.example", id="a domain that ends alike"),
        pytest.param(Channel.SMS, "+905990000000", id="the simulator's number"),
    ],
)
async def test_a_strangers_address_is_refused_and_nothing_leaves(  # noqa: PLR0917 - pytest's own
    trials: Trials,
    brand: Brand,
    carrier: CarrierProbe,
    mailbox: MailboxProbe,
    sessions: Sessions,
    channel: Channel,
    to: str,
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await trials.send(brand, wanted(channel=channel, to=to), by="ops")

    assert refused.value.field == "to"
    assert to not in str(refused.value)
    assert (carrier.requests(), mailbox.mails()) == (0, [])
    assert await how_many(sessions, TrialRow) == 0


async def test_a_refusal_of_the_provider_is_an_answer_that_is_kept(
    trials: Trials, brand: Brand, carrier: CarrierProbe, sessions: Sessions
) -> None:
    carrier.fault("429")

    trial = await trials.send(brand, wanted(), by="ops")

    async with sessions() as tx:
        kept = (await tx.execute(select(_trials))).one()
    assert trial.answer == kept.answer == "rejected"
    assert trial.code == kept.code != ""
    assert carrier.requests() == 1


async def test_what_is_not_there_cannot_be_sent(trials: Trials, brand: Brand) -> None:
    with pytest.raises(NotFoundError, match="no topic 'nothing'"):
        await trials.send(brand, wanted(topic="nothing"), by="ops")
    with pytest.raises(NotFoundError):
        await trials.send(brand, wanted(customer_like="nobody"), by="ops")
    with pytest.raises(InvalidInputError, match="no text for email"):
        await trials.send(
            brand, wanted(topic="case_opened_push", channel=Channel.EMAIL, to=MAIL), by="ops"
        )


@pytest.mark.parametrize("entry", ["05321112233", "@bank", "elif@", "x y z"])
def test_an_entry_of_the_list_that_is_none_is_refused_by_its_place(entry: str) -> None:
    with pytest.raises(InvalidInputError, match="entry 2 of the allow-list is no use") as refused:
        AllowList.of(["@bank.example", entry])

    assert refused.value.field == "allow_list"


@pytest.mark.parametrize(
    ("channel", "address", "shown"),
    [
        pytest.param(Channel.EMAIL, "elif.kaya@bank.example", "e…@bank.example", id="mail"),
        pytest.param(Channel.SMS, "+905321112233", "…2233", id="number"),
        pytest.param(Channel.PUSH, "abcdefghijkl", "…ijkl", id="token"),
    ],
)
def test_records_show_enough_to_know_a_colleague_by(
    channel: Channel, address: str, shown: str
) -> None:
    assert masked(channel, address) == shown


async def an_outage(house: House, brand: Brand) -> OutageView:
    """Confirm an outage that concerns everybody, and decide about everybody."""
    outage = await confirmed(house, brand)
    await decided(house, outage)
    return outage


@pytest.mark.req("D63", "blocks")
@pytest.mark.req("D63", "allows")
async def test_a_staging_set_up_sends_to_the_allow_list_alone_and_its_ledger_adds_up(
    house: House, settings: Settings, senders: SendersOnDemand, carrier: CarrierProbe
) -> None:
    staging = settings.model_copy(update={"only_allow_list": True})
    in_it = {"customer.district": "tepebasi"}
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(tx, brand, "elif", contacts={Channel.SMS: MOBILE}, facts=in_it)
        for n in range(3):
            there = {Channel.SMS: f"+90535000000{n}"}
            await a_customer(tx, brand, f"in-{n}", contacts=there, facts=in_it)
    outage = await an_outage(house, brand)
    desk = lane_desk(
        staging,
        house.sessions,
        house,
        renderer=JinjaRenderer(),
        senders=senders(),
        routes=UNBOUNDED,
        bell=Bell(house.sessions, LANE_CHANNEL),
    )

    claimed = await desk.claim(Lane.CRITICAL, 10)
    await desk.record(
        [Answered(message=one, answer=await senders()[one.provider].send(one)) for one in claimed]
    )
    for outcome_id in await house.journeys.due(10):
        await house.journeys.advance(outcome_id)

    messages = table(MessageRow).c
    async with house.sessions() as tx:
        found = (await tx.execute(select(messages.state, messages.code))).all()
        counted = await counts(tx, (await _cause(house, outage.id)))
    assert sorted((row.state, row.code) for row in found) == [
        ("accepted", ""),
        *[("cancelled", "not_on_allow_list")] * 3,
    ]
    assert [entry["to"] for entry in carrier.book()] == [MOBILE]
    assert carrier.requests() == 1
    assert counted["audience"] == 4 == sum(n for state, n in counted.items() if state != "audience")
    assert (counted["open"], counted["failed"]) == (1, 3)


async def _cause(house: House, outage_id: str) -> str:
    notices = table(OutageNoticeRow).c
    async with house.sessions() as tx:
        query = select(notices.cause_id).where(notices.outage_id == outage_id)
        return str((await tx.execute(query)).scalar_one())


async def test_without_that_setting_the_list_stops_nobody(
    house: House, settings: Settings, senders: SendersOnDemand
) -> None:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(tx, brand, "ayse", facts={"customer.district": "tepebasi"})
    await an_outage(house, brand)
    desk = lane_desk(
        settings,
        house.sessions,
        house,
        renderer=JinjaRenderer(),
        senders=senders(),
        routes=UNBOUNDED,
        bell=Bell(house.sessions, LANE_CHANNEL),
    )

    assert len(await desk.claim(Lane.CRITICAL, 10)) == 1
