"""Webhooks: addresses that hear of outages and cases, signed after Standard Webhooks."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.domain.errors import DeniedError
from tellal.domain.webhooks import HookKind
from tellal.services import webhooks
from tellal.services.keys import Scope
from tellal.services.webhook_replays import Replay, replay
from tellal.services.webhooks import Call, Webhook

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

WebhookId = Annotated[str, Path(max_length=64)]
Reader = Annotated[Reading, may_read(Scope.WEBHOOKS_READ)]
Writer = Annotated[Writing, may_write(Scope.WEBHOOKS_WRITE)]


class NewWebhook(BaseModel):
    """An address to tell of outages, of cases, or of both."""

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
    kinds: list[HookKind] = Field(
        default=[HookKind.OUTAGES],
        min_length=1,
        max_length=len(HookKind),
        description="What it hears of; `cases` needs the scope `cases:read`, too",
        examples=[["cases"]],
    )


class MadeWebhook(BaseModel):
    """A new webhook; its secret is in the first answer only, and empty in one to a repeat."""

    webhook: Webhook
    secret: str


class WebhookList(BaseModel):
    """The brand's webhooks."""

    items: list[Webhook]


class ReplayCalls(BaseModel):
    """What to tell an address again: one call, or what was announced in a time."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"from": "2026-03-02T09:00:00Z", "to": "2026-03-02T12:00:00Z"},
                {"call": "01KJNFAA000000000000000001"},
            ]
        },
    )

    call: str = Field(default="", max_length=64, description="A call's id")
    begins: AwareDatetime | None = Field(default=None, alias="from")
    ends: AwareDatetime | None = Field(default=None, alias="to")


class Replayed(BaseModel):
    """How many calls are made again."""

    replayed: int


@router.post("", status_code=201, responses=documented(409, 422), response_model=MadeWebhook)
async def add_webhook(body: NewWebhook, write: Writer) -> Response:
    """Add an address. Its secret is in this answer and nowhere else.

    Every call carries `webhook-id`, `webhook-timestamp` and `webhook-signature` (Standard Webhooks,
    symmetric); a call that is not answered with 2xx within ten seconds is made again for a day.
    Answer 410 to hear nothing more.
    """
    write.check_rehearsal("webhook", simulated=False)
    if HookKind.CASES in body.kinds and Scope.CASES_READ not in write.caller.key.scopes:
        raise DeniedError(
            "whoever may not read cases cannot have them told to an address",
            code="scope_missing",
            hint=f"use a key with the scope {Scope.CASES_READ}",
        )

    async def effect(tx: AsyncSession) -> MadeWebhook:
        made, secret = await webhooks.add_webhook(
            tx,
            write.brand.id,
            url=body.url,
            means=body.means,
            kinds=body.kinds,
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


@router.post("/{webhook_id}/replay", responses=documented(404, 409, 422), response_model=Replayed)
async def replay_calls(webhook_id: WebhookId, body: ReplayCalls, write: Writer) -> Response:
    """Tell an address again what it has lost, under the ids of then and in the order of then.

    Calls that still wait are left alone; calls that were purged are gone.
    """
    write.check_rehearsal("webhook", simulated=False)
    wanted = Replay(call=body.call, begins=body.begins, ends=body.ends)

    async def effect(tx: AsyncSession) -> Replayed:
        now = write.desk.clock.now()
        return Replayed(replayed=await replay(tx, write.brand.id, webhook_id, wanted, now=now))

    return await write.once(200, effect)


@router.delete("/{webhook_id}", status_code=204, responses=documented(404, 409, 422))
async def end_webhook(webhook_id: WebhookId, write: Writer) -> Response:
    """End a webhook: nothing more goes there, also nothing that still waits."""
    write.check_rehearsal("webhook", simulated=False)

    async def effect(tx: AsyncSession) -> None:
        await webhooks.end_webhook(tx, write.brand.id, webhook_id, now=write.desk.clock.now())

    return await write.once(204, effect)


def _without_secret(made: MadeWebhook) -> MadeWebhook:
    return made.model_copy(update={"secret": ""})
