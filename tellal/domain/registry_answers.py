"""How İYS answers, what it tells, and what the law and İYS ask of a sender."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from tellal.domain.consents import TAKEN_BY_SENDER
from tellal.domain.registry import RegistryRecord, Status


class Taken(StrEnum):
    """What came of a record that İYS was told.

    `waits` is in its queue, `known` was there already, `needless` tells it nothing (it has
    something newer, or never had a grant), `doubtful` must be looked up.
    """

    ACCEPTED = "accepted"
    WAITS = "waits"
    KNOWN = "known"
    NEEDLESS = "needless"
    DOUBTFUL = "doubtful"
    AGAIN = "again"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """İYS' answer to one record: `code` is its own, `transaction` its name for the movement."""

    taken: Taken
    code: str = ""
    transaction: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch that İYS has queued: its name, and İYS' name for each record, in their order."""

    request: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A movement at İYS: what somebody said, there or through a sender.

    `created_at` is when İYS took it down, `transaction` its unique name.
    """

    transaction: str
    created_at: datetime
    record: RegistryRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """A page of movements, oldest first; `after` is where the next one begins."""

    changes: tuple[Change, ...]
    after: str


class Side(StrEnum):
    """Who made a movement: the sender, or the citizen at İYS."""

    SENDER = "HS"
    CITIZEN = "IYS"


class Trouble(StrEnum):
    """Why İYS gave no answer to a request.

    After `lost` it may have done what it was asked; after the others it has not.
    """

    REFUSED = "refused"
    LIMITED = "limited"
    DENIED = "denied"
    UNREACHABLE = "unreachable"
    LOST = "lost"


PAUSES: Mapping[Trouble, timedelta] = {
    Trouble.REFUSED: timedelta(minutes=15),
    Trouble.LIMITED: timedelta(seconds=2),
    Trouble.DENIED: timedelta(minutes=15),
    Trouble.UNREACHABLE: timedelta(seconds=30),
    Trouble.LOST: timedelta(minutes=1),
}
"""How long nothing is tried again after a first failure of each sort; it doubles with each."""

LONGEST_PAUSE = timedelta(hours=1)


def pause_after(trouble: Trouble, attempts: int, asked_s: float | None = None) -> timedelta:
    """Return how long to wait after so many attempts; `asked_s` is what İYS asked for, in seconds.

    It never waits longer than an hour: there are three business days at most.
    """
    doubled = PAUSES[trouble] * int(2 ** min(max(attempts - 1, 0), 10))
    asked = timedelta(seconds=asked_s or 0.0)
    return min(max(doubled, asked), LONGEST_PAUSE)


class RegistryError(Exception):
    """İYS gave no answer that does what was asked; `codes` are its own."""

    def __init__(self, trouble: Trouble, *codes: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{trouble.value}: {', '.join(codes) or 'no code'}")
        self.trouble = trouble
        self.codes = codes
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A brand at İYS: the sender's number, the brand's, and since when it is active there.

    Before `activated_at` history may be told, later nothing older than three business days.
    """

    brand_id: str
    iys_code: int
    brand_code: int
    activated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What one of our own sources is called at İYS; empty if it cannot be told there."""

    granted: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryLaw:
    """What the law and İYS ask of a sender, as data (`rules/law/tr/registry.yaml`).

    `report_days` and `oldest_days` are business days, `warn_days` how many of them may pass before
    somebody is warned.
    """

    report_days: int
    warn_days: int
    oldest_days: int
    half_day_ends: time
    batch: int
    pull_every: timedelta
    file_days: int
    names: Mapping[str, Naming]

    def source(self, ours: str, status: Status) -> str:
        """Return a source as İYS knows it; empty if it cannot be told there."""
        if ours in TAKEN_BY_SENDER:
            return ours
        name = self.names.get(ours, Naming())
        return name.granted if status is Status.GRANTED else name.refused
