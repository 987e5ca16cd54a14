"""The plan that an outage keeps: made when it is declared, made anew when it would mislead."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError
from tellal.domain.incidents import IncidentKind
from tellal.domain.outage_plan import Chosen
from tellal.domain.scope import both, scope
from tellal.services.outage_planning import PlanFor, Planning
from tellal.services.outage_words import trial_variables

Plan = Mapping[str, Any]
"""A plan as the row of an outage and the API show it."""

_GOOD_FOR = timedelta(minutes=15)
_MADE_FOR = "made_for"
_BREADTH = {Chosen.NOBODY: 0, Chosen.PRIORITY: 1, Chosen.EVERYBODY: 2}


class OutagePlans:
    """Makes plans and keeps them in the words of the API."""

    def __init__(self, planning: Planning) -> None:
        self._planning = planning

    async def make(
        self, tx: AsyncSession, brand: Brand, kind: IncidentKind, row: Row[Any], now: datetime
    ) -> Plan:
        """Plan an outage as its row describes it now.

        Raises:
            InvalidInputError: Its segment is no condition, or a text lacks something.
        """
        said = replace(PlanFor.of(row), variables=trial_variables(row, brand, kind, now))
        plan = await self._planning.plan(tx, brand, said, now)
        return {**plan.as_json(), _MADE_FOR: _fingerprint(row)}

    async def current(
        self, tx: AsyncSession, brand: Brand, kind: IncidentKind, row: Row[Any], now: datetime
    ) -> Plan:
        """Return the plan that the operator has seen, or another if it would mislead by now."""
        known: Plan = row.plan
        if known.get(_MADE_FOR) == _fingerprint(row):
            made_at = datetime.fromisoformat(known["made_at"])
            if made_at <= now <= made_at + _GOOD_FOR:
                return known
        return await self.make(tx, brand, kind, row, now)


def overridden(
    kind: IncidentKind, row: Row[Any], plan: Plan, wanted: Mapping[str, str], *, reason: str
) -> Plan:
    """Return a plan with channels told as an operator wants, against the arithmetic.

    What is told beyond the plan is told to all whom the rules would speak to at most; so many may
    need a second person's word.

    Raises:
        InvalidInputError: There is no such channel or choice, the kind has no priority part, or no
            reason is given.
    """
    if not reason.strip():
        raise InvalidInputError(
            "the plan is overridden, and nobody says why", field="reason", hint="say why"
        )
    planned = {one["channel"]: Chosen(one["chosen"]) for one in plan["channels"]}
    chosen = dict(planned)
    for channel, whom in wanted.items():
        if channel not in set(Channel):
            known = ", ".join(Channel)
            raise InvalidInputError(f"no channel {channel!r}", field="channels", hint=known)
        if whom not in set(Chosen):
            known = ", ".join(Chosen)
            raise InvalidInputError(f"{whom!r} is nobody to tell", field="channels", hint=known)
        if whom == Chosen.PRIORITY and kind.priority is None:
            raise InvalidInputError(f"{kind.id} has no priority part", field="channels")
        chosen[channel] = Chosen(whom)
    within = scope(row.areas, row.segment)
    first = [one for one, whom in chosen.items() if whom is not Chosen.NOBODY]
    everybody = [one for one, whom in chosen.items() if whom is Chosen.EVERYBODY]
    parts: list[dict[str, object]] = []
    if kind.priority is not None and first:
        segment = both(within, kind.priority)
        parts.append({"name": "priority", "segment": segment, "channels": first})
    if everybody:
        parts.append({"name": "everybody", "segment": within, "channels": everybody})
    more: dict[str, object] = {"parts": parts, "overridden": {**wanted}, "reason": reason}
    nobody = Chosen.NOBODY
    if any(_BREADTH[whom] > _BREADTH[planned.get(one, nobody)] for one, whom in chosen.items()):
        above = plan["approval_above"]
        needed = plan["needs_approval"] or (above is not None and plan["reachable"] > above)
        more |= {"told": plan["reachable"], "needs_approval": needed}
    return {**plan, **more}


def channels_of(plan: Plan) -> frozenset[str]:
    """Return the channels over which anybody is told by a plan."""
    return frozenset(one for part in plan.get("parts", ()) for one in part["channels"])


def _fingerprint(row: Row[Any]) -> str:
    """Digest what of an outage its plan depends on."""
    said = [
        row.incident,
        row.components,
        row.areas,
        row.segment,
        row.variables,
        row.workaround,
        row.starts_at,
        row.expected_end,
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]
