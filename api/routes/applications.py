"""What applicants wrote themselves, for the officers of their cases."""

from typing import Annotated

from fastapi import APIRouter, Path

from api.problems import documented
from api.requests import Reading, may_read
from tellal.services.applications import Written, written
from tellal.services.keys import Scope

router = APIRouter(prefix="/cases", tags=["cases"])

Number = Annotated[
    str, Path(max_length=50, description="The record number", examples=["2026-000001"])
]
Reader = Annotated[Reading, may_read(Scope.CASES_READ)]


@router.get("/{number}/application", responses=documented(404))
async def get_application(number: Number, read: Reader) -> Written:
    """Read what the applicant wrote in the form or the mail with which his case began.

    Of what was attached to a mail only the names are kept; the mail itself stays in its mailbox.
    """
    async with read.session() as tx:
        return await written(tx, read.brand.id, number)
