"""Carriers' callbacks: signed by them, so they need no key."""

import logging
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from api.problems import ForbiddenError, documented
from api.state import TheDesk
from tellal import metrics

router = APIRouter(prefix="/hooks", tags=["hooks"])

_log = logging.getLogger(__name__)


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
    async with desk.sessions() as tx, tx.begin():
        known = await desk.receipts.take(tx, receipt)
    if not known:
        metrics.receipt_unplaced(receipt.provider)
        _log.warning("receipt of an unknown message", extra={"provider": receipt.provider})
    return Response(status_code=204)
