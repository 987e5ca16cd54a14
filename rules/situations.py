"""Completes what is stored of a customer by what follows from the moment and the ledger.

Consents, counts, the calendar and measures become fields of the document; then every executor
has nothing left to compute.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rules.calendars import CALENDAR, calendar_facts
from rules.measures import Measure, measure_of, measured, seconds_since
from rules.names import CONSENT, COUNT, LAST
from tellal.domain.channels import Channel
from tellal.domain.decisions import Value
from tellal.domain.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Tally:
    """How often something happened within its window, and when last."""

    number: int = 0
    newest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The moment, the place, and what the ledger knows of somebody."""

    at: datetime
    zone: ZoneInfo
    country: str
    consents: Mapping[Channel, bool] = field(default_factory=dict)
    tallies: Mapping[str, Tally] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivable:
    """Of the paths that conditions read, those that are computed."""

    measures: tuple[Measure, ...] = ()
    consents: tuple[Channel, ...] = ()
    counts: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Say whether there is anything to compute."""
        return bool(self.measures or self.consents or self.counts or self.last or self.calendar)

    def complete(self, document: Mapping[str, Value], situation: Situation) -> dict[str, Value]:
        """Compute them."""
        found = measured(self.measures, document, situation.at, situation.zone)
        for channel in self.consents:
            if channel in situation.consents:
                state = "granted" if situation.consents[channel] else "refused"
                found[f"{CONSENT}{channel}"] = state
        for name in self.counts:
            found[f"{COUNT}{name}"] = situation.tallies.get(name, Tally()).number
        for name in self.last:
            newest = situation.tallies.get(name, Tally()).newest
            if newest is not None:
                found[f"{LAST}{name}"] = seconds_since(newest, situation.at)
        if self.calendar:
            facts = calendar_facts(situation.at, situation.zone, situation.country)
            found.update({path: facts[path] for path in self.calendar})
        return found

    @property
    def tallies(self) -> frozenset[str]:
        """The counts that are needed for them."""
        return frozenset((*self.counts, *self.last))


@lru_cache(maxsize=10_000)
def derivable(paths: frozenset[str]) -> Derivable:
    """Sort out what of some paths is computed."""
    return Derivable(
        measures=tuple(one for path in sorted(paths) if (one := measure_of(path)) is not None),
        consents=tuple(Channel(name) for name in _named(paths, CONSENT)),
        counts=tuple(_named(paths, COUNT)),
        last=tuple(_named(paths, LAST)),
        calendar=tuple(f"{CALENDAR}{name}" for name in _named(paths, CALENDAR)),
    )


@lru_cache(maxsize=700)
def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name.

    Raises:
        InvalidInputError: There is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"there is no time zone '{name}'"
        raise InvalidInputError(message, field="timezone", hint="as in Europe/Istanbul") from error


def _named(paths: Iterable[str], prefix: str) -> list[str]:
    return sorted(path.removeprefix(prefix) for path in paths if path.startswith(prefix))
