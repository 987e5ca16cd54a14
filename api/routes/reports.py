"""Reports: what came of all the messages, in numbers."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from api.problems import documented
from api.requests import Reading, may_read
from tellal.services.annoyance import Annoyance, annoyance
from tellal.services.complaint_watch import Awaited, awaited
from tellal.services.inbound_reports import InboundReport, inbound_report
from tellal.services.keys import Scope
from tellal.services.outage_reports import OutageReport, outage_report
from tellal.services.purging import Purge, purges

router = APIRouter(prefix="/reports", tags=["reports"])

Reader = Annotated[Reading, may_read(Scope.REPORTS_READ)]


@router.get("/annoyance", responses=documented(422))
async def report_annoyance(
    read: Reader,
    begins: Annotated[AwareDatetime, Query(alias="from", examples=["2026-03-01T00:00:00Z"])],
    ends: Annotated[AwareDatetime, Query(alias="until", examples=["2026-04-01T00:00:00Z"])],
    most: Annotated[int, Query(ge=0, le=1000, description="How many of the most told")] = 10,
) -> Annoyance:
    """Say how many messages people got in a period, and which topics they complained of."""
    async with read.session() as tx:
        return await annoyance(tx, read.brand.id, begins, ends, most=most)


@router.get("/outages", responses=documented(422))
async def report_outages(
    read: Reader,
    begins: Annotated[AwareDatetime, Query(alias="from", examples=["2026-03-01T00:00:00Z"])],
    ends: Annotated[AwareDatetime, Query(alias="until", examples=["2026-04-01T00:00:00Z"])],
) -> OutageReport:
    """Say how fast outages were told: first signal, first public and first direct notice."""
    async with read.session() as tx:
        return await outage_report(tx, read.brand.id, begins, ends)


@router.get("/purges", responses=documented(422))
async def report_purges(
    read: Reader,
    begins: Annotated[AwareDatetime, Query(alias="from", examples=["2026-03-01T00:00:00Z"])],
    ends: Annotated[AwareDatetime, Query(alias="until", examples=["2026-04-01T00:00:00Z"])],
) -> list[Purge]:
    """Say what was emptied because it was old: each run, by kind, with its cut-off."""
    async with read.session() as tx:
        return await purges(tx, read.brand.id, begins, ends)


@router.get("/complaints", responses=documented(422))
async def report_complaints(
    read: Reader,
    most: Annotated[int, Query(ge=1, le=1000, description="How many")] = 100,
) -> list[Awaited]:
    """Say which complaints are to be answered by when: `open`, `close` to their day, or `late`."""
    async with read.session() as tx:
        return await awaited(tx, read.brand.id, read.desk.clock.now(), limit=most)


@router.get("/inbound", responses=documented(422))
async def report_inbound(
    read: Reader,
    begins: Annotated[AwareDatetime, Query(alias="from", examples=["2026-03-01T00:00:00Z"])],
    ends: Annotated[AwareDatetime, Query(alias="until", examples=["2026-04-01T00:00:00Z"])],
) -> InboundReport:
    """List every ONAY, RET and their like of a period, and what came of each."""
    async with read.session() as tx:
        return await inbound_report(tx, read.brand.id, begins, ends)
