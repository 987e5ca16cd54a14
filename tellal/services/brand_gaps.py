"""What a brand leaves unsaid although texts name it: those texts cannot be filled in."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.services.posting import brand_variables


class Named(Protocol):
    """A text's own name."""

    @property
    def topic(self) -> str:
        """Its topic."""
        ...

    @property
    def channel(self) -> Channel:
        """Its channel."""
        ...

    @property
    def language(self) -> str:
        """Its language."""
        ...


class Needy(Protocol):
    """Knows every text, and what each cannot do without."""

    def list_templates(self) -> Sequence[Named]:
        """Return every text there is."""
        ...

    def required_variables(self, *, topic: str, channel: Channel, language: str) -> Sequence[str]:
        """Name what the text cannot do without, as dotted paths."""
        ...


def gaps_of(brand: Brand, texts: Needy) -> Mapping[str, Mapping[str, Sequence[Channel]]]:
    """Return, for everything that the brand leaves blank, the topics and channels that need it."""
    blank = [name for name, value in brand_variables(brand).items() if not value.strip()]
    gaps: dict[str, dict[str, list[Channel]]] = {}
    for one in texts.list_templates():
        needed = texts.required_variables(
            topic=one.topic, channel=one.channel, language=one.language
        )
        for name in blank:
            if f"brand.{name}" in needed:
                channels = gaps.setdefault(name, {}).setdefault(one.topic, [])
                if one.channel not in channels:
                    channels.append(one.channel)
    return gaps
