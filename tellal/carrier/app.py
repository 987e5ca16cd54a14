"""The carrier simulator as one application."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from tellal.carrier.book import Book
from tellal.carrier.callbacks import Callbacks
from tellal.carrier.control import Control
from tellal.carrier.faults import Faults
from tellal.carrier.fcm_routes import FcmCounter
from tellal.carrier.journal import Journal
from tellal.carrier.settings import CarrierSettings
from tellal.carrier.twilio_messages import KIND as TWILIO, TextMessages, Walk, remembered
from tellal.carrier.twilio_requests import RefusalError
from tellal.carrier.twilio_routes import TwilioCounter, refused


def create_carrier(settings: CarrierSettings) -> FastAPI:
    """Build the simulator; what it remembers beyond its own end is in the settings' book file.

    Raises:
        JournalError: The book file is none.
    """
    journal = Journal(settings.book_file)
    book, faults = Book(settings.book_cap, journal), Faults(settings.seed)
    messages, callbacks = TextMessages(settings.book_cap), Callbacks(settings)
    walk = Walk(settings, callbacks, book)
    _recall(journal, settings.book_cap, book, messages)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        for message in messages.newest_first("")[::-1]:
            if not message.arrived:
                walk.begin(message)
        yield
        await walk.close()
        await callbacks.close()
        journal.close()

    app = FastAPI(title="Tellal carrier simulator", lifespan=lifespan)
    app.add_api_route("/healthz", _healthz, methods=["GET"], tags=["Control"])
    app.add_exception_handler(RefusalError, refused)
    twilio = TwilioCounter(
        settings=settings, book=book, faults=faults, messages=messages, walk=walk
    )
    fcm = FcmCounter(settings=settings, book=book, faults=faults)
    control = Control(book=book, faults=faults, messages=messages, walk=walk, callbacks=callbacks)
    for part in (twilio, fcm, control):
        app.include_router(part.router())
    return app


def _recall(journal: Journal, cap: int, book: Book, messages: TextMessages) -> None:
    for kept in journal.read(cap):
        if kept.kind == TWILIO:
            message = remembered(kept.fields)
            book.restore(kept, message)
            messages.add(message)
        else:
            book.restore(kept)


async def _healthz() -> dict[str, str]:
    return {"status": "ok"}
