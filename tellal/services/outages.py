"""Outages: operators' commands, and the ledger's count of who was told."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.holder import RulebookHolder
from rules.standing import parse_segment
from tellal.clock import Clock
from tellal.domain.channels import BY_NUMBER
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError, NotFoundError
from tellal.domain.messages import OutcomeState
from tellal.domain.outages import OutageCommand, OutageState, next_state
from tellal.domain.outbox import OutboxKind
from tellal.domain.routes import Load, RouteTable, has_link
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.delivery import CauseCountRow
from tellal.persistence.tables.ledger import CapUseRow, CauseRow, MessageRow, OutcomeRow
from tellal.persistence.tables.outages import OutageRow
from tellal.ports import Renderer
from tellal.services.outbox import enqueue
from tellal.services.posting import brand_variables
from tellal.services.progress import Progress
from tellal.services.stopping import stop_cause

_outages = table(OutageRow)
_causes = table(CauseRow)
_outcomes = table(OutcomeRow)
_messages = table(MessageRow)
_caps = table(CapUseRow)
_counted = table(CauseCountRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageView:
    """An outage as operators see it.

    `components` are what it has taken down. `counts` holds `audience` and every outcome state;
    audience is their sum. `in_flight_at_stop` is how many messages a provider was being handed when
    it was resolved.
    """

    id: str
    title: str
    topic: str
    state: str
    segment: Mapping[str, object]
    variables: Mapping[str, object]
    components: tuple[str, ...]
    declared_at: datetime
    confirmed_at: datetime | None
    decided_at: datetime | None
    resolved_at: datetime | None
    in_flight_at_stop: int
    simulated: bool
    counts: Mapping[str, int]


class Outages:
    """Declares outages and applies commands; nothing goes to customers while one is suspected."""

    def __init__(
        self,
        books: RulebookHolder,
        progress: Progress,
        renderer: Renderer,
        clock: Clock,
        routes: RouteTable,
    ) -> None:
        self._books = books
        self._progress = progress
        self._renderer = renderer
        self._clock = clock
        self._routes = routes

    async def declare(
        self,
        tx: AsyncSession,
        *,
        brand: Brand,
        title: str,
        topic: str,
        segment: Mapping[str, object],
        variables: Mapping[str, object],
        components: Collection[str] = (),
        simulated: bool = False,
    ) -> OutageView:
        """Declare an outage, suspected at first; nothing of a simulated one reaches a provider.

        `components` are what it has taken down: while it is confirmed, no decision of the brand
        takes a channel that depends on one of them.

        Raises:
            InvalidInputError: The segment is no condition, there is no such topic, or its texts
                need a variable that is missing (what people can do meanwhile, B12), or hold a link
                that no route carries to the brand's country.
        """
        book = self._books.current
        if topic not in book.topics:
            raise InvalidInputError(f"the rulebook has no topic {topic!r}", field="topic")
        parse_segment(book, segment)
        self._check_texts(brand, topic, variables)
        now = self._clock.now()
        outage_id, cause_id = new_id(), new_id()
        await tx.execute(
            insert(_causes).values(
                id=cause_id,
                brand_id=brand.id,
                kind="outage",
                key=f"outage:{outage_id}",
                topic=topic,
                state="running",
                counted=True,
                created_at=now,
            )
        )
        await tx.execute(
            insert(_outages).values(
                id=outage_id,
                brand_id=brand.id,
                cause_id=cause_id,
                title=title,
                topic=topic,
                segment=dict(segment),
                variables=dict(variables),
                components=sorted(set(components)),
                state=OutageState.SUSPECTED,
                cursor="",
                in_flight_at_stop=0,
                simulated=simulated,
                declared_at=now,
            )
        )
        await enqueue(
            tx,
            brand_id=brand.id,
            kind=OutboxKind.OUTAGE_DECLARED,
            workflow_id=f"outage/{outage_id}",
            body={"outage_id": outage_id, "brand": brand.name, "topic": topic},
            now=now,
        )
        return await self.view(tx, brand.id, outage_id)

    async def confirm(self, tx: AsyncSession, *, brand_id: str, outage_id: str) -> OutageView:
        """Confirm an outage: its audience is decided and told from now on.

        Raises:
            NotFoundError: The brand has no such outage.
            RefusedTransitionError: It is not suspected (any more).
        """
        outage = await self._apply(tx, brand_id, outage_id, OutageCommand.CONFIRM)
        return await self._changed(tx, outage, confirmed_at=self._clock.now())

    async def dismiss(self, tx: AsyncSession, *, brand_id: str, outage_id: str) -> OutageView:
        """Dismiss a suspicion; nobody was told of it.

        Raises:
            NotFoundError: The brand has no such outage.
            RefusedTransitionError: It is not suspected (any more).
        """
        outage = await self._apply(tx, brand_id, outage_id, OutageCommand.DISMISS)
        await stop_cause(tx, outage.cause_id, code="resolved", now=self._clock.now())
        return await self._changed(tx, outage)

    async def resolve(self, tx: AsyncSession, *, brand_id: str, outage_id: str) -> OutageView:
        """End an outage: from the answer on, no message of it is handed over.

        Raises:
            NotFoundError: The brand has no such outage.
            RefusedTransitionError: It is not confirmed, or already resolved.
        """
        outage = await self._apply(tx, brand_id, outage_id, OutageCommand.RESOLVE)
        in_flight = await stop_cause(tx, outage.cause_id, code="resolved", now=self._clock.now())
        return await self._changed(
            tx, outage, resolved_at=self._clock.now(), in_flight_at_stop=in_flight
        )

    async def view(self, tx: AsyncSession, brand_id: str, outage_id: str) -> OutageView:
        """Show an outage with its counts.

        Raises:
            NotFoundError: The brand has no such outage.
        """
        query = select(_outages).where(_outages.c.id == outage_id, _outages.c.brand_id == brand_id)
        row = (await tx.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError("no such outage")
        return _view(row, await counts(tx, row.cause_id))

    async def page(
        self, tx: AsyncSession, brand_id: str, *, after: str = "", limit: int = 50
    ) -> tuple[OutageView, ...]:
        """List the brand's outages in the order of their declaration."""
        query = (
            select(_outages)
            .where(_outages.c.brand_id == brand_id, _outages.c.id > after)
            .order_by(_outages.c.id)
            .limit(limit)
        )
        rows = (await tx.execute(query)).all()
        return tuple([_view(row, await counts(tx, row.cause_id)) for row in rows])

    def _check_texts(self, brand: Brand, topic: str, variables: Mapping[str, object]) -> None:
        """Write every text that could be sent: better refused now than found out at three a.m."""
        book = self._books.current
        plans = book.shards[topic].channels
        for channel in sorted({channel for plan in plans for channel, _ in plan.rule.steps}):
            rendered = self._renderer.render(
                topic=topic,
                channel=channel,
                language=brand.country.lower(),
                variables={
                    "brand": brand_variables(brand),
                    "customer": {"first_name": ""},
                    "outage": variables,
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

    async def _apply(
        self, tx: AsyncSession, brand_id: str, outage_id: str, command: OutageCommand
    ) -> Row[Any]:
        query = select(_outages).where(_outages.c.id == outage_id, _outages.c.brand_id == brand_id)
        row = (await tx.execute(query.with_for_update(key_share=True))).one_or_none()
        if row is None:
            raise NotFoundError("no such outage")
        state = next_state(OutageState(row.state), command)
        await tx.execute(update(_outages).where(_outages.c.id == row.id).values(state=state))
        return (await tx.execute(query)).one()

    async def _changed(self, tx: AsyncSession, outage: Row[Any], **values: object) -> OutageView:
        if values:
            await tx.execute(update(_outages).where(_outages.c.id == outage.id).values(**values))
        await enqueue(
            tx,
            brand_id=outage.brand_id,
            kind=OutboxKind.OUTAGE_CHANGED,
            workflow_id=f"outage/{outage.id}",
            body={"outage_id": outage.id, "state": outage.state},
            now=self._clock.now(),
        )
        return await self.view(tx, outage.brand_id, outage.id)


async def counts(tx: AsyncSession, cause_id: str) -> dict[str, int]:
    """Count a cause's outcomes by state; `audience` is their sum (the ledger's identity).

    They are kept with every change of an outcome, so this reads a few rows however many people.
    """
    states = [state.value for state in OutcomeState]
    query = select(*(func.coalesce(func.sum(_counted.c[state]), 0) for state in states))
    row = (await tx.execute(query.where(_counted.c.cause_id == cause_id))).one()
    by_state = {state: int(number) for state, number in zip(states, row, strict=True)}
    return {"audience": sum(by_state.values()), **by_state}


def _view(row: Row[Any], counted: Mapping[str, int]) -> OutageView:
    return OutageView(
        id=row.id,
        title=row.title,
        topic=row.topic,
        state=row.state,
        segment=row.segment,
        variables=row.variables,
        components=tuple(row.components),
        declared_at=row.declared_at,
        confirmed_at=row.confirmed_at,
        decided_at=row.decided_at,
        resolved_at=row.resolved_at,
        in_flight_at_stop=row.in_flight_at_stop,
        simulated=row.simulated,
        counts=counted,
    )
