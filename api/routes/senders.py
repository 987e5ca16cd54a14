"""The sender: who your brand is in law, as its messages must say."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import Reading, Writing, may_read, may_write
from tellal.domain.senders import SenderKind, SenderProfile, ShortCode, doubts_of
from tellal.persistence.people import brand as read_brand
from tellal.services.keys import Scope
from tellal.services.senders import sender_profile, set_sender_profile

router = APIRouter(prefix="/sender", tags=["sender"])

Reader = Annotated[Reading, may_read(Scope.BRAND_READ)]
Writer = Annotated[Writing, may_write(Scope.BRAND_WRITE)]


class ShortCodeBody(BaseModel):
    """A short number; without a keyword it is your own, with one you share it with others."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(max_length=8, examples=["4605"])
    keyword: str = Field(default="", max_length=20, examples=["ANADOLU"])


class SenderBody(BaseModel):
    """Who sends: a company by its MERSIS number, a sole trader by name and identity number.

    At least one of phone, e-mail and short number is needed.
    """

    model_config = ConfigDict(extra="forbid")

    kind: SenderKind = SenderKind.COMPANY
    trade_name: str = Field(default="", max_length=200, examples=["Anadolu Bankası A.Ş."])
    mersis: str = Field(
        default="",
        max_length=30,
        description="16 digits; MERSİS, the central registry system of companies, shows it",
        examples=["0481005859000012"],
    )
    owner: str = Field(default="", max_length=200, description="A sole trader's name and surname")
    tckn: str = Field(default="", max_length=20, description="His Turkish identity number")
    phone: str = Field(default="", max_length=40, examples=["0850 000 00 01"])
    email: str = Field(default="", max_length=254, examples=["iletisim@anadolu.example"])
    short_number: str = Field(default="", max_length=8)
    exemption: str = Field(
        default="",
        max_length=80,
        description="What frees you of asking for consent, where the law does",
        examples=["telecom_operator"],
    )
    licence: str = Field(default="", max_length=80, examples=["capital_market_intermediary"])
    sector: str = Field(default="", max_length=80, examples=["banking"])
    short_codes: list[ShortCodeBody] = Field(default=[], max_length=50)


class SenderView(SenderBody):
    """The sender, and what may be a slip of the pen in it."""

    doubts: list[str]


def sender_view(profile: SenderProfile) -> SenderView:
    """Show a profile."""
    return SenderView(
        kind=profile.kind,
        trade_name=profile.trade_name,
        mersis=profile.mersis,
        owner=profile.owner,
        tckn=profile.tckn,
        phone=profile.phone,
        email=profile.email,
        short_number=profile.short_number,
        exemption=profile.exemption,
        licence=profile.licence,
        sector=profile.sector,
        short_codes=[ShortCodeBody(code=c.code, keyword=c.keyword) for c in profile.short_codes],
        doubts=list(doubts_of(profile)),
    )


@router.get("", responses=documented())
async def get_sender(read: Reader) -> SenderView:
    """Read who your brand is."""
    async with read.session() as tx:
        return sender_view(await sender_profile(tx, await read_brand(tx, read.brand.id)))


@router.put("", responses=documented(409, 422), response_model=SenderView)
async def put_sender(body: SenderBody, write: Writer) -> Response:
    """Say who your brand is; short codes that you leave out are given up."""
    said = SenderProfile(
        kind=body.kind,
        trade_name=body.trade_name,
        mersis=body.mersis,
        owner=body.owner,
        tckn=body.tckn,
        phone=body.phone,
        email=body.email,
        short_number=body.short_number,
        exemption=body.exemption,
        licence=body.licence,
        sector=body.sector,
        short_codes=tuple(ShortCode(code=c.code, keyword=c.keyword) for c in body.short_codes),
    )

    async def effect(tx: AsyncSession) -> SenderView:
        return sender_view(await set_sender_profile(tx, write.brand, said))

    return await write.once(200, effect)
