"""Looks at what an operator says of an outage before anybody hears of it (B12, B09, B10)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from rules.holder import RulebookHolder
from rules.standing import parse_segment
from rules.vocabulary import did_you_mean
from tellal.clock import Clock
from tellal.domain.channels import BY_NUMBER, Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError
from tellal.domain.incidents import IncidentKind, Incidents
from tellal.domain.lead_times import check_lead_time, hours_hint, is_too_late
from tellal.domain.outages import NoticeKind, OutageKind
from tellal.domain.routes import Load, RouteTable, has_link
from tellal.domain.scope import scope
from tellal.ports import Renderer
from tellal.services.outage_plans import Plan, channels_of
from tellal.services.outage_words import trial_variables
from tellal.services.posting import brand_variables


class OutageChecks:
    """Knows the kinds of incidents, and whether everything that could be sent can be written."""

    def __init__(
        self,
        incidents: Incidents,
        books: RulebookHolder,
        renderer: Renderer,
        routes: RouteTable,
        clock: Clock,
    ) -> None:
        self._incidents = incidents
        self._books = books
        self._renderer = renderer
        self._routes = routes
        self._clock = clock

    def kind(self, name: str) -> IncidentKind:
        """Return a kind of incident.

        Raises:
            InvalidInputError: There is none of that name.
        """
        kind = self._incidents.kinds.get(name)
        if kind is None:
            raise InvalidInputError(
                f"there is no kind of incident {name!r}",
                field="incident",
                hint=did_you_mean(name, self._incidents.kinds)
                or f"one of {', '.join(sorted(self._incidents.kinds))}",
            )
        return kind

    def topics(self, kind: IncidentKind) -> Mapping[NoticeKind, str]:
        """Return the topics of a kind's rounds that the rulebook in force has."""
        known = self._books.current.topics
        return {notice: topic for notice, topic in kind.topics.items() if topic in known}

    async def check(self, brand: Brand, kind: IncidentKind, row: Row[Any]) -> None:
        """Check an outage as it stands in its row, and write every text that it could lead to.

        Better refused now than found out at three in the morning.

        Raises:
            InvalidInputError: It names a component or part of a place that there is not, its
                condition is none, its times do not fit, or a text lacks something or holds a link
                that no route carries to the brand's country.
        """
        for name in row.components:
            if name not in self._incidents.components:
                raise InvalidInputError(
                    f"there is no component {name!r}",
                    field="components",
                    hint=did_you_mean(name, self._incidents.components),
                )
        condition = scope(row.areas, row.segment)
        if condition is not None:
            parse_segment(self._books.current, condition)
        begins = row.starts_at or row.declared_at
        if row.expected_end is not None and row.expected_end <= begins:
            raise InvalidInputError("it ends before it begins", field="expected_end")
        topics = {NoticeKind.NOTICE: row.topic} | {
            notice: topic
            for notice, topic in self.topics(kind).items()
            if notice is not NoticeKind.NOTICE
        }
        said = trial_variables(row, brand, kind, self._clock.now())
        for topic in topics.values():
            self._check_texts(brand, topic, said)

    def may_be_told(self, row: Row[Any], plan: Plan) -> None:
        """Refuse text messages that do not say what people can do meanwhile (B12).

        Raises:
            InvalidInputError: Nobody said it, nor that nothing is known.
        """
        if Channel.SMS in channels_of(plan) and not row.workaround and not row.no_workaround:
            raise InvalidInputError(
                "text messages are planned, and nobody has said what people can do meanwhile",
                field="workaround",
                hint="say it with `update`, or say `no_workaround` if nothing is known",
            )

    def in_time(
        self, brand: Brand, kind: IncidentKind, row: Row[Any], now: datetime, *, excuse: str
    ) -> None:
        """Refuse planned works without times, or announced later than their sector's rule says.

        Raises:
            InvalidInputError: They have no beginning or end, or have begun.
            ConflictError: It is late, and no reason excuses it.
        """
        if row.starts_at is None or row.expected_end is None:
            raise InvalidInputError(
                "planned works need a beginning and an end", field="starts_at", hint="update them"
            )
        if row.starts_at <= now:
            raise InvalidInputError("planned works begin in the future", field="starts_at")
        rule = self._incidents.lead_time(brand.country, kind.sector)
        check_lead_time(rule, row.starts_at, now, because=excuse)

    def hints(
        self, brand: Brand, kind: IncidentKind, row: Row[Any], now: datetime
    ) -> tuple[str, ...]:
        """Say what an operator may have overlooked."""
        missing = set(kind.topics) - set(self.topics(kind)) - {NoticeKind.NOTICE}
        found = [
            f"the rulebook has no topic {kind.topics[notice]!r}, so there will be no {notice}"
            for notice in sorted(missing)
        ]
        if row.kind == OutageKind.PLANNED and row.starts_at and row.expected_end:
            rule = self._incidents.lead_time(brand.country, kind.sector)
            zone = ZoneInfo(brand.timezone)
            if hint := hours_hint(rule, row.starts_at, row.expected_end, zone):
                found.append(hint)
            if is_too_late(rule, row.starts_at, now) and row.confirmed_at is None:
                found.append("it is late for an announcement: a reason will be asked for")
        if not row.workaround and not row.no_workaround:
            found.append("nobody has said what people can do meanwhile")
        if row.kind == OutageKind.FAILURE and row.expected_end is None:
            found.append("without an expected end no channel can be shown to be in time")
        return tuple(found)

    def _check_texts(self, brand: Brand, topic: str, said: Mapping[str, object]) -> None:
        book = self._books.current
        if topic not in book.topics:
            raise InvalidInputError(f"the rulebook has no topic {topic!r}", field="topic")
        plans = book.shards[topic].channels
        for channel in sorted({channel for plan in plans for channel, _ in plan.rule.steps}):
            rendered = self._renderer.render(
                topic=topic,
                channel=channel,
                language=brand.country.lower(),
                variables={
                    "brand": brand_variables(brand),
                    "customer": {"first_name": ""},
                    "outage": said,
                },
            )
            load = Load(
                channel=channel,
                country=brand.country if channel in BY_NUMBER else "",
                message_class=book.topics[topic].message_class,
            )
            if has_link(rendered.text) and (why := self._routes.refuses_link(load)):
                raise InvalidInputError(
                    f"the {channel} text would hold a link, and {why}",
                    field="variables",
                    hint="name a phone number instead of an address of the web",
                )
