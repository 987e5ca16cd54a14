"""Mails become cases, each once: read from a real IMAP server, written to a real database."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from imapclient.exceptions import IMAPClientAbortError, LoginError
from pydantic import SecretStr, ValidationError
from sqlalchemy import select, text

import worker
from activities.providers.imap_mailbox import ImapMailbox
from rules.profiles import load_profiles
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError
from tellal.domain.mails import Became
from tellal.domain.tracking import grouped
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import ContactPointRow
from tellal.persistence.tables.intake import ApplicationRow, MailboxMailRow
from tellal.persistence.tables.operations import CaseRow
from tellal.services.applications import Applications
from tellal.services.case_calls import CaseCalls
from tellal.services.case_notices import CaseNotices
from tellal.services.cases import Cases
from tellal.services.customers import Customers
from tellal.services.house import House
from tellal.services.leases import Leases
from tellal.services.mail_cases import MailCases
from tellal.services.mail_polling import MailPolling, pause_after
from tellal.services.retention import Retention
from tellal.services.shown_notices import ShownNotices
from tellal.services.tracking import find_tracked
from tellal.settings import KeepSettings, MailboxSettings, Settings
from tests.providers.test_smtp_tls import certificate
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock
from tests.support.imap import MailServer, mail_server
from tests.support.waiting import until

pytestmark = pytest.mark.req("E32")

__all__ = ["certificate"]

PROFILE = """
id: info
name: Info e-mail
enabled: {enabled}
source_system: EYS
notices: {{opened: [case_opened], resolved: [case_resolved]}}
call_before_close: when_routed
"""


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
async def server(running: MailServer) -> MailServer:
    """The server, with no mail in it."""

    await running.empty()
    return running


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx, "porsuk-edas")


def a_polling(
    house: House,
    server: MailServer,
    brand: Brand,
    folder: Path,
    *,
    mailbox: ImapMailbox | None = None,
    enabled: bool = True,
    **said: object,
) -> MailPolling:
    profile = PROFILE.format(enabled=str(enabled).lower())
    (folder / "info.yaml").write_text(profile, encoding="utf-8")
    clock, profiles = house.clock, load_profiles(folder)
    settings = server.settings(brand.name, **said)
    applications = Applications(
        Cases(
            profiles,
            clock,
            CaseNotices(house.sessions, house.deciding, profiles),
            CaseCalls(profiles, clock),
        ),
        Customers(house.books, clock),
        ShownNotices(clock),
        clock,
    )
    return MailPolling(
        mailbox or ImapMailbox(settings),
        MailCases(settings, applications),
        settings.every_s,
        sessions=house.sessions,
        clock=clock,
        leases=Leases(house.sessions, clock),
    )


@pytest.fixture
def polling(house: House, server: MailServer, brand: Brand, tmp_path: Path) -> MailPolling:
    return a_polling(house, server, brand, tmp_path)


def a_mail(
    subject: str = "Meter",
    *,
    sender: str = "ayse@example.com",
    id: str = "",
    more: str = "",
    body: str = "It shows too much.",
) -> bytes:
    return (
        f"From: {sender}\r\nTo: info@porsuk.example\r\nSubject: {subject}\r\n"
        f"Message-ID: <{id or subject}@example.com>\r\n{more}\r\n{body}\r\n"
    ).encode()


async def cases(house: House) -> list[tuple[str, str, str]]:
    rows = table(CaseRow).c
    query = select(rows.subject, rows.channel, rows.source_system).order_by(rows.id)
    async with house.sessions() as tx:
        return [tuple(row) for row in await tx.execute(query)]


async def count(house: House, what: str) -> int:
    async with house.sessions() as tx:
        return int((await tx.execute(text(f"SELECT count(*) FROM {what}"))).scalar_one())


@pytest.mark.req("E32", "allows")
async def test_a_mail_becomes_a_case_and_goes_where_such_mails_go(
    house: House, server: MailServer, polling: MailPolling
) -> None:
    await server.put(a_mail("Meter"), a_mail("Bill", sender="ali@example.com"))

    first = await polling.poll()
    second = await polling.poll()

    assert first[Became.CASE] == 2
    assert sum(second.values()) == 0
    assert await cases(house) == [("Meter", "info", "EYS"), ("Bill", "info", "EYS")]
    assert await server.held() == {"Tellal": [("Meter", True), ("Bill", True)]}
    rows = table(ApplicationRow).c
    async with house.sessions() as tx:
        kept = (await tx.execute(select(rows.text, rows.reference).order_by(rows.id))).all()
    assert kept[0] == ("It shows too much.", "<Meter@example.com>")


@pytest.mark.req("E36")
async def test_the_case_can_be_followed_by_its_code(
    house: House, server: MailServer, polling: MailPolling
) -> None:
    await server.put(a_mail())
    await polling.poll()

    async with house.sessions() as tx:
        code = (await tx.execute(select(table(CaseRow).c.tracking_code))).scalar_one()
        tracked = await find_tracked(tx, grouped(code).lower())
    assert tracked is not None
    assert (tracked.channel, tracked.state) == ("info", "opened")
    assert [step.command for step in tracked.steps] == ["open"]


async def test_a_sender_is_matched_by_his_address_or_becomes_known(
    house: House, server: MailServer, brand: Brand, polling: MailPolling
) -> None:
    async with house.sessions() as tx, tx.begin():
        known = await a_customer(tx, brand, contacts={Channel.EMAIL: "ayse@example.com"})
    await server.put(
        a_mail("1", sender="Ayse <AYSE@example.com>"), a_mail("2", sender="new@example.com")
    )

    await polling.poll()

    rows, points = table(CaseRow).c, table(ContactPointRow).c
    async with house.sessions() as tx:
        whose = (await tx.execute(select(rows.customer_id).order_by(rows.id))).scalars().all()
        query = select(points.address).where(points.customer_id == whose[1])
        address = (await tx.execute(query)).scalar_one()
    assert whose[0] == known
    assert address == "new@example.com"
    assert await count(house, "customers") == 2


@pytest.mark.req("E32", "blocks")
async def test_the_same_mail_is_one_case_wherever_it_turns_up(
    house: House, server: MailServer, polling: MailPolling
) -> None:
    await server.put(a_mail())
    await polling.poll()
    await server.put(a_mail(), a_mail("Another subject", id="Meter"))

    again = await polling.poll()

    assert again[Became.REPEAT] == 2
    assert len(await cases(house)) == 1
    assert len((await server.held())["Tellal"]) == 3


class BreaksOff(ImapMailbox):
    """Loses its connection after the case is written and before the mail is moved."""

    def __init__(self, server: MailServer, brand: Brand) -> None:
        super().__init__(server.settings(brand.name))
        self.broken = False

    async def put_away(self, uid: int, became: Became) -> None:
        if not self.broken:
            self.broken = True
            self._held().shutdown()
        await super().put_away(uid, became)


async def test_a_connection_that_breaks_after_the_commit_loses_and_doubles_nothing(
    house: House, server: MailServer, brand: Brand, tmp_path: Path
) -> None:
    polling = a_polling(house, server, brand, tmp_path, mailbox=BreaksOff(server, brand))
    await server.put(a_mail("1"), a_mail("2"))

    with pytest.raises((OSError, IMAPClientAbortError)):
        await polling.poll()
    before = await server.held()
    after = await polling.poll()

    assert before == {"INBOX": [("1", False), ("2", False)]}
    assert after[Became.CASE] == 1
    assert [subject for subject, _, _ in await cases(house)] == ["1", "2"]
    assert await server.held() == {"Tellal": [("1", True), ("2", True)]}


async def test_a_case_that_cannot_be_written_leaves_the_mail_where_it_is(
    house: House, server: MailServer, brand: Brand, tmp_path: Path
) -> None:
    closed = a_polling(house, server, brand, tmp_path, enabled=False)
    await server.put(a_mail())

    with pytest.raises(ConflictError):
        await closed.poll()

    assert await server.held() == {"INBOX": [("Meter", False)]}
    assert await count(house, "customers") == 0
    opened = a_polling(house, server, brand, tmp_path)
    house.clock.pass_by(timedelta(minutes=6))  # type: ignore[attr-defined]  # the clock of tests
    assert (await opened.poll())[Became.CASE] == 1


async def test_loops_lists_and_our_own_mails_are_put_aside_unanswered(
    house: House, server: MailServer, brand: Brand, polling: MailPolling
) -> None:
    await server.put(
        a_mail("away", more="Auto-Submitted: auto-replied\r\n"),
        a_mail("news", more="List-Id: <news.example>\r\n"),
        a_mail("ours", sender=brand.email_sender.upper()),
        a_mail("own", sender=f"Us <{brand.email}>"),
    )

    done = await polling.poll()

    assert done[Became.IGNORED] == 4
    assert await cases(house) == []
    assert await count(house, "outbox") == 0
    assert list(await server.held()) == ["Tellal-ignored"]


async def test_malformed_mails_are_set_aside_and_those_behind_them_are_read(
    house: House, server: MailServer, polling: MailPolling
) -> None:
    await server.put(
        b"Subject: nobody\r\n\r\nwrote\r\n",
        a_mail("odd", sender="a@[127.0.0.1]"),
        a_mail("fine"),
    )

    done = await polling.poll()

    assert (done[Became.ASIDE], done[Became.CASE]) == (2, 1)
    held = await server.held()
    assert held["Tellal-aside"] == [("nobody", True), ("odd", True)]
    assert held["Tellal"] == [("fine", True)]
    rows = table(MailboxMailRow).c
    async with house.sessions() as tx:
        became = (await tx.execute(select(rows.became).order_by(rows.uid))).scalars().all()
    assert became == ["aside", "aside", "case"]


async def test_a_mail_with_a_large_attachment_is_read_and_the_attachment_is_not_kept(
    house: House, server: MailServer, polling: MailPolling
) -> None:
    more = 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="x"\r\n'
    body = (
        "--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nSayaç fotoğrafı ektedir.\r\n"
        '--x\r\nContent-Type: image/jpeg\r\nContent-Disposition: attachment; filename="s.jpg"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n" + ("QUFB" * 19 + "\r\n") * 80_000 + "--x--"
    )
    await server.put(a_mail(more=more, body=body))

    done = await polling.poll()

    rows = table(ApplicationRow).c
    async with house.sessions() as tx:
        row = (await tx.execute(select(rows.text, rows.attachments))).one()
    assert done[Became.CASE] == 1
    assert row.text == "Sayaç fotoğrafı ektedir."
    assert row.attachments == [{"name": "s.jpg", "type": "image/jpeg"}]


async def test_one_worker_reads_the_mailbox(
    house: House, server: MailServer, brand: Brand, polling: MailPolling, tmp_path: Path
) -> None:
    other = a_polling(house, server, brand, tmp_path)
    await server.put(*(a_mail(str(n)) for n in range(10)))

    done = await asyncio.gather(polling.poll(), other.poll())

    assert sorted(one[Became.CASE] for one in done) == [0, 10]
    assert len(await cases(house)) == 10


async def test_a_wrong_password_is_refused_and_nothing_is_taken_for_read(
    house: House, server: MailServer, brand: Brand, tmp_path: Path
) -> None:
    await server.put(a_mail())
    polling = a_polling(house, server, brand, tmp_path, password=SecretStr("wrong"))

    with pytest.raises(LoginError):
        await polling.poll()

    assert await server.held() == {"INBOX": [("Meter", False)]}


async def test_a_mailbox_that_fails_is_tried_again_until_it_answers(
    house: House, server: MailServer, brand: Brand, tmp_path: Path
) -> None:
    breaks = BreaksOff(server, brand)
    polling = a_polling(house, server, brand, tmp_path, mailbox=breaks, every_s=0.01)
    await server.put(a_mail("1"), a_mail("2"))

    running = asyncio.create_task(polling.run())
    await until(lambda: moved(server, 2))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert breaks.broken
    assert [subject for subject, _, _ in await cases(house)] == ["1", "2"]


async def moved(server: MailServer, number: int) -> bool:
    return len((await server.held()).get("Tellal", [])) == number


def test_what_fails_is_tried_more_and_more_seldom_and_never_less_than_four_times_an_hour() -> None:
    pauses = [pause_after(failed, 30.0) for failed in range(40)]

    assert pauses[:4] == [30.0, 60.0, 120.0, 240.0]
    assert pauses[-1] == 900.0
    assert pause_after(40, 3600.0) == 3600.0


@pytest.fixture(scope="module")
async def sealed(certificate: Path) -> AsyncIterator[MailServer]:
    async with mail_server("--cert", str(certificate)) as server:
        yield server


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_server_must_prove_its_name_before_the_password_is_said(
    house: House,
    brand: Brand,
    sealed: MailServer,
    tmp_path: Path,
    *,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    trusted: bool,
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    polling = a_polling(house, sealed, brand, tmp_path, tls="starttls")

    if trusted:
        assert sum((await polling.poll()).values()) == 0
    else:
        with pytest.raises(ssl.SSLCertVerificationError):
            await polling.poll()


async def test_which_mails_were_read_is_forgotten_in_time(
    house: House, sessions: Sessions, server: MailServer, polling: MailPolling
) -> None:
    await server.put(a_mail())
    await polling.poll()
    now = house.clock.now()

    early = await Retention(
        sessions, SetClock(now + timedelta(days=29)), KeepSettings()
    ).forget_mails()
    late = await Retention(
        sessions, SetClock(now + timedelta(days=31)), KeepSettings()
    ).forget_mails()

    assert (early, late) == (0, 1)
    assert await count(house, "applications") == 1


async def test_a_worker_reads_a_mailbox_only_if_it_has_one(
    house: House, server: MailServer, brand: Brand
) -> None:
    stop = asyncio.Event()
    (part,) = worker._read_from_mailboxes(
        Settings(mailbox=server.settings(brand.name)), house, stop
    ).items()

    assert worker._read_from_mailboxes(Settings(), house, stop) == {}
    assert part[0] == "mailbox"
    with pytest.raises(ValidationError, match="whose mailbox"):
        MailboxSettings(host="imap.porsuk.example")
