"""Every refusal as a problem document (RFC 9457): what is wrong, where, and how to mend it."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError, TellalError
from tellal.services.idempotency import StillRunningError

MEDIA_TYPE = "application/problem+json"
_BROKEN = "something went wrong here; the request was not carried out"


class FieldProblem(BaseModel):
    """One part of the request that is wrong."""

    field: str
    message: str
    hint: str = ""


class Problem(BaseModel):
    """A problem document (RFC 9457); `code` is stable for programs, the rest is for people."""

    type: str = Field(examples=["urn:tellal:problem:call_missing"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    code: str = Field(examples=["call_missing"])
    detail: str = Field(examples=["cannot resolve: record the call first"])
    hint: str = ""
    errors: list[FieldProblem] = []


class UnauthenticatedError(TellalError):
    """Nobody known calls: the key is missing, wrong, expired or revoked (nobody is told which)."""


class ForbiddenError(TellalError):
    """The key may not do this; the message names the scope that it lacks."""


_STATUS: Mapping[type[TellalError], int] = {
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer with these problems, besides 401."""
    return {
        status: {
            "model": Problem,
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {}},
        }
        for status in (401, 403, *statuses)
    }


def install(app: FastAPI) -> None:
    """Have every error of the application answered as a problem document."""
    app.add_exception_handler(TellalError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _broken)


def problem(
    status: int,
    detail: str,
    *,
    code: str = "",
    hint: str = "",
    errors: Sequence[FieldProblem] = (),
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
    )
    return JSONResponse(
        document.model_dump(), status_code=status, media_type=MEDIA_TYPE, headers=headers
    )


async def _refused(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, InvalidInputError):
        part = FieldProblem(field=error.field, message=str(error), hint=error.hint)
        return problem(422, str(error), code="invalid", hint=error.hint, errors=[part])
    if isinstance(error, ConflictError):
        later = {"Retry-After": "1"} if isinstance(error, StillRunningError) else None
        return problem(409, str(error), code=error.code, hint=error.hint, headers=later)
    for kind, status in _STATUS.items():
        if isinstance(error, kind):
            asked = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
            return problem(status, str(error), headers=asked)
    return problem(500, _BROKEN)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise TypeError("only validation errors come here") from error
    parts = [
        FieldProblem(field=_dotted(item["loc"]), message=str(item["msg"]))
        for item in error.errors()
    ]
    first = parts[0] if parts else FieldProblem(field="", message="the request is not valid")
    detail = f"{first.field}: {first.message}" if first.field else first.message
    return problem(422, detail, code="invalid", errors=parts)


def _dotted(place: Sequence[object]) -> str:
    return ".".join(str(part) for part in place if part not in ("body", "query", "path", "header"))


async def _http(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise TypeError("only HTTP errors come here") from error
    return problem(error.status_code, str(error.detail), headers=error.headers)


async def _broken(_: Request, __: Exception) -> JSONResponse:
    return problem(500, _BROKEN)
