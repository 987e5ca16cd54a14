"""A lease is one holder's at a time, however many ask at once."""

import asyncio
from datetime import timedelta

from tellal.persistence.session import Sessions
from tellal.services.leases import Leases
from tests.support.ledger import SetClock

MINUTE = timedelta(minutes=1)


async def test_a_lease_is_its_holders_until_it_runs_out(sessions: Sessions) -> None:
    clock = SetClock()
    leases = Leases(sessions, clock)

    taken = await leases.take("reports", "first", MINUTE)
    clock.advance(seconds=59)
    too_early = await leases.take("reports", "second", MINUTE)
    clock.advance(seconds=1)
    in_time = await leases.take("reports", "second", MINUTE)

    assert (taken, too_early, in_time) == (True, False, True)
    assert not await leases.take("reports", "first", MINUTE)


async def test_who_holds_it_may_hold_it_for_longer(sessions: Sessions) -> None:
    clock = SetClock()
    leases = Leases(sessions, clock)
    await leases.take("reports", "first", MINUTE)
    clock.advance(seconds=50)

    again = await leases.take("reports", "first", MINUTE)
    clock.advance(seconds=50)

    assert again
    assert not await leases.take("reports", "second", MINUTE)


async def test_leases_do_not_know_each_other(sessions: Sessions) -> None:
    leases = Leases(sessions, SetClock())

    assert await leases.take("reports", "first", MINUTE)
    assert await leases.take("something else", "second", MINUTE)


async def test_of_many_who_ask_at_once_one_gets_it(sessions: Sessions) -> None:
    clock = SetClock()
    names = [f"worker {n}" for n in range(8)]
    leases = Leases(sessions, clock)

    first = await asyncio.gather(*(leases.take("reports", name, MINUTE) for name in names))
    clock.advance(minutes=1)
    later = await asyncio.gather(*(leases.take("reports", name, MINUTE) for name in names))

    assert (sum(first), sum(later)) == (1, 1)
