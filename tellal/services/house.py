"""Puts the services of one process together; the API and the worker share everything but hands."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rules.decide import Decider
from rules.holder import RulebookHolder
from rules.incident_files import load_incidents
from rules.profiles import IntakeProfile, load_profiles
from rules.unsendable import unsendable
from tellal.clock import Clock
from tellal.domain.incidents import Incidents
from tellal.domain.routes import RouteTable
from tellal.persistence.session import Sessions
from tellal.ports import ExampleRenderer
from tellal.services.advancing import BookOf
from tellal.services.asking import Asking
from tellal.services.broadcasting import Broadcasting
from tellal.services.campaign_checks import CampaignChecks
from tellal.services.campaign_desk import CampaignDesk
from tellal.services.campaign_preview import Previews
from tellal.services.campaign_rounds import CampaignRounds
from tellal.services.campaign_watch import CampaignWatch
from tellal.services.campaigns import Campaigns
from tellal.services.case_calls import CaseCalls
from tellal.services.case_closing import CaseClosing
from tellal.services.case_letters import CaseLetters
from tellal.services.case_notices import CaseNotices
from tellal.services.case_watch import CaseDesk, CaseWatch
from tellal.services.cases import Cases
from tellal.services.deciding import Deciding
from tellal.services.digests import Digests
from tellal.services.events import Events
from tellal.services.journeys import Journeys
from tellal.services.outage_desk import OutageDesk
from tellal.services.outage_office import outage_office
from tellal.services.outage_watch import OutageWatch
from tellal.services.outages import Outages
from tellal.services.posting import Posts
from tellal.services.precedence import Precedence
from tellal.services.prices import Prices
from tellal.services.progress import Progress
from tellal.services.round_reading import OutageRounds
from tellal.services.signals import Signals
from tellal.services.stopping import Stopping

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The services of one process."""

    sessions: Sessions
    books: RulebookHolder
    clock: Clock
    progress: Progress
    deciding: Deciding
    events: Events
    digests: Digests
    journeys: Journeys
    cases: Cases
    case_notices: CaseNotices
    case_calls: CaseCalls
    case_closing: CaseClosing
    case_letters: CaseLetters
    case_desk: CaseDesk
    incidents: Incidents
    outages: Outages
    signals: Signals
    outage_desk: OutageDesk
    campaigns: Campaigns
    campaign_desk: CampaignDesk
    previews: Previews
    broadcasting: Broadcasting
    stopping: Stopping


async def _no_book(_: str) -> None:
    """Find no published rules where there are none."""


def furnish(
    *,
    sessions: Sessions,
    books: RulebookHolder,
    decider: Decider,
    renderer: ExampleRenderer,
    clock: Clock,
    routes: RouteTable,
    incidents: Incidents | None = None,
    profiles: Mapping[str, IntakeProfile] | None = None,
    speed: float = 1.0,
    book_of: BookOf = _no_book,
) -> House:
    """Wire the services; `routes` are those set up here, `speed` is a rehearsal's.

    `profiles` are the intake channels, else those that ship with Tellal.

    `book_of` finds the rules of a published revision, for journeys that began with it.
    """
    beforehand = incidents or load_incidents()
    routes = replace(routes, needs=beforehand.needs(routes.needs))
    _warn(books, routes)
    progress = Progress(clock)
    asking = Asking(books, decider, routes)
    precedence = Precedence(asking, progress, clock)
    deciding = Deciding(asking, precedence, Posts(renderer), clock, speed=speed)
    broadcasting = Broadcasting(sessions, deciding, OutageRounds())
    digests = Digests(sessions, deciding)
    campaigns = Campaigns(CampaignChecks(books, renderer), clock)
    campaign_rounds = CampaignRounds(clock, Prices(books, routes))
    intake = load_profiles() if profiles is None else profiles
    _warn_of_topics(books, intake)
    notices = CaseNotices(sessions, deciding, intake, speed=speed)
    calls = CaseCalls(intake, clock, speed=speed)
    cases = Cases(intake, clock, notices, calls, speed=speed)
    office = outage_office(
        books=books, renderer=renderer, routes=routes, incidents=beforehand, clock=clock
    )
    return House(
        sessions=sessions,
        books=books,
        clock=clock,
        progress=progress,
        deciding=deciding,
        events=Events(deciding, digests, progress),
        digests=digests,
        journeys=Journeys(sessions, deciding, progress, book_of),
        cases=cases,
        case_notices=notices,
        case_calls=calls,
        case_closing=CaseClosing(cases, clock),
        case_letters=CaseLetters(),
        case_desk=CaseDesk(
            notices, CaseWatch(sessions, intake, clock, notices, calls, speed=speed)
        ),
        incidents=beforehand,
        outages=office.outages,
        signals=office.signals,
        outage_desk=OutageDesk(
            OutageWatch(sessions, beforehand, office.checks, clock),
            broadcasting,
        ),
        campaigns=campaigns,
        campaign_desk=CampaignDesk(
            sessions=sessions,
            watch=CampaignWatch(sessions, clock),
            campaigns=campaigns,
            rounds=campaign_rounds,
            broadcasting=Broadcasting(sessions, deciding, campaign_rounds, renderer),
            clock=clock,
        ),
        previews=Previews(books, renderer, routes, clock),
        broadcasting=broadcasting,
        stopping=Stopping(sessions, clock),
    )


def _warn_of_topics(books: RulebookHolder, profiles: Mapping[str, IntakeProfile]) -> None:
    """Say at the start which notices of intake channels no rule knows of: nobody gets them."""
    for profile in profiles.values():
        named = {topic for topics in profile.notices.values() for topic in topics}
        for topic in sorted(named - books.current.topics.keys()):
            extra = {"profile": profile.id, "topic": topic}
            _log.warning("an intake profile names a topic that no rule knows", extra=extra)


def _warn(books: RulebookHolder, routes: RouteTable) -> None:
    """Say at the start what the rules ask for and no route may carry."""
    if not routes.routes:
        _log.warning("no provider is set up, so nothing can be sent")
        return
    for finding in unsendable(books.current, routes):
        _log.warning("%s", finding)
