"""Leases: what one process at a time does, and another goes on with if it falls silent."""

from datetime import timedelta

from sqlalchemy import String, bindparam, or_
from sqlalchemy.dialects.postgresql import insert as pg_insert

from tellal.clock import Clock
from tellal.persistence.columns import Instant, table
from tellal.persistence.session import Sessions, make_singles
from tellal.persistence.tables.delivery import LeaseRow

_leases = table(LeaseRow)

_WANTED = pg_insert(_leases).values(
    name=bindparam("lease", type_=String()),
    holder=bindparam("by", type_=String()),
    until=bindparam("ends", type_=Instant()),
)
_TAKE = _WANTED.on_conflict_do_update(
    index_elements=[_leases.c.name],
    set_={"holder": _WANTED.excluded.holder, "until": _WANTED.excluded.until},
    where=or_(
        _leases.c.until <= bindparam("now", type_=Instant()),
        _leases.c.holder == _WANTED.excluded.holder,
    ),
).returning(_leases.c.name)


class Leases:
    """Gives each lease to one holder until it runs out; clocks are assumed to agree by seconds."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._singles = make_singles(sessions)
        self._clock = clock

    async def take(self, name: str, holder: str, for_: timedelta) -> bool:
        """Take a lease or hold it for longer; False while it is another's."""
        now = self._clock.now()
        wanted = {"lease": name, "by": holder, "ends": now + for_, "now": now}
        async with self._singles() as tx:
            return (await tx.execute(_TAKE, wanted)).one_or_none() is not None
