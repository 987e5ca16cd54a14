"""Following a case by its code: no key, no script, and nothing of anybody."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import RedirectResponse

from api.public_pages import TheVisitor, Visitor, public_headers, public_page
from api.state import Desk, TheDesk
from tellal.services.tracking import LOOKING, TrackedCase, find_tracked
from templates.marks import code_128

router = APIRouter(prefix="/track", tags=["public"])

_SVG = "image/svg+xml"
_LONGEST = 64
_ANSWERS: dict[int | str, dict[str, Any]] = {
    404: {"description": "No case can be shown: the code is none, or nobody's (any more)."},
    429: {"description": "Asked too often; `Retry-After` says when to ask again."},
}

Code = Annotated[
    str,
    Path(
        description="Case, blanks, dashes and slips between O and 0, I and 1 do not count",
    ),
]


@router.get("", responses={429: _ANSWERS[429]}, response_class=Response)
async def ask(
    desk: TheDesk,
    visitor: TheVisitor,
    code: Annotated[str, Query(description="As it was given to you")] = "",
) -> Response:
    """Ask for a code; with one, lead to its page."""
    language = visitor.language()
    if not code.strip():
        return public_page(desk.tracking_pages.form(language), language)
    # What stands between the characters is left out, a slash above all: it would lead elsewhere.
    plain = "".join(one for one in code if one.isalnum())[:_LONGEST] or "-"
    asked = f"?{urlencode({'lang': visitor.wanted})}" if visitor.wanted else ""
    return RedirectResponse(f"/track/{plain}{asked}", 303, headers=public_headers(language))


@router.get("/{code}", responses=_ANSWERS, response_class=Response)
async def track(code: Code, desk: TheDesk, visitor: TheVisitor) -> Response:
    """Show where a case is: in plain words, with the dates, and how to reach the brand."""
    found = await _found(desk, visitor, code)
    if isinstance(found, Response):
        return found
    language = visitor.language(found.brand.country)
    return public_page(desk.tracking_pages.case(language, found), language)


@router.get("/{code}/barcode.svg", responses=_ANSWERS, response_class=Response)
async def barcode(code: Code, desk: TheDesk, visitor: TheVisitor) -> Response:
    """Draw the code of a case as a Code 128, for a receipt."""
    found = await _found(desk, visitor, code)
    if isinstance(found, Response):
        return found
    headers = public_headers(visitor.language(found.brand.country))
    return Response(str(code_128(found.code)), headers=headers, media_type=_SVG)


async def _found(desk: Desk, visitor: Visitor, code: str) -> TrackedCase | Response:
    language = visitor.language()
    wait = await desk.limits.refusal(LOOKING, visitor.client)
    if wait:
        page = desk.tracking_pages.busy(language)
        return public_page(page, language, status=429, headers={"Retry-After": str(wait)})
    async with desk.singles() as tx:
        found = await find_tracked(tx, code)
    if found is None:
        return public_page(desk.tracking_pages.not_found(language), language, status=404)
    return found
