"""Which journeys run, and what of a new rulebook they could not do without."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import cast, distinct, func, select
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession

from rules.definitions import Topic
from rules.ir import facts_of, fields_of
from rules.measures import sources_of
from rules.profiles import IntakeProfile
from rules.rulebook import Rulebook
from tellal.domain import cases, outages
from tellal.domain.campaigns import OVER, CampaignState
from tellal.domain.channels import Channel
from tellal.domain.errors import RulebookError
from tellal.domain.messages import UNSENT, OutcomeState
from tellal.domain.publishing import Standing
from tellal.persistence.columns import table
from tellal.persistence.tables.campaigns import CampaignRow
from tellal.persistence.tables.ledger import CapUseRow, MessageRow, OutcomeRow
from tellal.persistence.tables.operations import CaseRow
from tellal.persistence.tables.outages import OutageRow
from tellal.services.editions import Edition, has_text
from tellal.services.revisions import stored_edition

_outcomes = table(OutcomeRow)
_messages = table(MessageRow)
_caps = table(CapUseRow)
_outages = table(OutageRow)
_campaigns = table(CampaignRow)
_cases = table(CaseRow)

_REVISION = _outcomes.c.plan["revision"].as_string()
_GOES_ON = frozenset(CampaignState) - OVER - {CampaignState.DRAFT}
_IS_OPEN = _outcomes.c.state == OutcomeState.OPEN.value

_OPEN = (
    select(
        _outcomes.c.topic,
        _REVISION.label("revision"),
        _outcomes.c.plan["language"].as_string().label("language"),
        _outcomes.c.plan["steps"].label("steps"),
    )
    .where(_IS_OPEN)
    .subquery("open")
)
_RUNNING = (
    select(*_OPEN.c, func.count().label("number"))
    .group_by(*_OPEN.c)
    .order_by(_OPEN.c.topic, _OPEN.c.revision)
)
_SLOTS = (
    select(_outcomes.c.topic, _REVISION.label("revision"), _caps.c.cap)
    .select_from(_messages)
    .join(_outcomes, _outcomes.c.id == _messages.c.outcome_id)
    .join(_caps, _caps.c.message_id == _messages.c.id)
    .where(
        _IS_OPEN,
        _messages.c.state.in_([state.value for state in sorted(UNSENT)]),
        _caps.c.released_at.is_(None),
    )
    .distinct()
)
_BEGUN = (
    select(_outages.c.topic, func.count(distinct(_outages.c.id)))
    .where(_outages.c.state.not_in(sorted(outages.ENDED)))
    .group_by(_outages.c.topic)
)
_CASES = (
    select(_cases.c.channel, func.count())
    .where(_cases.c.state.not_in(sorted(cases.ENDED)))
    .group_by(_cases.c.channel)
    .order_by(_cases.c.channel)
)

_SAYS = func.jsonb_path_query(_campaigns.c.plan, cast("$.**.topic", JSONPATH), type_=JSONB).label(
    "topic"
)
_PLANNED = (
    select(_campaigns.c.id, _SAYS)
    .where(_campaigns.c.state.in_(sorted(_GOES_ON)))
    .subquery("planned")
)
_CAMPAIGNS = (
    select(_PLANNED.c.topic, func.count(distinct(_PLANNED.c.id)))
    .group_by(_PLANNED.c.topic)
    .order_by(_PLANNED.c.topic)
)


@dataclass(slots=True)
class _Group:
    """The open journeys of one topic that began with one revision."""

    open: int = 0
    lacks: dict[str, None] = field(default_factory=dict)


async def standings(
    tx: AsyncSession, new: Edition, present: Edition, profiles: Mapping[str, IntakeProfile]
) -> tuple[Standing, ...]:
    """Count open journeys by topic and revision, and say what each would lack under a new edition.

    `present` is what is in force. Journeys go on with the texts of the revision that they began
    with if it is stored; those that began with a folder's files need texts in the new edition.
    """
    began = _Began(tx, present)
    groups: dict[tuple[str, str], _Group] = {}
    for row in await tx.execute(_RUNNING):
        group = groups.setdefault((row.topic, row.revision), _Group())
        group.open += row.number
        old = await began.edition(row.revision)
        lacks = list(_lacks(row.topic, (old or present).book, new.book))
        if old is None and row.topic in new.book.topics:
            lacks += [
                f"a text for {channel.value} in {row.language}"
                for channel in (Channel(step["channel"]) for step in row.steps)
                if not has_text(new, row.topic, channel, row.language)
            ]
        group.lacks |= dict.fromkeys(lacks)
    caps = {rule.id for rule in new.book.rules}
    for topic, revision, cap in await tx.execute(_SLOTS):
        if cap not in caps and (topic, revision) in groups:
            groups[topic, revision].lacks[f"the cap {cap}"] = None
    return (
        *_of_journeys(groups),
        *await _of_outages(tx, new.book),
        *await _of_cases(tx, new.book, profiles),
        *await _of_campaigns(tx, new.book),
    )


def _of_journeys(groups: dict[tuple[str, str], _Group]) -> Iterator[Standing]:
    for (topic, revision), group in groups.items():
        yield Standing(topic=topic, revision=revision, open=group.open, lacks=tuple(group.lacks))


async def _of_outages(tx: AsyncSession, book: Rulebook) -> list[Standing]:
    """Return the outages that have not ended: each of them may begin journeys yet."""
    rows = (await tx.execute(_BEGUN.order_by(_outages.c.topic))).all()
    return [
        Standing(
            topic=topic,
            revision="",
            open=0,
            outages=number,
            lacks=() if topic in book.topics else ("the topic",),
        )
        for topic, number in rows
    ]


async def _of_campaigns(tx: AsyncSession, book: Rulebook) -> list[Standing]:
    """Return the campaigns that have been submitted and are not over: each speaks of its topics."""
    return [
        Standing(
            topic=topic,
            revision="",
            open=0,
            campaigns=number,
            lacks=() if topic in book.topics else ("the topic",),
        )
        for topic, number in await tx.execute(_CAMPAIGNS)
    ]


async def _of_cases(
    tx: AsyncSession, book: Rulebook, profiles: Mapping[str, IntakeProfile]
) -> list[Standing]:
    """Return the cases that have not been resolved: each of them may have to give notice yet."""
    numbers: dict[str, int] = {}
    for channel, number in await tx.execute(_CASES):
        notices = profiles[channel].notices.values() if channel in profiles else ()
        for topic in sorted({topic for topics in notices for topic in topics}):
            numbers[topic] = numbers.get(topic, 0) + number
    return [
        Standing(
            topic=topic,
            revision="",
            open=0,
            cases=number,
            lacks=() if topic in book.topics else ("the topic",),
        )
        for topic, number in numbers.items()
    ]


class _Began:
    """Finds what journeys began with, each revision once."""

    def __init__(self, tx: AsyncSession, present: Edition) -> None:
        self._tx = tx
        self._known: dict[str, Edition | None] = {present.revision: present}

    async def edition(self, revision: str) -> Edition | None:
        """Return a stored edition that still can be read; None if there is none."""
        if revision not in self._known:
            found = await stored_edition(self._tx, revision)
            self._known[revision] = found if found is not None and _readable(found) else None
        return self._known[revision]


def _readable(edition: Edition) -> bool:
    try:
        return bool(edition.book)
    except RulebookError:
        return False


def _lacks(topic_id: str, old: Rulebook, new: Rulebook) -> Iterator[str]:
    """Yield what a journey reads from the rulebook in force, and would not find in a new one."""
    if topic_id not in new.topics:
        yield "the topic"
    topic = old.topics.get(topic_id)
    if topic is not None:
        yield from _lacks_to_stop(topic, old, new)


def _lacks_to_stop(topic: Topic, old: Rulebook, new: Rulebook) -> Iterator[str]:
    if topic.stop_when is None:
        return
    for fact in sorted(facts_of(topic.stop_when) - new.fact_names):
        yield f"the fact {fact}"
    before, after = old.vocabulary.fields, new.vocabulary.fields
    for path in sorted(sources_of(fields_of(topic.stop_when)) & before.keys()):
        if path not in after:
            yield f"the field {path}"
        elif after[path].type is not before[path].type:
            yield f"the field {path} as {before[path].type.value}"
