"""Places as outages and signals name them: whether they lie in each other."""

from collections.abc import Iterable, Mapping


def overlap(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Say whether two places may lie in each other: nothing that both say differs."""
    return all(other[part] == name for part, name in one.items() if part in other)


def any_overlap(some: Iterable[Mapping[str, str]], place: Mapping[str, str]) -> bool:
    """Say whether a place may lie in one of some; no places at all are everywhere."""
    listed = list(some)
    return not listed or any(overlap(one, place) for one in listed)


def common(places: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return what all of these places say alike."""
    listed = list(places)
    if not listed:
        return {}
    first, *others = listed
    return {
        part: name
        for part, name in first.items()
        if all(other.get(part) == name for other in others)
    }
