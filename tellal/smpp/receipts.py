"""Delivery receipts: what a message centre says later of a message, in the form of a text.

SMPP 3.4, appendix B: a form that each vendor may vary. Newer ones say the same in optional
parameters (5.3.2.12 `receipted_message_id`, 5.3.2.35 `message_state`), which count first.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from smpp34 import DeliverSm, Tlv

from tellal.smpp.pdus import UnreadableError

IS_RECEIPT, IS_ON_THE_WAY = 0x04, 0x20
_KIND_OF_MESSAGE = 0x3C
"""Bits of `esm_class` that say what a `deliver_sm` is (5.2.12)."""

_REFERENCE, _STATE, _ERROR = 0x001E, 0x0427, 0x0423
"""Tags of `receipted_message_id`, `message_state` and `network_error_code` (5.3.2)."""
_GSM = b"\x03"
"""The kind of network whose error it is (5.3.2.31)."""

_FIELD = re.compile(r"\b(id|stat|err):\s*([^\s:]+)", re.IGNORECASE)
_DATE = "%y%m%d%H%M"
_SHOWN = 20


class State(StrEnum):
    """What became of a message, in the words of the text (appendix B)."""

    ENROUTE = "ENROUTE"
    DELIVERED = "DELIVRD"
    EXPIRED = "EXPIRED"
    DELETED = "DELETED"
    UNDELIVERABLE = "UNDELIV"
    ACCEPTED = "ACCEPTD"
    UNKNOWN = "UNKNOWN"
    REJECTED = "REJECTD"


NUMBERS: Mapping[int, State] = dict(enumerate(State, start=1))
"""The same in the optional parameter (5.2.28)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a receipt says; `error` is the network's own code, empty if it names none."""

    reference: str
    state: State
    error: str = ""


def is_receipt(esm_class: int) -> bool:
    """Say whether what was delivered speaks of a message of ours, and is no person's text."""
    return esm_class & _KIND_OF_MESSAGE in {IS_RECEIPT, IS_ON_THE_WAY}


def report_of(delivered: DeliverSm) -> Report:
    """Read a receipt.

    Raises:
        UnreadableError: It names no message, or a state that SMPP has not.
    """
    said: dict[str, str] = {}
    # The first of each counts: behind them stands the beginning of the text itself.
    for name, value in _FIELD.findall(delivered.short_message.decode("latin-1")):
        said.setdefault(name.lower(), value)
    added = {tlv.tag: tlv for tlv in delivered.tlvs}
    reference = said.get("id", "")
    if _REFERENCE in added:
        reference = added[_REFERENCE].as_string() or reference
    number = added[_STATE].as_int() if _STATE in added else None
    state = NUMBERS.get(number) if number is not None else None
    state = state or _state(said.get("stat", ""))
    if not reference.isprintable() or not reference or state is None:
        raise UnreadableError("the receipt names no message, or no state that there is")
    return Report(reference=reference, state=state, error=said.get("err", ""))


def _state(word: str) -> State | None:
    word = word.upper()
    # Some write more of the word than the seven letters that there are.
    return next((state for state in State if word[: len(state)] == state), None)


def receipt_text(report: Report, *, text: str, submitted: datetime, done: datetime) -> bytes:
    """Write a receipt as message centres do."""
    delivered = "001" if report.state is State.DELIVERED else "000"
    return (
        f"id:{report.reference} sub:001 dlvrd:{delivered}"
        f" submit date:{submitted.astimezone(UTC).strftime(_DATE)}"
        f" done date:{done.astimezone(UTC).strftime(_DATE)}"
        f" stat:{report.state} err:{report.error or '000'} text:{text[:_SHOWN]}"
    ).encode("ascii", errors="replace")


def receipt_parameters(report: Report) -> list[Tlv]:
    """Write what newer message centres add to it."""
    number = next(number for number, state in NUMBERS.items() if state is report.state)
    parameters = [
        Tlv(_REFERENCE, report.reference.encode() + b"\0"),
        Tlv(_STATE, bytes([number])),
    ]
    if report.error.isdecimal():
        parameters.append(Tlv(_ERROR, _GSM + int(report.error).to_bytes(2)))
    return parameters
