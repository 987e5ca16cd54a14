"""The API process: the one place of it that knows every implementation."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline

from activities.assembly import SendersOnDemand
from activities.providers.netgsm.reports import receipt_of, secret_is_valid
from activities.providers.twilio.callbacks import inbound_of, parse_status, signature_is_valid
from activities.providers.web_push import public_key_of
from api import problems
from api.console import app as console
from api.key_uses import KeyUses
from api.measuring import Measuring
from api.routes import (
    agent_calls,
    applications,
    apply,
    blocks,
    bounces as bounce_reports,
    call_tasks,
    campaign_reports,
    campaigns,
    cases,
    complaints,
    consents,
    credit,
    customers,
    decisions,
    delivery_routes,
    events,
    groups,
    health,
    holds,
    hooks,
    inbound,
    keys,
    messages,
    metrics,
    notices,
    outages,
    persons,
    preferences as preference_pages,
    push,
    reports,
    revisions,
    rulebook,
    senders,
    status,
    texts,
    tracking,
    unsubscribe,
    webhooks,
)
from api.state import Desk
from rules.decide import Decider
from rules.engine import RuleEngine
from rules.holder import RulebookHolder
from rules.incident_files import load_incidents
from rules.keyword_files import keyword_books
from rules.profiles import load_profiles
from rules.routing import load_routes
from rules.web_forms import WebForms
from tellal.clock import Clock, SystemClock
from tellal.domain.keywords import Inbound
from tellal.domain.messages import Receipt
from tellal.persistence.session import make_engine, make_sessions, make_singles
from tellal.services.agent_calls import AgentDesk
from tellal.services.allow_list import AllowList
from tellal.services.applications import Applications
from tellal.services.blocks import Blocks
from tellal.services.bounces import bounces
from tellal.services.bundles import read_signing_key
from tellal.services.complaints import Complaints
from tellal.services.consents import Consents
from tellal.services.credit import Credit
from tellal.services.customers import Customers
from tellal.services.differences import Differences, PopulationImpact
from tellal.services.editions import read_edition
from tellal.services.explicit_consents import ExplicitConsents
from tellal.services.groups import Groups
from tellal.services.holds import Holds
from tellal.services.house import furnish
from tellal.services.inbound_texts import InboundTexts
from tellal.services.keywords import KeywordDesk
from tellal.services.one_click import one_click
from tellal.services.person_erasure import Persons
from tellal.services.preferences import preferences
from tellal.services.publishing import Publishing
from tellal.services.rate_limits import RateLimits
from tellal.services.receipt_inbox import ReceiptInbox
from tellal.services.receipts import Receipts
from tellal.services.replies import Replies
from tellal.services.rereading import reread
from tellal.services.route_steering import RouteSteering
from tellal.services.shelf import Shelf
from tellal.services.shown_notices import ShownNotices
from tellal.services.status_board import StatusBoard
from tellal.services.text_previews import TextPreviews
from tellal.services.trials import Trials
from tellal.settings import NetgsmSettings, Settings, TwilioSettings
from templates.applying import ApplyPages
from templates.environment import JinjaRenderer
from templates.pages import Pages
from templates.tracking import TrackingPages

STATUS_CALLBACK = "/v1/hooks/twilio/status"
INBOUND = "/v1/hooks/twilio/inbound"

_LEAVE_S = 5.0
_ABOUT = """Tellal decides, per person and with a reason, whether to speak, how, and when to stop.

Send `Authorization: Bearer tlk_…` with every request; a key belongs to one brand and sees only
that brand's data. Send an `Idempotency-Key` with every write: a repeat then happens once and is
answered the same. Errors are problem documents (RFC 9457) that say what is wrong, where, and how
to mend it.

Begin with `PUT /v1/customers/{ref}`, then `POST /v1/events`; ask `GET /v1/decisions` why.
"""


@dataclass(frozen=True, slots=True)
class TwilioCallbacks:
    """Twilio's callbacks, signed with the account's token over the public address."""

    settings: TwilioSettings
    public_url: str

    def genuine(self, query: str, form: Mapping[str, str], signature: str) -> bool:
        """Say whether Twilio signed this callback."""
        return self._signed(STATUS_CALLBACK, query, form, signature)

    def genuine_inbound(self, query: str, form: Mapping[str, str], signature: str) -> bool:
        """Say whether Twilio signed what it says a person has written."""
        return self._signed(INBOUND, query, form, signature)

    def _signed(self, path: str, query: str, form: Mapping[str, str], signature: str) -> bool:
        url = f"{self.public_url}{path}" + (f"?{query}" if query else "")
        token = self.settings.auth_token.get_secret_value()
        return bool(token) and signature_is_valid(token, url, form, signature)

    def inbound(self, form: Mapping[str, str]) -> Inbound:
        """Read what a person has written, with what Twilio says that it has done about it."""
        return inbound_of(form, answers=self.settings.answers_keywords)

    def receipt(self, form: Mapping[str, str], message_id: str, received_at: datetime) -> Receipt:
        """Read a callback."""
        return parse_status(form, message_id, received_at)


@dataclass(frozen=True, slots=True)
class NetgsmPushes:
    """NetGSM's pushes, which nothing signs: whoever knows the address is believed."""

    settings: NetgsmSettings

    @property
    def expected(self) -> bool:
        """Whether a secret is set."""
        return bool(self.settings.callback_secret.get_secret_value())

    def genuine(self, secret: str) -> bool:
        """Say whether the secret is ours."""
        return secret_is_valid(self.settings, secret)

    def receipt(self, form: Mapping[str, str], received_at: datetime) -> Receipt:
        """Read a report."""
        return receipt_of(form, received_at)


def create_app(settings: Settings | None = None, *, clock: Clock | None = None) -> FastAPI:
    """Make the application; uvicorn calls it without arguments."""
    settings = settings or Settings()
    clock = clock or SystemClock()
    books = RulebookHolder(settings.rulebook)  # a broken one is said before anything is served

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as held:
            app.state.desk = await _open(held, settings, clock, books, app.state.ending)
            yield

    # Its pages come from the wheel: a bank's network shows no page that loads scripts from abroad.
    app = FastAPIOffline(
        title="Tellal",
        version="1",
        description=_ABOUT,
        lifespan=lifespan,
        redoc_url=None,
    )
    app.state.ending = asyncio.Event()
    problems.install(app)
    app.add_middleware(Measuring)
    v1 = APIRouter(prefix="/v1")
    for module in (
        customers,
        persons,
        consents,
        notices,
        senders,
        groups,
        events,
        cases,
        applications,
        call_tasks,
        agent_calls,
        outages,
        campaigns,
        campaign_reports,
        messages,
        push,
        decisions,
        holds,
        blocks,
        rulebook,
        revisions,
        delivery_routes,
        credit,
        keys,
        texts,
        complaints,
        reports,
        webhooks,
        hooks,
        inbound,
        bounce_reports,
    ):
        v1.include_router(module.router)
    v1.include_router(preference_pages.of_customers)
    app.include_router(v1)
    app.include_router(health.router)
    app.include_router(unsubscribe.router)
    app.include_router(preference_pages.router)
    app.include_router(status.router)
    app.include_router(tracking.router)
    app.include_router(apply.router)
    app.include_router(metrics.router)
    console.install(app)
    return app


async def _open(
    held: AsyncExitStack,
    settings: Settings,
    clock: Clock,
    books: RulebookHolder,
    ending: asyncio.Event,
) -> Desk:
    database = make_engine(settings.database_url.get_secret_value(), pool=settings.database_pool)
    held.push_async_callback(database.dispose)
    sessions = make_sessions(database)
    key_uses = KeyUses(sessions, clock)
    held.push_async_callback(_end, asyncio.create_task(key_uses.run()), key_uses.stop)
    engine = RuleEngine(deadline_s=settings.engine_deadline_s)
    await engine.start()
    held.push_async_callback(engine.close)
    shelf = Shelf(sessions, books, JinjaRenderer())
    await shelf.look()
    engine.prepare(books.current)
    routes = load_routes(settings.routes)
    at_hand = routes.with_providers(settings.providers)
    senders = SendersOnDemand(settings)
    held.push_async_callback(senders.close)
    profiles = load_profiles(settings.intake)
    house = furnish(
        sessions=sessions,
        books=books,
        decider=Decider(engine),
        renderer=shelf,
        clock=clock,
        routes=at_hand,
        incidents=load_incidents(settings.incidents),
        profiles=profiles,
        speed=settings.rehearsal_speed,
        book_of=shelf.book_of,
    )
    stop = asyncio.Event()
    held.push_async_callback(_end, asyncio.create_task(reread(books, shelf, stop)), stop.set)
    board = StatusBoard(sessions, clock, house.incidents, settings)
    held.push_async_callback(_end, asyncio.create_task(board.run(stop)), stop.set)
    customers_, consents_ = Customers(books, clock), Consents(clock)
    held.callback(ending.set)
    keywords = KeywordDesk(keyword_books(), house.deciding, customers_, consents_, clock)
    notices, web_forms = ShownNotices(clock), WebForms(settings.web_forms)
    web_forms.check()
    return Desk(
        sessions=sessions,
        singles=make_singles(sessions),
        clock=clock,
        key_uses=key_uses,
        books=books,
        routes=routes,
        providers=settings.providers,
        house=house,
        customers=customers_,
        consents=consents_,
        groups=Groups(books, at_hand, clock),
        receipts=Receipts(clock, house.progress),
        inbound=InboundTexts(sessions, Replies(house.signals, clock), keywords),
        keywords=keywords,
        preferences=preferences(settings, books, customers_, consents_, clock),
        inbox=ReceiptInbox(sessions),
        one_click=one_click(settings, clock),
        bounces=bounces(settings, books, house.progress, clock),
        pages=Pages(),
        limits=RateLimits(sessions, clock),
        applications=Applications(house.cases, customers_, notices, clock),
        web_forms=web_forms,
        apply_pages=ApplyPages(),
        tracking_pages=TrackingPages(
            settings.public_url,
            {one.id: one.name for one in profiles.values()},
        ),
        holds=Holds(books, shelf, clock),
        steering=RouteSteering(routes, clock),
        blocks=Blocks(clock),
        complaints=Complaints(books, house.progress, clock),
        credit=Credit(clock),
        persons=Persons(Consents(clock), house.progress, clock),
        notices=notices,
        explicit_consents=ExplicitConsents(clock),
        evidence_key=partial(read_signing_key, settings.evidence_key_file),
        trials=Trials(
            sessions,
            clock,
            books=books,
            renderer=shelf,
            senders=senders,
            routes=at_hand,
            allow_list=AllowList.of(settings.allow_list),
        ),
        previews=TextPreviews(books, shelf, routes, clock),
        differences=Differences(at_hand),
        publishing=Publishing(
            clock,
            folder=partial(read_edition, settings.rulebook),
            routes=routes,
            providers=settings.providers,
            above=settings.approval_above,
            profiles=profiles,
            impact=PopulationImpact(Differences(at_hand), clock),
        ),
        shelf=shelf,
        status=board,
        public_url=settings.public_url,
        webhooks_private=settings.webhooks_private,
        twilio=TwilioCallbacks(settings.twilio, settings.public_url),
        netgsm=NetgsmPushes(settings.netgsm),
        agents=AgentDesk(clock, house.progress, consents_),
        web_key=public_key_of(settings.web_push) if settings.web_push.is_set else "",
        engine_counters=lambda: asdict(engine.counters),
        ending=ending,
    )


async def _end(task: asyncio.Task[None], ask: Callable[[], None]) -> None:
    """Ask a task to end, and cut it off if it does not.

    Cut off while it connects, it would leave the database with half a connection for a minute.
    """
    ask()
    await asyncio.wait({task}, timeout=_LEAVE_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
