"""Who calls, and what he may do: API keys with scopes, each for one brand."""

import asyncio
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from api.problems import ForbiddenError, UnauthenticatedError
from api.state import Desk, TheDesk
from tellal.services.keys import USE_SHOWN_EVERY, Caller, Scope, identify, show_use

_bearer = HTTPBearer(auto_error=False, description="An API key: `tlk_…`")
_at_work: set[asyncio.Task[None]] = set()


async def caller(
    scopes: SecurityScopes,
    desk: TheDesk,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Find out who calls and whether his key has the scopes of the route."""
    token = credentials.credentials if credentials else ""
    now = desk.clock.now()
    async with desk.sessions() as tx:
        found = await identify(tx, token, now=now) if token else None
    if found is None:
        raise UnauthenticatedError("a working API key is needed: Authorization: Bearer tlk_…")
    missing = [scope for scope in scopes.scopes if Scope(scope) not in found.key.scopes]
    if missing:
        raise ForbiddenError(f"this key lacks the scope {missing[0]}")
    last = found.key.last_used_at
    if last is None or now - last >= USE_SHOWN_EVERY:
        _show_later(desk, found.key.id)
    return found


def _show_later(desk: Desk, key_id: str) -> None:
    """Note the use of a key beside the request, which never waits for it."""

    async def note() -> None:
        async with desk.sessions() as tx, tx.begin():
            await show_use(tx, key_id, at=desk.clock.now())

    task = asyncio.create_task(note())
    _at_work.add(task)
    task.add_done_callback(_at_work.discard)


async def settle() -> None:
    """Wait for what still goes on beside requests; called when the process ends."""
    await asyncio.gather(*_at_work, return_exceptions=True)
