"""Carriers' callbacks: signed, or sent to a secret address, so they need no key."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from api.problems import ForbiddenError, documented
from api.state import TheDesk
from tellal.domain.errors import NotFoundError

router = APIRouter(prefix="/hooks", tags=["hooks"])


@router.post("/twilio/status", status_code=204, responses=documented(422))
async def twilio_status(
    request: Request,
    desk: TheDesk,
    m: Annotated[str, Query(max_length=64, description="Our message")] = "",
    signature: Annotated[str, Header(alias="X-Twilio-Signature", max_length=200)] = "",
) -> Response:
    """Take a message's new status from Twilio; repeats and stragglers change nothing."""
    form = await _form_of(request)
    if not desk.twilio.genuine(request.url.query, form, signature):
        raise ForbiddenError("the signature is not Twilio's")
    receipt = desk.twilio.receipt(form, m, desk.clock.now())
    await desk.inbox.put(receipt)
    return Response(status_code=204)


@router.post("/twilio/inbound", status_code=204, responses=documented(422))
async def twilio_inbound(
    request: Request,
    desk: TheDesk,
    signature: Annotated[str, Header(alias="X-Twilio-Signature", max_length=200)] = "",
) -> Response:
    """Take what a person wrote: ONAY, RET and their like, or that he is still without supply."""
    form = await _form_of(request)
    if not desk.twilio.genuine_inbound(request.url.query, form, signature):
        raise ForbiddenError("the signature is not Twilio's")
    said = desk.twilio.inbound(form)
    await desk.inbound.take(said)
    return Response(status_code=204)


@router.post("/netgsm/{secret}", status_code=204, responses=documented(404, 422))
async def netgsm_report(request: Request, desk: TheDesk, secret: str) -> Response:
    """Take a report that NetGSM pushes; repeats and stragglers change nothing."""
    if not desk.netgsm.expected:
        raise NotFoundError("no reports are pushed here")
    if not desk.netgsm.genuine(secret):
        raise ForbiddenError("this is not the address that NetGSM was told")
    receipt = desk.netgsm.receipt(await _form_of(request), desk.clock.now())
    await desk.inbox.put(receipt)
    return Response(status_code=204)


async def _form_of(request: Request) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.form()).multi_items()}
