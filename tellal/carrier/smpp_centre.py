"""A message centre that speaks SMPP 3.4: binds, submissions, receipts, texts that people write."""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from smpp34 import DeliverSm, SubmitSm

from tellal.carrier.book import Book
from tellal.carrier.faults import AFTER_ACCEPT, HELD, TORN, Fault, FaultKind, Faults
from tellal.carrier.settings import CarrierSettings
from tellal.carrier.smpp_texts import Segment, Texts, number_of, refused, text_of
from tellal.domain.channels import Channel
from tellal.domain.errors import TellalError
from tellal.domain.sms.segments import segmented
from tellal.smpp.pdus import (
    BINDS,
    Command,
    Pdu,
    Status,
    UnreadableError,
    answer_to,
    submit_of,
    texts_of,
    written,
)
from tellal.smpp.receipts import State
from tellal.smpp.session import Session, is_refusal
from tellal.smpp.texts import segments_of

_log = logging.getLogger(__name__)

_PROVIDER = "smpp"
_NAME = "tellal"
_TOLD_WELL = 200
_MAY_SEND = frozenset({Command.BIND_TRANSMITTER, Command.BIND_TRANSCEIVER})
_MAY_HEAR = frozenset({Command.BIND_RECEIVER, Command.BIND_TRANSCEIVER})
_INTERNATIONAL = 1
_SILENT_FOR_S = 60.0
_ANSWER_S = 5.0
_AGAIN_S = 0.2
_ANYTHING_WRONG = 0x45
_CODES: Mapping[FaultKind, int] = {
    FaultKind.TOO_MANY: Status.THROTTLED,
    FaultKind.ERROR_BEFORE_ACCEPT: Status.SYSTEM_ERROR,
    FaultKind.ERROR_AFTER_ACCEPT: Status.SYSTEM_ERROR,
    FaultKind.UNAVAILABLE_PAGE: Status.NO_IDEA,
}


class _Client:
    """One connection of a client's, and what it may do."""

    def __init__(self, centre: "MessageCentre") -> None:
        self._centre = centre
        self.bound: int | None = None
        self.session: Session | None = None

    @property
    def hears(self) -> bool:
        return self.bound in _MAY_HEAR and self.session is not None and not self.session.ended

    async def handle(self, request: Pdu) -> Pdu | None:
        if request.command in BINDS:
            return self._bind(request)
        if self.bound is None:
            return answer_to(request, status=Status.NOT_BOUND)
        if request.command == Command.SUBMIT_SM and self.bound in _MAY_SEND:
            return await self._centre.submit(request, self)
        if request.command == Command.CANCEL_SM and self.bound in _MAY_SEND:
            return self._centre.cancel(request)
        known = request.command in set(Command)
        status = Status.NOT_BOUND if known else Status.UNKNOWN_COMMAND
        return answer_to(request, status=status)

    def _bind(self, request: Pdu) -> Pdu:
        if self.bound is not None:
            return answer_to(request, status=Status.ALREADY_BOUND)
        wrong = self._centre.refuses(request)
        if wrong:
            return answer_to(request, status=wrong)
        self.bound = request.command
        return answer_to(request, written(_NAME))


class MessageCentre:
    """The server, and what it remembers of those who are connected."""

    def __init__(self, settings: CarrierSettings, book: Book, faults: Faults) -> None:
        self._settings = settings
        self._book = book
        self._faults = faults
        self._clients: list[_Client] = []
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.texts = Texts(settings, book, self.bring)

    async def open(self) -> None:
        """Listen, if there is a port for it."""
        port = self._settings.smpp_port
        if port is not None:
            host = self._settings.smpp_host
            self._server = await asyncio.start_server(self._serve, host, port)

    async def close(self) -> None:
        """Part from everybody."""
        if self._server is not None:
            self._server.close()
        await self.texts.close()
        for client in self._clients:
            if client.session is not None:
                client.session.cut()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Client(self)
        client.session = Session(
            reader, writer, client.handle, alive_every_s=_SILENT_FOR_S, timeout_s=_ANSWER_S
        )
        self._clients.append(client)
        task = asyncio.ensure_future(client.session.run())
        self._serving.add(task)
        try:
            await task
        finally:
            self._serving.discard(task)
            self._clients.remove(client)

    def refuses(self, request: Pdu) -> int:
        """Say why somebody is not let in, 0 if he is."""
        try:
            system_id, password = texts_of(request, 2)
        except UnreadableError:
            return Status.BIND_FAILED
        if system_id != self._settings.smpp_system_id:
            return Status.BAD_SYSTEM_ID
        right = secrets.compare_digest(password, self._settings.smpp_password)
        return 0 if right else Status.BAD_PASSWORD

    async def submit(self, request: Pdu, client: _Client) -> Pdu | None:
        """Take a segment, or refuse it, or misbehave as a fault says."""
        submitted = submit_of(request)
        text, number = text_of(submitted).text, number_of(submitted)
        fault = self._faults.of_request(
            channel=Channel.SMS, to=number, text=text, provider=_PROVIDER
        )
        fate = _fate_in(fault)
        if fault is None or fate is not None:
            return await self._taken(request, submitted, fate or State.DELIVERED)
        if fault.fault in AFTER_ACCEPT:
            await self._taken(request, submitted, State.DELIVERED, told=_told(fault))
        else:
            status = _status_of(fault)
            self._book.add(refused(submitted, answer=_shown(fault, status), told=_told(fault)))
        return await self._answer_badly(request, fault, client)

    async def _taken(
        self, request: Pdu, submitted: SubmitSm, fate: State, *, told: int = _TOLD_WELL
    ) -> Pdu:
        found = text_of(submitted)
        segment = Segment(
            reference=secrets.token_hex(5),
            submitted=submitted,
            written=found,
            at=datetime.now(UTC),
            fate=fate,
            way_back=self._faults.of_callbacks(
                channel=Channel.SMS, to=number_of(submitted), text=found.text, provider=_PROVIDER
            ),
        )
        await self.texts.take(segment, told=told)
        return answer_to(request, written(segment.reference))

    async def _answer_badly(self, request: Pdu, fault: Fault, client: _Client) -> Pdu | None:
        if fault.fault in HELD:
            await asyncio.sleep(self._settings.hang_s)
            return None
        if fault.fault in TORN and client.session is not None:
            client.session.cut()
            return None
        return answer_to(request, status=_status_of(fault))

    def cancel(self, request: Pdu) -> Pdu:
        """Call a segment back that is still on its way."""
        _, reference = texts_of(request, 2)
        gone = self.texts.cancel(reference)
        return answer_to(request, status=Status.OK if gone else Status.CANCEL_FAILED)

    async def bring(self, delivered: Pdu) -> None:
        """Bring something to whoever listens, again and again until it is taken for good."""
        while True:
            status = await self._brought(delivered)
            if status in {Status.OK, Status.NEVER}:
                return
            await asyncio.sleep(_AGAIN_S)

    async def write(self, *, sender: str, to: str, text: str) -> None:
        """Let a person write a text, and return when somebody has taken it."""
        alphabet = segmented(text).alphabet
        for octets in segments_of(text, alphabet, name=sender):
            await self.bring(
                Pdu(
                    DeliverSm(
                        sender.removeprefix("+"),
                        to.removeprefix("+"),
                        octets.octets,
                        source_addr_ton=_INTERNATIONAL,
                        source_addr_npi=1,
                        dest_addr_ton=_INTERNATIONAL if to.startswith("+") else 0,
                        esm_class=octets.esm_class,
                        data_coding=octets.data_coding,
                    ).encode()
                )
            )

    async def _brought(self, delivered: Pdu) -> int | None:
        """Bring it once; None if nobody listens, or nobody answered."""
        listening = [client.session for client in self._clients if client.hears]
        if not listening or listening[-1] is None:
            return None
        with suppress(TellalError, TimeoutError):
            answer = await listening[-1].ask(delivered)
            return answer.status if is_refusal(answer) else Status.OK
        return None


def _fate_in(fault: Fault | None) -> State | None:
    """Return how a fault has a text end that is taken, None if it is another fault."""
    if fault is None or fault.fault is not FaultKind.ERROR:
        return None
    return next((state for state in State if state == fault.code.upper()), None)


def _status_of(fault: Fault) -> int:
    if fault.fault in _CODES:
        return _CODES[fault.fault]
    try:
        return int(fault.code, 0)
    except ValueError:
        return _ANYTHING_WRONG


def _told(fault: Fault) -> int:
    return 0 if fault.fault in HELD | TORN else _status_of(fault)


def _shown(fault: Fault, status: int) -> str:
    return fault.fault.value if fault.fault in HELD | TORN else f"0x{status:02x}"
