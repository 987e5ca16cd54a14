"""Makes cases of the mails in a mailbox, each once.

What became of a mail is written in the transaction of its case; only then is the mail moved. If
the move fails it is made up for the next time, because the mailbox's own number says what became of
the mail; and if the mailbox gives it another number (RFC 9051, UIDVALIDITY), its Message-ID does.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from sqlalchemy import insert, select
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncSession

from tellal import metrics
from tellal.clock import Clock
from tellal.domain.applications import Application
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError
from tellal.domain.mails import Became, Mail, MalformedMailError, read_mail
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.intake import MailboxMailRow
from tellal.services.applications import Applications
from tellal.services.brands import find_brand
from tellal.services.leases import Leases
from tellal.settings import MailboxSettings
from templates.status.words import language_of

_log = logging.getLogger(__name__)
_mails = table(MailboxMailRow)

_AT_ONCE = 100
_HELD_FOR = timedelta(minutes=5)
_LONGEST_WAIT_S = 900.0
"""A mailbox that refuses its password locks the account of who asks too often."""

BY = "mailbox"
"""Who opens cases of mails, as histories show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The mails of a folder, by its own numbers; `validity` says how long the numbers hold."""

    validity: int
    uids: Sequence[int]


class Mailbox(Protocol):
    """A folder of mails at a server."""

    @property
    def name(self) -> str:
        """Which it is, as our records call it."""
        ...

    async def look(self) -> Waiting:
        """Connect, if that is to be done, and say what is there."""
        ...

    async def fetch(self, uid: int) -> bytes | None:
        """Return a mail, without marking it as seen; None if it has gone."""
        ...

    async def put_away(self, uid: int, became: Became) -> None:
        """Mark a mail as seen and move it to where such mails go."""
        ...

    async def leave(self) -> None:
        """Give the connection back."""
        ...


class MailPolling:
    """Polls while it holds the lease."""

    def __init__(
        self,
        mailbox: Mailbox,
        settings: MailboxSettings,
        *,
        sessions: Sessions,
        clock: Clock,
        applications: Applications,
        leases: Leases,
    ) -> None:
        self._mailbox = mailbox
        self._settings = settings
        self._sessions = sessions
        self._clock = clock
        self._applications = applications
        self._leases = leases
        self._holder = new_id()

    async def run(self) -> None:
        """Poll for ever; what fails is tried again, more and more seldom."""
        failed = 0
        while True:
            try:
                await self.poll()
                failed = 0
            except Exception as error:  # noqa: BLE001 - whatever is missing may come
                failed += 1
                metrics.mailbox_failed()
                _log.warning("the mailbox was not read", extra={"error": type(error).__name__})
            await asyncio.sleep(pause_after(failed, self._settings.every_s))

    async def poll(self) -> dict[Became, int]:
        """Read what is there, if it is ours to read; return how many mails became what."""
        done = dict.fromkeys(Became, 0)
        lease = f"mailbox/{self._mailbox.name}"
        if not await self._leases.take(lease, self._holder, _HELD_FOR):
            return done
        async with self._sessions() as tx:
            brand = await find_brand(tx, self._settings.brand)
        try:
            waiting = await self._mailbox.look()
            known = await self._known(waiting)
            for uid in waiting.uids[:_AT_ONCE]:
                if not await self._leases.take(lease, self._holder, _HELD_FOR):
                    break
                became = known.get(uid) or await self._take(brand, waiting.validity, uid)
                if became is None:
                    continue
                await self._mailbox.put_away(uid, became)
                done[became] += uid not in known
        finally:
            await self._mailbox.leave()
        return done

    async def _known(self, waiting: Waiting) -> dict[int, Became]:
        query = select(_mails.c.uid, _mails.c.became).where(
            _mails.c.mailbox == self._mailbox.name,
            _mails.c.validity == waiting.validity,
            _mails.c.uid.in_(waiting.uids[:_AT_ONCE]),
        )
        async with self._sessions() as tx:
            return {row.uid: Became(row.became) for row in await tx.execute(query)}

    async def _take(self, brand: Brand, validity: int, uid: int) -> Became | None:
        raw = await self._mailbox.fetch(uid)
        if raw is None:
            return None
        try:
            mail = read_mail(raw)
            async with self._sessions() as tx, tx.begin():
                became = await self._written_in(tx, brand, mail)
                await self._note(tx, validity, uid, became)
        except (MalformedMailError, InvalidInputError, DataError):
            # Whatever is wrong with this mail must not keep those behind it waiting.
            became = Became.ASIDE
            async with self._sessions() as tx, tx.begin():
                await self._note(tx, validity, uid, became)
        metrics.mail_read(became.value)
        return became

    async def _written_in(self, tx: AsyncSession, brand: Brand, mail: Mail) -> Became:
        ours = {brand.email.lower(), brand.email_sender.lower(), self._settings.username.lower()}
        if mail.automatic or mail.sender.lower() in ours:
            return Became.IGNORED
        said = Application(
            channel=Channel.EMAIL,
            address=mail.sender,
            subject=mail.subject,
            text=mail.text,
            language=language_of("", "", brand.country),
            reference=mail.reference,
            attachments=mail.attachments,
        )
        taken = await self._applications.take(tx, brand, self._settings.channel, said, by=BY)
        return Became.REPEAT if taken.repeat else Became.CASE

    async def _note(self, tx: AsyncSession, validity: int, uid: int, became: Became) -> None:
        await tx.execute(
            insert(_mails).values(
                mailbox=self._mailbox.name,
                validity=validity,
                uid=uid,
                became=became.value,
                at=self._clock.now(),
            )
        )


def pause_after(failed: int, every_s: float) -> float:
    """Return how long to wait (s) after so many failures in a row."""
    return float(min(every_s * 2 ** min(failed, 10), max(_LONGEST_WAIT_S, every_s)))
