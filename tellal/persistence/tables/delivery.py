"""What steers delivery: routes, holds, blocks, leases, and receipts to work in."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import EMPTY, Instant


class RouteStateRow(SQLModel, table=True):
    """How a route is doing, for all workers. What it may carry is data, not a row.

    `tokens` were left at `refilled_at`; nothing leaves before `paused_until` (a provider asked for
    a pause), and while the breaker is open (`open_until`) nothing but a probe. `factor` and
    `mode` make its share of the traffic; `usual_s` is how long its receipts usually take.
    """

    __tablename__ = "route_states"

    route: str = Field(primary_key=True)
    tokens: float
    refilled_at: datetime = Field(sa_type=Instant)
    paused_until: datetime | None = Field(default=None, sa_type=Instant)
    failures: int
    open_until: datetime | None = Field(default=None, sa_type=Instant)
    opened_times: int
    reason: str
    factor: float = Field(default=1.0, sa_column_kwargs={"server_default": text("1")})
    mode: str = Field(default="auto", sa_column_kwargs={"server_default": text("'auto'")})
    usual_s: float | None = None
    moved_at: datetime | None = Field(default=None, sa_type=Instant)


class RouteMovementRow(SQLModel, table=True):
    """A change of a route's share, with what it rests on; only ever added.

    `reason` is a code, `note` and `by` are of somebody who decided, empty where it was learned.
    """

    __tablename__ = "route_movements"
    __table_args__ = (Index("route_movements_of_route", "route", "id"),)

    id: str = Field(primary_key=True)
    route: str
    at: datetime = Field(sa_type=Instant)
    reason: str
    mode: str
    before: float
    after: float
    judged: int
    faults: int
    awaited: int
    late: int
    usual_s: float | None = None
    note: str
    by: str


class HoldRow(SQLModel, table=True):
    """Messages that must not leave for now; an empty scope column means any."""

    __tablename__ = "holds"
    __table_args__ = (
        Index("holds_in_force", "brand_id", postgresql_where=text("released_at IS NULL")),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    topic: str
    template: str
    message_class: str
    channel: str
    route: str
    mandatory: bool
    reason: str
    placed_by: str
    placed_at: datetime = Field(sa_type=Instant)
    released_at: datetime | None = Field(default=None, sa_type=Instant)
    released_by: str = ""


class BlockRow(SQLModel, table=True):
    """An address that nobody writes to; an institution's block stops mandatory messages, too."""

    __tablename__ = "blocks"
    __table_args__ = (
        Index("blocks_in_force", "brand_id", "address", postgresql_where=text("lifted_at IS NULL")),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    address: str
    origin: str
    reason: str
    until: datetime | None = Field(default=None, sa_type=Instant)
    placed_by: str
    placed_at: datetime = Field(sa_type=Instant)
    lifted_at: datetime | None = Field(default=None, sa_type=Instant)
    lifted_by: str = ""


class ReceiptInboxRow(SQLModel, table=True):
    """A verified receipt that was answered for and is still to be worked in."""

    __tablename__ = "receipt_inbox"
    __table_args__ = (Index("receipt_inbox_due", "due_at", "id"),)

    id: str = Field(primary_key=True)
    provider: str
    reference: str
    message_id: str
    state: str
    code: str
    remedy: str
    received_at: datetime = Field(sa_type=Instant)
    due_at: datetime = Field(sa_type=Instant)
    tries: int
    attempt: int | None = None


class LeaseRow(SQLModel, table=True):
    """Something that one process at a time does; until `until` it is the holder's."""

    __tablename__ = "leases"

    name: str = Field(primary_key=True)
    holder: str
    until: datetime = Field(sa_type=Instant)


class TrialRow(SQLModel, table=True):
    """A text that was sent to a colleague; `recipient` is masked, `answer` the provider's."""

    __tablename__ = "test_sends"
    __table_args__ = (Index("test_sends_of_brand", "brand_id", "id"),)

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    topic: str
    channel: str
    recipient: str
    route: str
    provider: str
    answer: str
    code: str
    reference: str = Field(default="", sa_column_kwargs=EMPTY)
    sent_by: str
    sent_at: datetime = Field(sa_type=Instant)


class CauseCountRow(SQLModel, table=True):
    """How many outcomes of a cause stand where: kept by a trigger, summed over slots.

    Slots keep transactions that work side by side from waiting for one row.
    """

    __tablename__ = "cause_counts"
    cause_id: str = Field(primary_key=True, foreign_key="causes.id")
    slot: int = Field(primary_key=True)
    open: int
    told: int
    suppressed: int
    expired: int
    cancelled: int
    failed: int
    unknown: int
