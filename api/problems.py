"""Every refusal as a problem document (RFC 9457): what is wrong, where, and how to mend it."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import OperationalError, TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from api.field_hints import hint_of
from api.request_ids import HEADER, RequestIds, current_request_id
from tellal.domain.errors import (
    ConflictError,
    DeniedError,
    InvalidInputError,
    NotFoundError,
    RulebookError,
    TellalError,
)
from tellal.services.idempotency import StillRunningError

MEDIA_TYPE = "application/problem+json"
_BROKEN = "something went wrong here; the request was not carried out"
_log = logging.getLogger(__name__)


class FieldProblem(BaseModel):
    """One part of the request that is wrong."""

    field: str
    message: str
    hint: str = ""


class FindingProblem(BaseModel):
    """A mistake in a file, where it stands (lines and columns count from 1)."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    severity: str = "error"
    source: str = Field(default="", description="Where the law says so, if it does.")
    fine: str = Field(default="", description="What it may cost, with the year of the amount.")
    gravity: str = Field(default="", description="Of a breach of law: minor, serious or grave.")


class Problem(BaseModel):
    """A problem document (RFC 9457); `code` is stable for programs, the rest is for people."""

    type: str = Field(examples=["urn:tellal:problem:call_missing"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    code: str = Field(examples=["call_missing"])
    detail: str = Field(examples=["cannot resolve: record the call first"])
    hint: str = ""
    errors: list[FieldProblem] = []
    findings: list[FindingProblem] = Field(default=[], description="Mistakes in rules or texts")
    request_id: str = Field(default="", description="Name it when you ask for help.")


class UnauthenticatedError(TellalError):
    """Nobody known calls: the key is missing, wrong, expired or revoked (nobody is told which)."""


class ForbiddenError(TellalError):
    """The key may not do this; the message names the scope that it lacks."""


_WORDS: Mapping[int, str] = {
    401: "There is no key with the request, or it opens nothing (any more).",
    403: "The key was not given the scope that this needs; or somebody else must do it, and `code` "
    "says why.",
    404: "There is no such thing, or it belongs to another brand.",
    409: "The thing is in a state in which this cannot be done; `code` says why.",
    422: "Something in the request must be changed; `errors` names each part.",
    503: "The database cannot be reached now; send it again after `Retry-After` seconds.",
}

_STATUS: Mapping[type[TellalError], int] = {
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer with these problems, besides 401."""
    return {
        status: {"model": Problem, "description": _WORDS[status]}
        for status in (401, 403, *statuses, 503)
    }


def install(app: FastAPI) -> None:
    """Have every error of the application answered as a problem document."""
    app.add_exception_handler(TellalError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OperationalError, _database_away)
    app.add_exception_handler(PoolTimeoutError, _database_away)
    app.add_exception_handler(Exception, _broken)
    app.add_middleware(RequestIds)
    written = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _document(written())
        return written()

    # FastAPI's own way to change the description of an application.
    app.openapi = openapi  # type: ignore[method-assign]


def _document(description: dict[str, Any]) -> None:
    """Say of every error that it is a problem document; FastAPI believes in plain JSON."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in description["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if int(status) in _WORDS and "content" in response:
                    response |= {"description": _WORDS[int(status)], "content": content}
    for unused in ("HTTPValidationError", "ValidationError"):
        description["components"]["schemas"].pop(unused, None)


def problem(
    status: int,
    detail: str,
    *,
    code: str = "",
    hint: str = "",
    errors: Sequence[FieldProblem] = (),
    findings: Sequence[FindingProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Answer with a problem document."""
    phrase = HTTPStatus(status).phrase
    word = code or phrase.lower().replace(" ", "_")
    document = Problem(
        type=f"urn:tellal:problem:{word}",
        title=phrase,
        status=status,
        code=word,
        detail=detail,
        hint=hint,
        errors=list(errors),
        findings=list(findings),
        request_id=current_request_id(),
    )
    return JSONResponse(
        document.model_dump(), status_code=status, media_type=MEDIA_TYPE, headers=headers
    )


def status_of(error: TellalError) -> int:
    """Return the HTTP status of an error of ours."""
    if isinstance(error, InvalidInputError | RulebookError):
        return 422
    if isinstance(error, ConflictError):
        return 409
    if isinstance(error, DeniedError):
        return 403
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, InvalidInputError):
        part = FieldProblem(field=error.field, message=str(error), hint=error.hint)
        return problem(422, str(error), code="invalid", hint=error.hint, errors=[part])
    if isinstance(error, ConflictError):
        later = {"Retry-After": "1"} if isinstance(error, StillRunningError) else None
        return problem(409, str(error), code=error.code, hint=error.hint, headers=later)
    if isinstance(error, DeniedError):
        return problem(403, str(error), code=error.code, hint=error.hint)
    if isinstance(error, RulebookError):
        return problem(
            422,
            f"{len(error.findings)} mistakes, the first: {error.findings[0]}",
            code="rulebook_broken",
            hint="mend what `findings` names; tellal rules check and templates lint say it, too",
            findings=[
                FindingProblem(
                    file=one.file,
                    line=one.line,
                    column=one.column,
                    message=one.message,
                    hint=one.hint,
                    severity=one.severity,
                    source=one.source,
                    fine=one.fine,
                    gravity=one.gravity,
                )
                for one in error.findings
            ],
        )
    for kind, status in _STATUS.items():
        if isinstance(error, kind):
            asked = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
            return problem(status, str(error), headers=asked)
    return problem(500, _BROKEN)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise TypeError("only validation errors come here") from error
    parts = [
        FieldProblem(
            field=_dotted(item["loc"]), message=str(item["msg"]), hint=hint_of(request, item)
        )
        for item in error.errors()
    ]
    first = parts[0] if parts else FieldProblem(field="", message="the request is not valid")
    detail = f"{first.field}: {first.message}" if first.field else first.message
    return problem(422, detail, code="invalid", hint=first.hint, errors=parts)


def _dotted(place: Sequence[object]) -> str:
    return ".".join(str(part) for part in place if part not in ("body", "query", "path", "header"))


async def _http(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise TypeError("only HTTP errors come here") from error
    return problem(error.status_code, str(error.detail), headers=error.headers)


async def _database_away(_: Request, error: Exception) -> JSONResponse:
    _log.warning("database away", extra={"error": type(error).__name__})
    return problem(
        503,
        "the database cannot be reached or is overloaded now; nothing was changed",
        code="database_unavailable",
        hint="send the request again after the seconds in Retry-After",
        headers={"Retry-After": "1"},
    )


async def _broken(request: Request, error: Exception) -> JSONResponse:
    """Say nothing of an error that nobody foresaw: its words may quote a person's data.

    The server outside of us logs its class and its place, we add the id that the caller is told.
    """
    route = getattr(request.scope.get("route"), "path", "")
    extra = {"request_id": current_request_id(), "route": route, "error": type(error).__name__}
    _log.error("request failed", extra=extra)
    return problem(500, _BROKEN, headers={HEADER: current_request_id()})
