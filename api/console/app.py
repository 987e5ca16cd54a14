"""The console's addresses."""

from fastapi import FastAPI

from api.console import approvals, calls, inbox, live_outages, signing


def install(app: FastAPI) -> None:
    """Add the console to the application; the description of the API does not name it."""
    for part in (signing, inbox, calls, approvals, live_outages):
        app.include_router(part.router, include_in_schema=False)
