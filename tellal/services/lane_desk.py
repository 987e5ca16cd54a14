"""Puts the lanes' desk together as the settings say."""

from collections.abc import Mapping
from datetime import timedelta

from tellal.domain.channels import Lane
from tellal.domain.handover import Carrier
from tellal.domain.routes import RouteTable
from tellal.persistence.bell import Bell
from tellal.persistence.session import Sessions
from tellal.ports import Renderer, Sender
from tellal.services.allow_list import AllowList
from tellal.services.handover import HandOvers
from tellal.services.house import House
from tellal.services.one_click import one_click
from tellal.services.routes import Routes
from tellal.settings import Settings


def lane_desk(
    settings: Settings,
    sessions: Sessions,
    house: House,
    *,
    renderer: Renderer,
    senders: Mapping[str, Sender],
    routes: RouteTable,
    bell: Bell,
) -> HandOvers:
    """Return the desk at which lanes work, over connections of their own."""
    return HandOvers(
        sessions,
        house.clock,
        progress=house.progress,
        renderer=renderer,
        carriers=carriers_of(senders),
        routes=Routes(sessions, house.clock, routes.with_providers(senders.keys())),
        bell=bell,
        lease=timedelta(seconds=settings.lease_s),
        reconcile_after=timedelta(seconds=settings.reconcile_after_s),
        refusal_url=one_click(settings, house.clock).url,
        only=AllowList.of(settings.allow_list) if settings.only_allow_list else None,
    )


def carriers_of(senders: Mapping[str, Sender]) -> dict[str, Carrier]:
    """Say of each provider what the ledger must know before it is called."""
    return {
        provider: Carrier(provider=provider, receipts=sender.receipts, looks_up=sender.looks_up)
        for provider, sender in senders.items()
    }


def side_by_side(settings: Settings) -> dict[Lane, int]:
    """Return how many messages each lane hands over at a time."""
    return {
        Lane.CRITICAL: settings.critical_lane.concurrency,
        Lane.JOURNEYS: settings.journeys_lane.concurrency,
        Lane.BULK: settings.bulk_lane.concurrency,
    }
