"""What fits in a line: banners on the login page and in the app, and the hotline's announcement."""

from tellal.domain.status import PublicOutage, Snapshot
from templates.status.addresses import Addresses
from templates.status.summary import impact
from templates.status.words import Words

SURFACES = ("login", "app")
_APP_LENGTH = 120


def banner(snapshot: Snapshot, words: Words, to: Addresses, *, stale: bool) -> dict[str, object]:
    """Return the newest running outage's line for each surface, null where nothing is to be shown.

    A page that logs people in has room for what they can do meanwhile; an app has one line.
    """
    newest = snapshot.outages[0] if snapshot.outages else None
    return {
        "brand": snapshot.brand.name,
        "language": words.language,
        "indicator": snapshot.indicator.value,
        "exercise": snapshot.exercise,
        "stale": stale,
        "updated_at": snapshot.made_at.isoformat(timespec="seconds"),
        "banners": {
            surface: None if newest is None else _banner(surface, newest, snapshot, words, to)
            for surface in SURFACES
        },
    }


def hotline(snapshot: Snapshot, words: Words, *, stale: bool) -> str:
    """Write what the hotline's machine reads out: plain sentences, the newest outage first."""
    said = [words["exercise"] + "."] if snapshot.exercise else []
    if stale:
        said.append(f"{words['stale']} {words.when(snapshot.made_at)}.")
    said.extend(_announced(one, words) for one in snapshot.outages)
    if not snapshot.outages:
        said.append(words["all_fine"])
    said.extend(_to_come(one, words) for one in snapshot.planned)
    return "\n".join(said) + "\n"


def _to_come(one: PublicOutage, words: Words) -> str:
    begins = f"{words['begins']}: {words.when(one.since)}."
    return f"{words['planned']}: {_line(one, words)} {begins}{_until(one, words)}"


def _banner(
    surface: str, one: PublicOutage, snapshot: Snapshot, words: Words, to: Addresses
) -> dict[str, object]:
    line = _line(one, words)
    if snapshot.exercise:
        line = f"{words['exercise']}: {line}"
    if surface == "login":
        line += _until(one, words) + (f" {_full_stop(one.workaround)}" if one.workaround else "")
    else:
        line = line if len(line) <= _APP_LENGTH else f"{line[: _APP_LENGTH - 1].rstrip()}…"
    return {
        "id": f"{one.id}-{len(one.updates)}",
        "outage": one.id,
        "impact": impact(one),
        "state": one.state.value,
        "line": line,
        "hotline": one.hotline or snapshot.brand.phone,
        "url": to.outage(one.id),
    }


def _line(one: PublicOutage, words: Words) -> str:
    """Say in a sentence what it is and where: as it was last said, if a suspicion has no name."""
    if not one.confirmed and one.updates:
        return words.text(one.updates[0])
    title = words.title(one)
    where = ", ".join(area for area in one.areas if area not in title)
    return _full_stop(f"{title} ({where})" if where else title)


def _announced(one: PublicOutage, words: Words) -> str:
    """Return the kind's own words, then what was last said, then until when and what to do."""
    own = words.name(one.hotline_text)
    said = words.text(one.updates[0]) if one.updates else ""
    parts = [own, "" if one.confirmed and own else _line(one, words)]
    parts.append(_full_stop(said) if said and said not in parts[1] else "")
    parts.append(_until(one, words).strip())
    parts.append(_full_stop(one.workaround) if one.workaround else "")
    return " ".join(part for part in parts if part)


def _until(one: PublicOutage, words: Words) -> str:
    if one.expected_end is None:
        return ""
    return f" {words['until_about']} {words.when(one.expected_end)}."


def _full_stop(text: str) -> str:
    words = text.strip()
    return words if words.endswith((".", "!", "?", "…")) else f"{words}."
