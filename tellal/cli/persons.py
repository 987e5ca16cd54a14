"""Says whose word a command is when he shows his own key."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from tellal.domain.customers import Brand
    from tellal.services.keys import Scope


@dataclass(frozen=True, slots=True)
class Who:
    """Who acts: as the ledger names him, and the person whose own key was shown, if one was."""

    name: str
    person: str = ""


async def who_shows(tx: "AsyncSession", key: str, brand: "Brand", scope: "Scope") -> Who:
    """Return whose key it is; one that is nobody's own goes by its name.

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
    return Who(caller.key.person or caller.key.name, caller.key.person)
