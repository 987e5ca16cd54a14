"""Outages: the object, its history, its rounds of telling, and what public channels need."""

from datetime import datetime

from sqlalchemy import BigInteger, Identity, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import EMPTY, FALSE, NOTHING, Instant

_EMPTY_MAP = {"server_default": text("'{}'::jsonb")}
_ZERO = {"server_default": text("0")}


class OutageRow(SQLModel, table=True):
    """An outage: whom it concerns is a segment by rule and areas, whom it told is in the ledger.

    `incident` names its kind among the incidents, `components` what it has taken down, `areas` the
    places (each a mapping of province, district, neighbourhood or feeder). `plan` is what was
    decided when it was confirmed. `resolved_at` is its end, however it ended. `asked_by` asked for
    a confirmation that a second person has to give; `broke_glass` is why nobody was waited for.
    A `simulated` one is rehearsed.
    """

    __tablename__ = "outages"
    __table_args__ = (
        Index(
            "outages_that_take_down",
            "brand_id",
            postgresql_where=text(
                "state IN ('confirmed', 'in_progress') AND components <> '[]'::jsonb"
            ),
        ),
        Index(
            "outages_running",
            "brand_id",
            "state",
            postgresql_where=text("state NOT IN ('resolved','dismissed','completed','cancelled')"),
        ),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id", index=True)
    kind: str = Field(default="failure", sa_column_kwargs={"server_default": text("'failure'")})
    incident: str = Field(default="", sa_column_kwargs=EMPTY)
    severity: str = Field(default="major", sa_column_kwargs={"server_default": text("'major'")})
    title: str
    topic: str
    segment: dict[str, object] = Field(sa_type=JSONB)
    areas: list[dict[str, str]] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs=NOTHING
    )
    variables: dict[str, object] = Field(sa_type=JSONB)
    components: list[str] = Field(
        default_factory=list,
        sa_type=JSONB,
        sa_column_kwargs=NOTHING,
    )
    reason: str = Field(default="", sa_column_kwargs=EMPTY)
    workaround: str = Field(default="", sa_column_kwargs=EMPTY)
    no_workaround: bool = Field(default=False, sa_column_kwargs=FALSE)
    hotline: str = Field(default="", sa_column_kwargs=EMPTY)
    state: str
    starts_at: datetime | None = Field(default=None, sa_type=Instant)
    expected_end: datetime | None = Field(default=None, sa_type=Instant)
    plan: dict[str, object] = Field(
        default_factory=dict, sa_type=JSONB, sa_column_kwargs=_EMPTY_MAP
    )
    in_flight_at_stop: int
    simulated: bool = Field(default=False, sa_column_kwargs=FALSE)
    asked_by: str = Field(default="", sa_column_kwargs=EMPTY)
    confirmed_by: str = Field(default="", sa_column_kwargs=EMPTY)
    broke_glass: str = Field(default="", sa_column_kwargs=EMPTY)
    first_signal_at: datetime | None = Field(default=None, sa_type=Instant)
    declared_at: datetime = Field(sa_type=Instant)
    shown_at: datetime | None = Field(default=None, sa_type=Instant)
    confirmed_at: datetime | None = Field(default=None, sa_type=Instant)
    escalated_at: datetime | None = Field(default=None, sa_type=Instant)
    started_at: datetime | None = Field(default=None, sa_type=Instant)
    resolved_at: datetime | None = Field(default=None, sa_type=Instant)
    reviewed_at: datetime | None = Field(default=None, sa_type=Instant)


class OutageEntryRow(SQLModel, table=True):
    """One line of an outage's history: a command, who gave it, what it said and what was shown.

    `public` is the text for public channels by language, empty for what they do not show.
    """

    __tablename__ = "outage_entries"
    __table_args__ = (Index("outage_entries_of_outage", "outage_id", "id"),)

    id: str = Field(primary_key=True)
    outage_id: str = Field(foreign_key="outages.id")
    command: str
    by: str
    state: str
    body: dict[str, object] = Field(sa_type=JSONB)
    public: dict[str, str] = Field(default_factory=dict, sa_type=JSONB, sa_column_kwargs=_EMPTY_MAP)
    at: datetime = Field(sa_type=Instant)


class OutageNoticeRow(SQLModel, table=True):
    """One round of telling: a cause of its own, so that the ledger adds up for each.

    `parts` say who is decided in which order, and over which channels each part may be told;
    `cursor` is how far that has come (part and last customer). `facts` are what rules may read of
    the outage, `variables` what texts may say. `state` is `deciding`, `decided` or
    `stopped`.
    """

    __tablename__ = "outage_notices"
    __table_args__ = (UniqueConstraint("outage_id", "number"),)

    id: str = Field(primary_key=True)
    outage_id: str = Field(foreign_key="outages.id")
    brand_id: str = Field(foreign_key="brands.id")
    number: int
    kind: str
    topic: str
    cause_id: str = Field(foreign_key="causes.id", unique=True)
    variables: dict[str, object] = Field(sa_type=JSONB)
    facts: dict[str, object] = Field(
        default_factory=dict, sa_type=JSONB, sa_column_kwargs=_EMPTY_MAP
    )
    parts: list[dict[str, object]] = Field(sa_type=JSONB)
    state: str
    cursor: dict[str, object] = Field(
        default_factory=dict, sa_type=JSONB, sa_column_kwargs=_EMPTY_MAP
    )
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    in_flight_at_stop: int = Field(default=0, sa_column_kwargs=_ZERO)
    simulated: bool = Field(default=False, sa_column_kwargs=FALSE)
    created_at: datetime = Field(sa_type=Instant)
    decided_at: datetime | None = Field(default=None, sa_type=Instant)
    stopped_at: datetime | None = Field(default=None, sa_type=Instant)


class OutageSignalRow(SQLModel, table=True):
    """Somebody says that something does not work; `reference` is the sender's own name of it.

    `still_out` is a customer's answer to an all-clear; `answered_at` is when he got another one.
    """

    __tablename__ = "outage_signals"
    __table_args__ = (
        UniqueConstraint("brand_id", "source", "reference"),
        Index("outage_signals_recent", "brand_id", "incident", "at"),
        Index("outage_signals_of_outage", "outage_id", "at"),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    incident: str
    area: dict[str, str] = Field(sa_type=JSONB)
    source: str
    reference: str
    customer_id: str | None = Field(default=None, foreign_key="customers.id", index=True)
    outage_id: str | None = Field(default=None, foreign_key="outages.id")
    still_out: bool = Field(default=False, sa_column_kwargs=FALSE)
    simulated: bool = Field(default=False, sa_column_kwargs=FALSE)
    at: datetime = Field(sa_type=Instant)
    answered_at: datetime | None = Field(default=None, sa_type=Instant)


class OutageReviewRow(SQLModel, table=True):
    """What was learnt of an outage (B13): one per outage, written when it is over."""

    __tablename__ = "outage_reviews"

    outage_id: str = Field(primary_key=True, foreign_key="outages.id")
    by: str
    what_happened: str
    what_was_late: str
    what_changes: str
    at: datetime = Field(sa_type=Instant)


class WebhookRow(SQLModel, table=True):
    """An address that hears of a brand's outages or cases, signed with its own secret.

    `kinds` are those that it hears of.
    """

    __tablename__ = "webhooks"

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id", index=True)
    url: str
    secret: str
    means: str
    kinds: list[str] = Field(
        default_factory=lambda: ["outages"],
        sa_type=JSONB,
        sa_column_kwargs={"server_default": text("'[\"outages\"]'::jsonb")},
    )
    made_by: str
    made_at: datetime = Field(sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


class WebhookCallRow(SQLModel, table=True):
    """One thing to tell one address; tried again until it is taken or given up.

    What is told of one `subject` to one address goes in the order of `seq`; without one in any.
    """

    __tablename__ = "webhook_calls"
    __table_args__ = (
        Index("webhook_calls_due", "due_at", postgresql_where=text("done_at IS NULL")),
        Index(
            "webhook_calls_in_turn",
            "webhook_id",
            "subject",
            "seq",
            postgresql_where=text("done_at IS NULL AND subject <> ''"),
        ),
    )

    id: str = Field(primary_key=True)
    seq: int | None = Field(
        default=None, sa_type=BigInteger, sa_column_args=[Identity(always=True)], nullable=False
    )
    subject: str = Field(default="", sa_column_kwargs=EMPTY)
    webhook_id: str = Field(foreign_key="webhooks.id", index=True)
    kind: str
    body: dict[str, object] = Field(sa_type=JSONB)
    created_at: datetime = Field(sa_type=Instant)
    due_at: datetime = Field(sa_type=Instant)
    tries: int = Field(default=0, sa_column_kwargs=_ZERO)
    answer: str = Field(default="", sa_column_kwargs=EMPTY)
    done_at: datetime | None = Field(default=None, sa_type=Instant)
