"""Causes, outcomes and messages written by hand, for tests of what happens to them later."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.customers import Brand
from tellal.domain.messages import MessageState, OutcomeState
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import ContactPointRow
from tellal.persistence.tables.ledger import (
    AttemptRow,
    CauseRow,
    MessageRow,
    OutboxRow,
    OutcomeRow,
)
from tests.support.builders import a_brand, a_customer

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class SetClock:
    """Stands still until a test moves it."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def advance(self, **duration: float) -> None:
        self.at += timedelta(**duration)


async def a_cause(tx: AsyncSession, brand: Brand, *, state: str = "running") -> str:
    cause_id = new_id()
    await tx.execute(
        insert(table(CauseRow)).values(
            id=cause_id,
            brand_id=brand.id,
            kind="event",
            key=f"event:{cause_id}",
            topic="phishing",
            state=state,
            created_at=NOON,
        )
    )
    return cause_id


async def an_outcome(
    tx: AsyncSession,
    brand: Brand,
    customer_id: str,
    cause_id: str,
    *,
    channels: tuple[Channel, ...] = (Channel.SMS, Channel.EMAIL),
    workflow_id: str | None = None,
) -> str:
    outcome_id = new_id()
    plan = {
        "steps": [{"channel": channel.value, "patience_s": 60.0} for channel in channels],
        "attempts": 1,
        "every_s": 3600.0,
        "expires_s": 3600.0,
        "lane": "journeys",
        "class": "service",
        "priority": 0,
        "rule": "phishing.channels.sms",
        "revision": "1",
        "language": "tr",
        "variables": {},
    }
    await tx.execute(
        insert(table(OutcomeRow)).values(
            id=outcome_id,
            brand_id=brand.id,
            cause_id=cause_id,
            customer_id=customer_id,
            topic="phishing",
            content_version=1,
            state=OutcomeState.OPEN.value,
            reason="",
            plan=plan,
            tries=1,
            workflow_id=workflow_id,
            check_at=None,
            created_at=NOON,
        )
    )
    return outcome_id


async def a_message(
    tx: AsyncSession,
    brand: Brand,
    *,
    customer_id: str | None = None,
    cause_id: str | None = None,
    channel: Channel = Channel.SMS,
    lane: Lane = Lane.JOURNEYS,
    message_class: MessageClass = MessageClass.SERVICE,
    state: MessageState = MessageState.QUEUED,
    not_before: datetime = NOON,
    expires_at: datetime = NOON + timedelta(hours=1),
    priority: int = 0,
    workflow_id: str | None = None,
    variables: Mapping[str, object] | None = None,
) -> str:
    """Write a message with everything that it hangs on; return its id."""
    customer_id = customer_id or await a_customer(tx, brand, new_id())
    cause_id = cause_id or await a_cause(tx, brand)
    points = table(ContactPointRow).c
    point = select(points.id).where(
        points.customer_id == customer_id, points.channel == channel.value
    )
    message_id = new_id()
    await tx.execute(
        insert(table(MessageRow)).values(
            id=message_id,
            brand_id=brand.id,
            cause_id=cause_id,
            outcome_id=await an_outcome(tx, brand, customer_id, cause_id, workflow_id=workflow_id),
            customer_id=customer_id,
            contact_point_id=(await tx.execute(point)).scalar_one_or_none(),
            topic="phishing",
            message_class=message_class.value,
            channel=channel.value,
            lane=lane.value,
            priority=priority,
            try_no=1,
            step=0,
            language="tr",
            variables=dict(variables or {}),
            state=state.value,
            state_at=NOON,
            not_before=not_before,
            expires_at=expires_at,
            attempt=0,
            provider="",
            reference="",
            receipts="",
            code="",
            subject="",
            text="",
            created_at=NOON,
        )
    )
    return message_id


async def messages_of_a_brand(sessions: Sessions, number: int, **how: Any) -> list[str]:  # noqa: ANN401 - as a_message
    """Write a brand with so many messages to as many customers; return their ids."""
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        return [await a_message(tx, brand, **how) for _ in range(number)]


async def message(sessions: Sessions, message_id: str) -> Row[Any]:
    messages = table(MessageRow)
    async with sessions() as tx:
        return (await tx.execute(select(messages).where(messages.c.id == message_id))).one()


async def states(sessions: Sessions) -> dict[str, str]:
    messages = table(MessageRow).c
    async with sessions() as tx:
        rows = (await tx.execute(select(messages.id, messages.state))).all()
    return {row.id: row.state for row in rows}


async def attempts(sessions: Sessions, message_id: str) -> list[Row[Any]]:
    rows = table(AttemptRow)
    async with sessions() as tx:
        query = select(rows).where(rows.c.message_id == message_id).order_by(rows.c.n)
        return list((await tx.execute(query)).all())


async def outbox(sessions: Sessions) -> list[Row[Any]]:
    rows = table(OutboxRow)
    async with sessions() as tx:
        return list((await tx.execute(select(rows).order_by(rows.c.created_at, rows.c.id))).all())


async def set_cause(tx: AsyncSession, cause_id: str, state: str) -> None:
    causes = table(CauseRow)
    await tx.execute(update(causes).where(causes.c.id == cause_id).values(state=state))
