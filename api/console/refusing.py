"""What a page of the console answers where it refuses: a page, never a problem document."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute

from api.problems import status_of
from tellal.domain.errors import TellalError
from templates.console_pages import ConsolePages, Wrong
from templates.status.words import language_of

HOME = "/console"
HEADERS = {
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, Cookie",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}
PAGES = ConsolePages()

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class SignedOutError(Exception):
    """Nobody is signed in (any more); the page to sign in on is shown instead."""


class AlienFormError(Exception):
    """A form did not come from a page of this session."""


class ConsoleRoute(APIRoute):
    """A route that answers with pages, also where it refuses."""

    def get_route_handler(self) -> Handler:
        """Wrap the handler."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except SignedOutError:
                return RedirectResponse(f"{HOME}/sign-in", 303, headers=HEADERS)
            except AlienFormError:
                return _page(request, 403, _word(request, "elsewhere"))
            except TellalError as error:
                return _page(request, status_of(error), str(error))
            except RequestValidationError:
                return _page(request, 404, _word(request, "not_found"))

        return answer


def language_of_request(request: Request) -> str:
    """Return the language in which a reader's browser wants to be spoken to."""
    return language_of("", request.headers.get("accept-language", "")[:500], "")


def _word(request: Request, name: str) -> str:
    return PAGES.word(language_of_request(request), name)


def _page(request: Request, status: int, what: str) -> Response:
    html = PAGES.page("gone", language_of_request(request), wrong=Wrong(what=what))
    return HTMLResponse(html, status_code=status, headers=HEADERS)
