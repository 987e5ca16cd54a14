"""Holds: placed, looked at and released; what they cover stays in the ledger and does not leave.

An intent shares the table of holds before it looks for them, and keeps that share until it
commits; whoever places a hold has the table for himself. So at the answer no further intent commits
for what the hold covers. It is the table's lock and not a row's, because tables queue: claims that
come side by side would share a row over the head of one who waits for it, for seconds under load.
"""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import Row, Select, and_, exists, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.holder import RulebookHolder
from tellal.clock import Clock
from tellal.domain.channels import Channel
from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.domain.holds import Hold, HoldScope, template_parts
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.delivery import HoldRow
from tellal.persistence.tables.ledger import MessageRow
from tellal.ports import Texts
from tellal.services.hold_reach import FREE, WAITING, Waiting, count, reached, summed

_holds = table(HoldRow)
_messages = table(MessageRow)

_SHARED = text("LOCK TABLE holds IN ROW SHARE MODE")
_ALONE = text("LOCK TABLE holds IN EXCLUSIVE MODE")
"""Stands against shares, and not against whoever only reads, as a backup does."""

_NAMES = tuple(field.name for field in fields(Hold))


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldView:
    """A hold with what waits under it; `expired` of the messages would end and not leave.

    For a hold by route the numbers are upper bounds: which messages would take the route is known
    only when they are claimed.
    """

    hold: Hold
    messages: int
    expired: int
    waiting: tuple[Waiting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPreview:
    """What a hold would keep back if it were placed now; upper bounds if it names a route."""

    messages: int
    expired: int
    waiting: tuple[Waiting, ...]


class Holds:
    """Places and releases holds; the caller's transaction holds the locks until it ends."""

    def __init__(self, books: RulebookHolder, texts: Texts, clock: Clock) -> None:
        self._books = books
        self._texts = texts
        self._clock = clock

    async def preview(self, tx: AsyncSession, brand_id: str, scope: HoldScope) -> HoldPreview:
        """Count what a hold would keep back, without placing it.

        Raises:
            InvalidInputError: Nothing could ever fall under the scope.
        """
        whole = await self._checked(tx, brand_id, scope)
        reach = await reached(tx, brand_id, whole, self._texts)
        waiting = await count(tx, and_(reach, WAITING), at=self._clock.now())
        return HoldPreview(messages=_all(waiting), expired=_late(waiting), waiting=waiting)

    async def place(
        self, tx: AsyncSession, brand_id: str, scope: HoldScope, *, reason: str, by: str
    ) -> Hold:
        """Place a hold: when its transaction has committed, nothing that it covers leaves.

        Raises:
            InvalidInputError: Nothing could ever fall under the scope, or no reason is given.
        """
        if not reason.strip():
            raise InvalidInputError("a hold needs a reason", field="reason")
        whole = await self._checked(tx, brand_id, scope)
        await tx.execute(_ALONE)
        hold = Hold(
            id=new_id(),
            brand_id=brand_id,
            reason=reason.strip(),
            placed_by=by,
            placed_at=self._clock.now(),
            **{field.name: getattr(whole, field.name) for field in fields(HoldScope)},
        )
        await tx.execute(insert(_holds).values({name: getattr(hold, name) for name in _NAMES}))
        return hold

    async def release(self, tx: AsyncSession, brand_id: str, hold_id: str, *, by: str) -> Hold:
        """Release a hold: the worker frees its messages, and those that have expired end.

        Raises:
            NotFoundError: The brand has no such hold.
            ConflictError: It was released before.
        """
        query = _of_brand(brand_id, hold_id).with_for_update(key_share=True)
        hold = _found((await tx.execute(query)).one_or_none())
        if not hold.in_force:
            raise ConflictError(
                f"{hold.released_by} released this hold already", code="hold_released"
            )
        now = self._clock.now()
        change = update(_holds).where(_holds.c.id == hold_id)
        await tx.execute(change.values(released_at=now, released_by=by))
        return replace(hold, released_at=now, released_by=by)

    async def view(self, tx: AsyncSession, brand_id: str, hold_id: str) -> HoldView:
        """Show a hold with what waits under it, whether the worker has marked it yet or not.

        Raises:
            NotFoundError: The brand has no such hold.
        """
        hold = _found((await tx.execute(_of_brand(brand_id, hold_id))).one_or_none())
        now = self._clock.now()
        waiting = await count(tx, and_(_messages.c.held_by == hold.id, WAITING), at=now)
        if hold.in_force:
            reach = await reached(tx, brand_id, hold, self._texts)
            waiting = summed(waiting, await count(tx, and_(reach, FREE), at=now))
        return HoldView(hold=hold, messages=_all(waiting), expired=_late(waiting), waiting=waiting)

    async def page(
        self,
        tx: AsyncSession,
        brand_id: str,
        *,
        in_force: bool | None = None,
        after: str = "",
        limit: int = 50,
    ) -> tuple[Hold, ...]:
        """List the brand's holds in the order in which they were placed."""
        query = select(_holds).where(_holds.c.brand_id == brand_id, _holds.c.id > after)
        if in_force is not None:
            released = _holds.c.released_at.is_not(None)
            query = query.where(~released if in_force else released)
        rows = await tx.execute(query.order_by(_holds.c.id).limit(limit))
        return tuple(to_hold(row) for row in rows)

    async def _checked(self, tx: AsyncSession, brand_id: str, scope: HoldScope) -> HoldScope:
        """Return the scope; a slip of the pen in it must not pass for a stop."""
        if scope.message_class == "mandatory" and not scope.mandatory:
            raise InvalidInputError(
                "a hold of mandatory messages must say so",
                field="mandatory",
                hint="say mandatory: true, if what the law orders to be told is to wait",
            )
        if scope.template:
            self._check_template(scope)
        if scope.topic and scope.topic not in self._books.current.topics:
            await self._check_ledger(tx, brand_id, scope.topic)
        return scope

    def _check_template(self, scope: HoldScope) -> None:
        topic, channel, language = template_parts(scope.template)
        known = channel in {one.value for one in Channel} and scope.template == (
            self._texts.text_name(topic=topic, channel=Channel(channel), language=language)
        )
        if not known:
            raise InvalidInputError(
                f"there is no text {scope.template!r}",
                field="template",
                hint="write <topic>/<channel>.<language> as the file of the text is called",
            )
        if scope.topic not in ("", topic) or scope.channel not in ("", channel):
            raise InvalidInputError(
                "the text belongs to another topic or channel than the hold names",
                field="template",
                hint="leave topic and channel out: the text names both",
            )

    async def _check_ledger(self, tx: AsyncSession, brand_id: str, topic: str) -> None:
        """Let a topic pass that the rulebook has given up while messages of it still wait."""
        waits = exists().where(
            _messages.c.brand_id == brand_id, _messages.c.topic == topic, WAITING
        )
        if not (await tx.execute(select(waits))).scalar_one():
            raise InvalidInputError(
                f"the rulebook has no topic {topic!r}, and no message of it waits",
                field="topic",
                hint=f"topics: {', '.join(sorted(self._books.current.topics))}",
            )


async def in_force(tx: AsyncSession, brand_ids: Collection[str]) -> tuple[Hold, ...]:
    """Return the holds in force of brands, in the order in which they were placed.

    None is placed any more until the caller's transaction ends, so an intent may rely on it.
    """
    await tx.execute(_SHARED)
    query = select(_holds).where(_holds.c.brand_id.in_(brand_ids), _holds.c.released_at.is_(None))
    return tuple(to_hold(row) for row in await tx.execute(query.order_by(_holds.c.id)))


def to_hold(row: Row[Any]) -> Hold:
    """Turn a row into the domain's hold."""
    return Hold(**{name: getattr(row, name) for name in _NAMES})


def _of_brand(brand_id: str, hold_id: str) -> Select[Any]:
    return select(_holds).where(_holds.c.id == hold_id, _holds.c.brand_id == brand_id)


def _found(row: Row[Any] | None) -> Hold:
    if row is None:
        raise NotFoundError("no such hold")
    return to_hold(row)


def _all(waiting: tuple[Waiting, ...]) -> int:
    return sum(one.messages for one in waiting)


def _late(waiting: tuple[Waiting, ...]) -> int:
    return sum(one.expired for one in waiting)
