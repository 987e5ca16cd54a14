"""Texts to Turkish mobiles over NetGSM's REST v2; one call of ours is one request and one job."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from activities.providers.netgsm.codes import ACCEPTED, CODES, PAUSES, UNLISTED
from activities.providers.netgsm.transport import (
    LATE,
    LOST,
    NOT_LEFT,
    UNSENDABLE,
    Reply,
    Transport,
)
from activities.retry_after import pause_of
from tellal.clock import Clock, SystemClock
from tellal.domain.channels import Channel, MessageClass, Receipts, RecipientType
from tellal.domain.messages import Answer, HandOver, OutgoingMessage, Remedy
from tellal.settings import NetgsmSettings

_PROVIDER = "netgsm"
_SEND = "/sms/rest/v2/send"
_CANCEL = "/sms/rest/v2/cancel"
_CANCELLED = "00"
_TURKISH_MOBILE = re.compile(r"\+90(5\d{9})")
_TURKEY = ZoneInfo("Europe/Istanbul")
"""NetGSM's dates have no zone; they are Turkey's."""
_DATE = "%d%m%Y%H%M"
_MINUTE = timedelta(minutes=1)
_OWN_VALIDITY = timedelta(hours=21)
"""How long NetGSM tries if nobody says otherwise; it is not asked for more."""
_TURKISH_TABLES = frozenset({"tr", "turkish_single", "turkish_locking", "turkish_both"})
_TOO_MANY, _UNAUTHORIZED, _FORBIDDEN = 429, 401, 403

IYS_FILTERS: Mapping[RecipientType, str] = {
    RecipientType.INDIVIDUAL: "11",
    RecipientType.MERCHANT: "12",
}
"""Which consents NetGSM asks İYS for before it sends something commercial."""
_NO_IYS_FILTER = "0"


class NetgsmSms:
    """Sends each text as a job of its own; reports repeat our id, its `referansID`."""

    def __init__(self, settings: NetgsmSettings, clock: Clock | None = None) -> None:
        self._header = settings.header
        self._clock = clock or SystemClock()
        self._transport = Transport(settings)

    @property
    def provider(self) -> str:
        """The provider's name, as the ledger records it."""
        return _PROVIDER

    @property
    def channel(self) -> Channel:
        """The channel that it carries."""
        return Channel.SMS

    @property
    def receipts(self) -> Receipts:
        """NetGSM tells of delivery, when asked (reports.py) or by a push."""
        return Receipts.DELIVERY

    @property
    def looks_up(self) -> bool:
        """NetGSM's reports can prove that it has a job, never that it has not.

        Nothing says how soon a job is in them. One that is there is found by its `referansID` when
        reports are next asked for.
        """
        return False

    async def send(self, message: OutgoingMessage) -> HandOver:
        """Hand the message over; every failure is an answer, never an exception."""
        mobile = _TURKISH_MOBILE.fullmatch(message.address)
        if mobile is None:
            return _rejected("not_turkish", Remedy.NEXT_CHANNEL)
        document = self._document(message, mobile[1])
        try:
            reply = await self._transport.post(_SEND, document)
        except NOT_LEFT:
            return _rejected("unreachable", Remedy.RETRY)
        except UNSENDABLE:
            return _rejected("unsendable", Remedy.HALT)
        except LOST as error:
            return _ambiguous("timeout" if isinstance(error, LATE) else "connection_lost")
        return self._classified(reply)

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:
        """Return None: see `looks_up`."""
        del message, since
        return None

    async def recall(self, reference: str) -> bool:
        """Cancel a job.

        NetGSM documents that for jobs which are to be sent later; of one that it has begun to send
        it says that there is none (60).
        """
        try:
            reply = await self._transport.post(_CANCEL, {"jobid": reference})
        except (*LOST, *UNSENDABLE):
            return False
        return reply.succeeded and reply.code == _CANCELLED

    async def close(self) -> None:
        """Give the connections back."""
        await self._transport.close()

    def _document(self, message: OutgoingMessage, number: str) -> dict[str, object]:
        document: dict[str, object] = {
            "msgheader": message.sender or self._header,
            "messages": [{"msg": message.text, "no": number}],
            "iysfilter": _iys_filter(message),
            "referansID": f"{message.id}-{message.attempt}",
        }
        if message.encoding in _TURKISH_TABLES:
            document["encoding"] = "tr"
        stop = self._stop_date(message.validity_s)
        if stop:
            document["stopdate"] = stop
        return document

    def _stop_date(self, validity_s: int | None) -> str:
        """Return the last minute to send in, rounded down but never to one that has begun."""
        if validity_s is None or validity_s >= _OWN_VALIDITY.total_seconds():
            return ""
        now = self._clock.now()
        end = max(now + timedelta(seconds=validity_s), now + _MINUTE)
        return end.astimezone(_TURKEY).strftime(_DATE)

    def _classified(self, reply: Reply) -> HandOver:
        code = reply.code or str(reply.status)
        if reply.tells_nothing:
            return _ambiguous(code)
        if reply.status == _TOO_MANY:
            return _rejected(code, Remedy.RETRY, self._pause(reply))
        if reply.succeeded and reply.code in ACCEPTED:
            job = reply.document.get("jobid")
            return _accepted(str(job)) if job else _ambiguous("unreadable")
        remedy = _remedy_for(reply)
        if remedy is Remedy.RECONCILE:
            return _ambiguous(reply.code or "unreadable")
        return _rejected(code, remedy, self._pause(reply) if remedy is Remedy.RETRY else None)

    def _pause(self, reply: Reply) -> float | None:
        asked = pause_of(reply.headers.get("retry-after", ""), self._clock.now())
        return PAUSES.get(reply.code) if asked is None else asked


def _iys_filter(message: OutgoingMessage) -> str:
    commercial = message.message_class is MessageClass.COMMERCIAL
    return IYS_FILTERS[message.recipient_type] if commercial else _NO_IYS_FILTER


def _remedy_for(reply: Reply) -> Remedy:
    if reply.code in CODES:
        return CODES[reply.code]
    if reply.succeeded or reply.code in ACCEPTED:
        # A success that is none of NetGSM's, or a refusal that says "taken".
        return Remedy.RECONCILE
    return Remedy.HALT if reply.status in {_UNAUTHORIZED, _FORBIDDEN} else UNLISTED


def _accepted(job: str) -> HandOver:
    return HandOver(answer=Answer.ACCEPTED, provider=_PROVIDER, reference=job)


def _rejected(code: str, remedy: Remedy, retry_after_s: float | None = None) -> HandOver:
    return HandOver(
        answer=Answer.REJECTED,
        provider=_PROVIDER,
        code=code,
        remedy=remedy,
        retry_after_s=retry_after_s,
    )


def _ambiguous(code: str) -> HandOver:
    return HandOver(answer=Answer.AMBIGUOUS, provider=_PROVIDER, code=code, remedy=Remedy.RECONCILE)
