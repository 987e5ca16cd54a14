"""Says whose word a command is when he shows his own key."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.domain.customers import Brand
    from tellal.services.keys import Scope


async def person_of(tx: "AsyncSession", key: str, brand: "Brand", scope: "Scope") -> str:
    """Return the person whom a key belongs to, or its name if it is nobody's own.

    Raises:
        DeniedError: It does not work, is another brand's, or may not do this.
    """
    from tellal.clock import SystemClock
    from tellal.domain.errors import DeniedError
    from tellal.services.keys import identify, show_use

    now = SystemClock().now()
    caller = await identify(tx, key, now=now)
    if caller is None or caller.brand.id != brand.id:
        raise DeniedError("this is no working key of the brand", code="no_key")
    if scope not in caller.key.scopes:
        raise DeniedError(f"this key lacks the scope {scope.value}")
    await show_use(tx, caller.key.id, at=now)
    return caller.key.person or caller.key.name
