"""What came of campaigns: progress while they run, reports, and every recipient."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import IO, Annotated

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import StreamingResponse

from api.downloads import written
from api.event_streams import HEADERS, MEDIA_TYPE, News, events
from api.problems import documented
from api.requests import After, Limit, Page, Reading, as_json, may_read
from tellal.domain.messages import MessageState, OutcomeState
from tellal.services.campaign_progress import Progress, read_progress
from tellal.services.campaign_recipients import (
    Recipient,
    Wanted,
    every_recipient,
    page_of_recipients,
)
from tellal.services.campaign_reports import (
    SNAPSHOT,
    CampaignReport,
    campaign_report,
    causes_of,
    find_campaign,
)
from tellal.services.keys import Scope, still_works
from tellal.services.recipient_tables import Batches, write_csv, write_xlsx

router = APIRouter(prefix="/campaigns", tags=["campaigns"])

CampaignId = Annotated[str, Path(max_length=64)]
Reader = Annotated[Reading, may_read(Scope.CAMPAIGNS_READ)]
Run = Annotated[int | None, Query(ge=1, description="Of one run only, counted from 1")]
Segments = Annotated[
    list[str] | None,
    Query(alias="segment", max_length=10, description="Groups to count apart, by their names"),
]

_SOME_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_CSV = "text/csv; charset=utf-8"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_A_STREAM = {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
_A_CSV = {"content": {"text/csv": {"schema": {"type": "string"}}}}
_AN_XLSX = {"content": {_XLSX: {"schema": {"type": "string", "format": "binary"}}}}
_OVER = {"description": "It is over, and you have heard that: do not come again"}


@router.get("/{campaign_id}/progress", responses=documented(404, 422))
async def get_progress(campaign_id: CampaignId, read: Reader, *, run: Run = None) -> Progress:
    """Say how far a campaign is: its newest run, or the one named, from counts that are kept."""
    async with read.session() as tx:
        now = read.desk.clock.now()
        return await read_progress(tx, read.brand.id, campaign_id, now, run=run)


@router.get(
    "/{campaign_id}/progress/stream",
    responses={**documented(404, 422), 200: _A_STREAM, 204: _OVER},
    response_class=Response,
)
async def stream_progress(
    campaign_id: CampaignId,
    read: Reader,
    *,
    run: Run = None,
    known: Annotated[str, Header(alias="Last-Event-ID", max_length=200)] = "",
) -> Response:
    """Tell how far a campaign is whenever that changes, as Server-Sent Events.

    An event `progress` has what `progress` answers, at most once a second; a comment comes when
    nothing has changed for 15 seconds. After the last one comes an event `end`: close then.
    """

    async def look() -> News | None:
        async with read.session() as tx:
            now = read.desk.clock.now()
            if not await still_works(tx, read.caller.key.id, now=now):
                return None
            found = await read_progress(tx, read.brand.id, campaign_id, now, run=run)
        return _news(found)

    async with read.session() as tx:
        now = read.desk.clock.now()
        first = _news(await read_progress(tx, read.brand.id, campaign_id, now, run=run))
    if first.over and first.id == known:
        return Response(status_code=204)
    told = events(first, look, read.desk.ending, known=known, pace=read.desk.pace)
    return StreamingResponse(told, media_type=MEDIA_TYPE, headers=HEADERS)


def _news(progress: Progress) -> News:
    """Leave the time out of what matters: that it passes is no news."""
    timeless = replace(progress, at=_SOME_TIME)
    return News(matter=as_json(timeless), data=as_json(progress), over=progress.over)


@router.get("/{campaign_id}/report", responses=documented(404, 422))
async def get_report(
    campaign_id: CampaignId, read: Reader, *, run: Run = None, segment: Segments = None
) -> CampaignReport:
    """Report what came of a campaign, or of one of its runs: counted anew, all of one moment."""
    desk = read.desk
    async with desk.reports, desk.sessions() as tx, tx.begin():
        await tx.execute(SNAPSHOT)
        return await campaign_report(
            tx,
            desk.books.current,
            read.brand,
            campaign_id,
            desk.clock.now(),
            run=run,
            segments=segment or (),
        )


@router.get("/{campaign_id}/recipients", responses=documented(404, 422))
async def list_recipients(
    campaign_id: CampaignId,
    read: Reader,
    *,
    run: Run = None,
    outcome: OutcomeState | None = None,
    state: Annotated[
        MessageState | None, Query(description="Of the newest message of each")
    ] = None,
    after: After = "",
    limit: Limit = 50,
) -> Page[Recipient]:
    """List whom a campaign spoke to, or did not: what became of each, when and why."""
    wanted = Wanted(run=run, outcome=outcome, state=state)
    async with read.session() as tx:
        items, following = await page_of_recipients(
            tx, read.brand.id, campaign_id, wanted, after=after, limit=limit
        )
    return Page(items=items, next=following)


@router.get(
    "/{campaign_id}/recipients.csv",
    responses={**documented(404, 422), 200: _A_CSV},
    response_class=Response,
)
async def recipients_as_csv(
    campaign_id: CampaignId,
    read: Reader,
    *,
    run: Run = None,
    outcome: OutcomeState | None = None,
    state: MessageState | None = None,
) -> Response:
    """Hand out every recipient as a table in CSV, moments in UTC."""
    wanted = Wanted(run=run, outcome=outcome, state=state)
    return await _download(read, campaign_id, wanted, write_csv, _CSV)


@router.get(
    "/{campaign_id}/recipients.xlsx",
    responses={**documented(404, 422), 200: _AN_XLSX},
    response_class=Response,
)
async def recipients_as_xlsx(
    campaign_id: CampaignId,
    read: Reader,
    *,
    run: Run = None,
    outcome: OutcomeState | None = None,
    state: MessageState | None = None,
) -> Response:
    """Hand out every recipient as a workbook of Excel, moments in UTC.

    It begins when all of it is written; where there are very many people, CSV begins at once.
    """
    wanted = Wanted(run=run, outcome=outcome, state=state)
    return await _download(read, campaign_id, wanted, write_xlsx, _XLSX)


async def _download(
    read: Reading,
    campaign_id: str,
    wanted: Wanted,
    write: Callable[[Batches, IO[bytes]], Awaitable[int]],
    media_type: str,
) -> Response:
    """Hand out a table of one moment; that there is no such campaign or run is said before."""
    desk, brand_id = read.desk, read.brand.id
    async with read.session() as tx:
        campaign = await find_campaign(tx, brand_id, campaign_id)
        await causes_of(tx, campaign.id, wanted.run)

    async def table(file: IO[bytes]) -> None:
        async with desk.exports, desk.sessions() as tx, tx.begin():
            await tx.execute(SNAPSHOT)
            # Cut off in the middle, it gives its cursor back before the transaction ends.
            async with aclosing(every_recipient(tx, brand_id, campaign_id, wanted)) as batches:
                await write(batches, file)

    kind = "csv" if media_type == _CSV else "xlsx"
    headers = {
        "Content-Disposition": f'attachment; filename="{campaign.id}.{kind}"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(written(table), media_type=media_type, headers=headers)
