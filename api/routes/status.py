"""The public channels of outages: no key, no script, and they go on when the database is away."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Response

from api.problems import documented, problem
from api.state import Desk, TheDesk
from tellal.domain.errors import NotFoundError
from tellal.services.status_board import NothingKnownError, Shown
from templates.status import cap
from templates.status.addresses import served
from templates.status.channels import channels
from templates.status.words import Words, language_of

router = APIRouter(tags=["public"])

_CHANNELS = channels()
# It may be kept for a moment by whoever relays it, and for a day while we are not there.
_CACHE = "public, max-age=5, stale-while-revalidate=30, stale-if-error=86400"
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_ANSWERS = documented(404) | {304: {"description": "It says what you know already."}}

OutageId = Annotated[str, Path(max_length=64, description="As the other channels name it")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a reader asks for, and what he knows already."""

    brand: str
    language: str
    exercise: bool
    accepted: str
    known: str


async def _asked(
    brand: Annotated[
        str, Query(max_length=40, description="Whose; left out: the one set, or the only one")
    ] = "",
    lang: Annotated[
        str,
        Query(max_length=20, description="tr, en or pl; left out: as the reader's browser says"),
    ] = "",
    exercise: Annotated[  # noqa: FBT002 - FastAPI passes it by name
        bool, Query(description="Rehearsed outages instead of real ones, marked as such")
    ] = False,
    accepted: Annotated[str, Header(alias="Accept-Language", max_length=500)] = "",
    known: Annotated[str, Header(alias="If-None-Match", max_length=2000)] = "",
) -> Asked:
    return Asked(brand=brand, language=lang, exercise=exercise, accepted=accepted, known=known)


Asking = Annotated[Asked, Depends(_asked)]


@router.get("/status", responses=_ANSWERS, response_class=Response)
async def status_page(desk: TheDesk, asked: Asking) -> Response:
    """Show the status page: what is out now, what is planned, what was."""
    return await _channel("status.html", desk, asked)


@router.get("/status.json", responses=_ANSWERS, response_class=Response)
async def status_json(desk: TheDesk, asked: Asking) -> Response:
    """Say the status in the vocabulary of Statuspage's summary.json."""
    return await _channel("status.json", desk, asked)


@router.get("/status.atom", responses=_ANSWERS, response_class=Response)
async def status_atom(desk: TheDesk, asked: Asking) -> Response:
    """Feed what was said, the newest first (RFC 4287)."""
    return await _channel("status.atom", desk, asked)


@router.get("/status.ics", responses=_ANSWERS, response_class=Response)
async def status_ics(desk: TheDesk, asked: Asking) -> Response:
    """Give planned works as a calendar to subscribe to (RFC 5545)."""
    return await _channel("status.ics", desk, asked)


@router.get("/banner.json", responses=_ANSWERS, response_class=Response)
async def banner(desk: TheDesk, asked: Asking) -> Response:
    """Give the line that login pages and apps show; null where there is nothing to show."""
    return await _channel("banner.json", desk, asked)


@router.get("/hotline.txt", responses=_ANSWERS, response_class=Response)
async def hotline(desk: TheDesk, asked: Asking) -> Response:
    """Give the text that the hotline's machine reads out, in one language."""
    return await _channel("hotline.txt", desk, asked)


@router.get("/cap/{outage_id}.xml", responses=_ANSWERS, response_class=Response)
async def newest_alert(outage_id: OutageId, desk: TheDesk, asked: Asking) -> Response:
    """Give the newest alert of an outage (OASIS CAP 1.2)."""
    return await _alert(desk, asked, outage_id, None)


@router.get("/cap/{outage_id}/{number}.xml", responses=_ANSWERS, response_class=Response)
async def alert(
    outage_id: OutageId, number: Annotated[int, Path(ge=1)], desk: TheDesk, asked: Asking
) -> Response:
    """Give one of an outage's alerts, counted from 1 (OASIS CAP 1.2)."""
    return await _alert(desk, asked, outage_id, number)


async def _channel(name: str, desk: Desk, asked: Asked) -> Response:
    try:
        shown = await desk.status.show(asked.brand, exercise=asked.exercise)
    except NothingKnownError as error:
        return _nothing_known(error)
    brand = shown.snapshot.brand
    language = language_of(asked.language, asked.accepted, brand.country)
    headers = _headers(shown, name, language)
    if _is_known(headers["ETag"], asked.known):
        return Response(status_code=304, headers=headers)
    to = served(desk.public_url, shown.snapshot, language)
    channel, words = _CHANNELS[name], Words(language, brand.timezone)
    text = shown.text(
        headers["ETag"], lambda: channel.write(shown.snapshot, words, to, stale=shown.stale)
    )
    return Response(text, headers=headers, media_type=f"{channel.media_type}; charset=utf-8")


async def _alert(desk: Desk, asked: Asked, outage_id: str, number: int | None) -> Response:
    try:
        shown, outage = await desk.status.show_outage(
            outage_id, asked.brand, exercise=asked.exercise
        )
    except NothingKnownError as error:
        return _nothing_known(error)
    messages = len(cap.messages_of(outage))
    wanted = messages if number is None else number
    if not 1 <= wanted <= messages:
        raise NotFoundError("no such alert: nothing has been confirmed, or not so much was said")
    language = language_of("", "", shown.snapshot.brand.country)
    headers = _headers(shown, f"cap/{outage_id}/{wanted}", language)
    if _is_known(headers["ETag"], asked.known):
        return Response(status_code=304, headers=headers)
    to = served(desk.public_url, shown.snapshot, language)
    text = shown.text(headers["ETag"], lambda: cap.cap(shown.snapshot, outage, wanted, to))
    return Response(text, headers=headers, media_type=f"{cap.MEDIA_TYPE}; charset=utf-8")


def _headers(shown: Shown, name: str, language: str) -> dict[str, str]:
    # Weak: the page also shows when it was made, which is no news.
    tag = sha256(f"{shown.digest}/{name}/{language}".encode()).hexdigest()[:32]
    return {
        "ETag": f'W/"{tag}"',
        "Cache-Control": _CACHE,
        "Vary": "Accept-Language",
        "Content-Language": language,
        # A login page or an app of another host may read it; there is nothing of anybody in it.
        "Access-Control-Allow-Origin": "*",
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Last-Modified": f"{shown.snapshot.made_at:%a, %d %b %Y %H:%M:%S GMT}",
    }


def _is_known(tag: str, known: str) -> bool:
    """Compare weakly, as RFC 9110 section 13.1.2 has it."""
    opaque = tag.removeprefix("W/")
    return any(one.strip().removeprefix("W/") in (opaque, "*") for one in known.split(","))


def _nothing_known(error: NothingKnownError) -> Response:
    return problem(
        503,
        str(error),
        code="database_unavailable",
        hint="ask again after the seconds in Retry-After",
        headers={"Retry-After": "5", "Cache-Control": "no-store"},
    )
