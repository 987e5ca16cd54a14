"""The console's addresses."""

from fastapi import APIRouter, FastAPI

from api.console import approvals, calls, inbox, live_outages, signing
from api.console.refusing import HOME


def install(app: FastAPI) -> None:
    """Add the console to the application; the description of the API does not name it."""
    console = APIRouter(prefix=HOME, include_in_schema=False)
    for part in (signing, inbox, calls, approvals, live_outages):
        console.include_router(part.router)
    app.include_router(console)
