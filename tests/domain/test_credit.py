"""What becomes of reserved credit, by the states and codes of messages."""

from decimal import Decimal

import pytest

from activities.providers.netgsm.codes import STATUSES
from activities.providers.twilio.codes import CODES
from tellal.domain.credit import (
    REFUNDED,
    EntryKind,
    Want,
    affordable,
    armed_at,
    closing_of,
    crossed,
)
from tellal.domain.delivery_codes import WORDS
from tellal.domain.messages import TRANSITIONS, MessageState

_S, _K = MessageState, EntryKind


def closed(before: MessageState, after: MessageState, code: str = "", **how: str) -> str | None:
    said = {"receipts": "delivery", "provider": "twilio", **how}
    return closing_of(
        before,
        after,
        receipts=said["receipts"],
        was_taken=False,
        provider=said["provider"],
        code=code,
    )


@pytest.mark.req("D61", "allows")
@pytest.mark.parametrize(
    ("provider", "code"),
    [
        pytest.param("twilio", "30003", id="Twilio: the handset is off"),
        pytest.param("twilio_whatsapp", "30036", id="WhatsApp: never came back in time"),
        pytest.param("netgsm", "2", id="NetGSM: its time ran out"),
        pytest.param("netgsm", "12", id="NetGSM: an error in the delivery"),
        pytest.param("somebody-else", "", id="a provider without a table"),
    ],
)
def test_what_failed_because_a_phone_was_off_is_refunded(provider: str, code: str) -> None:
    assert closed(_S.SENT, _S.UNDELIVERED, code, provider=provider) is _K.REFUND


@pytest.mark.req("D61", "blocks")
@pytest.mark.parametrize(
    ("provider", "state", "code"),
    [
        pytest.param("twilio", _S.UNDELIVERED, "30007", id="Twilio: filtered"),
        pytest.param("twilio", _S.UNDELIVERED, "30005", id="Twilio: unknown subscriber"),
        pytest.param("netgsm", _S.FAILED, "13", id="NetGSM: the same text again"),
        pytest.param("somebody-else", _S.FAILED, "", id="a provider without a table"),
    ],
)
def test_what_was_carried_and_lost_for_another_reason_is_charged(
    provider: str, state: MessageState, code: str
) -> None:
    assert closed(_S.ACCEPTED, state, code, provider=provider) is _K.SETTLE


@pytest.mark.req("D61")
@pytest.mark.parametrize(
    ("before", "after", "receipts", "kind"),
    [
        (_S.HANDING_OVER, _S.ACCEPTED, "delivery", None),
        (_S.HANDING_OVER, _S.ACCEPTED, "none", _K.SETTLE),
        (_S.HANDING_OVER, _S.ACCEPTED, "bounce_only", _K.SETTLE),
        (_S.ACCEPTED, _S.DELIVERED, "delivery", _K.SETTLE),
        (_S.HANDING_OVER, _S.QUEUED, "delivery", _K.RELEASE),
        (_S.HANDING_OVER, _S.FAILED, "delivery", _K.RELEASE),
        (_S.HANDING_OVER, _S.UNKNOWN, "delivery", None),
        (_S.UNKNOWN, _S.FAILED, "delivery", _K.RELEASE),
        (_S.ACCEPTED, _S.CANCELLED, "delivery", _K.RELEASE),
        (_S.ACCEPTED, _S.FAILED, "delivery", _K.SETTLE),
    ],
)
def test_a_reservation_ends_with_the_state_of_its_message(
    before: MessageState, after: MessageState, receipts: str, kind: EntryKind | None
) -> None:
    assert closed(before, after, receipts=receipts) is kind


@pytest.mark.parametrize("receipts", ["delivery", "bounce_only", "none"])
def test_no_final_state_leaves_a_reservation_open(receipts: str) -> None:
    final = {
        (before, after)
        for before, ways in TRANSITIONS.items()
        for after in ways
        if not TRANSITIONS[after] or after in {_S.UNDELIVERED, _S.FAILED}
    }

    assert all(closed(before, after, receipts=receipts) for before, after in final)


@pytest.mark.parametrize("provider", sorted(REFUNDED))
def test_refunded_codes_are_codes_that_the_provider_has(provider: str) -> None:
    assert REFUNDED[provider] <= WORDS[provider].keys()
    tables = {"twilio": set(CODES), "netgsm": {str(status) for status in STATUSES}}
    assert REFUNDED[provider] <= tables.get(provider, REFUNDED[provider])


def wants(*costs: str, mandatory: str = "") -> list[Want]:
    return [
        Want(message_id=str(n), cost=Decimal(cost), mandatory=str(n) == mandatory)
        for n, cost in enumerate(costs)
    ]


@pytest.mark.parametrize(
    ("asked", "available", "negative", "paid"),
    [
        pytest.param(wants("1", "1", "1"), "2", False, "01", id="the first ones"),
        pytest.param(wants("3", "1"), "2", False, "1", id="what is too dear keeps nothing back"),
        pytest.param(wants("3", mandatory="0"), "2", False, "", id="mandatory, forbidden"),
        pytest.param(wants("3", "1", mandatory="0"), "2", True, "0", id="mandatory, allowed"),
        pytest.param(wants("3"), "2", True, "", id="service, where mandatory may"),
        pytest.param(wants("1"), "1.5", False, "", id="the reserve for alerts stays"),
    ],
)
def test_what_can_be_paid_for(
    asked: list[Want], available: str, *, negative: bool, paid: str
) -> None:
    kept = Decimal("0.6") if available == "1.5" else Decimal(0)

    found = affordable(asked, Decimal(available), kept=kept, may_go_negative=negative)

    assert "".join(one.message_id for one in found) == paid


def test_a_threshold_is_crossed_from_above_and_armed_again_at_it() -> None:
    low, high = Decimal(10), Decimal(100)

    assert crossed([low, high], Decimal(100)) == ()
    assert crossed([high, low], Decimal("9.99")) == (low, high)
    assert crossed([], Decimal(0)) == ()
    assert armed_at([high, low], Decimal(10)) == (low,)
