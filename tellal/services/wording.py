"""What a message says when it leaves: its text, and for a commercial one what the law adds to it.

The law is that of the brand's country, on the day on which the message leaves.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from rules.law_texts import shipped_text_laws
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.customers import Brand
from tellal.domain.footers import Setting, lacking
from tellal.domain.senders import SenderProfile
from tellal.persistence.people import brand as read_brand
from tellal.ports import Rendered, Renderer, Texts
from tellal.services.senders import sender_profile
from templates.footing import footed


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """Which text is said to whom: by topic, channel and language, with what fills it in."""

    topic: str
    channel: Channel
    language: str
    message_class: MessageClass
    variables: Mapping[str, object]
    link: str = ""
    """Where the reader may refuse by a click; empty if there is no such place."""


def rendered(
    texts: Renderer, said: Spoken, brand: Brand, sender: SenderProfile | None, at: datetime
) -> Rendered:
    """Fill a text in, with the sender's footer if it is commercial.

    A commercial text needs its `sender`; nobody asks for that of another.

    Raises:
        IncompleteSenderError: The sender's profile lacks what the law wants the text to say.
        InvalidInputError: There is no such text, or a variable is missing or blank.
    """
    plain = texts.render(
        topic=said.topic, channel=said.channel, language=said.language, variables=said.variables
    )
    if said.message_class is not MessageClass.COMMERCIAL or sender is None:
        return plain
    speaks = texts.text_name(topic=said.topic, channel=said.channel, language=said.language)
    setting = Setting(
        law=shipped_text_laws().of(brand.country),
        sender=sender,
        channel=said.channel,
        # A reader whose language has no text gets another, and the footer in that one.
        language=speaks.rpartition(".")[2] or said.language,
        day=day_of(brand, at),
        link=said.link,
    )
    return footed(plain, setting)


async def senders_of(tx: AsyncSession, brands: Collection[Brand]) -> dict[str, SenderProfile]:
    """Read who brands are in law, by their ids."""
    return {brand.id: await sender_profile(tx, brand) for brand in brands}


async def lacks(tx: AsyncSession, brand_id: str, at: datetime) -> tuple[str, ...]:
    """Name what a brand's profile lacks for any commercial message; empty if it is complete."""
    brand = await read_brand(tx, brand_id)
    law = shipped_text_laws().of(brand.country)
    return lacking(law, await sender_profile(tx, brand), day_of(brand, at))


def day_of(brand: Brand, at: datetime) -> date:
    """Return the day that it is for a brand."""
    return at.astimezone(ZoneInfo(brand.timezone)).date()


def language_of(renderer: Texts, *, topic: str, channel: Channel, language: str) -> str:
    """Return the language in which a text speaks, which may be another than was wished for."""
    name = renderer.text_name(topic=topic, channel=channel, language=language)
    return name.rpartition(".")[2] or language
