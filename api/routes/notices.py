"""Information notices and explicit consents: separate records, and neither counts for the other."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.domain.customers import ConsentState
from tellal.services.explicit_consents import CATEGORIES, ExplicitConsent, ExplicitInput
from tellal.services.keys import Scope
from tellal.services.shown_notices import NoticeInput, ShownNotice

router = APIRouter(prefix="/customers/{ref}", tags=["notices"])

Ref = Annotated[str, Path(max_length=200, description="Your own name for the customer")]
Category = Annotated[str, Path(max_length=50, description=", ".join(CATEGORIES))]
Reader = Annotated[Reading, may_read(Scope.CONSENTS_READ)]
Writer = Annotated[Writing, may_write(Scope.CONSENTS_WRITE)]


class NoticeBody(BaseModel):
    """A notice as it was shown to him."""

    model_config = ConfigDict(extra="forbid")

    notice: str = Field(max_length=100, description="Which", examples=["aydinlatma_musteri"])
    version: str = Field(max_length=50, examples=["2026-01"])
    language: str = Field(max_length=20, examples=["tr"])
    way: str = Field(max_length=50, description="By which way", examples=["web", "sms", "branch"])
    shown_at: AwareDatetime | None = Field(default=None, description="When; now if left out")
    details: dict[str, object] = Field(
        default={}, description="What shows that it was", examples=[{"page": "/kvkk"}]
    )


class ExplicitBody(BaseModel):
    """An explicit consent to a special category, or its withdrawal."""

    model_config = ConfigDict(extra="forbid")

    category: str = Field(max_length=50, description=", ".join(CATEGORIES), examples=["health"])
    state: ConsentState = Field(examples=["granted"])
    document: str = Field(max_length=100, description="What was signed", examples=["acik_riza"])
    version: str = Field(max_length=50, examples=["2026-01"])
    language: str = Field(max_length=20, examples=["tr"])
    signature: dict[str, object] = Field(
        default={},
        description="Its `kind` (wet, electronic, mobile) and its proof; a withdrawal needs none",
        examples=[{"kind": "wet", "file": "KVK-17"}],
    )
    given_at: AwareDatetime | None = Field(default=None, description="When; now if left out")


class Processing(BaseModel):
    """Whether data of a special category may be processed."""

    category: str
    allowed: bool = Field(description="A signed explicit consent is in force")


@router.post(
    "/notices", status_code=201, responses=documented(404, 409, 422), response_model=ShownNotice
)
async def record_notice(ref: Ref, body: NoticeBody, write: Writer) -> Response:
    """Record that an information notice was shown; it is a consent to nothing."""
    write.check_rehearsal("record of a notice", simulated=False)
    said = NoticeInput(
        notice=body.notice,
        version=body.version,
        language=body.language,
        way=body.way,
        shown_at=body.shown_at,
        details=body.details,
    )

    async def effect(tx: AsyncSession) -> ShownNotice:
        return await write.desk.notices.record(tx, write.brand.id, ref, said, by=write.by)

    return await write.once(201, effect)


@router.get("/notices", responses=documented(404))
async def list_notices(
    ref: Ref, read: Reader, after: After = "", limit: Limit = 50
) -> Page[ShownNotice]:
    """List which notices he was shown."""
    async with read.session() as tx:
        found = await read.desk.notices.page(tx, read.brand.id, ref, after=after, limit=limit + 1)
    return page_of(found, limit)


@router.post(
    "/explicit-consents",
    status_code=201,
    responses=documented(404, 409, 422),
    response_model=ExplicitConsent,
)
async def record_explicit_consent(ref: Ref, body: ExplicitBody, write: Writer) -> Response:
    """Record a signed consent to a special category, or its withdrawal.

    It says nothing of commercial messages, and neither notices nor consents to messages count here.
    """
    write.check_rehearsal("record of a consent", simulated=False)
    said = ExplicitInput(
        category=body.category,
        state=body.state,
        document=body.document,
        version=body.version,
        language=body.language,
        signature=body.signature,
        given_at=body.given_at,
    )

    async def effect(tx: AsyncSession) -> ExplicitConsent:
        return await write.desk.explicit_consents.record(tx, write.brand.id, ref, said, by=write.by)

    return await write.once(201, effect)


@router.get("/explicit-consents", responses=documented(404))
async def list_explicit_consents(
    ref: Ref, read: Reader, after: After = "", limit: Limit = 50
) -> Page[ExplicitConsent]:
    """List his explicit consents and withdrawals."""
    async with read.session() as tx:
        found = await read.desk.explicit_consents.page(
            tx, read.brand.id, ref, after=after, limit=limit + 1
        )
    return page_of(found, limit)


@router.get("/explicit-consents/{category}", responses=documented(404))
async def may_process(ref: Ref, category: Category, read: Reader) -> Processing:
    """Say whether his data of a special category may be processed now."""
    async with read.session() as tx:
        allowed = await read.desk.explicit_consents.allows(tx, read.brand.id, ref, category)
    return Processing(category=category, allowed=allowed)
