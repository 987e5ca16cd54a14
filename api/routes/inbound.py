"""Texts that people write to your numbers, brought by a gateway that Tellal does not know."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import Writing, may_write
from tellal.addresses import mobile_number
from tellal.domain.channels import Channel
from tellal.domain.keywords import Inbound
from tellal.services.keys import Scope

router = APIRouter(prefix="/inbound", tags=["inbound"])

Consenter = Annotated[Writing, may_write(Scope.CONSENTS_WRITE)]


class InboundBody(BaseModel):
    """A text that somebody wrote to one of your numbers."""

    model_config = ConfigDict(extra="forbid")

    gateway: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,39}$", description="Your name for it", examples=["netgsm"]
    )
    reference: str = Field(
        min_length=1, max_length=100, description="Its id of the text", examples=["77"]
    )
    sender: str = Field(max_length=40, description="Who wrote", examples=["0532 123 45 67"])
    recipient: str = Field(max_length=40, description="Your number", examples=["4605"])
    text: str = Field(max_length=1600, examples=["MARKA RET"])
    answered: bool = Field(default=False, description="Whether the gateway answered him itself")


class InboundView(BaseModel):
    """What came of it; `did` is empty if it means nothing, or came before."""

    did: list[str] = Field(description="granted, refused, or asked, per customer of yours")
    answer: str = Field(description="What became of the automatic reply")


@router.post("", responses=documented(409, 422), response_model=InboundView)
async def take_inbound(body: InboundBody, write: Consenter) -> Response:
    """Take ONAY, RET and their like for your brand; the same id of a gateway counts once."""
    write.check_rehearsal("ledger of consents", simulated=False)
    said = Inbound(
        provider=f"gateway:{body.gateway}:{write.brand.id}",
        reference=body.reference,
        sender=mobile_number(body.sender, region=write.brand.country),
        recipient=body.recipient,
        text=body.text,
        channel=Channel.SMS,
        answered=body.answered,
    )

    async def effect(tx: AsyncSession) -> InboundView:
        worked = await write.desk.keywords.take(tx, said, only=write.brand)
        if worked is None:
            return InboundView(did=[], answer="none")
        return InboundView(did=[one.did for one in worked.effects], answer=worked.answer)

    return await write.once(200, effect)
