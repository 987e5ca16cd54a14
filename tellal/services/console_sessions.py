"""Sessions of the console: somebody signs in with a key, and a random secret stands for it.

Only the secret's digest is kept: it has 256 random bits, so a plain SHA-256 cannot be guessed back.
A session ends when it was idle, when it is old, when its holder signs out, and with its key.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import ColumnElement, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.persistence.columns import table
from tellal.persistence.tables.console import ConsoleSessionRow
from tellal.services.keys import Caller, caller_of, identify

_sessions = table(ConsoleSessionRow)

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
_SEEN_EVERY = timedelta(minutes=1)
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who is at the console. `secret` is what his cookie holds, `forms` what his forms must."""

    secret: str
    caller: Caller
    officer: str

    @property
    def forms(self) -> str:
        """The token that a form of this session carries; no other site can know it."""
        return hmac.new(self.secret.encode(), b"forms", sha256).hexdigest()

    def owns(self, token: str) -> bool:
        """Say whether a form is of this session."""
        return hmac.compare_digest(self.forms.encode(), token.encode())


async def sign_in(tx: AsyncSession, token: str, *, officer: str, now: datetime) -> Session | None:
    """Begin a session for whoever holds a key; None if it opens nothing, whatever the reason."""
    caller = await identify(tx, token, now=now)
    if caller is None:
        return None
    await tx.execute(delete(_sessions).where(_is_over(now)))
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    await tx.execute(
        insert(_sessions).values(
            digest=_digest(secret),
            key_id=caller.key.id,
            officer=officer,
            began_at=now,
            seen_at=now,
        )
    )
    return Session(secret=secret, caller=caller, officer=officer)


async def find_session(tx: AsyncSession, secret: str, *, now: datetime) -> Session | None:
    """Return the session of a cookie, None when it is over or its key opens nothing any more."""
    query = select(_sessions).where(_sessions.c.digest == _digest(secret), ~_is_over(now))
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    caller = await caller_of(tx, row.key_id, now=now)
    if caller is None:
        return None
    if row.seen_at <= now - _SEEN_EVERY:
        seen = update(_sessions).where(_sessions.c.digest == row.digest)
        await tx.execute(seen.values(seen_at=now))
    return Session(secret=secret, caller=caller, officer=row.officer)


async def sign_out(tx: AsyncSession, secret: str) -> None:
    """End a session."""
    await tx.execute(delete(_sessions).where(_sessions.c.digest == _digest(secret)))


def _is_over(now: datetime) -> ColumnElement[bool]:
    return or_(_sessions.c.seen_at <= now - IDLE, _sessions.c.began_at <= now - LONGEST)


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
