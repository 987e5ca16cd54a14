"""Consents: what a customer granted and refused, what proves it, and how a use of it stands."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.domain.channels import RecipientType
from tellal.domain.consents import (
    ELECTRONIC,
    ConsentChannel,
    ConsentRecord,
    Delegation,
    Use,
    confirm_by,
)
from tellal.domain.customers import ConsentState
from tellal.persistence.people import find_customer_id
from tellal.services.consents import ConsentInput
from tellal.services.keys import Scope

router = APIRouter(prefix="/customers/{ref}/consents", tags=["consents"])

Ref = Annotated[str, Path(max_length=200, description="Your own name for the customer")]
Reader = Annotated[Reading, may_read(Scope.CONSENTS_READ)]
Consenter = Annotated[Writing, may_write(Scope.CONSENTS_WRITE)]


class DelegationBody(BaseModel):
    """A consent that a dealer took: it holds for what his contract with you is about."""

    model_config = ConfigDict(extra="forbid")

    retailer: str = Field(max_length=100, description="His code", examples=["66438915"])
    contract: str = Field(max_length=100, examples=["D-2026-17"])
    goods: list[str] = Field(
        max_length=100, description="Its goods, services or marks", examples=[["white goods"]]
    )


class ConsentBody(BaseModel):
    """A grant or a refusal, with what proves it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "channel": "sms",
                    "state": "granted",
                    "source": "HS_WEB",
                    "given_at": "2026-03-02T10:00:00+03:00",
                    "purposes": [],
                    "evidence": {
                        "text": "Kampanyalardan SMS ile haberdar olmak istiyorum.",
                        "preselected": False,
                        "name": "Ayşe Yılmaz",
                        "ip": "198.51.100.7",
                    },
                }
            ]
        },
    )

    channel: ConsentChannel = Field(examples=["sms"])
    state: ConsentState = Field(examples=["granted"])
    source: str = Field(
        max_length=100,
        description="How it was given: İYS' names, or branch, web, app, call_centre, agent, "
        "preferences, import",
        examples=["HS_WEB", "branch"],
    )
    recipient_type: RecipientType | None = Field(
        default=None, description="In which role; the customer's own if left out"
    )
    given_at: AwareDatetime | None = Field(default=None, description="When; now if left out")
    valid_until: AwareDatetime | None = Field(default=None, description="For a grant that ends")
    address: str = Field(
        default="",
        max_length=4096,
        description="The number or mail that it is for; his own on the channel if left out",
    )
    purposes: list[str] = Field(
        default=[], max_length=50, description="What it is limited to; none is the whole channel"
    )
    delegation: DelegationBody | None = None
    evidence: dict[str, object] = Field(
        default={},
        description="What proves it: text, name, preselected (false), precondition (false), "
        "signature, recording, call (inbound), ip, contract with font_pt, at_end and "
        "refusal_option, direct_sale; more of your own",
        examples=[{"form": "KVK-17", "box": "empty"}],
    )


class ConsentView(BaseModel):
    """A record of the ledger; once it is erased it has no address and no evidence."""

    id: str
    channel: ConsentChannel
    state: ConsentState
    recipient_type: RecipientType
    source: str
    given_at: datetime
    recorded_at: datetime
    recorded_by: str
    valid_until: datetime | None
    address: str
    purposes: list[str]
    delegation: DelegationBody | None
    evidence: dict[str, object]
    place: int | None = Field(description="Its place in your chain; none until it is sealed")
    confirm_by: datetime | None = Field(
        description="When it must have been confirmed to him, if it was given electronically"
    )
    erased_at: datetime | None

    @classmethod
    def of(cls, record: ConsentRecord, timezone: str) -> "ConsentView":
        """Show a record."""
        due = record.state is ConsentState.GRANTED and record.source in ELECTRONIC
        return cls(
            id=record.id,
            channel=record.channel,
            state=record.state,
            recipient_type=record.recipient_type,
            source=record.source,
            given_at=record.given_at,
            recorded_at=record.recorded_at,
            recorded_by=record.recorded_by,
            valid_until=record.valid_until,
            address=record.address,
            purposes=list(record.purposes),
            delegation=None
            if record.delegation is None
            else DelegationBody.model_validate(
                asdict(record.delegation) | {"goods": list(record.delegation.goods)}
            ),
            evidence=dict(record.evidence),
            place=record.seq,
            confirm_by=confirm_by(record.given_at, timezone) if due else None,
            erased_at=record.erased_at,
        )


class StandingView(BaseModel):
    """How a use of a channel stands; `settled_by` is the record that says so."""

    channel: ConsentChannel
    allowed: bool = Field(description="Granted, and not over")
    state: ConsentState | None = Field(description="None if nobody said anything, or it is over")
    deemed: bool = Field(
        description="He is only taken for one who agreed (HS_2015): the first message must tell him"
    )
    settled_by: ConsentView | None


class Erasing(BaseModel):
    """Who has it erased, besides the key."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(default="", max_length=100)


class Erased(BaseModel):
    """How many records were emptied."""

    erased: int


_NOBODY = Erasing()


@router.post("", status_code=201, responses=documented(404, 409, 422), response_model=ConsentView)
async def record_consent(ref: Ref, body: ConsentBody, write: Consenter) -> Response:
    """Record that a customer granted or refused a channel; records are only ever added.

    What a grant must prove depends on its source: the error names the field and the law.
    """
    said = ConsentInput(
        channel=body.channel,
        state=body.state,
        source=body.source,
        recipient_type=body.recipient_type,
        given_at=body.given_at,
        valid_until=body.valid_until,
        address=body.address,
        purposes=body.purposes,
        delegation=None
        if body.delegation is None
        else Delegation(
            retailer=body.delegation.retailer,
            contract=body.delegation.contract,
            goods=tuple(body.delegation.goods),
        ),
        evidence=body.evidence,
    )

    async def effect(tx: AsyncSession) -> ConsentView:
        kept = await write.desk.consents.record(
            tx, brand=write.brand, ref=ref, said=said, by=write.by
        )
        return ConsentView.of(kept, write.brand.timezone)

    return await write.once(201, effect, keep=_without_proof)


@router.get("", responses=documented(404))
async def list_consents(
    ref: Ref, read: Reader, after: After = "", limit: Limit = 50
) -> Page[ConsentView]:
    """List everything that a customer granted and refused, in the order in which it was taken."""
    async with read.session() as tx:
        customer_id = await find_customer_id(tx, read.brand.id, ref)
        found = await read.desk.consents.history(tx, customer_id, after=after, limit=limit + 1)
    return page_of([ConsentView.of(one, read.brand.timezone) for one in found], limit)


class UseQuery(BaseModel):
    """What you want to write or call for; without anything, what names no purpose."""

    model_config = ConfigDict(extra="forbid")

    recipient_type: RecipientType | None = Field(default=None, description="Else his own role")
    purpose: str = Field(default="", max_length=100)
    contract: str = Field(default="", max_length=100, description="With a dealer")
    goods: str = Field(default="", max_length=100, description="Of that contract")

    def of(self, role: RecipientType) -> Use:
        """Return the use, by somebody in a role."""
        return Use(
            recipient_type=self.recipient_type or role,
            purpose=self.purpose,
            contract=self.contract,
            goods=self.goods,
        )


@router.get("/{channel}", responses=documented(404, 422))
async def get_standing(
    ref: Ref, channel: ConsentChannel, read: Reader, use: Annotated[UseQuery, Query()]
) -> StandingView:
    """Say whether a channel may be used, as it is now, and which record settles it."""
    async with read.session() as tx:
        found = await read.desk.consents.standing(tx, read.brand.id, ref, channel, use.of)
    return StandingView(
        channel=channel,
        allowed=found.state is ConsentState.GRANTED,
        state=found.state,
        deemed=found.deemed,
        settled_by=None
        if found.record is None
        else ConsentView.of(found.record, read.brand.timezone),
    )


@router.post("/erase", responses=documented(404, 409, 422), response_model=Erased)
async def erase_consents(ref: Ref, write: Consenter, body: Erasing = _NOBODY) -> Response:
    """Erase what proves a customer's records; what he granted and refused, and when, stays."""
    write.check_rehearsal("ledger of consents", simulated=False)

    async def effect(tx: AsyncSession) -> Erased:
        number = await write.desk.consents.erase_all(
            tx, write.brand.id, ref, by=write.signed(body.by)
        )
        return Erased(erased=number)

    return await write.once(200, effect)


def _without_proof(view: ConsentView) -> ConsentView:
    """Keep evidence in one place: an answer that is kept for repeats could not be erased."""
    return view.model_copy(update={"evidence": {}, "address": "", "recorded_by": ""})
