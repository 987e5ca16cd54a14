"""Digests: events of one customer that wait together to become one message."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import EMPTY, FALSE, Instant

_ZERO = {"server_default": text("0")}


class DigestRow(SQLModel, table=True):
    """One customer's events of one topic, until it is decided about them.

    `state`: open (more may join), full (it waits to be decided), decided, dropped (the rules have
    no such topic any more), erased. `check_at` is when a worker looks at it, None when that is
    over; `decision_id` is what was decided, which names the outcome. `reason` says why it said
    nothing.
    """

    __tablename__ = "digests"
    __table_args__ = (
        Index(
            "digests_open",
            "customer_id",
            "topic",
            "simulated",
            unique=True,
            postgresql_where=text("state = 'open'"),
        ),
        Index("digests_due", "check_at", postgresql_where=text("check_at IS NOT NULL")),
        Index("digests_of_customer", "customer_id", "id"),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id")
    topic: str
    state: str
    events: int = Field(default=0, sa_column_kwargs=_ZERO)
    simulated: bool = Field(default=False, sa_column_kwargs=FALSE)
    opened_at: datetime = Field(sa_type=Instant)
    due_at: datetime = Field(sa_type=Instant)
    check_at: datetime | None = Field(default=None, sa_type=Instant)
    decision_id: str | None = Field(default=None, foreign_key="decisions.id")
    reason: str = Field(default="", sa_column_kwargs=EMPTY)
    decided_at: datetime | None = Field(default=None, sa_type=Instant)


class DigestItemRow(SQLModel, table=True):
    """One event in a digest, with what the text may say of it; `at` is when it happened."""

    __tablename__ = "digest_items"
    __table_args__ = (
        UniqueConstraint("digest_id", "event_id"),
        Index("digest_items_of_customer", "customer_id"),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id")
    digest_id: str = Field(foreign_key="digests.id")
    event_id: str = Field(foreign_key="events.id", index=True)
    type: str
    variables: dict[str, object] = Field(sa_type=JSONB)
    at: datetime = Field(sa_type=Instant)
    joined_at: datetime = Field(sa_type=Instant)
