"""Puts together what operators of outages need: commands, signals, and what was said beforehand."""

from dataclasses import dataclass

from rules.holder import RulebookHolder
from tellal.clock import Clock
from tellal.domain.incidents import Incidents
from tellal.domain.routes import RouteTable
from tellal.ports import Renderer
from tellal.services.outage_checks import OutageChecks
from tellal.services.outage_planning import Planning
from tellal.services.outage_plans import OutagePlans
from tellal.services.outages import Outages
from tellal.services.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageOffice:
    """The services by which an outage is declared, told and ended."""

    incidents: Incidents
    clock: Clock
    checks: OutageChecks
    outages: Outages
    signals: Signals


def outage_office(
    *,
    books: RulebookHolder,
    renderer: Renderer,
    routes: RouteTable,
    incidents: Incidents,
    clock: Clock,
) -> OutageOffice:
    """Wire the services; they need no rule engine."""
    checks = OutageChecks(incidents, books, renderer, routes, clock)
    plans = OutagePlans(Planning(incidents, books, renderer, routes))
    outages = Outages(checks, plans, clock)
    return OutageOffice(
        incidents=incidents,
        clock=clock,
        checks=checks,
        outages=outages,
        signals=Signals(outages, checks, clock),
    )
