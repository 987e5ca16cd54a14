"""Complaints: what annoyed somebody, and that it ends."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.services.complaint_bundle import bundle_complaint
from tellal.services.complaints import Complaint, ComplaintInput
from tellal.services.keys import Scope

router = APIRouter(prefix="/complaints", tags=["complaints"])

ComplaintId = Annotated[str, Path(max_length=64)]
Reader = Annotated[Reading, may_read(Scope.COMPLAINTS_READ)]
Discloser = Annotated[Reading, may_read(Scope.PERSONS_READ)]
Writer = Annotated[Writing, may_write(Scope.COMPLAINTS_WRITE)]

_ZIP = "application/zip"
_A_BUNDLE = {"content": {_ZIP: {"schema": {"type": "string", "format": "binary"}}}}


class NewComplaint(BaseModel):
    """Who complains, of a topic or of one message, and where he said so."""

    model_config = ConfigDict(extra="forbid")

    customer: str = Field(max_length=200, examples=["customer-42"])
    topic: str = Field(default="", max_length=100, examples=["iscep_promo"])
    message: str = Field(default="", max_length=64, description="A message; its topic is meant")
    source: str = Field(max_length=100, examples=["call_centre", "social_media", "e-devlet"])
    text: str = Field(
        default="", max_length=2000, description="His words, kept until you erase them"
    )
    by: str = Field(default="", max_length=100, description="Who took it down, besides the key")
    authority: str = Field(
        default="",
        max_length=100,
        description="Over which it came, as your country's law names them: e_devlet, ministry, "
        "provincial_directorate, btk, kvkk, customer…; it says by when it is to be answered",
        examples=["e_devlet"],
    )
    file_number: str = Field(default="", max_length=100, description="What that calls it")
    received_at: AwareDatetime | None = Field(default=None, description="When; now if left out")
    due_at: AwareDatetime | None = Field(
        default=None, description="The day that its letter names, if it does"
    )


class Closing(BaseModel):
    """How a complaint ends: `resume` says that he wants to hear of the topic again.

    One that was closed without it may be closed with it later.
    """

    model_config = ConfigDict(extra="forbid")

    resume: bool = Field(examples=[False])
    answer: str = Field(
        default="",
        max_length=5000,
        description="What was answered; needed for what came over an authority",
    )
    by: str = Field(default="", max_length=100)


class Erasing(BaseModel):
    """Who has his words erased, besides the key."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(default="", max_length=100)


_NOBODY = Erasing()


@router.post("", status_code=201, responses=documented(404, 409, 422), response_model=Complaint)
async def file_complaint(body: NewComplaint, write: Writer) -> Response:
    """File a complaint: once this is answered, nothing more of the topic leaves for the customer.

    Only what the law orders to be told (class `mandatory`) still goes.
    """
    write.check_rehearsal("complaint", simulated=False)
    said = ComplaintInput(
        customer=body.customer,
        topic=body.topic,
        message_id=body.message,
        source=body.source,
        text=body.text,
        authority=body.authority,
        file_number=body.file_number,
        received_at=body.received_at,
        due_at=body.due_at,
    )

    async def effect(tx: AsyncSession) -> Complaint:
        by = write.signed(body.by)
        return await write.desk.complaints.file(tx, write.brand.id, said, by=by)

    return await write.once(201, effect, keep=_without_text)


@router.get("", responses=documented())
async def list_complaints(
    read: Reader,
    customer: Annotated[str | None, Query(max_length=200)] = None,
    after: After = "",
    limit: Limit = 50,
) -> Page[Complaint]:
    """List complaints in the order in which they were filed."""
    async with read.session() as tx:
        found = await read.desk.complaints.page(
            tx, read.brand.id, customer=customer, after=after, limit=limit + 1
        )
    return page_of(found, limit)


@router.get(
    "/{complaint_id}/bundle",
    response_class=Response,
    responses={200: _A_BUNDLE, **documented(404, 422)},
)
async def bundle(complaint_id: ComplaintId, read: Discloser) -> Response:
    """Hand out the evidence for a complaint, signed: consents, messages, and why they were sent.

    `tellal verify bundle` verifies it.
    """
    async with read.session() as tx:
        content = await bundle_complaint(
            tx,
            read.desk.complaints,
            read.brand,
            complaint_id,
            key=read.desk.evidence_key(),
            clock=read.desk.clock,
        )
    return Response(content, media_type=_ZIP, headers={"Cache-Control": "no-store"})


@router.post("/{complaint_id}/close", responses=documented(404, 409, 422), response_model=Complaint)
async def close_complaint(complaint_id: ComplaintId, body: Closing, write: Writer) -> Response:
    """Close a complaint; the topic stays silent for him unless he wants to hear of it again."""
    write.check_rehearsal("complaint", simulated=False)

    async def effect(tx: AsyncSession) -> Complaint:
        return await write.desk.complaints.close(
            tx,
            write.brand.id,
            complaint_id,
            resume=body.resume,
            by=write.signed(body.by),
            answer=body.answer,
        )

    return await write.once(200, effect, keep=_without_text)


@router.post("/{complaint_id}/erase", responses=documented(404, 409, 422), response_model=Complaint)
async def erase_complaint(
    complaint_id: ComplaintId, write: Writer, body: Erasing = _NOBODY
) -> Response:
    """Erase the customer's words; that he complained, and of what, stays and goes on to count."""
    write.check_rehearsal("complaint", simulated=False)

    async def effect(tx: AsyncSession) -> Complaint:
        return await write.desk.complaints.erase(
            tx, write.brand.id, complaint_id, by=write.signed(body.by)
        )

    return await write.once(200, effect)


def _without_text(complaint: Complaint) -> Complaint:
    """Keep his words in one place: an answer that is kept for repeats could not be erased."""
    return replace(complaint, text="", answer="", file_number="")
