"""A call task: take it, call, and tell how the call went."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.console.refusing import HOME, ConsoleRoute
from api.console.staff import Command, Refused, Staff, TheStaff
from api.requests import Writing
from api.routes import call_tasks
from tellal.domain.cases import CallOutcome, VerifiedAs
from tellal.domain.channels import Channel
from tellal.domain.errors import InvalidInputError
from tellal.persistence.people import find_customer
from tellal.services import case_views
from tellal.services.keys import Scope

router = APIRouter(prefix=f"{HOME}/calls", route_class=ConsoleRoute)

TaskId = Annotated[str, Path(max_length=50)]


@router.get("/{task}", response_class=Response)
async def show(task: TaskId, staff: TheStaff) -> Response:
    """Show a task with what an officer needs to make the call."""
    return await _page(staff, task)


@router.post("/{task}/claim", response_class=Response)
async def claim(task: TaskId, staff: TheStaff) -> Response:
    """Take a task."""

    async def command(write: Writing, _: Mapping[str, str]) -> object:
        return await call_tasks.claim_task(task, _taking(staff), write)

    return await _do(staff, task, command)


@router.post("/{task}/release", response_class=Response)
async def release(task: TaskId, staff: TheStaff) -> Response:
    """Give a task back."""

    async def command(write: Writing, _: Mapping[str, str]) -> object:
        return await call_tasks.release_task(task, _taking(staff), write)

    return await _do(staff, task, command)


@router.post("/{task}/outcome", response_class=Response)
async def tell(task: TaskId, staff: TheStaff) -> Response:
    """Tell how the call went."""

    async def command(write: Writing, form: Mapping[str, str]) -> object:
        return await call_tasks.tell_outcome(task, _outcome(form, staff.session.officer), write)

    return await staff.do(Scope.CASES_WRITE, command, again=partial(_page, staff, task))


async def _do(staff: Staff, task: str, command: Command) -> Response:
    return await staff.do(
        Scope.CASES_WRITE, command, again=partial(_page, staff, task), then=f"{HOME}/calls/{task}"
    )


def _taking(staff: Staff) -> call_tasks.Taking:
    return call_tasks.Taking(officer=staff.session.officer)


def _outcome(form: Mapping[str, str], officer: str) -> call_tasks.Outcome:
    try:
        outcome = CallOutcome(form.get("outcome", ""))
        verified = VerifiedAs(form.get("verified_as", VerifiedAs.UNVERIFIED))
    except ValueError as error:
        raise InvalidInputError("say how the call went", field="outcome") from error
    return call_tasks.Outcome(
        officer=officer,
        outcome=outcome,
        verified_as=verified,
        told_result="told_result" in form,
        note=form.get("note", "")[:1000],
    )


async def _page(staff: Staff, task_id: str, refused: Refused | None = None) -> Response:
    staff.needs(Scope.CASES_READ)  # also after a refusal: its page shows the case again
    brand_id = staff.session.caller.brand.id
    async with staff.reading.session() as tx:
        task = await staff.desk.house.case_calls.view(tx, brand_id, task_id)
        case = await case_views.view(tx, brand_id, task.case)
        phones: list[str] = []
        if staff.may(Scope.CUSTOMERS_READ):
            customer = await find_customer(tx, brand_id, task.customer_ref)
            phones = [
                point.address
                for point in customer.contact_points
                if point.channel is Channel.SMS and not point.bad_reason
            ]
    return staff.shown(
        "call",
        refused=refused,
        task=task,
        case=case,
        phones=phones,
        may_write=staff.may(Scope.CASES_WRITE),
        outcomes=[one.value for one in CallOutcome],
        verified=[one.value for one in VerifiedAs],
    )
