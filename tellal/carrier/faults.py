"""Faults: how the simulator misbehaves, for whom, how often."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from tellal.domain.channels import Channel


class FaultKind(StrEnum):
    """What goes wrong."""

    TOO_MANY = "429"
    ERROR_AFTER_ACCEPT = "500_after_accept"
    ERROR_BEFORE_ACCEPT = "500_before_accept"
    UNAVAILABLE_PAGE = "503_html"
    HANG = "hang"
    HANG_AFTER_ACCEPT = "hang_after_accept"
    RESET = "reset"
    RESET_AFTER_ACCEPT = "reset_after_accept"
    ERROR = "error"
    DUPLICATE_CALLBACKS = "duplicate_callbacks"
    REORDER_CALLBACKS = "reorder_callbacks"
    NO_CALLBACKS = "no_callbacks"
    SLOW_RECEIPTS = "slow_receipts"


CALLBACK_FAULTS = frozenset(
    {
        FaultKind.DUPLICATE_CALLBACKS,
        FaultKind.REORDER_CALLBACKS,
        FaultKind.NO_CALLBACKS,
        FaultKind.SLOW_RECEIPTS,
    }
)
"""Faults of the way back; a message may suffer several of them, and one of the others besides."""

AFTER_ACCEPT = frozenset(
    {FaultKind.ERROR_AFTER_ACCEPT, FaultKind.HANG_AFTER_ACCEPT, FaultKind.RESET_AFTER_ACCEPT}
)
"""Faults after which the message goes to the phone although the client is not told so."""

HELD = frozenset({FaultKind.HANG, FaultKind.HANG_AFTER_ACCEPT})
TORN = frozenset({FaultKind.RESET, FaultKind.RESET_AFTER_ACCEPT})


class Match(BaseModel):
    """Whom a fault hits; what is not named hits everybody. `text` is a part of the text.

    `provider` is who was asked: twilio, netgsm, smpp, fcm, apns, web_push or iys.

    A request to İYS is none of a channel's; its text is method and path, as in `POST /sps/…`.
    """

    model_config = ConfigDict(extra="forbid")

    to: str = ""
    token: str = ""
    text: str = ""
    channel: Channel | None = None
    provider: str = ""

    def hits(self, *, channel: Channel | None, to: str, text: str, provider: str) -> bool:
        """Say whether a hand-over is hit."""
        return (
            (not self.provider or self.provider == provider)
            and (self.channel is None or self.channel is channel)
            and (not self.to or self.to == to)
            and (not self.token or (self.token == to and channel is Channel.PUSH))
            and (not self.text or self.text in text)
        )


class Fault(BaseModel):
    """One misbehaviour; `times` None is for ever, `rate` is the chance of each hand-over.

    It goes on from `begins_s` until `ends_s` (seconds after it was switched on), by default at once
    and for ever. Slow receipts come `by_s` seconds later.
    """

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    match: Match = Match()
    fault: FaultKind
    code: str = ""
    rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    times: Annotated[int, Field(ge=1)] | None = None
    retry_after: Annotated[float, Field(ge=0)] | None = None
    begins_s: float = 0.0
    ends_s: float | None = None
    by_s: Annotated[float, Field(ge=0)] = 0.0
    fired: int = 0
    _since: float = PrivateAttr(default_factory=time.monotonic)

    @property
    def is_on(self) -> bool:
        """Whether it goes on now."""
        age = time.monotonic() - self._since
        return self.begins_s <= age and (self.ends_s is None or age < self.ends_s)

    @model_validator(mode="after")
    def _an_error_has_a_code(self) -> Self:
        if (self.fault is FaultKind.ERROR) != bool(self.code):
            raise ValueError("a fault `error` needs a `code`, the other faults have none")
        if (self.fault is FaultKind.SLOW_RECEIPTS) != bool(self.by_s):
            raise ValueError("a fault `slow_receipts` needs `by_s`, the other faults have none")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """What is wrong with the receipts of a message; the final one comes `late_s` seconds later."""

    kinds: frozenset[FaultKind]
    late_s: float


class Faults:
    """The faults that are switched on, oldest first; chance is seeded, so a run can be repeated."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._chance = random.Random(seed)  # noqa: S311 (repeatable misbehaviour, no secret)
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Switch a fault on."""
        self._faults.append(fault)

    def listed(self) -> Sequence[Fault]:
        """Return every fault that was switched on, also those that have fired often enough."""
        return tuple(self._faults)

    def clear(self) -> None:
        """Switch all off and begin the chance anew."""
        self._faults.clear()
        self._chance = random.Random(self._seed)  # noqa: S311 (as above)

    def of_request(
        self, *, channel: Channel | None, to: str, text: str, provider: str = ""
    ) -> Fault | None:
        """Return the first fault that hits this hand-over, and count it."""
        for fault in self._faults:
            of_request = fault.fault not in CALLBACK_FAULTS
            if of_request and self._fires(fault, channel, to, text, provider):
                return fault
        return None

    def of_callbacks(
        self, *, channel: Channel | None, to: str, text: str, provider: str = ""
    ) -> "WayBack":
        """Return what hits the way back of this message, and count each fault."""
        hit = [
            fault
            for fault in self._faults
            if fault.fault in CALLBACK_FAULTS and self._fires(fault, channel, to, text, provider)
        ]
        return WayBack(
            kinds=frozenset(fault.fault for fault in hit), late_s=sum(fault.by_s for fault in hit)
        )

    def _fires(
        self, fault: Fault, channel: Channel | None, to: str, text: str, provider: str
    ) -> bool:
        spent = fault.times is not None and fault.fired >= fault.times
        hits = fault.match.hits(channel=channel, to=to, text=text, provider=provider)
        if spent or not fault.is_on or not hits:
            return False
        if fault.rate < 1 and self._chance.random() >= fault.rate:
            return False
        fault.fired += 1
        return True
