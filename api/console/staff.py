"""Who is at the console, and what every page and form of it has in common."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.console.refusing import (
    HEADERS,
    HOME,
    PAGES,
    AlienFormError,
    SignedOutError,
    language_of_request,
)
from api.problems import ForbiddenError, status_of
from api.requests import Reading, Writing
from api.state import Desk, TheDesk
from tellal.domain.errors import TellalError
from tellal.ids import new_id
from tellal.services.console_sessions import Session, find_session
from tellal.services.keys import Scope
from tellal.services.rate_limits import client_of
from tellal.telemetry import bind
from templates.console_pages import Wrong

COOKIE = "tellal_console"
_LARGEST = 64 * 1024
_FORM = "application/x-www-form-urlencoded"
_ELSEWHERE = frozenset({"cross-site", "same-site"})

Command = Callable[[Writing, Mapping[str, str]], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody with a browser, signed in or not."""

    desk: Desk
    request: Request
    language: str

    @property
    def client(self) -> str:
        """What stands for his address."""
        return client_of(self.request.client.host if self.request.client else "")

    def page(
        self,
        name: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **said: Any,  # noqa: ANN401 - what a page takes
    ) -> HTMLResponse:
        """Answer with a page that nobody keeps or frames."""
        html = PAGES.page(name, self.language, **said)
        return HTMLResponse(html, status_code=status, headers={**HEADERS, **(headers or {})})

    def word(self, name: str) -> str:
        """Return words of the console in his language."""
        return PAGES.word(self.language, name)

    async def form(self) -> dict[str, str]:
        """Read the form that he sent.

        Raises:
            AlienFormError: It is none, too large, or another site has him send it.
        """
        headers = self.request.headers
        kind = headers.get("content-type", "").partition(";")[0]
        if kind != _FORM or headers.get("sec-fetch-site", "") in _ELSEWHERE:
            raise AlienFormError
        body = bytearray()
        async for chunk in self.request.stream():
            body += chunk
            if len(body) > _LARGEST:
                raise AlienFormError
        try:
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
        except ValueError as error:
            raise AlienFormError from error


async def _visitor(request: Request, desk: TheDesk) -> Visitor:
    return Visitor(desk=desk, request=request, language=language_of_request(request))


TheVisitor = Annotated[Visitor, Depends(_visitor)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What a form said that was refused, and why."""

    wrong: Wrong
    filled: Mapping[str, str] = field(default_factory=dict)
    status: int = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff(Visitor):
    """Somebody who is signed in."""

    session: Session

    @property
    def by(self) -> str:
        """Who acts, as histories name him."""
        officer, key = self.session.officer, self.session.caller.key.name
        return f"{key} ({officer})" if officer else key

    @property
    def reading(self) -> Reading:
        """A reading request of his key."""
        return Reading(desk=self.desk, caller=self.session.caller)

    def may(self, *scopes: Scope) -> bool:
        """Say whether his key may do this."""
        return set(scopes) <= set(self.session.caller.key.scopes)

    def needs(self, scope: Scope) -> None:
        """Check that his key may do this.

        Raises:
            ForbiddenError: It may not.
        """
        if not self.may(scope):
            raise ForbiddenError(f"{self.word('may_not')} {scope}")

    def shown(self, name: str, *, refused: Refused | None = None, **said: Any) -> Response:  # noqa: ANN401 - what a page takes
        """Answer with a page of the console; after a refusal with the reason of it."""
        caller, done = self.session.caller, "done" in self.request.query_params
        return self.page(
            name,
            status=refused.status if refused else 200,
            zone=caller.brand.timezone,
            brand=caller.brand.trade_name,
            who=self.session.officer or caller.key.person or caller.key.name,
            rehearses=caller.key.rehearses,
            form=self.session.forms,
            once=new_id(),
            filled=refused.filled if refused else {},
            wrong=refused.wrong if refused else None,
            said=self.word("done") if done and refused is None else "",
            **said,
        )

    async def own_form(self) -> dict[str, str]:
        """Read a form of this session.

        Raises:
            AlienFormError: It is none.
        """
        form = await self.form()
        if not self.session.owns(form.pop("form", "")):
            raise AlienFormError
        return form

    async def do(
        self,
        scope: Scope,
        command: Command,
        *,
        again: Callable[[Refused], Awaitable[Response]],
        then: str = HOME,
    ) -> Response:
        """Have a form done, once however often it is sent; `again` shows it with what is wrong."""
        form = await self.own_form()
        once = form.pop("once", "")[:200]
        try:
            self.needs(scope)
            write = Writing(
                desk=self.desk,
                caller=self.session.caller,
                route=f"POST {self.request.url.path}",
                key=once or None,
                digest=hashlib.sha256(repr(sorted(form.items())).encode()).hexdigest(),
            )
            await command(write, form)
        except TellalError as error:
            wrong = Wrong(what=str(error), hint=str(getattr(error, "hint", "")))
            return await again(Refused(wrong=wrong, filled=form, status=status_of(error)))
        return RedirectResponse(f"{then}?done", 303, headers=HEADERS)


async def _staff(visitor: TheVisitor) -> Staff:
    secret = visitor.request.cookies.get(COOKIE, "")
    if not secret:
        raise SignedOutError
    now = visitor.desk.clock.now()
    async with visitor.desk.singles() as tx:
        session = await find_session(tx, secret, now=now)
    if session is None:
        raise SignedOutError
    bind(brand_id=session.caller.brand.id)
    visitor.desk.key_uses.note(session.caller.key)
    return Staff(
        desk=visitor.desk, request=visitor.request, language=visitor.language, session=session
    )


TheStaff = Annotated[Staff, Depends(_staff)]
