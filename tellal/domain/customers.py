"""Customers, how to reach them and what they agreed to."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tellal.domain.channels import Channel


class CustomerKind(StrEnum):
    """Individual or merchant: the law asks different things for each (İYS: BIREYSEL, TACIR)."""

    INDIVIDUAL = "individual"
    MERCHANT = "merchant"


class ConsentState(StrEnum):
    """Granted (ONAY) or refused (RET); no record means not granted."""

    GRANTED = "granted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPoint:
    """An address of a customer on a channel, normalised; `bad_reason` says why it is unusable."""

    id: str
    channel: Channel
    address: str
    bad_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One record of consent or refusal; records are only ever added."""

    channel: Channel
    state: ConsentState
    source: str
    recorded_at: datetime
