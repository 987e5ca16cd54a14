"""Receipts of several message centres, each in its own dialect of the specification's appendix."""

from datetime import UTC, datetime

import pytest
from smpp34 import DeliverSm, Tlv

from tellal.smpp.pdus import Pdu, UnreadableError, deliver_of
from tellal.smpp.receipts import (
    IS_ON_THE_WAY,
    IS_RECEIPT,
    NUMBERS,
    Report,
    State,
    is_receipt,
    receipt_parameters,
    receipt_text,
    report_of,
)

AT = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)


def a_receipt(text: bytes, *tlvs: Tlv) -> DeliverSm:
    made = DeliverSm("905321112233", "BANKA", text, esm_class=IS_RECEIPT, tlvs=list(tlvs))
    return deliver_of(Pdu(made.encode()))


@pytest.mark.parametrize(
    ("text", "report"),
    [
        pytest.param(
            b"id:0123456789 sub:001 dlvrd:001 submit date:2603020905 done date:2603020905"
            b" stat:DELIVRD err:000 text:Sifrenizi",
            Report(reference="0123456789", state=State.DELIVERED, error="000"),
            id="as the appendix has it",
        ),
        pytest.param(
            b"id:7f3a SUB:1 DLVRD:0 Stat:UNDELIVERABLE Err:27 Text:",
            Report(reference="7f3a", state=State.UNDELIVERABLE, error="27"),
            id="other letters, the whole word",
        ),
        pytest.param(
            b"id:ab-12-cd stat: EXPIRED",
            Report(reference="ab-12-cd", state=State.EXPIRED),
            id="little, and a blank",
        ),
        pytest.param(
            b"id:1 stat:REJECTD err:011 text:id:2 stat:DELIVRD",
            Report(reference="1", state=State.REJECTED, error="011"),
            id="a text that looks like a receipt",
        ),
    ],
)
def test_a_receipt_is_read(text: bytes, report: Report) -> None:
    assert report_of(a_receipt(text)) == report


def test_parameters_count_before_the_text() -> None:
    given = a_receipt(b"id:old stat:ENROUTE", Tlv(0x001E, b"new\0"), Tlv(0x0427, bytes([2])))

    assert report_of(given) == Report(reference="new", state=State.DELIVERED)


@pytest.mark.parametrize("state", list(State))
def test_what_is_written_can_be_read(state: State) -> None:
    report = Report(reference="a1b2", state=state, error="034")

    text = receipt_text(report, text="Şifreniz", submitted=AT, done=AT)
    both = report_of(a_receipt(text, *receipt_parameters(report)))

    assert report_of(a_receipt(text)) == both == report
    assert NUMBERS[list(State).index(state) + 1] is state


@pytest.mark.parametrize("text", [b"", b"stat:DELIVRD", b"id:1 stat:SPLENDID", b"hello"])
def test_what_is_no_receipt_is_refused(text: bytes) -> None:
    with pytest.raises(UnreadableError):
        report_of(a_receipt(text))


def test_a_persons_text_is_none() -> None:
    assert is_receipt(IS_RECEIPT)
    assert is_receipt(IS_ON_THE_WAY)
    assert is_receipt(IS_RECEIPT | 0x40)
    assert not is_receipt(0x00)
    assert not is_receipt(0x40)
    assert not is_receipt(0x08), "an acknowledgement by the person's own phone"
