"""How a route is doing: what its answers say of it, and when it is left alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tellal.domain.messages import LOST, NOT_CALLED, Answer, HandOver, Receipt, Remedy
from tellal.domain.providers import language_of

_OPENS_AT = 20
_FAILURE, _SUCCESS = 2, -1
"""A leaky bucket: it fills while more than a third of the answers are failures."""
_FIRST_OPEN = timedelta(seconds=10)
_LONGEST_OPEN = timedelta(minutes=5)
_MOST_DOUBLINGS = 5
_SHORTEST_PAUSE = timedelta(milliseconds=100)
_LONGEST_PAUSE = timedelta(minutes=5)
_PROBE = timedelta(seconds=20)
"""How long a probe is waited for; longer than an adapter waits for its provider."""
_OF_THE_PERSON = frozenset({Remedy.BAD_ADDRESS, Remedy.OPTED_OUT})
"""Remedies of answers that only a provider in good order can give."""
_OF_PHONES: Mapping[str, frozenset[str]] = {
    "twilio": frozenset({"30003", "30036"}),
    "netgsm": frozenset({"2"}),
    "smpp": frozenset({"EXPIRED"}),
}
"""By provider, codes of receipts that speak of a phone that is off, as phones are; of providers
that are not here, lost messages say nothing of the route."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What came of the hand-overs of one route in one batch.

    `successes` are answers that only a route in good order gives. `failures` speak against it:
    no answer, an error of its server, no connection. `pause_s` is the longest pause that it asked
    for, `halted` the code with which it said that our own settings are wrong.
    """

    successes: int = 0
    failures: int = 0
    pause_s: float | None = None
    halted: str = ""
    code: str = ""


def results_of(answers: Sequence[HandOver]) -> Results:
    """Sum up the answers of one route.

    What it refuses for our settings while it takes other messages is wrong for some, as one
    brand's sender is; that is no reason to keep everybody from it.
    """
    successes = sum(_speaks_for(one) for one in answers)
    failed = [one for one in answers if _speaks_against(one)]
    pauses = [one.retry_after_s for one in answers if one.retry_after_s is not None]
    halted = [one.code for one in answers if one.remedy is Remedy.HALT]
    return Results(
        successes=successes,
        failures=len(failed),
        pause_s=max(pauses, default=None),
        halted=halted[-1] if halted and not successes else "",
        code=failed[-1].code if failed else "",
    )


def fault_of(answer: HandOver) -> bool | None:
    """Say whether an answer is the route's own fault, None if it tells nothing of the route."""
    if _speaks_against(answer):
        return answer.code != NOT_CALLED
    return False if _speaks_for(answer) else None


def lost_by_route(receipt: Receipt) -> bool:
    """Say whether a receipt tells of a message that was lost by the route's own doing."""
    phones = _OF_PHONES.get(language_of(receipt.provider))
    if phones is None or receipt.state not in LOST or receipt.remedy in _OF_THE_PERSON:
        return False
    return receipt.code not in phones


def _speaks_for(answer: HandOver) -> bool:
    return answer.answer is Answer.ACCEPTED or answer.remedy in _OF_THE_PERSON


def _speaks_against(answer: HandOver) -> bool:
    if answer.answer is Answer.AMBIGUOUS:
        return True
    return answer.remedy is Remedy.RETRY and answer.retry_after_s is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a route is doing. Its breaker is open until `open_until`; after that it is tried.

    `opened_times` counts how often it opened without a success between.
    """

    route: str
    paused_until: datetime | None = None
    failures: int = 0
    open_until: datetime | None = None
    opened_times: int = 0
    reason: str = ""

    def rests_until(self, now: datetime) -> datetime | None:
        """Say until when nothing may leave, None when something may."""
        ends = [at for at in (self.paused_until, self.open_until) if at is not None and at > now]
        return max(ends, default=None)

    @property
    def on_probation(self) -> bool:
        """Whether it opened and nobody knows yet whether it has healed."""
        return self.opened_times > 0

    def is_open(self, now: datetime) -> bool:
        """Say whether its breaker is open."""
        return self.open_until is not None and self.open_until > now

    def probing(self, now: datetime) -> "Health":
        """Return it resting while one message tries whether it has healed."""
        return replace(self, paused_until=now + _PROBE)

    def after(self, results: Results, now: datetime) -> "Health":
        """Return how it is doing after a batch of answers.

        What left before it opened and is answered while it is open tells nothing new.
        """
        health = self._after_pause(results, now)
        was_open = self.is_open(now)
        if results.halted:
            return replace(
                health,
                open_until=now + _LONGEST_OPEN,
                opened_times=max(1, self.opened_times + (not was_open)),
                reason=results.halted,
            )
        if was_open:
            return health
        if results.successes and self.on_probation:
            health = replace(health, failures=0, open_until=None, opened_times=0)
        level = health.failures + _FAILURE * results.failures + _SUCCESS * results.successes
        health = replace(health, failures=max(0, level))
        still_bad = health.on_probation and results.failures
        if health.failures < _OPENS_AT and not still_bad:
            return health
        doubled = _FIRST_OPEN * (1 << min(health.opened_times, _MOST_DOUBLINGS))
        return replace(
            health,
            failures=0,
            open_until=now + min(doubled, _LONGEST_OPEN),
            opened_times=health.opened_times + 1,
            reason=results.code,
        )

    def _after_pause(self, results: Results, now: datetime) -> "Health":
        """Take up a pause that was asked for; a probe that succeeded ends the rest around it."""
        rests = self.paused_until
        if results.successes and self.on_probation and not self.is_open(now):
            rests = None
        if results.pause_s is None:
            if rests == self.paused_until:
                return self
            return replace(self, paused_until=None, reason="")
        pause = min(max(timedelta(seconds=results.pause_s), _SHORTEST_PAUSE), _LONGEST_PAUSE)
        until = max(now + pause, rests or now)
        reason = self.reason if self.is_open(now) else "asked_for_a_pause"
        return replace(self, paused_until=until, reason=reason)
