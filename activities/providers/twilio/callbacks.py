"""Twilio's callbacks: is it Twilio that speaks, what does it say, and what did a person write."""

from collections.abc import Mapping
from datetime import datetime

from twilio.request_validator import RequestValidator

from activities.providers.twilio.codes import remedy_of_receipt
from activities.providers.twilio.names import CALLS_PROVIDER, provider_of
from tellal.domain.channels import Channel
from tellal.domain.errors import InvalidInputError
from tellal.domain.keywords import Inbound
from tellal.domain.messages import MessageState, Receipt

_S = MessageState

STATES: Mapping[str, MessageState] = {
    "accepted": _S.ACCEPTED,
    "scheduled": _S.ACCEPTED,
    "queued": _S.ACCEPTED,
    "sending": _S.ACCEPTED,
    "sent": _S.SENT,
    # Some segments came, the others may yet.
    "partially_delivered": _S.SENT,
    "delivered": _S.DELIVERED,
    # Only WhatsApp tells; whoever has read it has got it.
    "read": _S.DELIVERED,
    "undelivered": _S.UNDELIVERED,
    "failed": _S.FAILED,
    "canceled": _S.CANCELLED,
}

_LOST = frozenset({_S.UNDELIVERED, _S.FAILED})
_WHATSAPP = "whatsapp:"
_LONGEST_NAME, _LONGEST_TEXT = 100, 1600


def signature_is_valid(auth_token: str, url: str, form: Mapping[str, str], signature: str) -> bool:
    """Say whether Twilio signed this form for this address.

    `url` is the address as Twilio knows it, scheme, host and query: behind a proxy it is built from
    the configured public address, not from the request.
    """
    return bool(RequestValidator(auth_token).validate(url, dict(form), signature))


def parse_status(form: Mapping[str, str], message_id: str, received_at: datetime) -> Receipt:
    """Read a status callback; `message_id` is the `m` of its address, or empty.

    Raises:
        InvalidInputError: It names no message, or a status that Twilio does not document.
    """
    if form.get("CallSid"):
        return parse_call(form, message_id, received_at)
    reference = form.get("MessageSid", "")
    if not reference:
        raise InvalidInputError("the callback names no message", field="MessageSid")
    state = STATES.get(form.get("MessageStatus", ""))
    if state is None:
        raise InvalidInputError("the status is not one that Twilio has", field="MessageStatus")
    code = form.get("ErrorCode", "")
    return Receipt(
        provider=provider_of(form.get("To", "")),
        reference=reference,
        message_id=message_id,
        state=state,
        code=code,
        remedy=remedy_of_receipt(code) if state in _LOST else None,
        received_at=received_at,
    )


CALL_STATES: Mapping[str, MessageState] = {
    "queued": _S.ACCEPTED,
    "initiated": _S.ACCEPTED,
    "ringing": _S.SENT,
    "in-progress": _S.SENT,
    # Only a call that somebody picked up is completed.
    "completed": _S.DELIVERED,
    "busy": _S.UNDELIVERED,
    "no-answer": _S.UNDELIVERED,
    "failed": _S.FAILED,
    "canceled": _S.CANCELLED,
}
_MACHINE = "machine"
_NOBODY = ("machine", "fax")


def parse_call(form: Mapping[str, str], message_id: str, received_at: datetime) -> Receipt:
    """Read a status callback of a call; that a machine picked up, if Twilio says so, is no success.

    Raises:
        InvalidInputError: It has a status that Twilio does not document.
    """
    status, code = form.get("CallStatus", ""), form.get("ErrorCode", "")
    state = CALL_STATES.get(status)
    if state is None:
        raise InvalidInputError("the status is not one that Twilio has", field="CallStatus")
    if state is _S.DELIVERED and form.get("AnsweredBy", "").startswith(_NOBODY):
        state, code = _S.UNDELIVERED, _MACHINE
    if state is _S.UNDELIVERED:
        code = code or status
    return Receipt(
        provider=CALLS_PROVIDER,
        reference=form["CallSid"],
        message_id=message_id,
        state=state,
        code=code,
        remedy=remedy_of_receipt(code) if state in _LOST else None,
        received_at=received_at,
    )


def inbound_of(form: Mapping[str, str], *, answers: bool) -> Inbound:
    """Read what a person has written; `answers` says that Twilio answers words like STOP itself.

    With Advanced Opt-Out it does, and then names such a word in `OptOutType`.
    """
    sender = form.get("From", "")[:_LONGEST_NAME]
    return Inbound(
        provider=provider_of(sender),
        reference=form.get("MessageSid", "")[:_LONGEST_NAME],
        sender=sender.removeprefix(_WHATSAPP),
        recipient=form.get("To", "")[:_LONGEST_NAME].removeprefix(_WHATSAPP),
        text=form.get("Body", "")[:_LONGEST_TEXT],
        channel=Channel.WHATSAPP if sender.startswith(_WHATSAPP) else Channel.SMS,
        answered=answers or bool(form.get("OptOutType")),
    )
