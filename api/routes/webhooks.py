"""Webhooks: addresses of partners that hear of outages, signed after Standard Webhooks."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.services import webhooks
from tellal.services.keys import Scope
from tellal.services.webhooks import Call, Webhook

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

WebhookId = Annotated[str, Path(max_length=64)]
Reader = Annotated[Reading, may_read(Scope.WEBHOOKS_READ)]
Writer = Annotated[Writing, may_write(Scope.WEBHOOKS_WRITE)]


class NewWebhook(BaseModel):
    """An address to tell of outages."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        min_length=1,
        max_length=2000,
        description="https only; redirects are not followed",
        examples=["https://partner.example/outages"],
    )
    means: str = Field(
        default="",
        max_length=200,
        description="What it is for",
        examples=["Posts to our social media"],
    )


class MadeWebhook(BaseModel):
    """A new webhook; its secret is in the first answer only, and empty in one to a repeat."""

    webhook: Webhook
    secret: str


class WebhookList(BaseModel):
    """The brand's webhooks."""

    items: list[Webhook]


@router.post("", status_code=201, responses=documented(409, 422), response_model=MadeWebhook)
async def add_webhook(body: NewWebhook, write: Writer) -> Response:
    """Add an address. Its secret is in this answer and nowhere else.

    Every call carries `webhook-id`, `webhook-timestamp` and `webhook-signature` (Standard Webhooks,
    symmetric); a call that is not answered with 2xx within ten seconds is made again for a day.
    Answer 410 to hear nothing more.
    """
    write.check_rehearsal("webhook", simulated=False)

    async def effect(tx: AsyncSession) -> MadeWebhook:
        made, secret = await webhooks.add_webhook(
            tx,
            write.brand.id,
            url=body.url,
            means=body.means,
            made_by=write.by,
            now=write.desk.clock.now(),
            private=write.desk.webhooks_private,
        )
        return MadeWebhook(webhook=made, secret=secret)

    return await write.once(201, effect, keep=_without_secret)


@router.get("", responses=documented())
async def list_webhooks(read: Reader) -> WebhookList:
    """List the webhooks of your brand, also those that have ended."""
    async with read.session() as tx:
        return WebhookList(items=list(await webhooks.list_webhooks(tx, read.brand.id)))


@router.get("/{webhook_id}/calls", responses=documented(404))
async def list_calls(
    webhook_id: WebhookId,
    read: Reader,
    state: Annotated[
        Literal["waiting", "taken", "given_up"] | None, Query(description="Only these")
    ] = None,
    after: After = "",
    limit: Limit = 50,
) -> Page[Call]:
    """List what an address was told, in that order, with its last answer."""
    async with read.session() as tx:
        found = await webhooks.list_calls(
            tx, read.brand.id, webhook_id, state=state or "", after=after, limit=limit + 1
        )
    return page_of(found, limit)


@router.delete("/{webhook_id}", status_code=204, responses=documented(404, 409, 422))
async def end_webhook(webhook_id: WebhookId, write: Writer) -> Response:
    """End a webhook: nothing more goes there, also nothing that still waits."""
    write.check_rehearsal("webhook", simulated=False)

    async def effect(tx: AsyncSession) -> None:
        await webhooks.end_webhook(tx, write.brand.id, webhook_id, now=write.desk.clock.now())

    return await write.once(204, effect)


def _without_secret(made: MadeWebhook) -> MadeWebhook:
    return made.model_copy(update={"secret": ""})
