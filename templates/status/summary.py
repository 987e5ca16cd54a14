"""The status as JSON, in the vocabulary of Statuspage's summary.json, so that its readers work.

What Statuspage has no word for stands beside it: areas, promises, workaround, hotline, texts in all
languages.
"""

from datetime import datetime

from tellal.domain.outages import OutageKind
from tellal.domain.status import ComponentView, PublicOutage, Snapshot, Update
from templates.status.addresses import Addresses
from templates.status.words import Words


def summary(snapshot: Snapshot, words: Words, to: Addresses, *, stale: bool) -> dict[str, object]:
    """Return the document; `stale` says that it is the last one known."""
    running = snapshot.outages
    failures = [one for one in running if one.kind is OutageKind.FAILURE]
    works = [one for one in running if one.kind is OutageKind.PLANNED]
    return {
        "page": {
            "id": snapshot.brand.id,
            "name": snapshot.brand.trade_name,
            "url": to.home,
            "time_zone": snapshot.brand.timezone,
            "updated_at": _iso(snapshot.made_at),
        },
        "status": {
            "indicator": snapshot.indicator.value,
            "description": words.mood(snapshot.mood),
        },
        "components": [
            _component(one, words, place) for place, one in enumerate(snapshot.components, 1)
        ],
        "incidents": [_outage(one, snapshot, words, to) for one in failures],
        "scheduled_maintenances": [
            _outage(one, snapshot, words, to) for one in (*works, *snapshot.planned)
        ],
        "history": [_outage(one, snapshot, words, to) for one in snapshot.history],
        "exercise": snapshot.exercise,
        "stale": stale,
    }


def _component(one: ComponentView, words: Words, place: int) -> dict[str, object]:
    return {
        "id": one.id,
        "name": words.name(one.names),
        "status": one.status.value,
        "position": place,
        "uptime_90_days": one.uptime,
    }


def _outage(
    one: PublicOutage, snapshot: Snapshot, words: Words, to: Addresses
) -> dict[str, object]:
    planned = one.kind is OutageKind.PLANNED
    times = {
        "scheduled_for": _iso(one.since),
        "scheduled_until": _iso(one.expected_end),
        "cancelled": one.cancelled,
    }
    return {
        "id": one.id,
        "page_id": snapshot.brand.id,
        "name": words.title(one),
        "kind": one.kind.value,
        "status": one.state.value,
        "impact": impact(one),
        "created_at": _iso(one.updates[-1].at if one.updates else one.since),
        "updated_at": _iso(one.changed_at),
        "started_at": _iso(one.since),
        "resolved_at": _iso(one.ended),
        "shortlink": to.outage(one.id),
        **(times if planned else {}),
        "incident_updates": [_update(one, update, words) for update in one.updates],
        "components": [
            {"id": part.id, "name": words.name(part.names), "status": part.status.value}
            for part in snapshot.components
            if part.id in one.components
        ],
        "areas": list(one.areas),
        "expected_end": _iso(one.expected_end),
        "expected_ends": [
            {"said_at": _iso(said), "expected_end": _iso(end)} for said, end in one.expected_ends
        ],
        "reason": one.reason,
        "workaround": one.workaround,
        "hotline": one.hotline or snapshot.brand.phone,
    }


def impact(one: PublicOutage) -> str:
    """Return how bad an outage is; nobody can say yet of a suspicion."""
    if one.kind is OutageKind.PLANNED:
        return "maintenance"
    return one.severity.value if one.confirmed else "none"


def _update(one: PublicOutage, update: Update, words: Words) -> dict[str, object]:
    return {
        "id": f"{one.id}-{update.number}",
        "incident_id": one.id,
        "status": update.state.value,
        "body": words.text(update),
        "bodies": dict(update.text),
        "created_at": _iso(update.at),
        "updated_at": _iso(update.at),
        "display_at": _iso(update.at),
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
