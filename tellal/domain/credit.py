"""Credit: what a brand has paid for beforehand, and what becomes of it with each message.

What a message costs is reserved before it leaves, and settled or given back by what becomes of it.
Nothing here asks the database.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tellal.domain.messages import MessageState, tells
from tellal.domain.providers import language_of

_S = MessageState
_NEVER_TAKEN_FROM = frozenset({_S.QUEUED, _S.HANDING_OVER, _S.UNKNOWN})
_TAKEN_BACK = frozenset({_S.QUEUED, _S.EXPIRED, _S.CANCELLED})
_LOST_ON_THE_WAY = frozenset({_S.UNDELIVERED, _S.FAILED})


class EntryKind(StrEnum):
    """What a line of the ledger of credit says; lines are only ever added."""

    TOP_UP = "top_up"
    """Somebody paid something in."""
    ADJUST = "adjust"
    """Somebody put something right; its amount may be below zero."""
    TERMS = "terms"
    """Somebody changed the account's terms; it has no amount."""
    RESERVE = "reserve"
    """A message is about to leave."""
    SETTLE = "settle"
    """The message was delivered, or taken where no more is told."""
    REFUND = "refund"
    """The provider took the message and could not deliver it, as with a phone that is off."""
    RELEASE = "release"
    """The provider did not take the message."""


BY_HAND = (EntryKind.TOP_UP, EntryKind.ADJUST, EntryKind.TERMS)
"""What people write; the rest follows messages."""


REFUNDED: Mapping[str, frozenset[str]] = {
    # 30003: handset unreachable or switched off; 30036: the whole validity was over before it came
    # back. What is wrong for good (30005, 30006) or filtered (30007) was carried, and is charged.
    "twilio": frozenset({"30003", "30036"}),
    # 2: its time ran out; 12: an error in the delivery; 4: could not be given to the operator.
    "netgsm": frozenset({"2", "4", "12"}),
    # What expired was never taken by the phone; the network could not bring the other.
    "smpp": frozenset({"EXPIRED", "UNDELIV"}),
    "simulated": frozenset({"absent"}),
}
"""By provider, the codes of receipts that say: the phone is off, or has no coverage (D61).

The codes are those of the adapters' tables and of `delivery_codes`.
"""

_SAME_CODES: Mapping[str, str] = {"twilio_whatsapp": "twilio"}
"""Providers that speak in the codes of another."""


def is_refunded(provider: str, state: MessageState, code: str) -> bool:
    """Say whether a message that a provider took and lost is given back.

    Of a provider whose codes nobody has written down, what it calls undelivered is.
    """
    codes = REFUNDED.get(language_of(_SAME_CODES.get(provider, provider)))
    if codes is None:
        return state is _S.UNDELIVERED
    return code in codes


def closing_of(
    before: MessageState,
    after: MessageState,
    *,
    receipts: str,
    was_taken: bool,
    provider: str,
    code: str,
) -> EntryKind | None:
    """Say what becomes of a reservation when its message changes its state; None keeps it open.

    A message of which nobody knows keeps its reservation until something is known of it. What was
    given back stays so, should the provider deliver after all.
    """
    if tells(after, receipts):
        return EntryKind.SETTLE
    if after in _TAKEN_BACK:
        return EntryKind.RELEASE
    if after is _S.FAILED and before in _NEVER_TAKEN_FROM and not was_taken:
        return EntryKind.RELEASE
    if after in _LOST_ON_THE_WAY:
        return EntryKind.REFUND if is_refunded(provider, after, code) else EntryKind.SETTLE
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What a message about to leave costs; a mandatory one may go where others may not."""

    message_id: str
    cost: Decimal
    mandatory: bool = False


def affordable(
    wants: Sequence[Want], available: Decimal, *, kept: Decimal, may_go_negative: bool
) -> tuple[Want, ...]:
    """Return what can be paid for, in the order in which it is asked.

    `kept` is left for alerts. Only what the law orders to be told goes below that, and only where
    the account allows it. A message that is too dear keeps no cheaper one back.
    """
    paid = []
    for want in wants:
        beyond = want.mandatory and may_go_negative
        if want.cost <= available - kept or beyond or not want.cost:
            paid.append(want)
            available -= want.cost
    return tuple(paid)


def crossed(armed: Iterable[Decimal], available: Decimal) -> tuple[Decimal, ...]:
    """Return the armed thresholds below which what is available has fallen, the lowest first."""
    return tuple(sorted(one for one in armed if available < one))


def armed_at(thresholds: Iterable[Decimal], available: Decimal) -> tuple[Decimal, ...]:
    """Return the thresholds that what is available does not lie below, the lowest first."""
    return tuple(sorted({one for one in thresholds if available >= one}))
