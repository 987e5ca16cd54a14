"""Reads the mails in a mailbox, each once; what they mean is for others to say.

What became of a mail is written in the transaction of its effect; only then is the mail moved. If
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
from tellal.domain.errors import InvalidInputError
from tellal.domain.mails import Became
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.intake import MailboxMailRow
from tellal.services.leases import Leases

_log = logging.getLogger(__name__)
_mails = table(MailboxMailRow)

_AT_ONCE = 100
_HELD_FOR = timedelta(minutes=5)
_LONGEST_WAIT_S = 900.0
"""A mailbox that refuses its password locks the account of who asks too often."""


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


class MailReader(Protocol):
    """Says what mails of a mailbox mean, and has their effects."""

    async def prepare(self, tx: AsyncSession) -> None:
        """Look up what every mail needs, before the mailbox is looked into."""
        ...

    async def take(self, tx: AsyncSession, raw: bytes) -> Became:
        """Have a mail's effect within a transaction, and say what it became.

        Raises:
            InvalidInputError: It is of no use to anybody, and is set aside.
        """
        ...


class MailPolling:
    """Polls while it holds the lease."""

    def __init__(
        self,
        mailbox: Mailbox,
        reader: MailReader,
        every_s: float,
        *,
        sessions: Sessions,
        clock: Clock,
        leases: Leases,
    ) -> None:
        self._mailbox = mailbox
        self._reader = reader
        self._every_s = every_s
        self._sessions = sessions
        self._clock = clock
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
            await asyncio.sleep(pause_after(failed, self._every_s))

    async def poll(self) -> dict[Became, int]:
        """Read what is there, if it is ours to read; return how many mails became what."""
        done = dict.fromkeys(Became, 0)
        lease = f"mailbox/{self._mailbox.name}"
        if not await self._leases.take(lease, self._holder, _HELD_FOR):
            return done
        async with self._sessions() as tx:
            await self._reader.prepare(tx)
        try:
            waiting = await self._mailbox.look()
            known = await self._known(waiting)
            for uid in waiting.uids[:_AT_ONCE]:
                if not await self._leases.take(lease, self._holder, _HELD_FOR):
                    break
                became = known.get(uid) or await self._take(waiting.validity, uid)
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

    async def _take(self, validity: int, uid: int) -> Became | None:
        raw = await self._mailbox.fetch(uid)
        if raw is None:
            return None
        try:
            async with self._sessions() as tx, tx.begin():
                became = await self._reader.take(tx, raw)
                await self._note(tx, validity, uid, became)
        except (InvalidInputError, DataError):
            # Whatever is wrong with this mail must not keep those behind it waiting.
            became = Became.ASIDE
            async with self._sessions() as tx, tx.begin():
                await self._note(tx, validity, uid, became)
        metrics.mail_read(became.value)
        return became

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
