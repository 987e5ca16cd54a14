"""Mails to staff when a run is done: once for each, whatever happens in between."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from sqlalchemy import delete, select, text

from activities.assembly import SendersOnDemand
from rules.holder import RulebookHolder
from tellal.domain.customers import Brand
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.brands import BrandRow
from tellal.persistence.tables.campaigns import CampaignEntryRow
from tellal.services.allow_list import AllowList
from tellal.services.campaign_mails import BEGUN, IN_DOUBT_AFTER, SENT, CampaignMails, Summary
from tellal.settings import Settings
from templates.staff_mails import LANGUAGES
from tests.support.builders import a_brand
from tests.support.campaigns import Written, a_finished_run
from tests.support.carrier import MailboxProbe
from tests.support.house import SetClock

pytestmark = pytest.mark.req("D62")

PM, BOSS = "pm@bank.example", "boss@bank.example"
_entries = table(CampaignEntryRow)


@pytest.fixture
async def senders(mailbox: MailboxProbe) -> AsyncIterator[SendersOnDemand]:
    made = SendersOnDemand(Settings(smtp=mailbox.smtp()))
    yield made
    await made.close()


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


def mails_of(
    sessions: Sessions,
    clock: SetClock,
    senders: SendersOnDemand,
    *,
    only: AllowList | None = None,
) -> CampaignMails:
    return CampaignMails(
        sessions,
        clock,
        books=RulebookHolder(None),
        senders=senders,
        public_url="https://tellal.example",
        only=only,
    )


async def a_run_to_tell_of(
    sessions: Sessions, brand: Brand, *to: str, simulated: bool = False
) -> Written:
    return await a_finished_run(
        sessions, brand, plan={"tell_when_done": list(to)}, simulated=simulated
    )


async def history(sessions: Sessions) -> list[tuple[str, Mapping[str, object]]]:
    async with sessions() as tx:
        rows = await tx.execute(select(_entries).order_by(_entries.c.id))
        return [(row.command, row.body) for row in rows]


@pytest.fixture
def mails(sessions: Sessions, clock: SetClock, senders: SendersOnDemand) -> CampaignMails:
    return mails_of(sessions, clock, senders)


async def test_everybody_named_gets_the_numbers_once(
    mails: CampaignMails, sessions: Sessions, brand: Brand, mailbox: MailboxProbe
) -> None:
    campaign = await a_run_to_tell_of(sessions, brand, PM, BOSS)

    first = await mails.summarise(campaign.runs[1])
    again = await mails.summarise(campaign.runs[1])

    assert first == again == Summary(sent=2)
    assert (mailbox.attempts(PM), mailbox.attempts(BOSS)) == (1, 1)
    [raw] = mailbox.raw(PM)
    mail = message_from_bytes(raw, policy=default)
    assert mail["Subject"] == "spring-loan: 1. gönderim tamamlandı"
    assert mail["Auto-Submitted"] == "auto-generated"
    said = mail.get_content()
    for line in ("Hedef kitle: 11", "  ulaşıldı: 3", "  2  30003 handset", "Maliyet: 0.30 TRY"):
        assert line in said
    assert "10:00 (Europe/Istanbul)" in said
    assert f"https://tellal.example/v1/campaigns/{campaign.id}/report?run=1" in said


async def test_the_history_names_no_whole_address(
    mails: CampaignMails, sessions: Sessions, brand: Brand
) -> None:
    campaign = await a_run_to_tell_of(sessions, brand, PM)

    await mails.summarise(campaign.runs[1])

    found = await history(sessions)
    assert [command for command, _ in found] == [BEGUN, SENT]
    assert found[1][1]["to"] == "p…@bank.example"
    assert found[1][1]["answer"] == "accepted"
    assert PM not in str(found)


async def test_a_crash_before_the_relay_answered_is_made_good(
    mails: CampaignMails,
    sessions: Sessions,
    brand: Brand,
    clock: SetClock,
    mailbox: MailboxProbe,
) -> None:
    campaign = await a_run_to_tell_of(sessions, brand, PM)
    await mails.summarise(campaign.runs[1])
    async with sessions() as tx, tx.begin():
        # As a process leaves it that died while the relay took the mail.
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        await tx.execute(delete(_entries).where(_entries.c.command == SENT))

    at_once = await mails.summarise(campaign.runs[1])
    clock.pass_by(IN_DOUBT_AFTER + timedelta(seconds=1))
    later = await mails.summarise(campaign.runs[1])

    assert (at_once, later) == (Summary(left=1), Summary(sent=1))
    ids = {message_from_bytes(raw)["Message-ID"] for raw in mailbox.raw(PM)}
    assert len(mailbox.raw(PM)) == 2
    assert len(ids) == 1


async def test_a_relay_that_is_away_is_tried_again(
    sessions: Sessions, brand: Brand, clock: SetClock, mailbox: MailboxProbe
) -> None:
    campaign = await a_run_to_tell_of(sessions, brand, PM)
    away = SendersOnDemand(Settings(smtp=mailbox.smtp().model_copy(update={"port": 9})))
    there = SendersOnDemand(Settings(smtp=mailbox.smtp()))

    first = await mails_of(sessions, clock, away).summarise(campaign.runs[1])
    second = await mails_of(sessions, clock, there).summarise(campaign.runs[1])
    await away.close()
    await there.close()

    assert (first, second) == (Summary(left=1), Summary(sent=1))
    assert len(mailbox.mails(PM)) == 1


async def test_who_may_get_nothing_gets_nothing(
    sessions: Sessions,
    brand: Brand,
    clock: SetClock,
    senders: SendersOnDemand,
    mailbox: MailboxProbe,
) -> None:
    campaign = await a_run_to_tell_of(sessions, brand, PM, "no address", "pm@simulator.example")
    nobody = mails_of(sessions, clock, senders, only=AllowList.of(["@elsewhere.example"]))

    said = await nobody.summarise(campaign.runs[1])

    assert said == Summary(refused=3)
    assert mailbox.mails() == []


async def test_nobody_is_told_of_a_rehearsal(
    mails: CampaignMails, sessions: Sessions, brand: Brand, mailbox: MailboxProbe
) -> None:
    campaign = await a_run_to_tell_of(sessions, brand, PM, simulated=True)

    assert await mails.summarise(campaign.runs[1]) == Summary(refused=1)
    assert mailbox.mails() == []


@pytest.mark.parametrize(
    ("country", "subject", "told"),
    [
        ("TR", "spring-loan: 1. gönderim tamamlandı", "ulaşıldı: 3"),
        ("PL", "spring-loan: wysyłka 1 zakończona", "powiadomieni: 3"),
        ("DE", "spring-loan: run 1 is done", "told: 3"),
    ],
)
async def test_it_speaks_the_language_of_the_brand(
    mails: CampaignMails,
    sessions: Sessions,
    brand: Brand,
    mailbox: MailboxProbe,
    *,
    country: str,
    subject: str,
    told: str,
) -> None:
    rows = table(BrandRow)
    async with sessions() as tx, tx.begin():
        await tx.execute(rows.update().where(rows.c.id == brand.id).values(country=country))
    campaign = await a_run_to_tell_of(sessions, brand, PM)

    await mails.summarise(campaign.runs[1])

    mail = message_from_bytes(mailbox.raw(PM)[0], policy=default)
    assert mail["Subject"] == subject
    assert told in mail.get_content()
    assert set(LANGUAGES) == {"en", "pl", "tr"}
