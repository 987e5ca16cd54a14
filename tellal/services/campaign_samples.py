"""What ten recipients of a campaign would read, taken by chance and written as for them."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from rules.rulebook import Rulebook
from tellal.domain.channels import Channel
from tellal.domain.customers import Customer
from tellal.domain.decisions import Verdict
from tellal.domain.errors import TellalError
from tellal.domain.sms.segments import segmented
from tellal.persistence.columns import table
from tellal.persistence.people import read_customers
from tellal.persistence.tables.customers import CustomerRow
from tellal.ports import Renderer
from tellal.services.audience import own_variables
from tellal.services.campaign_counting import Asked, Slot, candidates, within
from tellal.services.campaign_times import Wave
from tellal.services.population import Deciding, Matter, Population
from tellal.services.posting import template_variables
from tellal.services.senders import sender_profile
from tellal.services.wording import Spoken, rendered

_customers = table(CustomerRow)

_MOST = 10
_LOOKED_AT = 200
"""So many of each part are decided to find ten who would be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one recipient would read; `problem` says why he could not."""

    customer: str
    variant: str
    channel: Channel
    language: str
    subject: str
    text: str
    segments: int
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Who reads what, over which channel, with what fills it in."""

    customer: Customer
    slot: Slot
    channel: Channel
    variables: Mapping[str, object]


class Samples:
    """Writes samples; reads, and writes nothing down."""

    def __init__(self, deciding: Deciding, renderer: Renderer) -> None:
        self._deciding = deciding
        self._renderer = renderer

    async def take(
        self, tx: AsyncSession, book: Rulebook, asked: Asked, wave: Wave
    ) -> list[Sample]:
        """Write the texts of ten who would be told, of every variant some."""
        slots = [one for one in asked.slots([wave]) if not one.held_out]
        each = -(-_MOST // max(1, len(slots)))
        samples: list[Sample] = []
        for slot in slots:
            samples += await self._of(tx, book, asked, slot, min(each, _MOST - len(samples)))
        return samples

    async def _of(
        self, tx: AsyncSession, book: Rulebook, asked: Asked, slot: Slot, most: int
    ) -> list[Sample]:
        by_chance = func.md5(func.concat(_customers.c.id, asked.salt, "sample"))
        query = candidates(asked.brand, slot.part).order_by(by_chance).limit(_LOOKED_AT)
        ids = (await tx.execute(query)).scalars().all()
        whom = Population(brand_id=asked.brand.id, ids=ids, simulated=asked.simulated)
        matter = Matter(topic=slot.topic, at=slot.wave.at, whom=whom)
        found = [one async for one in self._deciding.stream(tx, within(book, slot), matter)]
        told = [one for one in found if one.verdict is not Verdict.SUPPRESS and one.steps]
        told = sorted(told, key=lambda one: ids.index(one.customer))[:most]
        people = await read_customers(tx, {one.customer for one in told})
        own = await own_variables(tx, slot.part, [one.customer for one in told])
        samples = []
        for one in told:
            variables = {"campaign": dict(asked.plan.said_by(slot.slice.variant))}
            reading = _Reading(
                customer=people[one.customer],
                slot=slot,
                channel=one.steps[0].channel,
                variables={**variables, **own.get(one.customer, {})},
            )
            samples.append(await self._written(tx, book, asked, reading))
        return samples

    async def _written(
        self, tx: AsyncSession, book: Rulebook, asked: Asked, reading: _Reading
    ) -> Sample:
        topic, customer = book.topics[reading.slot.topic], reading.customer
        said = Spoken(
            topic=topic.id,
            channel=reading.channel,
            language=customer.locale,
            message_class=topic.message_class,
            variables=template_variables(asked.brand, customer, dict(reading.variables)),
        )
        subject = text = problem = ""
        try:
            sender = await sender_profile(tx, asked.brand)
            written = rendered(self._renderer, said, asked.brand, sender, reading.slot.wave.at)
            subject, text = written.subject, written.text
        except TellalError as error:
            problem = str(error)
        by_sms = reading.channel is Channel.SMS and text
        return Sample(
            customer=customer.ref,
            variant=reading.slot.slice.variant.name,
            channel=reading.channel,
            language=customer.locale,
            subject=subject,
            text=text,
            segments=segmented(text, folding=topic.fold).count if by_sms else 1,
            problem=problem,
        )
