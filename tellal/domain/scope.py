"""Whom an outage concerns, as one condition: the places that it hit, and a segment within them."""

from collections.abc import Mapping, Sequence

from tellal.domain.errors import InvalidInputError
from tellal.domain.incidents import AREAS

Condition = Mapping[str, object]
_TOGETHER = 100
"""How many values of one field stand in one test; a list in a rule has 200 at most."""


def scope(
    areas: Sequence[Mapping[str, str]], segment: Condition | None
) -> dict[str, object] | None:
    """Return the condition of who is in any of the areas and in the segment, None for everybody.

    An area names a place as closely as it can: all that it names must fit.

    Raises:
        InvalidInputError: An area names nothing, or something that is no place.
    """
    places = _places(areas)
    parts: list[Condition] = []
    if places:
        parts.append(places[0] if len(places) == 1 else {"any": places})
    if segment:
        parts.append(segment)
    return both(*parts)


def both(*conditions: Condition | None) -> dict[str, object] | None:
    """Return the condition that holds where all of these do, None if there is none."""
    said = [dict(one) for one in conditions if one]
    if not said:
        return None
    return said[0] if len(said) == 1 else {"all": said}


def _places(areas: Sequence[Mapping[str, str]]) -> list[Condition]:
    """Write areas as conditions; those that name one thing of a kind are put together."""
    alike: dict[str, list[str]] = {}
    places: list[Condition] = []
    for area in areas:
        fields = _fields(area)
        if len(fields) == 1:
            [(field, value)] = fields.items()
            alike.setdefault(field, []).append(value)
        elif fields not in places:
            places.append(fields)
    for field, values in alike.items():
        once = list(dict.fromkeys(values))
        places += [
            {field: once[n] if len(once) == 1 else once[n : n + _TOGETHER]}
            for n in range(0, len(once), _TOGETHER)
        ]
    return places


def _fields(area: Mapping[str, str]) -> dict[str, str]:
    for key in area:
        if key not in AREAS:
            raise InvalidInputError(
                f"an area has no {key!r}", field="areas", hint=f"it names {', '.join(AREAS)}"
            )
    if not area or not all(value.strip() for value in area.values()):
        raise InvalidInputError(
            "an area names no place", field="areas", hint='as in [{"district": "tepebasi"}]'
        )
    return {AREAS[key]: value for key, value in area.items()}
