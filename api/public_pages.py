"""What the pages have in common on which the public deals with a case: no key, no script."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Query, Request
from fastapi.responses import HTMLResponse

from tellal.services.rate_limits import client_of
from templates.status.words import language_of

_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who looks at a public page: what stands for his address, and what he reads."""

    client: str
    wanted: str
    accepted: str

    def language(self, country: str = "") -> str:
        """Return the language to speak to him in; `country` is the brand's, if one is known."""
        return language_of(self.wanted, self.accepted, country)


async def _visitor(
    request: Request,
    lang: Annotated[
        str,
        Query(max_length=20, description="tr, en or pl; left out: as the reader's browser says"),
    ] = "",
    accepted: Annotated[str, Header(alias="Accept-Language", max_length=500)] = "",
) -> Visitor:
    # Behind a proxy uvicorn puts in what X-Forwarded-For says, if it trusts the proxy.
    host = request.client.host if request.client else ""
    return Visitor(client=client_of(host), wanted=lang, accepted=accepted)


TheVisitor = Annotated[Visitor, Depends(_visitor)]


def public_page(
    page: str, language: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    """Answer with a page that nobody keeps, frames or finds."""
    said = public_headers(language) | dict(headers or {})
    return HTMLResponse(page, status_code=status, headers=said)


def public_headers(language: str) -> dict[str, str]:
    """Return the headers of every answer to the public."""
    return {**_HEADERS, "Content-Language": language}
