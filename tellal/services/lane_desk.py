"""Puts the lanes' desk together as the settings say."""

from collections.abc import Mapping
from datetime import timedelta

from tellal.domain.channels import Channel, Lane
from tellal.domain.handover import Carrier
from tellal.persistence.bell import Bell
from tellal.persistence.session import Sessions
from tellal.ports import Renderer, Sender
from tellal.services.handover import HandOvers
from tellal.services.house import House
from tellal.settings import Settings


def lane_desk(
    settings: Settings,
    sessions: Sessions,
    house: House,
    *,
    renderer: Renderer,
    senders: Mapping[Channel, Sender],
    bell: Bell,
) -> HandOvers:
    """Return the desk at which lanes work, over connections of their own."""
    return HandOvers(
        sessions,
        house.clock,
        progress=house.progress,
        renderer=renderer,
        carriers=carriers_of(senders),
        bell=bell,
        lease=timedelta(seconds=settings.lease_s),
        reconcile_after=timedelta(seconds=settings.reconcile_after_s),
    )


def carriers_of(senders: Mapping[Channel, Sender]) -> dict[Channel, Carrier]:
    """Say of each sender what the ledger must know before it is called."""
    return {
        channel: Carrier(
            provider=sender.provider, receipts=sender.receipts, looks_up=sender.looks_up
        )
        for channel, sender in senders.items()
    }


def side_by_side(settings: Settings) -> dict[Lane, int]:
    """Return how many messages each lane hands over at a time."""
    return {
        Lane.CRITICAL: settings.critical_lane.concurrency,
        Lane.JOURNEYS: settings.journeys_lane.concurrency,
        Lane.BULK: settings.bulk_lane.concurrency,
    }
