"""Texts over SMPP: one call of ours submits each segment of one text once, in their order."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from smpp34 import SubmitSm

from activities.providers.smpp.binding import BindRefusedError
from activities.providers.smpp.codes import CODES, PAUSES, UNLISTED, code_of
from activities.providers.smpp.line import Line
from tellal.domain.channels import Channel, Receipts
from tellal.domain.errors import TellalError
from tellal.domain.messages import Answer, HandOver, OutgoingMessage, Remedy
from tellal.domain.providers import smpp_provider
from tellal.domain.sms.alphabets import Alphabet
from tellal.domain.sms.segments import segmented
from tellal.settings import SmppSettings
from tellal.smpp.pdus import Party, Pdu, UnreadableError, cancel, written
from tellal.smpp.session import LostError, NotLeftError, is_refusal
from tellal.smpp.texts import Octets, segments_of

_INTERNATIONAL, _NAMED = 1, 5
_ISDN = 1
_FROM_A_NUMBER = re.compile(r"\+?([1-9]\d{6,14})")
_SHORT = re.compile(r"\d{3,6}")
_LONGEST_NAME = 11
_A_RECEIPT_PLEASE = 1
_LONGEST_VALIDITY_S = 99 * 86_400


class SmppSms:
    """Sends texts over one connection; receipts come by another of its sessions (reception.py)."""

    def __init__(self, name: str, settings: SmppSettings) -> None:
        self._provider = smpp_provider(name)
        self._settings = settings
        self._line = Line(settings)

    @property
    def provider(self) -> str:
        """The provider's name, as the ledger records it."""
        return self._provider

    @property
    def channel(self) -> Channel:
        """The channel that it carries."""
        return Channel.SMS

    @property
    def receipts(self) -> Receipts:
        """Message centres tell of delivery, segment by segment."""
        return Receipts.DELIVERY

    @property
    def looks_up(self) -> bool:
        """SMPP asks by the message centre's id, and whoever got no answer has none."""
        return False

    async def send(self, message: OutgoingMessage) -> HandOver:
        """Hand the message over; every failure is an answer, never an exception."""
        try:
            text = _Text.of(message, self._settings)
        except (UnreadableError, TellalError, ValueError):
            return self._rejected("unsendable", Remedy.NEXT_ROUTE)
        return await self._submit(text)

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:
        """Return None: see `looks_up`."""
        del message, since
        return None

    async def close(self) -> None:
        """Part from the message centre."""
        await self._line.close()

    async def _submit(self, text: "_Text") -> HandOver:
        taken: list[str] = []
        until = asyncio.get_running_loop().time() + self._settings.timeout_s
        for segment in text.segments:
            answer = await self._submit_one(segment, wait_until=until if taken else None)
            if isinstance(answer, str):
                taken.append(answer)
                continue
            if answer.answer is Answer.REJECTED and answer.remedy is not Remedy.RETRY:
                await self._call_back(text, taken)
            return answer
        return HandOver(
            answer=Answer.ACCEPTED,
            provider=self._provider,
            reference=taken[0],
            parts=tuple(taken) if len(taken) > 1 else (),
        )

    async def _submit_one(self, segment: Pdu, *, wait_until: float | None) -> str | HandOver:
        """Submit a segment; return its id, or why there is none.

        With a text half submitted it is worth waiting for a message centre that is busy, up to an
        instant: the person would get half a text, and all of it again later.
        """
        loop = asyncio.get_running_loop()
        while True:
            answer = await self._answered(segment)
            if isinstance(answer, str) or answer.retry_after_s is None or wait_until is None:
                return answer
            if loop.time() + answer.retry_after_s > wait_until:
                return answer
            await asyncio.sleep(answer.retry_after_s)

    async def _answered(self, segment: Pdu) -> str | HandOver:
        try:
            answer = await self._line.ask(segment)
        except BindRefusedError as refusal:
            return self._refused(refusal.status)
        except NotLeftError:
            return self._rejected("unreachable", Remedy.RETRY)
        except (LostError, TimeoutError) as error:
            late = isinstance(error, TimeoutError)
            return self._ambiguous("timeout" if late else "connection_lost")
        if is_refusal(answer):
            return self._refused(answer.status)
        return _reference_in(answer) or self._ambiguous("unreadable")

    async def _call_back(self, text: "_Text", taken: Sequence[str]) -> None:
        """Call the segments back before which the refused one belongs; whatever comes of it."""
        for reference in taken:
            request = cancel(reference, source=text.source, destination=text.destination)
            try:
                await self._line.ask(request)
            except (TellalError, TimeoutError):
                return

    def _refused(self, status: int) -> HandOver:
        remedy = CODES.get(status, UNLISTED)
        if remedy is Remedy.RECONCILE:
            return self._ambiguous(code_of(status))
        return self._rejected(code_of(status), remedy, PAUSES.get(status))

    def _rejected(self, code: str, remedy: Remedy, retry_after_s: float | None = None) -> HandOver:
        return HandOver(
            answer=Answer.REJECTED,
            provider=self._provider,
            code=code,
            remedy=remedy,
            retry_after_s=retry_after_s,
        )

    def _ambiguous(self, code: str) -> HandOver:
        return HandOver(
            answer=Answer.AMBIGUOUS,
            provider=self._provider,
            code=code,
            remedy=Remedy.RECONCILE,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """A text, ready to be submitted."""

    source: Party
    destination: Party
    segments: tuple[Pdu, ...]

    @classmethod
    def of(cls, message: OutgoingMessage, settings: SmppSettings) -> "_Text":
        """Write a message.

        Raises:
            UnreadableError: Its sender or recipient cannot be written.
            InvalidInputError: Nor can its text.
        """
        source = _source(message.sender or settings.sender, settings)
        number = message.address.removeprefix("+")
        destination = Party(address=number, ton=_INTERNATIONAL, npi=_ISDN)
        alphabet = Alphabet(message.encoding or segmented(message.text).alphabet)
        written(source.address, destination.address)
        return cls(
            source=source,
            destination=destination,
            segments=tuple(
                _submission(source, destination, octets, message.validity_s)
                for octets in segments_of(message.text, alphabet, name=message.id)
            ),
        )


def _submission(source: Party, destination: Party, octets: Octets, validity_s: int | None) -> Pdu:
    return Pdu(
        SubmitSm(
            source.address,
            destination.address,
            octets.octets,
            source_addr_ton=source.ton,
            source_addr_npi=source.npi,
            dest_addr_ton=destination.ton,
            dest_addr_npi=destination.npi,
            esm_class=octets.esm_class,
            data_coding=octets.data_coding,
            validity_period=_validity(validity_s),
            registered_delivery=_A_RECEIPT_PLEASE,
        ).encode()
    )


def _source(sender: str, settings: SmppSettings) -> Party:
    number = _FROM_A_NUMBER.fullmatch(sender)
    if _SHORT.fullmatch(sender):
        return Party(address=sender, ton=settings.short_ton, npi=settings.short_npi)
    if number is not None:
        return Party(address=number[1], ton=_INTERNATIONAL, npi=_ISDN)
    if len(sender) > _LONGEST_NAME:
        raise UnreadableError(f"a sender's name has {_LONGEST_NAME} characters at most")
    return Party(address=sender, ton=_NAMED, npi=0)


def _reference_in(answer: Pdu) -> str:
    """Return the message centre's id of a submission, empty if it gives none."""
    try:
        return answer.text()
    except UnreadableError:
        return ""


def _validity(validity_s: int | None) -> str:
    """Write how long the message centre may try, as a time from now on (7.1.1): `YYMMDDhhmmss000R`.

    Without a limit it is the message centre's.
    """
    if validity_s is None:
        return ""
    left = max(1, min(validity_s, _LONGEST_VALIDITY_S))
    days, left = divmod(left, 86_400)
    hours, left = divmod(left, 3_600)
    minutes, seconds = divmod(left, 60)
    return f"0000{days:02}{hours:02}{minutes:02}{seconds:02}000R"
