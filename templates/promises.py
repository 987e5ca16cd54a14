"""What a text must not say for its class: whoever informs may not promote.

A service message needs no consent because it promotes nothing (Regulation on commercial
communication, articles 5 and 6); a word of promotion in it makes it a commercial one without
consent. A commercial one says who sends it (article 8).
"""

from collections.abc import Collection, Iterator, Mapping

from tellal.domain.channels import Channel, MessageClass
from tellal.domain.errors import InvalidInputError
from tellal.ports import Rendered
from templates.environment import JinjaRenderer

PROMOTIONAL = (
    "kampanya", "indirim", "fırsat", "hediye", "ücretsiz indir", "hemen indir", "tanıtım",
    "avantaj", "işcep", "offer", "discount", "promo", "gift", "install", "download", "for free",
    "promocj", "ofert", "rabat", "zniżk", "okazj", "prezent", "pobierz", "zainstaluj",
)  # fmt: skip
"""Folded to lower case; a service or mandatory text may hold none of them."""

_SHORT = frozenset({Channel.PUSH, Channel.BANNER})
"""They show in an app or on a page that names its owner itself."""


def folded(text: str) -> str:
    """Fold a text to lower case as it is searched for words: a dotted capital I is an i."""
    return text.replace("İ", "i").casefold()


def promotes(renderer: JinjaRenderer, topic: str) -> bool:
    """Say whether a text of a topic, filled in with its example, promotes something."""
    for name in renderer.list_templates():
        if name.topic != topic:
            continue
        try:
            rendered = renderer.render(
                topic=topic,
                channel=name.channel,
                language=name.language,
                variables=renderer.example(topic),
            )
        except InvalidInputError:  # a text that cannot be filled in reaches nobody
            continue
        if _promotional(rendered):
            return True
    return False


def _promotional(rendered: Rendered) -> list[str]:
    said = folded(f"{rendered.subject} {rendered.text} {rendered.html}")
    return [word for word in PROMOTIONAL if word in said]


def broken_promises(
    rendered: Rendered,
    channel: Channel,
    classes: Collection[MessageClass],
    variables: Mapping[str, object],
) -> Iterator[tuple[str, str]]:
    """Say what a text may not say, or leaves out, and how to mend it."""
    if MessageClass.COMMERCIAL not in classes:
        for word in _promotional(rendered):
            kind = " and ".join(sorted(classes))
            message = f"a {kind} text promotes nothing, and this one says '{word}'"
            yield message, "take it out, or make the topic commercial"
    elif len(classes) == 1 and channel not in _SHORT:
        brand = variables.get("brand")
        name = str(brand.get("trade_name", "")) if isinstance(brand, Mapping) else ""
        if name and name not in rendered.text:
            yield "a commercial text says who sends it", "write {{ brand.trade_name }}"
