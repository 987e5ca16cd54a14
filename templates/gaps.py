"""Finds what rules send and nobody has written: texts per topic, channel and language."""

from collections.abc import Collection, Mapping
from pathlib import Path

from tellal.domain.channels import Channel
from tellal.domain.errors import Finding, InvalidInputError
from templates.environment import JinjaRenderer


def gaps(wanted: Mapping[str, Collection[Channel]], folder: Path | None = None) -> list[Finding]:
    """Return a warning for each text that is missing, by topic, for the channels that it goes over.

    A text for one of a topic's languages must be there for each of its channels: whoever speaks
    another language gets the fallback, and notices.
    """
    library = JinjaRenderer(folder).library
    found = []
    for topic, channels in sorted(wanted.items()):
        try:
            languages = library.languages(topic)
        except InvalidInputError as error:
            found.append(_warning(topic, str(error), error.hint))
            continue
        own = {(name.channel, name.language) for name in library.names if name.topic == topic}
        for channel in sorted(channels):
            missing = [one for one in languages if (channel, one) not in own]
            if missing:
                message = f"there is no text for {channel} in {', '.join(missing)}"
                hint = f"write {topic}/{channel}.{missing[0]}.j2"
                found.append(_warning(topic, message, hint))
    return found


def _warning(topic: str, message: str, hint: str) -> Finding:
    return Finding(file=topic, line=1, column=1, message=message, hint=hint, warns=True)
