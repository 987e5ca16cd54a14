"""Cases: officers open them and bring them forward; the applicant is told by the workflow."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.domain.cases import CaseCommand, CaseState
from tellal.services import case_views
from tellal.services.case_views import CaseView
from tellal.services.cases import CaseInput
from tellal.services.keys import Scope

router = APIRouter(prefix="/cases", tags=["cases"])

Number = Annotated[
    str, Path(max_length=50, description="The record number", examples=["2026-000001"])
]
Reader = Annotated[Reading, may_read(Scope.CASES_READ)]
Writer = Annotated[Writing, may_write(Scope.CASES_WRITE)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OpenCase(_Body):
    """An application, as it came in over an intake channel."""

    customer: str = Field(max_length=200, examples=["customer-42"])
    channel: str = Field(max_length=50, examples=["web", "app", "solution_point"])
    subject: str = Field(max_length=500, examples=["The meter shows too much"])
    source_system: str = Field(default="", max_length=100)


class RouteCase(_Body):
    """The team that the case concerns."""

    team: str = Field(max_length=100, examples=["metering"])


class AnswerCase(_Body):
    """What the team answered."""

    answer: str = Field(max_length=4000, examples=["The meter was read and is in order."])


class CallCustomer(_Body):
    """How the call to the applicant went; one that nobody answered does not count as the call."""

    reached: bool = True
    note: str = Field(default="", max_length=1000, examples=["Prefers the evening."])


class ResolveCase(_Body):
    """How the case ended; the intake profile says whether the applicant reads it."""

    result: str = Field(max_length=300, examples=["The meter was replaced."])


@router.post("", status_code=201, responses=documented(404, 409, 422), response_model=CaseView)
async def open_case(body: OpenCase, write: Writer) -> Response:
    """Open a case; the applicant is told its record number as the intake profile says."""

    async def effect(tx: AsyncSession) -> CaseView:
        return await write.desk.house.cases.open(
            tx,
            brand=write.brand,
            customer_ref=body.customer,
            channel=body.channel,
            subject=body.subject,
            source_system=body.source_system,
            by=write.by,
            simulated=write.rehearses,
        )

    return await write.once(201, effect)


@router.get("/{number}", responses=documented(404))
async def get_case(number: Number, read: Reader) -> CaseView:
    """Read a case with its history and its messages."""
    async with read.session() as tx:
        return await case_views.view(tx, read.brand.id, number)


@router.get("", responses=documented())
async def list_cases(
    read: Reader,
    state: CaseState | None = None,
    customer: Annotated[str | None, Query(max_length=200)] = None,
    after: After = "",
    limit: Limit = 50,
) -> Page[CaseView]:
    """List cases in the order of their opening, without their histories."""
    async with read.session() as tx:
        found = await case_views.page(
            tx, read.brand.id, state=state, customer_ref=customer, after=after, limit=limit + 1
        )
    return page_of(found, limit)


@router.post("/{number}/route", responses=documented(404, 409, 422), response_model=CaseView)
async def route_case(number: Number, body: RouteCase, write: Writer) -> Response:
    """Give a case to the team that it concerns."""
    return await _command(write, number, CaseCommand.ROUTE, CaseInput(team=body.team))


@router.post("/{number}/answer", responses=documented(404, 409, 422), response_model=CaseView)
async def answer_case(number: Number, body: AnswerCase, write: Writer) -> Response:
    """Record what the team answered."""
    return await _command(write, number, CaseCommand.ANSWER, CaseInput(answer=body.answer))


@router.post("/{number}/call", responses=documented(404, 409, 422), response_model=CaseView)
async def call_customer(number: Number, body: CallCustomer, write: Writer) -> Response:
    """Record a call to the applicant."""
    said = CaseInput(reached=body.reached, note=body.note)
    return await _command(write, number, CaseCommand.CALL, said)


@router.post("/{number}/resolve", responses=documented(404, 409, 422), response_model=CaseView)
async def resolve_case(number: Number, body: ResolveCase, write: Writer) -> Response:
    """Conclude a case; refused while the call that its profile asks for is missing."""
    return await _command(write, number, CaseCommand.RESOLVE, CaseInput(result=body.result))


async def _command(write: Writing, number: str, command: CaseCommand, said: CaseInput) -> Response:
    async def effect(tx: AsyncSession) -> CaseView:
        if write.rehearses:
            case = await case_views.view(tx, write.brand.id, number)
            write.check_rehearsal("case", simulated=case.simulated)
        return await write.desk.house.cases.command(
            tx, brand_id=write.brand.id, number=number, command=command, body=said, by=write.by
        )

    return await write.once(200, effect)
