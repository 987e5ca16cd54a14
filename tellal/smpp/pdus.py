"""The units of SMPP 3.4 (issue 1.2 of the specification), chapters 4 and 5.

`submit_sm` and `deliver_sm` are written and read by `smpp34`; the others are a header and a few
texts that end with a zero.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from smpp34 import DeliverSm, SmppError, SubmitSm, decode

from tellal.domain.errors import TellalError

HEADER_OCTETS = 16
LARGEST_PDU = 64 * 1024
_HEADER = struct.Struct(">IIII")
_RESPONSE = 0x80000000
_VERSION = 0x34
_END = b"\0"

_Message = TypeVar("_Message", SubmitSm, DeliverSm)


class Command(IntEnum):
    """What one side asks of the other; its answer has the highest bit set besides (5.1.2.1)."""

    BIND_RECEIVER = 0x01
    BIND_TRANSMITTER = 0x02
    SUBMIT_SM = 0x04
    DELIVER_SM = 0x05
    UNBIND = 0x06
    CANCEL_SM = 0x08
    BIND_TRANSCEIVER = 0x09
    ENQUIRE_LINK = 0x15


GENERIC_NACK = _RESPONSE

BINDS = frozenset({Command.BIND_RECEIVER, Command.BIND_TRANSMITTER, Command.BIND_TRANSCEIVER})


class Status(IntEnum):
    """Answers that we give ourselves, or act upon at once (5.1.3)."""

    OK = 0x00
    UNKNOWN_COMMAND = 0x03
    NOT_BOUND = 0x04
    ALREADY_BOUND = 0x05
    SYSTEM_ERROR = 0x08
    BIND_FAILED = 0x0D
    BAD_PASSWORD = 0x0E
    BAD_SYSTEM_ID = 0x0F
    CANCEL_FAILED = 0x11
    THROTTLED = 0x58
    TRY_LATER = 0x64
    NEVER = 0x65
    NO_IDEA = 0xFF


class UnreadableError(TellalError):
    """What came is no unit of SMPP."""


@dataclass(frozen=True, slots=True)
class Pdu:
    """One unit as it came over the wire."""

    raw: bytes

    @property
    def command(self) -> int:
        """What it asks, or answers (with the highest bit set)."""
        return self._header()[1]

    @property
    def status(self) -> int:
        """How an answer went; 0 is well."""
        return self._header()[2]

    @property
    def sequence(self) -> int:
        """Which request it is, or answers."""
        return self._header()[3]

    @property
    def body(self) -> bytes:
        """What follows the header."""
        return self.raw[HEADER_OCTETS:]

    @property
    def is_answer(self) -> bool:
        """Whether it answers a request of ours."""
        return bool(self.command & _RESPONSE)

    def _header(self) -> tuple[int, int, int, int]:
        length, command, status, sequence = _HEADER.unpack_from(self.raw)
        return length, command, status, sequence

    def numbered(self, sequence: int) -> bytes:
        """Return it as it goes out under a number."""
        return self.raw[:12] + sequence.to_bytes(4, "big") + self.raw[HEADER_OCTETS:]

    def text(self) -> str:
        """Return the first text of the body: the message id of an answer, the name of a bind.

        Raises:
            UnreadableError: There is none.
        """
        return texts_of(self, 1)[0]


def pdu(command: int, body: bytes = b"", *, status: int = 0, sequence: int = 0) -> Pdu:
    """Put a unit together."""
    return Pdu(_HEADER.pack(HEADER_OCTETS + len(body), command, status, sequence) + body)


def answer_to(request: Pdu, body: bytes = b"", *, status: int = 0) -> Pdu:
    """Answer a request."""
    return pdu(request.command | _RESPONSE, body, status=status, sequence=request.sequence)


def nack(request: Pdu, status: int) -> Pdu:
    """Say that a request cannot even be understood."""
    return pdu(GENERIC_NACK, status=status, sequence=request.sequence)


def written(*texts: str) -> bytes:
    """Write texts, each with the zero that ends it.

    Raises:
        UnreadableError: One has a letter that SMPP has not, or a zero.
    """
    try:
        octets = [text.encode("ascii") for text in texts]
    except UnicodeEncodeError as error:
        raise UnreadableError("SMPP takes plain letters, digits and signs (ASCII) only") from error
    if any(_END in one for one in octets):
        raise UnreadableError("a text of SMPP ends with its zero")
    return b"".join(one + _END for one in octets)


def texts_of(request: Pdu, count: int) -> list[str]:
    """Read the first texts of a body.

    Raises:
        UnreadableError: There are fewer, or one is not in ASCII.
    """
    parts = request.body.split(_END)
    if len(parts) <= count:
        raise UnreadableError("a text has no end")
    try:
        return [one.decode("ascii") for one in parts[:count]]
    except UnicodeDecodeError as error:
        raise UnreadableError("a text is not in ASCII") from error


def bind(command: Command, *, system_id: str, password: str, system_type: str) -> Pdu:
    """Ask to be let in (4.1)."""
    names = written(system_id, password, system_type)
    return pdu(command, names + bytes([_VERSION, 0, 0]) + _END)


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A sender or a recipient: an address, the type of number and the numbering plan (5.2.5)."""

    address: str
    ton: int
    npi: int

    def as_octets(self) -> bytes:
        """Write it."""
        return bytes([self.ton, self.npi]) + written(self.address)


def cancel(reference: str, *, source: Party, destination: Party) -> Pdu:
    """Ask that a message does not go out any more (4.9)."""
    body = written("", reference) + source.as_octets() + destination.as_octets()
    return pdu(Command.CANCEL_SM, body)


def submit_of(request: Pdu) -> SubmitSm:
    """Read a `submit_sm`.

    Raises:
        UnreadableError: It is none.
    """
    return _read(request, SubmitSm)


def deliver_of(request: Pdu) -> DeliverSm:
    """Read a `deliver_sm`.

    Raises:
        UnreadableError: It is none.
    """
    return _read(request, DeliverSm)


def _read(request: Pdu, kind: type[_Message]) -> _Message:
    try:
        found = decode(request.raw)
    except SmppError as error:
        raise UnreadableError(f"the peer's message cannot be read: {error}") from error
    if not isinstance(found, kind):
        raise UnreadableError("the peer's message is of another kind")
    return found
