"""An outage in the words of a night shift: who hears of it, what it costs, what comes next."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from tellal.domain.customers import Brand
    from tellal.services.outage_views import OutageView

_NEXT: Mapping[str, tuple[str, ...]] = {
    "suspected": ("confirm", "show", "dismiss"),
    "confirmed": ("update", "resolve"),
    "resolved": ("review", "reopen"),
    "draft": ("confirm", "update", "cancel"),
    "announced": ("update", "cancel"),
    "reminded": ("update", "cancel"),
    "in_progress": ("resolve", "update"),
    "completed": ("review",),
}


def lines(outage: "OutageView", brand: "Brand", *, reckoned: bool) -> Iterator[str]:
    """Say how an outage stands, and which command comes next.

    `reckoned` shows the arithmetic of its plan, too. Times are those of the brand.
    """
    exercise = "EXERCISE  " if outage.simulated else ""
    yield f"{exercise}{outage.id}  {outage.state}  {outage.title}"
    lasted = timedelta(seconds=outage.seconds_since_first_signal)
    zone = ZoneInfo(brand.timezone)
    end = "unknown"
    if outage.expected_end is not None:
        end = f"{outage.expected_end.astimezone(zone):%Y-%m-%d %H:%M %Z}"
    yield f"  {lasted} since the first signal; expected end: {end}"
    if outage.plan:
        yield from _plan(outage.plan, reckoned=reckoned)
    for one in outage.rounds:
        counted = ", ".join(f"{n} {state}" for state, n in one.counts.items() if n)
        yield f"  round {one.number} ({one.kind.value}, {one.state}): {counted or 'nobody yet'}"
    if outage.in_flight_at_stop:
        yield f"  {outage.in_flight_at_stop} messages were in a provider's hands when it ended"
    for hint in outage.hints:
        yield f"  mind: {hint}"
    if outage.told_nobody_why:
        yield f"  nobody is told now: {outage.told_nobody_why}"
    for command in _NEXT.get(outage.state, ()):
        more = " --happened … --changes …" if command == "review" else ""
        yield f"Next: tellal outage {command} {outage.id} --brand {brand.name}{more}"


def _plan(plan: Mapping[str, Any], *, reckoned: bool) -> Iterator[str]:
    costs = {
        one["currency"]: sum(
            float(other["cost"])
            for other in plan["channels"]
            if other["cost"] is not None and other["currency"] == one["currency"]
        )
        for one in plan["channels"]
        if one["cost"] is not None and float(one["cost"])
    }
    spent = " + ".join(f"{cost:.2f} {currency}" for currency, cost in costs.items()) or "nothing"
    yield (
        f"  {plan['affected']} people are affected, {plan['told']} would be told, "
        f"for {spent}; public: {', '.join(plan['public'])}"
    )
    if not reckoned:
        return
    for one in plan["channels"]:
        yield f"  {one['channel']:<9} {one['chosen']:<9} {one['told']:>7}  {one['why']}"
    for note in plan["approximations"]:
        yield f"  taken to be so: {note}"
    if plan["needs_approval"]:
        yield f"  more than {plan['approval_above']} people: a second person has to confirm it"
