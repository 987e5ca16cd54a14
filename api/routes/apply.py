"""Applying to a brand by a plain form: no key, no cookie, no script.

Nothing here says whether an address is known. Without cookies there is nothing that another site
could make a reader's browser use; a form that comes from another site is refused all the same.
"""

import re
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from api.public_pages import TheVisitor, Visitor, public_headers, public_page
from api.state import Desk, TheDesk
from rules.web_forms import WebForm
from tellal.addresses import channel_of, normalise
from tellal.domain.applications import Application, one_line, paragraphs
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.ids import new_id
from tellal.services.brands import find_brand
from tellal.services.rate_limits import Allowance, Limit
from tellal.services.shown_notices import NoticeInput
from templates.applying import FilledIn

router = APIRouter(prefix="/apply", tags=["public"])

INTAKE = "web"
"""The intake channel over which cases of this form come in."""
LOOKING = Allowance(
    name="apply/look", each=Limit(burst=20, per_s=0.5), all=Limit(burst=400, per_s=100.0)
)
APPLYING = Allowance(
    name="apply", each=Limit(burst=5, per_s=1 / 60), all=Limit(burst=60, per_s=1.0)
)
PER_ADDRESS = Allowance(name="apply/to", each=Limit(burst=3, per_s=1 / 1200))
"""What is sent to an address is told to it: nobody may have a stranger told all day long."""

_BY = "web form"
_LARGEST = 64 * 1024
_TOO_LARGE = 413
_FORM = "application/x-www-form-urlencoded"
_ID = re.compile(r"[0-9A-Z]{26}")
_LONGEST = {"contact": 254, "subject": 200, "text": 4000}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    404: {"description": "The brand has no form that is open, or there is no such brand."},
    429: {"description": "Too much was sent; `Retry-After` says when to send again."},
}
_SENT: dict[int | str, dict[str, Any]] = {
    **_ANSWERS,
    303: {"description": "It was taken; the page of its tracking code shows where it is."},
    403: {"description": "It was not the form of this page that was sent."},
    413: {"description": "More was sent than the form holds."},
    422: {"description": "Something is to be corrected; the page says what, beside each field."},
}

BrandName = Annotated[str, Path(description="The brand's name", examples=["porsuk-edas"])]


@router.get("/{brand}", responses=_ANSWERS, response_class=Response)
async def show_form(brand: BrandName, desk: TheDesk, visitor: TheVisitor) -> Response:
    """Show the form of a brand that has opened one."""
    wait = await desk.limits.refusal(LOOKING, visitor.client)
    if wait:
        return _busy(desk, visitor, wait)
    found = await _open(desk, brand)
    if found is None:
        return _refused(desk, visitor, "closed", 404)
    whose, form = found
    return _form(desk, visitor, whose, form, filled=FilledIn(), form_id=new_id())


@router.post("/{brand}", responses=_SENT, response_class=Response)
async def apply(
    brand: BrandName,
    request: Request,
    desk: TheDesk,
    visitor: TheVisitor,
    site: Annotated[str, Header(alias="Sec-Fetch-Site", include_in_schema=False)] = "",
) -> Response:
    """Take the form; it becomes a case, and the answer leads to the page of its code.

    Sent twice, it is one case.
    """
    if site == "cross-site" or request.headers.get("content-type", "").partition(";")[0] != _FORM:
        return _refused(desk, visitor, "elsewhere", 403)
    wait = await desk.limits.refusal(APPLYING, visitor.client)
    if wait:
        return _busy(desk, visitor, wait)
    found = await _open(desk, brand)
    if found is None:
        return _refused(desk, visitor, "closed", 404)
    said = await _said(request)
    if said.get("website"):  # no person has seen this field
        language = visitor.language()
        return RedirectResponse("/track", 303, headers=public_headers(language))
    return await _take(desk, visitor, *found, said)


async def _take(
    desk: Desk, visitor: Visitor, brand: Brand, form: WebForm, said: dict[str, str]
) -> Response:
    form_id = said["form"] if _ID.fullmatch(said.get("form", "")) else new_id()
    contact, wrong = _checked(said, brand.country)
    if contact is None or wrong:
        filled = FilledIn(values=said, wrong=wrong)
        return _form(desk, visitor, brand, form, filled=filled, form_id=form_id, status=422)
    channel, address = contact
    wait = await desk.limits.refusal(PER_ADDRESS, f"{brand.id}/{address.lower()}")
    if wait:
        return _busy(desk, visitor, wait)
    language = visitor.language(brand.country)
    application = Application(
        channel=channel,
        address=address,
        subject=one_line(said["subject"]),
        text=paragraphs(said["text"]),
        language=language,
        reference=f"form:{form_id}",
    )
    notice = NoticeInput(
        notice=form.notice, version=form.version, language=form.text(language)[1], way=INTAKE
    )
    try:
        async with desk.sessions() as tx, tx.begin():
            taken = await desk.applications.take(
                tx, brand, INTAKE, application, by=_BY, notice=notice
            )
    except ConflictError:  # the intake channel is switched off
        return _refused(desk, visitor, "closed", 404)
    address = f"/track/{taken.tracking_code}?lang={language}"
    return RedirectResponse(address, 303, headers=public_headers(language))


async def _open(desk: Desk, name: str) -> tuple[Brand, WebForm] | None:
    """Find a brand and its form, if it has opened one."""
    form = desk.web_forms.of(name)
    if form is None:
        return None
    try:
        async with desk.singles() as tx:
            return await find_brand(tx, name), form
    except NotFoundError:
        return None


async def _said(request: Request) -> dict[str, str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST:
            raise HTTPException(_TOO_LARGE, "more was sent than the form holds")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        return {}


def _checked(
    said: dict[str, str], country: str
) -> tuple[tuple[Channel, str] | None, dict[str, str]]:
    """Return by which way and where to reach whoever applies, and what is wrong, by field."""
    wrong = {}
    for name, longest in _LONGEST.items():
        if not paragraphs(said.get(name, "")):
            wrong[name] = "empty"
        elif len(said[name].replace("\r\n", "\n")) > longest:
            wrong[name] = "too_long"
    if said.get("notice") != "read":
        wrong["notice"] = "unread"
    if "contact" in wrong:
        return None, wrong
    contact = said["contact"].strip()
    channel = Channel.EMAIL if channel_of(contact) is Channel.EMAIL else Channel.SMS
    try:
        return (channel, normalise(channel, contact, region=country)), wrong
    except InvalidInputError:
        return None, {**wrong, "contact": "no_address"}


def _form(
    desk: Desk,
    visitor: Visitor,
    brand: Brand,
    form: WebForm,
    *,
    filled: FilledIn,
    form_id: str,
    status: int = 200,
) -> Response:
    language = visitor.language(brand.country)
    page = desk.apply_pages.form(
        language, brand, form_id=form_id, notice=form.text(language), filled=filled
    )
    return public_page(page, language, status=status)


def _refused(
    desk: Desk, visitor: Visitor, why: str, status: int, headers: dict[str, str] | None = None
) -> Response:
    language = visitor.language()
    page = desk.apply_pages.refused(language, why)
    return public_page(page, language, status=status, headers=headers)


def _busy(desk: Desk, visitor: Visitor, wait: int) -> Response:
    return _refused(desk, visitor, "busy", 429, {"Retry-After": str(wait)})
