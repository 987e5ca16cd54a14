"""A live outage: who has been told, and how it ends."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.console.refusing import HOME, ConsoleRoute
from api.console.staff import Refused, Staff, TheStaff
from api.requests import Writing
from api.routes.outages import ENDS, end_outage
from tellal.domain.errors import NotFoundError
from tellal.domain.outages import OutageCommand
from tellal.services.keys import Scope

router = APIRouter(prefix=f"{HOME}/outages", route_class=ConsoleRoute)

OutageId = Annotated[str, Path(max_length=64)]
Ending = Annotated[str, Path(max_length=20)]


@router.get("/{outage_id}", response_class=Response)
async def show(outage_id: OutageId, staff: TheStaff) -> Response:
    """Show an outage and what ends it."""
    return await _page(staff, outage_id)


@router.get("/{outage_id}/{ending}", response_class=Response)
async def ask(outage_id: OutageId, ending: Ending, staff: TheStaff) -> Response:
    """Say in numbers what an end would do, and ask whether it shall be."""
    return await _page(staff, outage_id, ending=_known(staff, ending))


@router.post("/{outage_id}/{ending}", response_class=Response)
async def end(outage_id: OutageId, ending: Ending, staff: TheStaff) -> Response:
    """End an outage: once this is answered, no further message of it is handed over."""
    known = _known(staff, ending)

    async def command(write: Writing, _: Mapping[str, str]) -> object:
        return await end_outage(write, outage_id, known, {})

    return await staff.do(Scope.OUTAGES_WRITE, command, again=partial(_page, staff, outage_id))


def _known(staff: Staff, ending: str) -> OutageCommand:
    if ending not in {one.value for one in ENDS}:
        raise NotFoundError(staff.word("not_found"))
    return OutageCommand(ending)


async def _page(
    staff: Staff,
    outage_id: str,
    refused: Refused | None = None,
    *,
    ending: OutageCommand | None = None,
) -> Response:
    staff.needs(Scope.OUTAGES_READ)  # also after a refusal: its page shows the outage again
    async with staff.reading.session() as tx:
        outage = await staff.desk.house.outages.view(tx, staff.session.caller.brand.id, outage_id)
    ends = [one.value for one in ENDS if one.value in outage.allowed]
    return staff.shown(
        "outage",
        refused=refused,
        outage=outage,
        ends=ends,
        ending=ending.value if ending is not None and ending.value in ends else "",
        may_write=staff.may(Scope.OUTAGES_WRITE),
    )
