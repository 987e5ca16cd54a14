"""Call tasks: officers see whom to call, take a task, and tell how the call went."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from api.routes.cases import CallCustomer
from tellal.domain.calls import TaskState
from tellal.domain.cases import CaseCommand
from tellal.services import case_views
from tellal.services.case_calls import CallTask
from tellal.services.keys import Scope

router = APIRouter(prefix="/call-tasks", tags=["cases"])

TaskId = Annotated[str, Path(max_length=50, description="The task")]
Reader = Annotated[Reading, may_read(Scope.CASES_READ)]
Writer = Annotated[Writing, may_write(Scope.CASES_WRITE)]


class Taking(BaseModel):
    """Who takes a task, or gives it back."""

    model_config = ConfigDict(extra="forbid")

    officer: str = Field(default="", max_length=100, examples=["desk-3"])


class Outcome(CallCustomer):
    """How the call went, and who made it."""

    officer: str = Field(default="", max_length=100, examples=["desk-3"])


@router.get("", responses=documented())
async def list_tasks(
    read: Reader,
    state: TaskState | None = None,
    *,
    due: Annotated[bool, Query(description="Only those that may be called now")] = False,
    after: After = "",
    limit: Limit = 50,
) -> Page[CallTask]:
    """List call tasks in the order in which they came up."""
    async with read.session() as tx:
        found = await read.desk.house.case_calls.page(
            tx, read.brand.id, state=state, due=due, after=after, limit=limit + 1
        )
    return page_of(found, limit)


@router.get("/{task}", responses=documented(404))
async def get_task(task: TaskId, read: Reader) -> CallTask:
    """Read a task."""
    async with read.session() as tx:
        return await read.desk.house.case_calls.view(tx, read.brand.id, task)


@router.post("/{task}/claim", responses=documented(404, 409, 422), response_model=CallTask)
async def claim_task(task: TaskId, body: Taking, write: Writer) -> Response:
    """Take a task for half an hour; refused out of hours, or while another officer has it."""

    async def effect(tx: AsyncSession) -> CallTask:
        await _check_rehearsal(tx, write, task)
        return await write.desk.house.case_calls.claim(
            tx, write.brand.id, task, by=write.signed(body.officer)
        )

    return await write.once(200, effect)


@router.post("/{task}/release", responses=documented(404, 409, 422), response_model=CallTask)
async def release_task(task: TaskId, body: Taking, write: Writer) -> Response:
    """Give a task back."""

    async def effect(tx: AsyncSession) -> CallTask:
        await _check_rehearsal(tx, write, task)
        return await write.desk.house.case_calls.release(
            tx, write.brand.id, task, by=write.signed(body.officer)
        )

    return await write.once(200, effect)


@router.post("/{task}/outcome", responses=documented(404, 409, 422), response_model=CallTask)
async def tell_outcome(task: TaskId, body: Outcome, write: Writer) -> Response:
    """Tell how a call went; the case is brought forward as by its own `call`."""

    async def effect(tx: AsyncSession) -> CallTask:
        await _check_rehearsal(tx, write, task)
        house, by = write.desk.house, write.signed(body.officer)
        told = await house.case_calls.for_outcome(tx, write.brand.id, task, by=by)
        await house.cases.command(
            tx,
            brand_id=write.brand.id,
            number=told.case,
            command=CaseCommand.CALL,
            body=body.said(),
            by=by,
        )
        return await house.case_calls.view(tx, write.brand.id, task)

    return await write.once(200, effect)


async def _check_rehearsal(tx: AsyncSession, write: Writing, task: str) -> None:
    if write.rehearses:
        number = (await write.desk.house.case_calls.view(tx, write.brand.id, task)).case
        case = await case_views.view(tx, write.brand.id, number)
        write.check_rehearsal("case", simulated=case.simulated)
