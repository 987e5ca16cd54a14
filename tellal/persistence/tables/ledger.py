"""The ledger: what was decided, handed over and received.

A cause has one outcome per customer, an outcome has messages (one per try and channel), a message
has attempts, and receipts are only ever added.
"""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Index, Numeric, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import EMPTY, FALSE, Instant

UNSENT = "state IN ('deferred', 'queued')"
SILENT = "verdict = 'suppress' AND NOT simulated"
"""Which decisions kept something back in earnest; `decisions_silent` holds these and no others."""


class CauseRow(SQLModel, table=True):
    """Why people are spoken to. Intents to send share-lock it and require `running`.

    The outcomes of a cause that speaks to many are `counted`; `stopped_for` says why it was
    stopped, in the code of what had not left.
    """

    __tablename__ = "causes"
    __table_args__ = (
        UniqueConstraint("brand_id", "key"),
        Index("causes_stopped", "id", postgresql_where=text("counted AND state = 'stopped'")),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    kind: str
    key: str
    topic: str
    state: str
    counted: bool = Field(default=False, sa_column_kwargs=FALSE)
    created_at: datetime = Field(sa_type=Instant)
    stopped_for: str = Field(default="", sa_column_kwargs=EMPTY)


class OutcomeRow(SQLModel, table=True):
    """How one customer stands with one cause; `plan` pins what the journey began with."""

    __tablename__ = "outcomes"
    __table_args__ = (
        UniqueConstraint("cause_id", "customer_id"),
        Index("outcomes_of_topic", "customer_id", "topic"),
        Index("outcomes_due", "check_at", postgresql_where=text("state = 'open'")),
        Index(
            "outcomes_of_workflow",
            "workflow_id",
            postgresql_where=text("workflow_id IS NOT NULL"),
        ),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    cause_id: str = Field(foreign_key="causes.id")
    customer_id: str = Field(foreign_key="customers.id")
    topic: str
    content_version: int
    state: str
    reason: str
    plan: dict[str, object] = Field(sa_type=JSONB)
    tries: int
    workflow_id: str | None = None
    check_at: datetime | None = Field(default=None, sa_type=Instant)
    created_at: datetime = Field(sa_type=Instant)
    closed_at: datetime | None = Field(default=None, sa_type=Instant)


class DecisionRow(SQLModel, table=True):
    """One decision with its explanation, sent or not.

    `asked` is the question that led to it, NULL for decisions from before it was kept.
    """

    __tablename__ = "decisions"
    __table_args__ = (
        Index("decisions_of_customer", "customer_id", "topic", "id"),
        # Reasons are summed up from the index alone.
        Index(
            "decisions_silent",
            "brand_id",
            "at",
            postgresql_include=["reason"],
            postgresql_where=text(SILENT),
        ),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id")
    event_id: str | None = Field(default=None, foreign_key="events.id", index=True)
    outcome_id: str | None = Field(default=None, foreign_key="outcomes.id", index=True)
    topic: str
    verdict: str
    reason: str
    revision: str
    executor: str
    body: dict[str, object] = Field(sa_type=JSONB)
    asked: dict[str, object] | None = Field(default=None, sa_type=JSONB)
    simulated: bool = Field(default=False, sa_column_kwargs=FALSE)
    at: datetime = Field(sa_type=Instant)


class MessageRow(SQLModel, table=True):
    """One text to one person over one channel, and where it is.

    `routes_out` names routes that cannot carry it, each with a comma after it; `segments` and
    `cost` are what the text came to when it was last handed over. `displaced_by` is the message of
    a higher priority that took its slot of a cap.
    """

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("outcome_id", "try_no", "channel"),
        Index(
            "messages_to_claim",
            "lane",
            "priority",
            "id",
            postgresql_where=text("state = 'queued' AND held_by IS NULL"),
        ),
        Index("messages_unsent", "customer_id", postgresql_where=text(UNSENT)),
        Index("messages_rehearsed", "customer_id", postgresql_where=text("simulated")),
        Index("messages_deferred", "not_before", postgresql_where=text("state = 'deferred'")),
        Index("messages_held", "held_by", postgresql_where=text("held_by IS NOT NULL")),
        Index(
            "messages_displaced", "displaced_by", postgresql_where=text("displaced_by IS NOT NULL")
        ),
        Index("messages_leased", "lease_until", postgresql_where=text("state = 'handing_over'")),
        Index("messages_unknown", "check_at", postgresql_where=text("state = 'unknown'")),
        Index("messages_of_cause", "cause_id", "state"),
        Index("messages_of_customer", "customer_id", "id"),
        Index("messages_by_reference", "provider", "reference"),
        Index("messages_handed", "handed_at", postgresql_using="brin"),
        Index(
            "messages_outstanding",
            "provider",
            "handed_at",
            postgresql_where=text("state IN ('accepted', 'sent')"),
        ),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    cause_id: str = Field(foreign_key="causes.id")
    outcome_id: str = Field(foreign_key="outcomes.id")
    customer_id: str = Field(foreign_key="customers.id")
    contact_point_id: str | None = Field(default=None, foreign_key="contact_points.id")
    topic: str
    message_class: str
    channel: str
    lane: str
    priority: int
    try_no: int
    step: int
    language: str
    variables: dict[str, object] = Field(sa_type=JSONB)
    state: str
    state_at: datetime = Field(sa_type=Instant)
    not_before: datetime = Field(sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant)
    silent_until: datetime | None = Field(default=None, sa_type=Instant)
    check_at: datetime | None = Field(default=None, sa_type=Instant)
    lease_until: datetime | None = Field(default=None, sa_type=Instant)
    held_by: str | None = None
    displaced_by: str | None = None
    simulated: bool = Field(default=False, sa_column_kwargs=FALSE)
    attempt: int = 0
    route: str = Field(default="", sa_column_kwargs=EMPTY)
    routes_out: str = Field(default="", sa_column_kwargs=EMPTY)
    segments: int | None = None
    cost: Decimal | None = Field(default=None, sa_type=Numeric(12, 6))
    currency: str = Field(default="", sa_column_kwargs=EMPTY)
    provider: str = ""
    reference: str = ""
    receipts: str = ""
    code: str = ""
    subject: str = ""
    text: str = ""
    created_at: datetime = Field(sa_type=Instant)
    handed_at: datetime | None = Field(default=None, sa_type=Instant)


class AttemptRow(SQLModel, table=True):
    """One call to a provider: committed before it is made, completed when it is answered.

    `fault` says whether what came of it was the route's own doing, NULL if that is not known.
    `recall_at` is when the provider was asked to give the message back, committed before it was.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        UniqueConstraint("message_id", "n"),
        Index("attempts_of_route", "route", "intended_at"),
    )

    id: str = Field(primary_key=True)
    message_id: str = Field(foreign_key="messages.id")
    n: int
    route: str = Field(default="", sa_column_kwargs=EMPTY)
    provider: str
    intended_at: datetime = Field(sa_type=Instant)
    answer: str = ""
    code: str = ""
    reference: str = ""
    fault: bool | None = None
    answered_at: datetime | None = Field(default=None, sa_type=Instant)
    recall_at: datetime | None = Field(default=None, sa_type=Instant)


class MessagePartRow(SQLModel, table=True):
    """A segment of a text that the provider took as a message of its own, and what became of it.

    There are none for texts of one segment, nor for providers that part texts themselves.
    """

    __tablename__ = "message_parts"
    __table_args__ = (Index("message_parts_of_reference", "provider", "reference"),)

    message_id: str = Field(primary_key=True, foreign_key="messages.id")
    attempt: int = Field(primary_key=True)
    n: int = Field(primary_key=True)
    provider: str
    reference: str
    state: str


class ReceiptRow(SQLModel, table=True):
    """What a provider said about a message after taking it; only ever added."""

    __tablename__ = "receipts"
    __table_args__ = (UniqueConstraint("message_id", "reference", "state", "code"),)

    id: str = Field(primary_key=True)
    message_id: str = Field(foreign_key="messages.id")
    provider: str
    reference: str
    state: str
    code: str
    received_at: datetime = Field(sa_type=Instant)


class CapUseRow(SQLModel, table=True):
    """A slot of a cap that a message has taken; released when the message does not leave."""

    __tablename__ = "cap_uses"
    __table_args__ = (
        UniqueConstraint("message_id", "cap"),
        Index("cap_uses_current", "customer_id", "cap", "used_at"),
    )

    id: str = Field(primary_key=True)
    customer_id: str = Field(foreign_key="customers.id")
    cap: str
    message_id: str = Field(foreign_key="messages.id")
    used_at: datetime = Field(sa_type=Instant)
    released_at: datetime | None = Field(default=None, sa_type=Instant)


class OutboxRow(SQLModel, table=True):
    """Something to tell a workflow, written in the transaction of what it tells of."""

    __tablename__ = "outbox"
    __table_args__ = (Index("outbox_due", "due_at", postgresql_where=text("done_at IS NULL")),)

    id: str = Field(primary_key=True)
    brand_id: str
    kind: str
    workflow_id: str
    body: dict[str, object] = Field(sa_type=JSONB)
    created_at: datetime = Field(sa_type=Instant)
    due_at: datetime = Field(sa_type=Instant)
    tries: int = 0
    error: str = ""
    done_at: datetime | None = Field(default=None, sa_type=Instant)
