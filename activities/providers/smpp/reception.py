"""Receipts and people's texts, as the message centre brings them: answered for once they are kept.

They come over a session of their own, a receiver's: whoever only sends need not be able to keep
anything. While nobody receives, the message centre keeps them.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from smpp34 import DeliverSm

from activities.providers.smpp.binding import bound
from activities.providers.smpp.codes import STATES
from tellal.clock import Clock, SystemClock
from tellal.domain.channels import Channel
from tellal.domain.keywords import Inbound
from tellal.domain.messages import Receipt
from tellal.domain.providers import smpp_provider
from tellal.ids import new_id
from tellal.settings import SmppSettings
from tellal.smpp.pdus import Command, Pdu, Status, UnreadableError, answer_to, deliver_of
from tellal.smpp.receipts import is_receipt, report_of
from tellal.smpp.texts import written_in

_log = logging.getLogger(__name__)

_NO_ID = b"\0"
_INTERNATIONAL = 1
_HEXADECIMAL = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ear:
    """Who is told what is heard; when they return, it is on disk."""

    receipt: Callable[[Receipt], Awaitable[None]]
    text: Callable[[Inbound], Awaitable[None]]


class SmppReception:
    """Listens to one message centre, as long as the connection lasts."""

    def __init__(
        self, name: str, settings: SmppSettings, ear: Ear, clock: Clock | None = None
    ) -> None:
        self._provider = smpp_provider(name)
        self._settings = settings
        self._ear = ear
        self._clock = clock or SystemClock()

    async def listen(self) -> None:
        """Bind as a receiver and take what comes, until the connection ends or this is cancelled.

        Raises:
            BindRefusedError: The message centre does not let us in.
            OSError: There is no way to it, or it does not answer.
            TellalError: The connection ended before it let us in.
        """
        made = await bound(self._settings, Command.BIND_RECEIVER, self._take)
        try:
            await made.session.wait_until_ended()
        finally:
            with suppress(OSError):
                await made.close()

    async def _take(self, request: Pdu) -> Pdu:
        if request.command != Command.DELIVER_SM:
            return answer_to(request, status=Status.UNKNOWN_COMMAND)
        try:
            await self._hear(deliver_of(request))
        except UnreadableError:
            # Brought again it would be as unreadable.
            _log.warning("what a message centre brought is unreadable", extra=self._extra)
            return answer_to(request, _NO_ID, status=Status.NEVER)
        return answer_to(request, _NO_ID)

    @property
    def _extra(self) -> dict[str, str]:
        return {"provider": self._provider}

    async def _hear(self, delivered: DeliverSm) -> None:
        if is_receipt(delivered.esm_class):
            await self._ear.receipt(self._receipt(delivered))
            return
        written = written_in(
            delivered.short_message,
            esm_class=delivered.esm_class,
            data_coding=delivered.data_coding,
        )
        if written.place is not None:
            # A long text may mean anything and is for people; of free text nothing is kept.
            return
        said = Inbound(
            provider=self._provider,
            # Message centres name no text; one that is brought again has the same effect again.
            reference=new_id(),
            sender=_number(delivered.source_addr, delivered.source_addr_ton),
            recipient=_number(delivered.destination_addr, delivered.dest_addr_ton),
            # No text has it, and no database keeps it.
            text=written.text.replace("\0", ""),
            channel=Channel.SMS,
        )
        await self._ear.text(said)

    def _receipt(self, delivered: DeliverSm) -> Receipt:
        report = report_of(delivered)
        state, remedy = STATES[report.state]
        return Receipt(
            provider=self._provider,
            reference=self._reference(report.reference),
            message_id="",
            state=state,
            code=report.state.value if remedy is not None else "",
            remedy=remedy,
            received_at=self._clock.now(),
        )

    def _reference(self, given: str) -> str:
        """Return the id as the answer to the submission wrote it."""
        match self._settings.receipt_ids:
            case "decimal" if given.isdecimal():
                return f"{int(given):x}"
            case "hexadecimal" if _is_hexadecimal(given):
                return str(int(given, _HEXADECIMAL))
            case _:
                return given


def _is_hexadecimal(given: str) -> bool:
    return bool(given) and all(letter in "0123456789abcdefABCDEF" for letter in given)


def _number(address: str, ton: int) -> str:
    """Write an international number with its plus, as everywhere else."""
    if ton == _INTERNATIONAL and address.isdecimal():
        return f"+{address}"
    return address
