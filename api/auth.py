"""Who calls, and what he may do: API keys with scopes, each for one brand."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from api.problems import ForbiddenError, UnauthenticatedError
from api.state import TheDesk
from tellal.services.keys import Caller, Scope, identify
from tellal.telemetry import bind

_bearer = HTTPBearer(auto_error=False, description="An API key: `tlk_…`")


async def caller(
    scopes: SecurityScopes,
    desk: TheDesk,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Find out who calls and whether his key has the scopes of the route."""
    token = credentials.credentials if credentials else ""
    now = desk.clock.now()
    async with desk.singles() as tx:
        found = await identify(tx, token, now=now) if token else None
    if found is None:
        raise UnauthenticatedError("a working API key is needed: Authorization: Bearer tlk_…")
    bind(brand_id=found.brand.id)
    missing = [scope for scope in scopes.scopes if Scope(scope) not in found.key.scopes]
    if missing:
        raise ForbiddenError(f"this key lacks the scope {missing[0]}")
    desk.key_uses.note(found.key)
    return found
