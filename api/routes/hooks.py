"""Carriers' callbacks: signed by them, so they need no key."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from api.problems import ForbiddenError, documented
from api.state import TheDesk

router = APIRouter(prefix="/hooks", tags=["hooks"])


@router.post("/twilio/status", status_code=204, responses=documented(422))
async def twilio_status(
    request: Request,
    desk: TheDesk,
    m: Annotated[str, Query(max_length=64, description="Our message")] = "",
    signature: Annotated[str, Header(alias="X-Twilio-Signature", max_length=200)] = "",
) -> Response:
    """Take a message's new status from Twilio; repeats and stragglers change nothing."""
    form = {name: str(value) for name, value in (await request.form()).multi_items()}
    if not desk.twilio.genuine(request.url.query, form, signature):
        raise ForbiddenError("the signature is not Twilio's")
    receipt = desk.twilio.receipt(form, m, desk.clock.now())
    await desk.inbox.put(receipt)
    return Response(status_code=204)
