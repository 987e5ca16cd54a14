"""What a worker keeps doing besides its queues."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from rules.keeping import Kind, Period
from tellal.persistence.bell import Bell
from tellal.services.audit_sealing import AuditSealer
from tellal.services.confirmations import Confirmations
from tellal.services.consent_sealing import Sealer
from tellal.services.credit_freeing import CreditFreeing
from tellal.services.dispatching import Deliver, Dispatcher
from tellal.services.gauges import Gauges
from tellal.services.hold_marking import Marking
from tellal.services.house import House
from tellal.services.leases import Leases
from tellal.services.purging import Purging
from tellal.services.receipt_inbox import InboxWork
from tellal.services.receipts import Receipts
from tellal.services.rereading import reread
from tellal.services.retention import Retention
from tellal.services.shelf import Shelf
from tellal.services.sweeping import Sweeper
from tellal.settings import KeepSettings
from tellal.supervision import until_stopped


def upkeep(
    house: House,
    deliver: Deliver,
    bell: Bell,
    shelf: Shelf,
    stop: asyncio.Event,
    *,
    keep: KeepSettings,
    periods: Mapping[Kind, Period],
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return the loops, each by the name under which it is begun again when it fails."""
    return {
        "dispatcher": partial(Dispatcher(house.sessions, house.clock, deliver).run, stop),
        "receipts": partial(_inbox(house).run, bell, stop),
        "sweeper": partial(Sweeper(house.journeys).run, stop),
        "digests": partial(house.digests.run, stop),
        "stopped": partial(house.stopping.run, stop),
        "holds": partial(Marking(house.sessions, shelf).run, stop),
        "bell": partial(until_stopped, bell.listen, stop),
        "rulebook": partial(reread, house.books, shelf, stop),
        "retention": partial(Retention(house.sessions, house.clock, keep).run, stop),
        "purge": partial(
            Purging(house.sessions, house.clock, periods, Leases(house.sessions, house.clock)).run,
            stop,
        ),
        "consents": partial(Sealer(house.sessions, house.clock).run, stop),
        "audit": partial(AuditSealer(house.sessions, house.clock).run, stop),
        "confirmations": partial(Confirmations(house.sessions, house.deciding).run, stop),
        "credit": partial(CreditFreeing(house.sessions, house.clock).run, stop),
        "gauges": partial(Gauges(house.sessions, house.clock).run, stop),
    }


def _inbox(house: House) -> InboxWork:
    return InboxWork(house.sessions, house.clock, Receipts(house.clock, house.progress))
