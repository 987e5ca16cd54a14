"""The life of a message, as one transition table, and of the outcome that it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from tellal.domain.channels import Channel, Lane, MessageClass, Receipts, RecipientType


class MessageState(StrEnum):
    """Where a message is on its way to a person."""

    DEFERRED = "deferred"
    QUEUED = "queued"
    HANDING_OVER = "handing_over"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


_S = MessageState

TRANSITIONS: Mapping[MessageState, frozenset[MessageState]] = {
    _S.DEFERRED: frozenset({_S.QUEUED, _S.EXPIRED, _S.CANCELLED}),
    _S.QUEUED: frozenset({_S.HANDING_OVER, _S.DEFERRED, _S.EXPIRED, _S.CANCELLED, _S.FAILED}),
    # Back to queued: the provider said that it did not take the message (429, refused connection).
    # Cancelled: the same, but what it speaks of has been stopped meanwhile.
    _S.HANDING_OVER: frozenset(
        {
            _S.QUEUED,
            _S.ACCEPTED,
            _S.SENT,
            _S.DELIVERED,
            _S.UNDELIVERED,
            _S.FAILED,
            _S.EXPIRED,
            _S.CANCELLED,
            _S.UNKNOWN,
        }
    ),
    # Out of unknown: a callback or a look-up found it, or a look-up proved that it is not there.
    _S.UNKNOWN: frozenset(
        {
            _S.QUEUED,
            _S.ACCEPTED,
            _S.SENT,
            _S.DELIVERED,
            _S.UNDELIVERED,
            _S.FAILED,
            _S.EXPIRED,
            _S.CANCELLED,
        }
    ),
    _S.ACCEPTED: frozenset({_S.SENT, _S.DELIVERED, _S.UNDELIVERED, _S.FAILED, _S.CANCELLED}),
    _S.SENT: frozenset({_S.DELIVERED, _S.UNDELIVERED, _S.FAILED}),
    # A carrier that said "undelivered" and later "delivered" did deliver.
    _S.UNDELIVERED: frozenset({_S.DELIVERED}),
    _S.FAILED: frozenset({_S.DELIVERED}),
    _S.DELIVERED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.CANCELLED: frozenset(),
}

UNSENT = frozenset({_S.DEFERRED, _S.QUEUED})
"""States in which no provider has heard of the message."""

HANDED_OVER = frozenset({_S.ACCEPTED, _S.SENT, _S.DELIVERED})
"""States in which a provider has taken the message and has not given up on it."""

REACHED = HANDED_OVER | {_S.UNKNOWN}
"""States in which a message was handed over and not rejected: the person has probably read it."""

LOST = frozenset({_S.UNDELIVERED, _S.FAILED, _S.EXPIRED, _S.CANCELLED})
"""States from which the person will not get this message."""


def may_become(current: MessageState, new: MessageState) -> bool:
    """Say whether the table allows the step; a status never goes backwards."""
    return new in TRANSITIONS[current]


def tells(state: str, receipts: str) -> bool:
    """Say whether a person counts as told: on delivery, or when no receipt of it can come."""
    return state == MessageState.DELIVERED or (
        state in HANDED_OVER and receipts != Receipts.DELIVERY
    )


class OutcomeState(StrEnum):
    """How a (cause, customer) pair stands in the ledger; all but `open` are final."""

    OPEN = "open"
    TOLD = "told"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Answer(StrEnum):
    """The three ways in which a provider answers."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    AMBIGUOUS = "ambiguous"


class Remedy(StrEnum):
    """What to do after a provider's answer that is not `accepted`."""

    NEXT_ROUTE = "next_route"
    """This route does not reach the person; another route of the channel may, else go on."""

    RETRY = "retry"
    """It was not processed; the same message may be handed over again, later."""
    NEXT_CHANNEL = "next_channel"
    """This channel will not reach the person now; go on along the plan."""
    BAD_ADDRESS = "bad_address"
    """The address is permanently wrong; mark it and go on along the plan."""
    OPTED_OUT = "opted_out"
    """The person refused at the carrier; record the refusal and stop this channel."""
    HALT = "halt"
    """Our configuration is wrong; nothing of this route will work until an engineer mends it."""
    RECONCILE = "reconcile"
    """Nobody knows; look it up or wait for a callback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """One message as a provider gets it; it never enters a Temporal history.

    `validity_s` is how long the provider may try (seconds); None leaves it to the provider.
    `expires_at` is the instant from which nobody tries any more. `has_other_route` says whether
    another route might carry it, should this one refuse.
    `encoding` says how an SMS is to be written on the air (empty: as the provider likes).
    `unsubscribe_url` takes a refusal by one click (RFC 8058). `content` names a text that the
    provider keeps and has approved, and `content_variables` fill it in. `language` is the text's.
    """

    id: str
    attempt: int
    channel: Channel
    message_class: MessageClass
    lane: Lane
    sender: str
    address: str
    subject: str = ""
    text: str = ""
    language: str = ""
    html: str = ""
    topic: str = ""
    validity_s: int | None = None
    expires_at: datetime | None = None
    provider: str = ""
    route: str = ""
    has_other_route: bool = False
    segments: int = 1
    cost: Decimal | None = None
    currency: str = ""
    recipient_type: RecipientType = RecipientType.INDIVIDUAL
    encoding: str = ""
    unsubscribe_url: str = ""
    content: str = ""
    content_variables: Mapping[str, str] = field(default_factory=dict)


NOT_CALLED = "not_called"
"""The code of an intent that was given back before anybody was called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """A provider's answer to one attempt.

    `code` is the provider's own, never its text. `retry_after_s` is set when it asked for a pause.
    `parts` are the references of a text that was taken in several; `reference` is the first.
    """

    answer: Answer
    provider: str
    reference: str = ""
    code: str = ""
    remedy: Remedy | None = None
    retry_after_s: float | None = None
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a provider said later about a message; it may repeat and come out of order.

    `message_id` is ours when the callback names it, else empty and `reference` finds the message.
    `attempt` is ours if it is named; an older one's failure does not count.
    """

    provider: str
    reference: str
    message_id: str
    state: MessageState
    code: str
    remedy: Remedy | None
    received_at: datetime
    attempt: int | None = None
