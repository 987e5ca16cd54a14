"""Whether the process lives, and whether it can work."""

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.state import TheDesk

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """`ok`, or what is missing."""

    status: str
    database: str = "ok"
    rulebook: str = "ok"


@router.get("/healthz")
async def healthz() -> Health:
    """Say that the process lives."""
    return Health(status="ok")


@router.get("/readyz")
async def readyz(desk: TheDesk, response: Response) -> Health:
    """Say whether requests can be served: the database must answer. No worker is needed.

    Until it is known what is published, nothing should be decided by the files of a folder.
    """
    try:
        async with desk.singles() as tx:
            await tx.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError, TimeoutError):
        response.status_code = 503
        return Health(status="not ready", database="does not answer")
    if not desk.shelf.known:
        response.status_code = 503
        return Health(status="not ready", rulebook="what is published is not known yet")
    return Health(status="ok")
