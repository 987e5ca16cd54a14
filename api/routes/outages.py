"""Outages: declared, confirmed, resolved; those affected are told between the last two."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.services.keys import Scope
from tellal.services.outages import OutageView

router = APIRouter(prefix="/outages", tags=["outages"])

OutageId = Annotated[str, Path(max_length=64)]
Component = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,79}$")]
Reader = Annotated[Reading, may_read(Scope.OUTAGES_READ)]
Writer = Annotated[Writing, may_write(Scope.OUTAGES_WRITE)]
Command = Callable[..., Awaitable[OutageView]]


class DeclareOutage(BaseModel):
    """What has failed, whom it concerns (a condition, as in rule files), and what to say."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "title": "Transformer failure in Tepebaşı",
                    "topic": "outage_notice",
                    "segment": {"customer.district": "tepebasi"},
                    "variables": {
                        "area": "Tepebaşı",
                        "expected_end": "18:30",
                        "workaround": "Acil durumda 186'yı arayın.",
                        "hotline": "186",
                    },
                }
            ]
        },
    )

    title: str = Field(max_length=200)
    topic: str = Field(default="outage_notice", max_length=100)
    segment: dict[str, object]
    variables: dict[str, object] = {}
    components: list[Component] = Field(
        default=[],
        max_length=50,
        description="What has failed, as in app_backend: while the outage is confirmed, no message "
        "takes a channel that depends on it",
    )


@router.post("", status_code=201, responses=documented(409, 422), response_model=OutageView)
async def declare_outage(body: DeclareOutage, write: Writer) -> Response:
    """Declare an outage; while it is suspected nothing goes to customers."""

    async def effect(tx: AsyncSession) -> OutageView:
        return await write.desk.house.outages.declare(
            tx,
            brand=write.brand,
            title=body.title,
            topic=body.topic,
            segment=body.segment,
            variables=body.variables,
            components=body.components,
            simulated=write.rehearses,
        )

    return await write.once(201, effect)


@router.get("/{outage_id}", responses=documented(404))
async def get_outage(outage_id: OutageId, read: Reader) -> OutageView:
    """Read an outage with the ledger's counts: the audience is the sum of all outcomes."""
    async with read.session() as tx:
        return await read.desk.house.outages.view(tx, read.brand.id, outage_id)


@router.get("", responses=documented())
async def list_outages(read: Reader, after: After = "", limit: Limit = 50) -> Page[OutageView]:
    """List outages in the order of their declaration."""
    async with read.session() as tx:
        found = await read.desk.house.outages.page(tx, read.brand.id, after=after, limit=limit + 1)
    return page_of(found, limit)


@router.post("/{outage_id}/confirm", responses=documented(404, 409), response_model=OutageView)
async def confirm_outage(outage_id: OutageId, write: Writer) -> Response:
    """Confirm an outage: its audience is decided and told from now on."""
    return await _command(write, write.desk.house.outages.confirm, outage_id)


@router.post("/{outage_id}/resolve", responses=documented(404, 409), response_model=OutageView)
async def resolve_outage(outage_id: OutageId, write: Writer) -> Response:
    """End an outage: once this is answered, no further message of it is handed over."""
    return await _command(write, write.desk.house.outages.resolve, outage_id)


@router.post("/{outage_id}/dismiss", responses=documented(404, 409), response_model=OutageView)
async def dismiss_outage(outage_id: OutageId, write: Writer) -> Response:
    """Dismiss a suspicion."""
    return await _command(write, write.desk.house.outages.dismiss, outage_id)


async def _command(write: Writing, command: Command, outage_id: str) -> Response:
    async def effect(tx: AsyncSession) -> OutageView:
        if write.rehearses:
            outage = await write.desk.house.outages.view(tx, write.brand.id, outage_id)
            write.check_rehearsal("outage", simulated=outage.simulated)
        return await command(tx, brand_id=write.brand.id, outage_id=outage_id)

    return await write.once(200, effect)
