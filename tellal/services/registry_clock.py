"""The three business days: when İYS must know of a consent, and what it still takes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from rules.calendars import working_in
from rules.registry_law import load_registry_law
from tellal.domain.business_days import WorkingDay, deadline, oldest
from tellal.domain.registry_answers import Account, RegistryLaw

_TURKEY = ZoneInfo("Europe/Istanbul")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryClock:
    """Counts business days as Turkey has them."""

    law: RegistryLaw
    working: WorkingDay

    def due(self, given_at: datetime, account: Account) -> tuple[datetime, datetime]:
        """Return when somebody is to be warned that İYS does not know, and when it must.

        What was given before the brand's activation is due with the activation: until then history
        may be told, afterwards İYS takes none.
        """
        warn = self._after(given_at, self.law.warn_days)
        due = self._after(given_at, self.law.report_days)
        active = account.activated_at
        if active is None or given_at >= active:
            return warn, due
        return max(warn, active - _DAY), max(due, active)

    def oldest(self, now: datetime, account: Account) -> datetime | None:
        """Return the earliest moment of which İYS takes a record; None before activation."""
        active = account.activated_at
        if active is None or now < active:
            return None
        return oldest(
            now,
            self.law.oldest_days,
            self.working,
            zone=_TURKEY,
            half_day_ends=self.law.half_day_ends,
        )

    def _after(self, given_at: datetime, days: int) -> datetime:
        return deadline(
            given_at, days, self.working, zone=_TURKEY, half_day_ends=self.law.half_day_ends
        )


@lru_cache(maxsize=1)
def registry_clock() -> RegistryClock:
    """Return the clock by the law and the calendar that ship with Tellal."""
    return RegistryClock(law=load_registry_law(), working=working_in("TR"))
