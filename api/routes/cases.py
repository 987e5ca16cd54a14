"""Cases: officers open them and bring them forward; the applicant is told by the workflow."""

from typing import Annotated, Self

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.domain.cases import (
    CallOutcome,
    CaseCommand,
    CaseState,
    Closure,
    ReplyWay,
    VerifiedAs,
)
from tellal.services import case_views
from tellal.services.case_closing import Assessment, Survey
from tellal.services.case_views import CaseView
from tellal.services.cases import CaseInput, Particulars
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
    """An application, as it came in over an intake channel; the channel says what it asks for.

    `information` is what was answered on the spot, where that was all: the case is opened and
    concluded in one. `special_category` names a category of KVKK article 6 if data of one are
    involved: then it is worked on only with a signed consent.
    """

    customer: str = Field(max_length=200, examples=["customer-42"])
    channel: str = Field(max_length=50, examples=["web", "app", "solution_point"])
    subject: str = Field(max_length=500, examples=["The meter shows too much"])
    source_system: str = Field(default="", max_length=100)
    form_reference: str = Field(default="", max_length=100, examples=["F-2026-118"])
    queue_ticket: str = Field(default="", max_length=50, examples=["B017"])
    reply_by: ReplyWay | None = None
    special_category: str = Field(default="", max_length=50, examples=["health"])
    information: str = Field(default="", max_length=300, examples=["Told how to read the bill."])


class RouteCase(_Body):
    """The team that the case concerns."""

    team: str = Field(max_length=100, examples=["metering"])


class RerouteCase(_Body):
    """Another team, and why; what the first one answered no longer counts."""

    team: str = Field(max_length=100, examples=["billing"])
    reason: str = Field(max_length=500, examples=["It is about the tariff."])


class AnswerCase(_Body):
    """What the team answered."""

    answer: str = Field(max_length=4000, examples=["The meter was read and is in order."])


class CallCustomer(_Body):
    """How a call to the applicant went.

    Only one in which the applicant or a representative was verified, and told the result, counts
    as the call that must come before the end; a first contact counts when somebody was reached.
    `told_result` may be left out: whoever was verified was told. `reached: false` is short for
    `outcome: no_answer`.
    """

    outcome: CallOutcome | None = None
    reached: bool | None = None
    verified_as: VerifiedAs = VerifiedAs.UNVERIFIED
    told_result: bool | None = None
    note: str = Field(default="", max_length=1000, examples=["Prefers the evening."])

    @model_validator(mode="after")
    def _one_story(self) -> Self:
        said = self.outcome is CallOutcome.REACHED
        if self.outcome is not None and self.reached is not None and self.reached != said:
            raise ValueError("`outcome` and `reached` tell different stories")
        return self

    def said(self) -> CaseInput:
        """Return it as the service reads it."""
        short = CallOutcome.NO_ANSWER if self.reached is False else CallOutcome.REACHED
        return CaseInput(
            outcome=self.outcome or short,
            verified_as=self.verified_as,
            told_result=self.told_result,
            note=self.note,
        )


class ReplyToCustomer(_Body):
    """The reply in writing: an e-mail leaves at once, a letter is printed from `/letter`."""

    way: ReplyWay = Field(examples=["letter", "email"])
    text: str = Field(max_length=8000, examples=["Your meter was tested and is in order."])


class ResolveCase(_Body):
    """How the case ended; the intake profile says whether the applicant reads the result."""

    result: str = Field(max_length=300, examples=["The meter was replaced."])
    closure: Closure = Field(default=Closure.RESOLVED, examples=["resolved", "action_taken"])


class WithdrawCase(_Body):
    """The applicant takes his application back."""

    note: str = Field(default="", max_length=1000)


class MergeCase(_Body):
    """The record of the same applicant that goes on."""

    into: str = Field(max_length=50, examples=["2026-000001"])
    note: str = Field(default="", max_length=1000)


class ReopenCase(_Body):
    """Why a case that was concluded is taken up again."""

    reason: str = Field(max_length=500, examples=["He says that it still flickers."])


class AssessCase(_Body):
    """The answers to what the checklist cannot compute, by the ids of its questions."""

    answers: dict[str, bool] = Field(default={}, examples=[{"no_third_person": True}])
    note: str = Field(default="", max_length=1000)


class SurveyAnswer(_Body):
    """What the applicant thinks of how his case was dealt with, from 1 to 5."""

    score: int = Field(ge=1, le=5, examples=[4])
    comment: str = Field(default="", max_length=1000)


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
            particulars=Particulars(
                form_reference=body.form_reference,
                queue_ticket=body.queue_ticket,
                reply_by=body.reply_by,
                special_category=body.special_category,
                information=body.information,
            ),
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
    *,
    state: CaseState | None = None,
    customer: Annotated[str | None, Query(max_length=200)] = None,
    overdue: Annotated[bool, Query(description="Only those past their deadline")] = False,
    after: After = "",
    limit: Limit = 50,
) -> Page[CaseView]:
    """List cases in the order of their opening, without their histories."""
    async with read.session() as tx:
        found = await case_views.page(
            tx,
            read.brand.id,
            state=state,
            customer_ref=customer,
            overdue=overdue,
            after=after,
            limit=limit + 1,
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


@router.post("/{number}/reroute", responses=documented(404, 409, 422), response_model=CaseView)
async def reroute_case(number: Number, body: RerouteCase, write: Writer) -> Response:
    """Give a case to another team; it has to answer anew."""
    said = CaseInput(team=body.team, reason=body.reason)
    return await _command(write, number, CaseCommand.REROUTE, said)


@router.post("/{number}/call", responses=documented(404, 409, 422), response_model=CaseView)
async def call_customer(number: Number, body: CallCustomer, write: Writer) -> Response:
    """Record a call to the applicant."""
    return await _command(write, number, CaseCommand.CALL, body.said())


@router.post("/{number}/reply", responses=documented(404, 409, 422), response_model=CaseView)
async def reply_to_customer(number: Number, body: ReplyToCustomer, write: Writer) -> Response:
    """Reply in writing; refused where the applicant must be called and can be reached."""
    said = CaseInput(way=body.way, text=body.text)
    return await _command(write, number, CaseCommand.REPLY, said)


@router.get(
    "/{number}/letter",
    responses={**documented(404, 409), 200: {"content": {"application/pdf": {}}}},
    response_class=Response,
)
async def get_letter(number: Number, read: Reader) -> Response:
    """Print the latest letter of a case as PDF: a reply, or that nobody could be reached."""
    async with read.session() as tx:
        pdf = await read.desk.house.case_letters.print(tx, read.brand, number)
    headers = {"Content-Disposition": f'inline; filename="{number}.pdf"'}
    return Response(pdf, media_type="application/pdf", headers=headers)


@router.post("/{number}/resolve", responses=documented(404, 409, 422), response_model=CaseView)
async def resolve_case(number: Number, body: ResolveCase, write: Writer) -> Response:
    """Conclude a case; refused while the call or reply that its profile asks for is missing."""
    said = CaseInput(result=body.result, closure=body.closure)
    return await _command(write, number, CaseCommand.RESOLVE, said)


@router.post("/{number}/withdraw", responses=documented(404, 409, 422), response_model=CaseView)
async def withdraw_case(number: Number, body: WithdrawCase, write: Writer) -> Response:
    """End a case because its applicant takes it back."""
    return await _command(write, number, CaseCommand.WITHDRAW, CaseInput(note=body.note))


@router.post("/{number}/reopen", responses=documented(404, 409, 422), response_model=CaseView)
async def reopen_case(number: Number, body: ReopenCase, write: Writer) -> Response:
    """Take a case up again that was concluded; its deadline begins anew."""
    return await _command(write, number, CaseCommand.REOPEN, CaseInput(reason=body.reason))


@router.post("/{number}/merge", responses=documented(404, 409, 422), response_model=CaseView)
async def merge_case(number: Number, body: MergeCase, write: Writer) -> Response:
    """Conclude a duplicate; its applicant is told which of his records goes on."""

    async def effect(tx: AsyncSession) -> CaseView:
        await _check_rehearsal(tx, write, number)
        return await write.desk.house.cases.merge(
            tx,
            brand_id=write.brand.id,
            number=number,
            into=body.into,
            note=body.note,
            by=write.by,
        )

    return await write.once(200, effect)


@router.post("/{number}/assess", responses=documented(404, 409, 422), response_model=CaseView)
async def assess_case(number: Number, body: AssessCase, write: Writer) -> Response:
    """Fill in the checklist of a case that was concluded."""

    async def effect(tx: AsyncSession) -> CaseView:
        await _check_rehearsal(tx, write, number)
        return await write.desk.house.case_closing.assess(
            tx, write.brand.id, number, answers=body.answers, note=body.note, by=write.by
        )

    return await write.once(200, effect)


@router.get("/{number}/assessment", responses=documented(404, 409))
async def get_assessment(number: Number, read: Reader) -> Assessment:
    """Read the checklist: as it was filled in, else as far as it is computed now."""
    async with read.session() as tx:
        return await read.desk.house.case_closing.view(tx, read.brand.id, number)


@router.post("/{number}/survey", responses=documented(404, 409, 422), response_model=Survey)
async def answer_survey(number: Number, body: SurveyAnswer, write: Writer) -> Response:
    """Record what the applicant thinks of how his case was dealt with."""

    async def effect(tx: AsyncSession) -> Survey:
        await _check_rehearsal(tx, write, number)
        return await write.desk.house.case_closing.survey(
            tx, write.brand.id, number, score=body.score, comment=body.comment, by=write.by
        )

    return await write.once(200, effect)


async def _check_rehearsal(tx: AsyncSession, write: Writing, number: str) -> None:
    if write.rehearses:
        case = await case_views.view(tx, write.brand.id, number)
        write.check_rehearsal("case", simulated=case.simulated)


async def _command(write: Writing, number: str, command: CaseCommand, said: CaseInput) -> Response:
    async def effect(tx: AsyncSession) -> CaseView:
        await _check_rehearsal(tx, write, number)
        return await write.desk.house.cases.command(
            tx, brand_id=write.brand.id, number=number, command=command, body=said, by=write.by
        )

    return await write.once(200, effect)
