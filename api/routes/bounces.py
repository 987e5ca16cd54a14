"""Mails that came back, brought by the mail system that got them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import Writing, may_write
from tellal.domain.bounces import LARGEST, Said
from tellal.services.keys import Scope

router = APIRouter(prefix="/inbound/bounces", tags=["inbound"])

Postmaster = Annotated[Writing, may_write(Scope.MESSAGES_WRITE)]

_A_MAIL = {
    "requestBody": {
        "required": True,
        "description": "The mail as it came, with all its headers. Of a long one the first "
        f"{LARGEST // 1024} KiB are read.",
        "content": {"message/rfc822": {"schema": {"type": "string"}}},
    }
}


class BounceView(BaseModel):
    """What a mail that came back meant."""

    said: Said = Field(description="`nothing` also if it speaks of no mail of your brand")
    message: str | None = Field(description="The message that it speaks of")
    code: str = Field(description="The mail system's code (RFC 3463), if it failed")
    fault: str = Field(description="`address`, `temporary` or `sender`, if it failed")


@router.post("", responses=documented(409, 422), response_model=BounceView, openapi_extra=_A_MAIL)
async def take_bounce(
    request: Request,
    write: Postmaster,
    to: Annotated[
        str, Query(max_length=320, description="To whom it came, by the envelope (RCPT TO)")
    ] = "",
) -> Response:
    """Take a mail that came back: a delivery report, or a complaint of a feedback loop.

    What failed leads to the next channel, and a mailbox that is not there is not written to again.
    The same mail may come twice.
    """
    write.check_rehearsal("ledger of messages", simulated=False)
    raw = await request.body()

    async def effect(tx: AsyncSession) -> BounceView:
        worked = await write.desk.bounces.take(tx, raw, to=to, brand_id=write.brand.id)
        return BounceView(
            said=worked.said, message=worked.message_id, code=worked.code, fault=worked.fault
        )

    return await write.once(200, effect)
