"""Looks at what a campaign's author plans before anybody hears of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from rules.holder import RulebookHolder
from rules.population.needs import channels_of
from rules.situations import zone_of
from rules.standing import parse_segment
from rules.vocabulary import did_you_mean
from tellal.domain.campaigns import LOCAL, Plan
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError
from tellal.ports import ExampleRenderer
from tellal.services.campaign_times import next_run, shifted
from tellal.services.population import Population, places_of
from tellal.services.posting import brand_variables


class CampaignChecks:
    """Knows the rules and texts in force, and where a brand's customers live."""

    def __init__(self, books: RulebookHolder, renderer: ExampleRenderer) -> None:
        self._books = books
        self._renderer = renderer

    async def check(self, tx: AsyncSession, brand: Brand, plan: Plan) -> None:
        """Check that everything a plan names is there, and that its texts can be filled in.

        Raises:
            InvalidInputError: It does not fit; the error says where and how to mend it.
        """
        del tx
        book = self._books.current
        for topic in plan.topics:
            if topic not in book.topics:
                raise InvalidInputError(
                    f"the rulebook has no topic {topic!r}",
                    field="topic",
                    hint=did_you_mean(topic, book.topics) or "see tellal rules check",
                )
            if book.topics[topic].digest is not None:
                raise InvalidInputError(
                    f"{topic!r} tells what events gather in a digest; a campaign has none",
                    field="topic",
                    hint="give the campaign a topic of its own",
                )
        if plan.when.zone != LOCAL:
            zone_of(plan.when.zone)
        if plan.audience.segment is not None:
            parse_segment(book, plan.audience.segment)
        for one in plan.steps:
            if one.segment is not None:
                parse_segment(book, one.segment)
        said = {one.topic: {**plan.variables, **one.variables} for one in plan.steps}
        said |= {one.topic: {**plan.variables, **one.variables} for one in plan.variants}
        said.setdefault(plan.topic, dict(plan.variables))
        for topic in plan.topics:
            self._can_be_said(brand, topic, said[topic])

    async def first_run(
        self, tx: AsyncSession, brand: Brand, plan: Plan, now: datetime, campaign_id: str = ""
    ) -> datetime:
        """Return when a campaign that is approved now runs first.

        Raises:
            InvalidInputError: It would never run.
        """
        found = next_run(
            plan.when,
            brand.country,
            await zones_of(tx, brand),
            after=now - plan.when.catch_up,
        )
        if found is None:
            raise InvalidInputError(
                f"its time, {plan.when.at:%Y-%m-%d %H:%M}, is over",
                field="when.at",
                hint="give it a time that is still to come",
            )
        return shifted(plan.when, found[1][0].at, campaign_id)

    def _can_be_said(self, brand: Brand, topic: str, variables: Mapping[str, object]) -> None:
        """Fill every text of the brand's language in, with an example for what is the reader's."""
        example = self._renderer.example(topic)
        spoken = 0
        for channel in channels_of(self._books.current.shards[topic]):
            if channel is Channel.BANNER:
                continue
            self._renderer.render(
                topic=topic,
                channel=channel,
                language=brand.country.lower(),
                variables={
                    **example,
                    "brand": brand_variables(brand),
                    "campaign": dict(variables),
                },
            )
            spoken += 1
        if not spoken:
            raise InvalidInputError(
                f"topic {topic!r} names no channel that could carry it", field="topic"
            )


async def zones_of(tx: AsyncSession, brand: Brand) -> Sequence[str]:
    """List the time zones in which a brand's customers live; its own while it has none."""
    found = await tx.execute(places_of(Population(brand_id=brand.id)))
    return sorted({row.timezone for row in found}) or [brand.timezone]


JUST_BEFORE = timedelta(microseconds=1)
"""So much earlier than a run is `after` it, for whoever looks for that very run."""
