"""Signing in with a key, and out."""

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.console.refusing import HEADERS, HOME, PAGES, ConsoleRoute
from api.console.staff import COOKIE, TheStaff, TheVisitor, Visitor
from tellal.services.console_sessions import LONGEST, sign_in, sign_out
from tellal.services.rate_limits import Allowance, Limit
from templates.console_pages import Wrong

router = APIRouter(prefix=HOME, route_class=ConsoleRoute)

FAILING = Allowance(
    name="console/sign-in", each=Limit(burst=10, per_s=1 / 30), all=Limit(burst=100, per_s=2.0)
)
_LONGEST_NAME = 60


@router.get("/style.css", response_class=Response)
async def style() -> Response:
    """Return the style sheet."""
    return Response(
        PAGES.style, media_type="text/css", headers={"X-Content-Type-Options": "nosniff"}
    )


@router.get("/sign-in", response_class=Response)
async def ask(visitor: TheVisitor) -> Response:
    """Ask for a key."""
    out = "out" in visitor.request.query_params
    return visitor.page("sign_in", said=visitor.word("signed_out") if out else "")


@router.post("/sign-in", response_class=Response)
async def enter(visitor: TheVisitor) -> Response:
    """Take a key; a session begins, and the key is forgotten.

    Only what opens nothing is counted: officers behind one address do not lock each other out.
    """
    form = await visitor.form()
    now = visitor.desk.clock.now()
    async with visitor.desk.sessions() as tx, tx.begin():
        officer = form.get("officer", "").strip()[:_LONGEST_NAME]
        session = await sign_in(tx, form.get("key", "").strip(), officer=officer, now=now)
    if session is None:
        wait = await visitor.desk.limits.refusal(FAILING, visitor.client)
        if wait:
            return _again(visitor, "busy", 429, {"Retry-After": str(wait)})
        return _again(visitor, "wrong_key", 401)
    answer = RedirectResponse(HOME, 303, headers=HEADERS)
    answer.set_cookie(
        COOKIE,
        session.secret,
        max_age=int(LONGEST.total_seconds()),
        path=HOME,
        secure=visitor.request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post("/sign-out", response_class=Response)
async def leave(staff: TheStaff) -> Response:
    """End the session."""
    await staff.own_form()
    async with staff.desk.sessions() as tx, tx.begin():
        await sign_out(tx, staff.session.secret)
    answer = RedirectResponse(f"{HOME}/sign-in?out", 303, headers=HEADERS)
    answer.delete_cookie(COOKIE, path=HOME)
    return answer


def _again(
    visitor: Visitor, why: str, status: int, headers: dict[str, str] | None = None
) -> Response:
    wrong = Wrong(what=visitor.word(why))
    return visitor.page("sign_in", status=status, headers=headers, wrong=wrong)
