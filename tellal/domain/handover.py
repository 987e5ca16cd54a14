"""What passes between the ledger and a lane while messages are handed to providers."""

from dataclasses import dataclass
from datetime import datetime

from tellal.domain.channels import Receipts
from tellal.domain.messages import HandOver, OutgoingMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A provider as the ledger must know it before anything is handed over."""

    provider: str
    receipts: Receipts
    looks_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An attempt with the provider's answer."""

    message: OutgoingMessage
    answer: HandOver


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """An attempt of which nobody knows what became, to be looked up; `since` is its intent."""

    message: OutgoingMessage
    since: datetime
