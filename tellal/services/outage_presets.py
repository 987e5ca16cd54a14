"""Presets: an outage declared in one line, and what of it the operator says himself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError
from tellal.domain.incidents import Incidents, Preset
from tellal.domain.outages import OutageKind
from tellal.services.outage_sayings import OTHER, Declaration


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetView:
    """What a brand may declare in one line; `lasts_s` is how long if nobody says another end."""

    id: str
    incident: str
    kind: str
    title: str
    components: tuple[str, ...]
    lasts_s: int | None


def preset_views(incidents: Incidents, brand: Brand) -> Iterator[PresetView]:
    """List the presets that are a brand's."""
    for preset in incidents.presets.values():
        if _is_for(preset, brand):
            yield PresetView(
                id=preset.id,
                incident=preset.incident,
                kind=incidents.kinds[preset.incident].kind.value,
                title=preset.title,
                components=preset.components,
                lasts_s=None if preset.lasts is None else int(preset.lasts.total_seconds()),
            )


def declaration_of(
    incidents: Incidents,
    brand: Brand,
    preset_id: str,
    said: Mapping[str, Any],
    *,
    now: datetime,
    simulated: bool,
) -> Declaration:
    """Put together what a preset says and what the operator says, who wins.

    Raises:
        InvalidInputError: The brand has no such preset, or nothing says what it is about.
    """
    values: dict[str, Any] = {"incident": OTHER}
    if preset_id:
        preset = _found(incidents, brand, preset_id)
        planned = incidents.kinds[preset.incident].kind is OutageKind.PLANNED
        begins = said.get("starts_at") or (None if planned else now)
        values = _from(preset, begins)
    variables = {**values.get("variables", {}), **(said.get("variables") or {})}
    values |= {name: value for name, value in said.items() if value not in (None, "")}
    values["variables"] = variables
    if not values.get("title"):
        raise InvalidInputError(
            "an outage needs a title", field="title", hint="or name a preset, which has one"
        )
    values["segment"] = values.get("segment") or {}
    values["areas"] = values.get("areas") or ()
    return Declaration(**values, simulated=simulated)


def _from(preset: Preset, begins: datetime | None) -> dict[str, Any]:
    """Return what a preset says; it knows an end only if it is known when it begins."""
    lasts = preset.lasts
    return {
        "incident": preset.incident,
        "title": preset.title,
        "components": preset.components or None,
        "severity": preset.severity,
        "areas": preset.areas,
        "segment": preset.segment,
        "expected_end": None if lasts is None or begins is None else begins + lasts,
        "reason": preset.reason,
        "workaround": preset.workaround,
        "no_workaround": preset.no_workaround,
        "hotline": preset.hotline,
        "variables": dict(preset.variables),
    }


def _found(incidents: Incidents, brand: Brand, preset_id: str) -> Preset:
    preset = incidents.presets.get(preset_id)
    if preset is None or not _is_for(preset, brand):
        known = ", ".join(view.id for view in preset_views(incidents, brand)) or "none"
        raise InvalidInputError(
            f"{brand.name} has no preset {preset_id!r}", field="preset", hint=f"it has {known}"
        )
    return preset


def _is_for(preset: Preset, brand: Brand) -> bool:
    return not preset.brands or brand.name in preset.brands
