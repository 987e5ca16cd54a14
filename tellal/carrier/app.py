"""The carrier simulator as one application."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from tellal.carrier.book import Book
from tellal.carrier.callbacks import Callbacks
from tellal.carrier.control import Control
from tellal.carrier.faults import Faults
from tellal.carrier.fcm_routes import FcmCounter
from tellal.carrier.settings import CarrierSettings
from tellal.carrier.twilio_messages import TextMessages, Walk
from tellal.carrier.twilio_requests import RefusalError
from tellal.carrier.twilio_routes import TwilioCounter, refused


def create_carrier(settings: CarrierSettings) -> FastAPI:
    """Build the simulator; its memory lives as long as the application."""
    book, faults = Book(settings.book_cap), Faults(settings.seed)
    messages, callbacks = TextMessages(settings.book_cap), Callbacks(settings)
    walk = Walk(settings, callbacks)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        await walk.close()
        await callbacks.close()

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


async def _healthz() -> dict[str, str]:
    return {"status": "ok"}
