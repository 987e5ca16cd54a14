"""What the simulated İYS keeps: records and movements by brand, batches, tokens, its own clock.

It forgets them when the simulator ends; it is no carrier, and its book proves nothing.
"""

import hashlib
import secrets
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tellal.carrier.iys_rules import FORM, TURKEY, conflict, error, form_errors, key_of

_WEEK = timedelta(days=7)
_SHOWN = ("recipient", "recipientType", "type", "status", "source", "consentDate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Something that somebody said: a sender (`HS`), or the citizen at İYS (`IYS`)."""

    transaction: str
    at: datetime
    side: str
    record: Mapping[str, Any]

    @property
    def cursor(self) -> str:
        """Its place among the movements."""
        digest = hashlib.sha256(self.transaction.encode()).hexdigest()
        return f"{int(self.at.timestamp() * 1000)}_{digest}"

    def as_json(self) -> dict[str, object]:
        """Write it as İYS does."""
        shown: dict[str, object] = {name: self.record.get(name) for name in _SHOWN}
        return shown | {
            "transactionId": self.transaction,
            "creationDate": self.at.astimezone(TURKEY).strftime(FORM),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one record: a movement, or the codes it was refused with."""

    movement: Movement | None = None
    errors: Sequence[Mapping[str, object]] = ()

    @property
    def well_formed(self) -> bool:
        """Whether it was refused only for what stands there already."""
        return bool(self.errors) and not self.errors[0]["location"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """A batch that was taken: its parts with their outcomes, told from `ready` on."""

    brand: int
    parts: Sequence[tuple[str, Outcome]]
    ready: float


class IysStore:
    """One İYS with all of its brands."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything; the clock is the real one again, and every brand is active."""
        self._records: dict[tuple[int, tuple[str, str, str]], Mapping[str, Any]] = {}
        self._movements: dict[int, list[Movement]] = defaultdict(list)
        self._lots: dict[str, Lot] = {}
        self._access: dict[str, datetime] = {}
        self._refresh: dict[str, datetime] = {}
        self._asked: deque[float] = deque()
        self._at: datetime | None = None
        self.before_activation: set[int] = set()
        self.logins = 0
        self.refreshes = 0

    def now(self) -> datetime:
        """Return the time at İYS."""
        return self._at or datetime.now(UTC)

    def set_clock(self, at: datetime | None) -> None:
        """Let it be another time there, or the real one."""
        self._at = at

    def put(self, brand: int, record: Mapping[str, Any]) -> Outcome:
        """Take a sender's record down, or say why not."""
        errors = form_errors(record)
        if errors:
            return Outcome(errors=errors)
        stored = self._records.get((brand, key_of(record)))
        active = brand not in self.before_activation
        code = conflict(record, stored, now=self.now(), activated=active)
        if code:
            return Outcome(errors=[error(code)])
        return Outcome(movement=self._move(brand, record, "HS"))

    def say(self, brand: int, record: Mapping[str, Any]) -> Movement:
        """Let a citizen say something at İYS; nobody refuses him that."""
        when = {"consentDate": self.now().astimezone(TURKEY).strftime(FORM)}
        return self._move(brand, {"source": "IYS_WEB", **when, **record}, "IYS")

    def _move(self, brand: int, record: Mapping[str, Any], side: str) -> Movement:
        movement = Movement(
            transaction=uuid.uuid4().hex, at=self.now(), side=side, record=dict(record)
        )
        self._records[brand, key_of(record)] = movement.as_json()
        self._movements[brand].append(movement)
        return movement

    def find(self, brand: int, key: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return what stands for a key."""
        return self._records.get((brand, key_of(key)))

    def records(self, brand: int) -> list[Mapping[str, Any]]:
        """Return everything that stands for a brand."""
        return [record for (of, _), record in self._records.items() if of == brand]

    def queue(
        self, brand: int, records: Sequence[Mapping[str, Any]], after_s: float
    ) -> tuple[str, Lot]:
        """Take a batch."""
        parts = [(str(uuid.uuid4()), self.put(brand, record)) for record in records]
        lot = Lot(brand=brand, parts=parts, ready=time.monotonic() + after_s)
        name = str(uuid.uuid4())
        self._lots[name] = lot
        return name, lot

    def lot(self, brand: int, name: str) -> Lot | None:
        """Return a batch of a brand's."""
        found = self._lots.get(name)
        return found if found is not None and found.brand == brand else None

    def movements(
        self, brand: int, side: str, after: str, *, lag: timedelta, most: int
    ) -> list[Movement]:
        """Return movements of the last week but not of the last while, after a place."""
        end, begin = self.now() - lag, self.now() - _WEEK
        found = [one for one in self._movements[brand] if one.side == side and one.at <= end]
        places = [one.cursor for one in found]
        if after in places:
            found = found[places.index(after) + 1 :]
        return [one for one in found if one.at >= begin][:most]

    def movements_of(self, brand: int, day: date) -> list[Movement]:
        """Return the movements of a day in Turkey."""
        return [one for one in self._movements[brand] if one.at.astimezone(TURKEY).date() == day]

    def login(self, *, token_s: float, refresh_s: float) -> dict[str, object]:
        """Give a pair of tokens out."""
        access, refresh = secrets.token_hex(16), secrets.token_hex(16)
        self._access[access] = self.now() + timedelta(seconds=token_s)
        self._refresh[refresh] = self.now() + timedelta(seconds=refresh_s)
        return {
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": token_s,
            "refresh_expires_in": refresh_s,
            "token_type": "bearer",
        }

    def renews(self, refresh: str) -> bool:
        """Say whether a token renews another; it does so once."""
        ends = self._refresh.pop(refresh, None)
        return ends is not None and self.now() < ends

    def knows(self, access: str) -> bool:
        """Say whether a token is good."""
        ends = self._access.get(access)
        return ends is not None and self.now() < ends

    def forget_tokens(self) -> None:
        """Know no token any more, as after a restart of its own."""
        self._access.clear()
        self._refresh.clear()

    def too_fast(self, most: int) -> bool:
        """Count one more request, and say whether that was too many within a second."""
        now = time.monotonic()
        while self._asked and self._asked[0] <= now - 1:
            self._asked.popleft()
        if len(self._asked) >= most:
            return True
        self._asked.append(now)
        return False
