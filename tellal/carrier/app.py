"""The carrier simulator as one application."""

import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from tellal.carrier.apns_routes import ApnsCounter
from tellal.carrier.book import Book
from tellal.carrier.callbacks import Callbacks
from tellal.carrier.control import Control
from tellal.carrier.faults import Faults
from tellal.carrier.fcm_routes import FcmCounter
from tellal.carrier.iys_control import IysControl
from tellal.carrier.iys_routes import (
    IysCounter,
    IysMisbehaviourError,
    IysRefusalError,
    refused as refused_by_iys,
)
from tellal.carrier.iys_store import IysStore
from tellal.carrier.journal import Journal
from tellal.carrier.netgsm_jobs import KIND as NETGSM, Delivery, Jobs, remembered as remembered_text
from tellal.carrier.netgsm_requests import NetgsmRefusalError, Pace
from tellal.carrier.netgsm_routes import NetgsmCounter, refused as refused_by_netgsm
from tellal.carrier.phones import Phones
from tellal.carrier.settings import CarrierSettings
from tellal.carrier.smpp_centre import MessageCentre
from tellal.carrier.twilio_call_routes import CallCounter
from tellal.carrier.twilio_calls import Exchange
from tellal.carrier.twilio_messages import (
    KIND as TWILIO,
    TextMessages,
    Walk,
    remembered as remembered_message,
)
from tellal.carrier.twilio_requests import RefusalError
from tellal.carrier.twilio_routes import TwilioCounter, refused
from tellal.carrier.web_push_routes import WebPushCounter


def create_carrier(settings: CarrierSettings) -> FastAPI:
    """Build the simulator; what it remembers beyond its own end is in the settings' book file.

    Raises:
        JournalError: The book file is none.
    """
    journal = Journal(settings.book_file)
    book, faults = Book(settings.book_cap, journal), Faults(settings.seed)
    for fault in settings.faults:
        faults.add(fault)
    messages, jobs = TextMessages(settings.book_cap), Jobs(settings.book_cap)
    callbacks = Callbacks(settings)
    walk, delivery = Walk(settings, callbacks, book), Delivery(settings, callbacks, book)
    exchange = Exchange(settings, callbacks, book)
    centre = MessageCentre(settings, book, faults)
    _recall(journal, settings.book_cap, book, messages, jobs)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        _go_on(messages, walk, jobs, delivery)
        await centre.open()
        yield
        await centre.close()
        await walk.close()
        await delivery.close()
        await exchange.close()
        await callbacks.close()
        journal.close()

    twilio = TwilioCounter(
        settings=settings, book=book, faults=faults, messages=messages, walk=walk
    )
    calls = CallCounter(settings=settings, book=book, faults=faults, exchange=exchange)
    netgsm = NetgsmCounter(
        settings=settings,
        book=book,
        faults=faults,
        jobs=jobs,
        delivery=delivery,
        tasks=Pace(settings.netgsm_tasks_a_minute),
        reports=Pace(settings.netgsm_reports_a_minute),
    )
    fcm = FcmCounter(settings=settings, book=book, faults=faults)
    apns = ApnsCounter(settings=settings, book=book, faults=faults)
    web_push = WebPushCounter(settings=settings, book=book, faults=faults)
    iys = IysCounter(settings=settings, faults=faults, store=IysStore())
    control = Control(
        book=book,
        faults=faults,
        messages=messages,
        walk=walk,
        netgsm=netgsm,
        iys=iys.store,
        delivery=delivery,
        exchange=exchange,
        callbacks=callbacks,
        centre=centre,
    )
    app = FastAPI(title="Tellal carrier simulator", lifespan=lifespan)
    app.add_api_route("/healthz", _healthz, methods=["GET"], tags=["Control"])
    app.add_exception_handler(RefusalError, refused)
    app.add_exception_handler(NetgsmRefusalError, refused_by_netgsm)
    app.add_exception_handler(IysRefusalError, refused_by_iys)
    app.add_exception_handler(IysMisbehaviourError, refused_by_iys)
    phones = Phones(settings=settings, callbacks=callbacks, centre=centre)
    for part in (
        twilio,
        calls,
        netgsm,
        fcm,
        apns,
        web_push,
        iys,
        IysControl(store=iys.store),
        control,
        phones,
    ):
        app.include_router(part.router())
    return app


def _recall(journal: Journal, cap: int, book: Book, messages: TextMessages, jobs: Jobs) -> None:
    """Take back what an earlier process wrote down."""
    # Nothing of it is garbage, and looking for some would take as long as the reading.
    gc.disable()
    try:
        for kept in journal.read(cap):
            if kept.kind == TWILIO:
                message = remembered_message(kept.fields)
                book.restore(kept, message)
                messages.add(message)
            elif kept.kind == NETGSM:
                text = remembered_text(kept.fields)
                book.restore(kept, text)
                jobs.add(text)
            else:
                book.restore(kept)
    finally:
        gc.enable()


def _go_on(messages: TextMessages, walk: Walk, jobs: Jobs, delivery: Delivery) -> None:
    """Set what was on its way on its way again."""
    for message in messages.newest_first("")[::-1]:
        if not message.arrived:
            walk.begin(message)
    for text in jobs.unfinished():
        delivery.begin(text)


async def _healthz() -> dict[str, str]:
    return {"status": "ok"}
