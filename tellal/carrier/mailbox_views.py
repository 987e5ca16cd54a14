"""The mailbox over HTTP: a page to read mails on, and an interface for programs."""

from collections.abc import Sequence
from html import escape
from typing import Annotated

from fastapi import APIRouter, FastAPI, HTTPException, Query, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel

from tellal.carrier.letter import Letter
from tellal.carrier.letters import Letters, MailFault
from tellal.carrier.returning import Return, Returning

_PAGE = 100
_HEADERS = {
    # A mail may hold anything; its HTML is shown in a frame without scripts or addresses.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'",
    "Cache-Control": "no-store",
}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #ccc; padding: .4rem .6rem; text-align: left }
pre { background: #f4f4f4; padding: 1rem; white-space: pre-wrap }
iframe { border: 1px solid #ccc; height: 30rem; width: 100% }
"""


def create_mailbox(letters: Letters, returning: Returning) -> FastAPI:
    """Build the HTTP side over the mails that the SMTP side keeps."""
    app = FastAPI(title="Tellal mailbox")
    views = _Views(letters)
    app.add_api_route("/healthz", views.healthz, methods=["GET"])
    app.add_api_route("/", views.overview, methods=["GET"], response_class=HTMLResponse)
    app.add_api_route("/mails/{number}", views.mail, methods=["GET"], response_class=HTMLResponse)
    app.add_api_route("/api/messages", views.messages, methods=["GET"])
    app.add_api_route("/api/messages", views.empty, methods=["DELETE"], status_code=204)
    app.add_api_route("/api/messages/{number}/raw", views.raw, methods=["GET"])
    app.add_api_route("/api/count", views.count, methods=["GET"])
    app.add_api_route("/api/faults", views.add_fault, methods=["POST"], status_code=201)
    app.add_api_route("/api/faults", views.faults, methods=["GET"])
    app.add_api_route("/api/faults", views.no_faults, methods=["DELETE"], status_code=204)
    app.include_router(_Returns(letters, returning).router())
    return app


class _Burst(BaseModel):
    """How many came back of those that were there already."""

    returned: int


class _Returns:
    """What comes back about mails, by rules for those to come and in bursts for those there."""

    def __init__(self, letters: Letters, returning: Returning) -> None:
        self._letters = letters
        self._returning = returning

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/returns")
        router.add_api_route("", self.add, methods=["POST"], status_code=201)
        router.add_api_route("", self.listed, methods=["GET"])
        router.add_api_route("", self.clear, methods=["DELETE"], status_code=204)
        router.add_api_route("/burst", self.burst, methods=["POST"])
        router.add_api_route("/count", self.count, methods=["GET"])
        return router

    async def add(self, rule: Return) -> None:
        self._returning.add(rule)

    async def listed(self) -> list[dict[str, object]]:
        return [rule.model_dump(exclude={"key"}) for rule in self._returning.listed()]

    async def clear(self) -> None:
        self._returning.clear()

    async def burst(self, rule: Return) -> _Burst:
        """Send back at once what a rule orders about the mails that were taken before."""
        there = self._letters.find(rule.to)
        return _Burst(returned=sum(self._returning.send_back(one, rule) for one in there))

    async def count(self) -> dict[str, int]:
        returning = self._returning
        under_way = returning.under_way
        return {"brought": returning.brought, "lost": returning.lost, "under_way": under_way}


class _Views:
    def __init__(self, letters: Letters) -> None:
        self._letters = letters

    async def healthz(self) -> dict[str, str]:
        return {"status": "ok"}

    async def overview(self, to: str = "") -> HTMLResponse:
        newest = list(self._letters.find(to))[-_PAGE:][::-1]
        rows = "".join(_row(letter) for letter in newest)
        head = "<tr><th>When</th><th>To</th><th>Subject</th></tr>"
        listed = f"<table>{head}{rows}</table>" if newest else "<p>No mail yet.</p>"
        return _page("Mailbox", f"<h1>Mailbox</h1>{listed}")

    async def mail(self, number: int) -> HTMLResponse:
        return _page(f"Mail {number}", _letter(self._known(number)))

    def _known(self, number: int) -> Letter:
        letter = self._letters.get(number)
        if letter is None:
            raise HTTPException(404, "There is no such mail, or it was forgotten.")
        return letter

    async def raw(self, number: int) -> Response:
        """Return a mail as it came, byte by byte."""
        return Response(self._known(number).raw, media_type="message/rfc822", headers=_HEADERS)

    async def messages(
        self,
        *,
        to: str = "",
        limit: Annotated[int, Query(ge=1, le=100_000)] = _PAGE,
        short: Annotated[bool, Query(description="who, when and which, without the words")] = False,
    ) -> JSONResponse:
        found = self._letters.find(to)[:limit]
        written = [letter.in_short() if short else letter.as_json() for letter in found]
        return JSONResponse({"messages": written})

    async def count(self, to: str = "") -> dict[str, int]:
        return {
            "messages": len(self._letters.find(to)),
            "attempts": self._letters.attempts(to),
            "connections": self._letters.connections,
        }

    async def empty(self) -> None:
        self._letters.clear()

    async def add_fault(self, fault: MailFault) -> MailFault:
        self._letters.add_fault(fault)
        return fault

    async def faults(self) -> Sequence[MailFault]:
        return self._letters.faults()

    async def no_faults(self) -> None:
        self._letters.no_faults()


def _row(letter: Letter) -> str:
    subject = escape(str(letter.parsed()["Subject"] or "(no subject)"))
    recipients = escape(", ".join(letter.recipients))
    when = letter.at.strftime("%Y-%m-%d %H:%M:%S")
    link = f'<a href="/mails/{letter.number}">{subject}</a>'
    return f"<tr><td>{when} UTC</td><td>{recipients}</td><td>{link}</td></tr>"


def _letter(letter: Letter) -> str:
    mail = letter.parsed()
    headers = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in mail.items()
    )
    html = letter.body("html")
    frame = f'<h2>HTML</h2><iframe sandbox srcdoc="{escape(html)}"></iframe>' if html else ""
    text = f"<h2>Text</h2><pre>{escape(letter.body('plain'))}</pre>"
    subject = escape(str(mail["Subject"] or "(no subject)"))
    return (
        f'<p><a href="/">All mails</a></p><h1>{subject}</h1><table>{headers}</table>{text}{frame}'
    )


def _page(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style>{body}</html>",
        headers=_HEADERS,
    )
