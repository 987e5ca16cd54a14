"""A mailbox of mails that came back, read from a real IMAP server."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select, update

import worker
from activities.providers.imap_mailbox import ImapMailbox
from tellal.carrier.reports import Kind
from tellal.domain.channels import Channel
from tellal.domain.mails import Became
from tellal.persistence.columns import table
from tellal.persistence.tables.delivery import ReceiptInboxRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.bounces import BounceReader, Bounces
from tellal.services.complaints import Complaints
from tellal.services.house import House
from tellal.services.leases import Leases
from tellal.services.mail_polling import MailPolling
from tellal.settings import FolderSettings, Settings, SmtpSettings
from tests.support.bounces import SETTINGS, came_back, paths
from tests.support.builders import a_brand, a_customer
from tests.support.imap import MailServer, mail_server
from tests.support.ledger import a_message

_inbox = table(ReceiptInboxRow).c
_messages = table(MessageRow)


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


def folder(server: MailServer) -> FolderSettings:
    said = server.settings("porsuk-edas").model_dump(exclude={"brand", "channel"})
    return FolderSettings(**said)


def a_polling(house: House, server: MailServer) -> MailPolling:
    bounces = Bounces(
        paths(),
        complaints=Complaints(house.books, house.progress, house.clock),
        progress=house.progress,
        clock=house.clock,
    )
    return MailPolling(
        ImapMailbox(folder(server)),
        BounceReader(bounces),
        1.0,
        sessions=house.sessions,
        clock=house.clock,
        leases=Leases(house.sessions, house.clock),
    )


async def test_each_mail_is_worked_in_once_and_put_where_it_belongs(
    house: House, server: MailServer
) -> None:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        reader = await a_customer(tx, brand, contacts={Channel.EMAIL: "cem@example.com"})
        mail = await a_message(tx, brand, customer_id=reader, channel=Channel.EMAIL)
        left = {"attempt": 1, "state": "accepted", "provider": "smtp"}
        await tx.execute(update(_messages).where(_messages.c.id == mail).values(**left))
    polling = a_polling(house, server)
    await server.put(
        came_back(mail),
        came_back(mail, Kind.AWAY),
        b"From: spam@example.org\r\nSubject: Cheap\r\n\r\nBuy.\r\n",
        b"\r\nno mail at all\r\n",
        came_back(mail, Kind.DELAYED),
    )

    first = await polling.poll()
    second = await polling.poll()

    assert first == {
        Became.CASE: 0,
        Became.BOUNCE: 2,
        Became.REPEAT: 0,
        Became.IGNORED: 2,
        Became.ASIDE: 1,
    }
    assert sum(second.values()) == 0
    held = {name: len(mails) for name, mails in (await server.held()).items()}
    assert held == {"Tellal": 2, "Tellal-ignored": 2, "Tellal-aside": 1}
    async with house.sessions() as tx:
        waiting = (await tx.execute(select(_inbox.message_id, _inbox.state, _inbox.attempt))).all()
    assert [tuple(row) for row in waiting] == [(mail, "undelivered", 1)]


async def test_a_worker_reads_it_where_it_is_set_up(house: House, server: MailServer) -> None:
    settings = Settings(
        smtp=SmtpSettings(host="relay", bounces=SETTINGS), bounce_mailbox=folder(server)
    )

    assert list(worker._read_from_mailboxes(settings, house, asyncio.Event())) == ["bounces"]


def test_a_mailbox_to_which_nothing_comes_back_is_refused() -> None:
    with pytest.raises(ValueError, match="TELLAL_SMTP__BOUNCES__ADDRESS"):
        Settings(bounce_mailbox=FolderSettings(host="imap.example"))


@pytest.mark.parametrize(
    "said",
    [
        {"address": "bounce@mail.banka.example"},
        {"secret": "s"},
        {"address": "bounce@localhost", "secret": "s"},
        {"address": "much-too-long-name@mail.banka.example", "secret": "s"},
    ],
)
def test_a_return_address_is_checked_at_the_start(said: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"bounces"):
        SmtpSettings.model_validate({"bounces": said})
