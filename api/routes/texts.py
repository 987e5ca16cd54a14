"""Texts: all that are ready, one as somebody would read it, and one to a colleague."""

import asyncio
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import Reading, Writing, may_read, may_write
from api.views import FindingView
from tellal.domain.campaigns import VARIABLE_MISSING
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.errors import ConflictError
from tellal.services.keys import Scope
from tellal.services.text_previews import TextPreview, WantedPreview
from tellal.services.trials import Trial, Wanted
from templates.gallery import ReadyMessage

router = APIRouter(prefix="/templates", tags=["templates"])

Topic = Annotated[str, Path(max_length=100)]
Reader = Annotated[Reading, may_read(Scope.MESSAGES_READ)]
Writer = Annotated[Writing, may_write(Scope.MESSAGES_WRITE)]


class NewTest(BaseModel):
    """Which text to send to whom; `customer_like` lends his language and his name."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "channel": "email",
                    "to": "elif@bank.example",
                    "customer_like": "ayse",
                    "by": "Duty officer",
                }
            ]
        },
    )

    channel: Channel
    to: str = Field(max_length=4096, description="An address on the allow-list of this set-up")
    customer_like: str = Field(max_length=200, description="A customer of yours, by reference")
    by: str = Field(default="", max_length=200, description="The person who asks for it")


@router.post(
    "/{topic}/test", status_code=201, responses=documented(404, 409, 422), response_model=Trial
)
async def send_test(topic: Topic, body: NewTest, write: Writer) -> Response:
    """Send a topic's text to a colleague through the real provider, marked as a test.

    It takes no slot of a cap and is in no report; the answer shows what the provider said, and the
    text as it left. An address that is not on the allow-list is refused, and nothing is sent.
    """
    if write.rehearses:
        raise ConflictError(
            "a rehearsal key sends nothing to anybody",
            code="not_a_rehearsal",
            hint="use a key that does not rehearse",
        )
    wanted = Wanted(topic=topic, channel=body.channel, to=body.to, customer_like=body.customer_like)

    async def effect(_: AsyncSession) -> Trial:
        return await write.desk.trials.send(write.brand, wanted, by=write.signed(body.by))

    return await write.once(201, effect)


class ReadyView(BaseModel):
    """A text that is written once and used again and again, filled in with its example.

    Who lacks one of `needs` is not told (`variable_missing`); what it `spares` it does without.
    """

    topic: str
    channel: Channel
    language: str
    version: int = Field(description="The content's; raised, people hear of it again")
    message_class: MessageClass | None
    subject: str
    text: str
    html: str
    segments: int
    cost: Decimal | None
    currency: str
    needs: list[str]
    spares: list[str]
    findings: list[FindingView]

    @classmethod
    def of(cls, one: ReadyMessage) -> "ReadyView":
        """Show a text."""
        cost = one.airtime.cost
        return cls(
            topic=one.topic,
            channel=one.channel,
            language=one.language,
            version=one.version,
            message_class=one.message_class,
            subject=one.shown.subject,
            text=one.shown.text,
            html=one.shown.html,
            segments=one.airtime.segments,
            cost=None if cost is None else cost.amount,
            currency="" if cost is None else cost.currency,
            needs=list(one.needs),
            spares=list(one.spares),
            findings=[FindingView.of(finding) for finding in one.findings],
        )


class GalleryView(BaseModel):
    """The texts in force; `revision` names the rulebook to which they belong."""

    revision: str
    items: list[ReadyView]


class PreviewView(BaseModel):
    """A text as somebody would read it.

    If something is `missing`, a campaign leaves him out for the reason `left_out`; the text then
    shows the example's word in its place.
    """

    name: str = Field(description="The text that speaks, as in case_opened/sms.tr")
    subject: str
    text: str
    html: str
    segments: int
    cost: Decimal | None
    currency: str
    missing: list[str]
    left_out: str

    @classmethod
    def of(cls, one: TextPreview) -> "PreviewView":
        """Show a preview."""
        cost = one.airtime.cost
        return cls(
            name=one.text_name,
            subject=one.shown.subject,
            text=one.shown.text,
            html=one.shown.html,
            segments=one.airtime.segments,
            cost=None if cost is None else cost.amount,
            currency="" if cost is None else cost.currency,
            missing=list(one.missing),
            left_out=VARIABLE_MISSING if one.missing else "",
        )


class PreviewQuery(BaseModel):
    """Which text, and who reads it."""

    model_config = ConfigDict(extra="forbid")

    channel: Channel
    customer: str = Field(max_length=200, description="Your own name for the customer")
    group: str = Field(default="", max_length=100, description="As a member of this group")
    language: str = Field(default="", max_length=20, description="Else the customer's own")


@router.get("", responses=documented(409))
async def list_templates(
    read: Reader,
    topic: Annotated[str, Query(max_length=100, description="Those of one topic only")] = "",
) -> GalleryView:
    """List every text in force in your name: its example, what it takes and costs, what it lacks.

    It takes a second, as every text is filled in and looked at by the law of your country.
    """
    previews = read.desk.previews
    async with read.session() as tx:
        sender = await previews.sender(tx, read.brand)
    found = await asyncio.to_thread(previews.gallery, read.brand, sender, topic=topic)
    revision = read.desk.books.current.revision
    return GalleryView(revision=revision, items=[ReadyView.of(one) for one in found])


@router.get("/{topic}/preview", responses=documented(404, 409, 422))
async def preview_text(
    topic: Topic, read: Reader, wanted: Annotated[PreviewQuery, Query()]
) -> PreviewView:
    """Show a text as a customer would read it, or a member of a group with his own variables."""
    asked = WantedPreview(
        topic=topic,
        channel=wanted.channel,
        customer=wanted.customer,
        group=wanted.group,
        language=wanted.language,
    )
    async with read.session() as tx:
        return PreviewView.of(await read.desk.previews.preview(tx, read.brand, asked))
