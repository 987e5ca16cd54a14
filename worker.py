"""The worker: journeys, lanes, and the loops that take the ledger's news to them.

The one place that knows every implementation; `tellal worker` starts it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial

import uvloop

from activities.assembly import (
    bounce_mailbox_of,
    forgetting_of,
    mailbox_of,
    recalling_of,
    receptions_of,
    registry_of,
    senders_of,
)
from activities.providers.agents import AgentCalls
from activities.providers.netgsm.reports import NetgsmReports
from activities.providers.simulated import Simulated
from activities.providers.smpp.reception import Ear
from rules.decide import Decider
from rules.engine import RuleEngine
from rules.holder import RulebookHolder
from rules.incident_files import load_incidents
from rules.keeping import load_periods
from rules.keyword_files import keyword_books
from rules.profiles import load_profiles
from rules.routing import load_routes
from tellal.clock import SystemClock
from tellal.domain.calls import AGENTS
from tellal.domain.incidents import Incidents
from tellal.domain.routes import RouteTable
from tellal.domain.simulation import SIMULATED
from tellal.exposition import listen, shown
from tellal.metrics import EVENTS, LEDGER
from tellal.persistence.bell import Bell
from tellal.persistence.session import Sessions, make_engine, make_sessions
from tellal.ports import Sender
from tellal.services.agent_calls import owe
from tellal.services.allow_list import AllowList
from tellal.services.applications import Applications
from tellal.services.bounces import BounceReader, bounces
from tellal.services.calling import Calling
from tellal.services.campaign_mailing import CampaignMailing
from tellal.services.campaign_mails import CampaignMails
from tellal.services.consents import Consents
from tellal.services.credit_alerts import CreditAlerts
from tellal.services.customers import Customers
from tellal.services.house import House, furnish
from tellal.services.inbound_texts import InboundTexts
from tellal.services.keywords import KeywordDesk
from tellal.services.lane_desk import lane_desk, side_by_side
from tellal.services.leases import Leases
from tellal.services.listening import Listening
from tellal.services.mail_cases import MailCases
from tellal.services.mail_polling import Mailbox, MailPolling, MailReader
from tellal.services.posting import LANE_CHANNEL
from tellal.services.provider_copies import ProviderCopies
from tellal.services.recalls import Recalls
from tellal.services.receipt_inbox import ReceiptInbox
from tellal.services.registry_sync import RegistrySync
from tellal.services.replies import Replies
from tellal.services.report_polling import ReportPolling
from tellal.services.route_learning import RouteLearning
from tellal.services.shelf import Shelf
from tellal.services.shown_notices import ShownNotices
from tellal.services.status_folder import StatusFolder
from tellal.services.upkeep import upkeep
from tellal.settings import Settings
from tellal.supervision import (
    persist,
    spare_what_is_loaded,
    stop_on_signals,
    supervise,
    until_stopped,
)
from tellal.temporal import connect
from templates.environment import JinjaRenderer
from workflows.registry import activities, lane_activities
from workflows.serving import Serving
from workflows.telling import Telling

_LANE_POOL = 12


def main(settings: Settings | None = None) -> None:
    """Work until SIGTERM."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings or Settings()))


async def serve(settings: Settings, stop: asyncio.Event | None = None) -> None:
    """Work until told to stop; Temporal may come later, and may go away for a while."""
    stop = stop or stop_on_signals()
    async with AsyncExitStack() as held:
        to_ledger = _sessions(held, settings, settings.database_pool)
        # The public is told of outages also while rules and Temporal are not to be had.
        incidents = load_incidents(settings.incidents)
        periods = load_periods(settings.retention)
        public = supervise(_told_to_the_public(settings, to_ledger, incidents, stop), stop)
        held.push_async_callback(_cut_off, asyncio.create_task(public))
        inbox = ReceiptInbox(to_ledger)
        senders = senders_of(settings) | {SIMULATED: Simulated(inbox.put_all)}
        if settings.agent_calls:
            senders[AGENTS] = AgentCalls(partial(owe, to_ledger, SystemClock()))
        for sender in senders.values():
            held.push_async_callback(sender.close)
        routes = load_routes(settings.routes).with_providers(senders.keys())
        engine = RuleEngine(deadline_s=settings.engine_deadline_s)
        await engine.start()
        held.push_async_callback(engine.close)
        books = RulebookHolder(settings.rulebook)
        shelf = Shelf(to_ledger, books, JinjaRenderer())
        if not await _is_looked_up(shelf, stop):
            return
        house = furnish(
            sessions=to_ledger,
            books=books,
            decider=Decider(engine),
            renderer=shelf,
            clock=SystemClock(),
            routes=routes,
            incidents=incidents,
            profiles=load_profiles(settings.intake),
            speed=settings.rehearsal_speed,
            book_of=shelf.book_of,
        )
        to_lanes = _sessions(held, settings, _LANE_POOL)
        bell = Bell(to_lanes, LANE_CHANNEL)
        desk = lane_desk(
            settings, to_lanes, house, renderer=shelf, senders=senders, routes=routes, bell=bell
        )
        client = await persist(partial(connect, settings), stop)
        if client is None:
            return
        queue = settings.task_queue
        deliver = Telling(client, queue).deliver
        waiting = activities(
            journeys=house.journeys,
            cases=house.case_desk,
            outages=house.outage_desk,
            campaigns=house.campaign_desk,
        )
        calling = lane_activities(desk, senders, side_by_side(settings))
        parts = Serving(client, queue).parts(waiting, calling, stop)
        kept = upkeep(house, deliver, bell, shelf, stop, keep=settings.keep, periods=periods)
        asked = _asked_for_reports(held, settings, house, inbox, stop)
        asked |= _heard_over_smpp(settings, house, inbox, stop)
        kept |= _kept_in_step(held, settings, house, stop)
        kept |= _read_from_mailboxes(settings, house, stop)
        back = _called_back(senders, house, stop)
        gone = _forgotten_there(senders, house, stop) | _told_by_mail(
            settings, senders, house, stop
        )
        gone |= _told_of_credit(settings, senders, routes, house, stop)
        learning = RouteLearning(to_ledger, house.clock, routes)
        gone |= {"route_learning": partial(learning.run, stop)}
        seen = _seen_from_outside(settings, stop)
        spared = {"memory": partial(spare_what_is_loaded, stop)}
        await supervise({**parts, **kept, **asked, **back, **gone, **seen, **spared}, stop)


def _asked_for_reports(
    held: AsyncExitStack, settings: Settings, house: House, inbox: ReceiptInbox, stop: asyncio.Event
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return what asks NetGSM for its reports, if it is set up; others tell by themselves."""
    if not settings.netgsm.usercode:
        return {}
    reports = NetgsmReports(settings.netgsm, house.clock)
    held.push_async_callback(reports.close)
    polling = ReportPolling(
        "netgsm",
        reports,
        sessions=house.sessions,
        clock=house.clock,
        inbox=inbox,
        leases=Leases(house.sessions, house.clock),
    )
    return {"netgsm_reports": partial(until_stopped, polling.run, stop)}


def _heard_over_smpp(
    settings: Settings, house: House, inbox: ReceiptInbox, stop: asyncio.Event
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return what takes receipts and people's texts from message centres, where any is set up."""
    if not settings.smpp:
        return {}
    clock = house.clock
    consents = Consents(clock)
    keywords = KeywordDesk(
        keyword_books(), house.deciding, Customers(house.books, clock), consents, clock
    )
    texts = InboundTexts(house.sessions, Replies(house.signals, clock), keywords)
    ear = Ear(receipt=inbox.put, text=texts.take)
    heard: dict[str, Callable[[], Awaitable[None]]] = {}
    for name, reception in receptions_of(settings, ear, clock).items():
        leases = Leases(house.sessions, clock)
        listening = Listening(f"smpp/{name}", reception.listen, leases)
        heard[f"smpp_{name}"] = partial(until_stopped, listening.run, stop)
    return heard


def _kept_in_step(
    held: AsyncExitStack, settings: Settings, house: House, stop: asyncio.Event
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return what tells İYS of consents and learns from it, if it is set up."""
    registry = registry_of(settings, house.clock)
    if registry is None:
        return {}
    held.push_async_callback(registry.close)
    sync = RegistrySync(registry, sessions=house.sessions, clock=house.clock)
    return {"registry": partial(sync.run, stop)}


def _read_from_mailboxes(
    settings: Settings, house: House, stop: asyncio.Event
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return what makes cases of mails, and what works in those that come back, where it is set."""
    clock = house.clock
    read: dict[str, Callable[[], Awaitable[None]]] = {}
    mailbox, returned = mailbox_of(settings), bounce_mailbox_of(settings)
    if mailbox is not None:
        applications = Applications(
            house.cases, Customers(house.books, clock), ShownNotices(clock), clock
        )
        reader = MailCases(settings.mailbox, applications)
        polling = _polling(mailbox, reader, settings.mailbox.every_s, house)
        read["mailbox"] = partial(until_stopped, polling.run, stop)
    if returned is not None:
        back = BounceReader(bounces(settings, house.books, house.progress, clock))
        polling = _polling(returned, back, settings.bounce_mailbox.every_s, house)
        read["bounces"] = partial(until_stopped, polling.run, stop)
    return read


def _polling(mailbox: Mailbox, reader: MailReader, every_s: float, house: House) -> MailPolling:
    return MailPolling(
        mailbox,
        reader,
        every_s,
        sessions=house.sessions,
        clock=house.clock,
        leases=Leases(house.sessions, house.clock),
    )


def _called_back(
    senders: Mapping[str, Sender], house: House, stop: asyncio.Event
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return what calls messages of stopped rounds back from providers that give any back."""
    recalls = Recalls(
        recalling_of(senders),
        sessions=house.sessions,
        clock=house.clock,
        progress=house.progress,
        leases=Leases(house.sessions, house.clock),
    )
    return {"recalls": partial(recalls.run, stop)}


def _forgotten_there(
    senders: Mapping[str, Sender], house: House, stop: asyncio.Event
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return what has providers delete their copies of erased persons' messages."""
    copies = ProviderCopies(
        forgetting_of(senders),
        sessions=house.sessions,
        clock=house.clock,
        leases=Leases(house.sessions, house.clock),
    )
    return {"provider_copies": partial(copies.run, stop)}


def _told_by_mail(
    settings: Settings, senders: Mapping[str, Sender], house: House, stop: asyncio.Event
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return what tells staff by mail of campaigns' runs that are over."""
    mails = CampaignMails(
        house.sessions,
        house.clock,
        books=house.books,
        senders=lambda: senders,
        public_url=settings.public_url,
        only=AllowList.of(settings.allow_list) if settings.only_allow_list else None,
    )
    mailing = CampaignMailing(house.sessions, house.clock, mails)
    return {"campaign_mails": partial(mailing.run, stop)}


def _told_of_credit(
    settings: Settings,
    senders: Mapping[str, Sender],
    routes: RouteTable,
    house: House,
    stop: asyncio.Event,
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return what tells a brand's own people when its credit runs low."""
    alerts = CreditAlerts(
        house.sessions,
        house.clock,
        senders=lambda: senders,
        routes=routes,
        only=AllowList.of(settings.allow_list) if settings.only_allow_list else None,
    )
    return {"credit_alerts": partial(alerts.run, stop)}


def _told_to_the_public(
    settings: Settings, sessions: Sessions, incidents: Incidents, stop: asyncio.Event
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return what calls webhooks and, if there is a folder for them, writes the public files."""
    clock = SystemClock()
    calling = Calling(sessions, clock, private=settings.webhooks_private)
    calls: dict[str, Callable[[], Awaitable[None]]] = {"webhooks": partial(calling.run, stop)}
    if settings.status_folder is None:
        return calls
    folder = StatusFolder(
        sessions,
        clock,
        incidents,
        folder=settings.status_folder,
        public_url=settings.public_url,
    )
    return calls | {"status_folder": partial(folder.run, stop)}


def _seen_from_outside(
    settings: Settings, stop: asyncio.Event
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return what shows the metrics, if they are to be seen; a taken port stops nothing else."""
    if settings.metrics_port is None:
        return {}
    host, port = settings.metrics_host, settings.metrics_port
    return {"metrics": partial(listen, shown(EVENTS, LEDGER), host, port, stop)}


async def _cut_off(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _sessions(held: AsyncExitStack, settings: Settings, pool: int) -> Sessions:
    engine = make_engine(settings.database_url.get_secret_value(), pool=pool)
    held.push_async_callback(engine.dispose)
    return make_sessions(engine)


async def _is_looked_up(shelf: Shelf, stop: asyncio.Event) -> bool:
    """Look what is published before anything is decided by a folder's files; False if to stop."""

    async def looked() -> bool:
        await shelf.refresh()
        return True

    return await persist(looked, stop) is not None
