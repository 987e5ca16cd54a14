"""Customers, their addresses, what they agreed to, and what happened to them."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import EMPTY, FALSE, NOBODY, NOTHING, Instant


class CustomerRow(SQLModel, table=True):
    """A customer of one brand. `ref` is the caller's name for him, `facts` what rules may read.

    `complained` repeats the topics of his standing complaints, so that a decision reads one row. Of
    who was erased the row stays, names nobody, and is in no population.
    """

    __tablename__ = "customers"
    __table_args__ = (
        UniqueConstraint("brand_id", "ref"),
        Index("customers_places", "brand_id", "timezone", "country"),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    ref: str
    kind: str
    locale: str
    timezone: str
    country: str
    first_name: str
    facts: dict[str, object] = Field(sa_type=JSONB)
    service_only: bool = Field(default=False, sa_column_kwargs=FALSE)
    topics_off: list[str] = Field(default_factory=list, sa_type=JSONB, sa_column_kwargs=NOTHING)
    complained: list[str] = Field(default_factory=list, sa_type=JSONB, sa_column_kwargs=NOTHING)
    created_at: datetime = Field(sa_type=Instant)
    updated_at: datetime = Field(sa_type=Instant)
    erased_at: datetime | None = Field(default=None, sa_type=Instant)


class ContactPointRow(SQLModel, table=True):
    """An address on a channel; `bad_reason` says why it is unusable, empty when it is good."""

    __tablename__ = "contact_points"
    __table_args__ = (
        UniqueConstraint("customer_id", "channel", "address"),
        Index("contact_points_by_address", "brand_id", text("lower(address)")),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id")
    channel: str
    address: str
    bad_reason: str = ""
    created_at: datetime = Field(sa_type=Instant)


def _as_recorded(context: DefaultExecutionContext) -> object:
    """Who says nothing of the time gives his consent as it is written."""
    values: dict[str, object] = context.get_current_parameters()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
    return values["recorded_at"]


_UNSEALED = text("seq IS NULL")
_UNTOLD = text("erased_at IS NOT NULL AND tombstone IS NULL")


class ConsentRow(SQLModel, table=True):
    """One grant or refusal; rows are only added, the latest of a channel (`given_at`) is in force.

    `whole` says that it settles the channel for what names no purpose; it is derived. `seq` and
    `salt` come with the seal (`consent_chain`), `tombstone` with that of an erasure. A trigger
    keeps everything else as it was written.
    """

    __tablename__ = "consents"
    __table_args__ = (
        Index("consents_current", "customer_id", "channel", "given_at"),
        Index(
            "consents_refused",
            "brand_id",
            "recorded_at",
            postgresql_where=text("state = 'refused'"),
        ),
        Index("consents_by_address", "brand_id", "address", postgresql_where=text("address <> ''")),
        Index("consents_by_time", "brand_id", "given_at"),
        Index("consents_unsealed", "brand_id", "id", postgresql_where=_UNSEALED),
        Index("consents_untold_erasures", "brand_id", "id", postgresql_where=_UNTOLD),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id")
    channel: str
    state: str
    recipient_type: str = Field(
        default="individual", sa_column_kwargs={"server_default": text("'individual'")}
    )
    source: str
    purposes: list[str] = Field(default_factory=list, sa_type=JSONB, sa_column_kwargs=NOTHING)
    delegation: dict[str, object] = Field(
        default_factory=dict, sa_type=JSONB, sa_column_kwargs=NOBODY
    )
    whole: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    address: str = Field(default="", sa_column_kwargs=EMPTY)
    evidence: dict[str, object] = Field(sa_type=JSONB)
    given_at: datetime = Field(sa_type=Instant, sa_column_kwargs={"default": _as_recorded})
    valid_until: datetime | None = Field(default=None, sa_type=Instant)
    recorded_at: datetime = Field(sa_type=Instant)
    recorded_by: str = Field(default="", sa_column_kwargs=EMPTY)
    seq: int | None = Field(default=None, sa_type=BigInteger)
    salt: str = Field(default="", sa_column_kwargs=EMPTY)
    erased_at: datetime | None = Field(default=None, sa_type=Instant)
    erased_by: str = Field(default="", sa_column_kwargs=EMPTY)
    tombstone: int | None = Field(default=None, sa_type=BigInteger)


class ConsentChainRow(SQLModel, table=True):
    """A brand's chain of consents: salted hashes, each sealed to the one before; rows stay.

    No foreign key leads to `consents`: what was removed there must still be missed here.
    """

    __tablename__ = "consent_chain"
    __table_args__ = (UniqueConstraint("consent_id", "action"),)

    brand_id: str = Field(primary_key=True, foreign_key="brands.id")
    seq: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    at: datetime = Field(sa_type=Instant)
    who: str
    action: str
    consent_id: str
    core: str
    digest: str
    previous: str
    hash: str


class ComplaintRow(SQLModel, table=True):
    """Somebody was annoyed: of a topic, perhaps of one message; in his words, until `erased_at`.

    Closed without `resumed` it goes on to silence the topic. What came by an `authority`, which
    calls it `file_number`, is to be answered by `due_at`, and somebody is to look from `warn_at`.
    """

    __tablename__ = "complaints"
    __table_args__ = (
        Index("complaints_of_brand", "brand_id", "id"),
        Index(
            "complaints_to_answer",
            "warn_at",
            postgresql_where=text("closed_at IS NULL AND due_at IS NOT NULL"),
        ),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id", index=True)
    topic: str
    message_id: str | None = Field(default=None, foreign_key="messages.id")
    source: str
    text: str
    filed_by: str
    filed_at: datetime = Field(sa_type=Instant)
    authority: str = Field(default="", sa_column_kwargs=EMPTY)
    file_number: str = Field(default="", sa_column_kwargs=EMPTY)
    received_at: datetime | None = Field(default=None, sa_type=Instant)
    due_at: datetime | None = Field(default=None, sa_type=Instant)
    warn_at: datetime | None = Field(default=None, sa_type=Instant)
    answer: str = Field(default="", sa_column_kwargs=EMPTY)
    closed_by: str = ""
    closed_at: datetime | None = Field(default=None, sa_type=Instant)
    resumed: bool = False
    resumed_by: str = Field(default="", sa_column_kwargs=EMPTY)
    resumed_at: datetime | None = Field(default=None, sa_type=Instant)
    erased_by: str = Field(default="", sa_column_kwargs=EMPTY)
    erased_at: datetime | None = Field(default=None, sa_type=Instant)


class EventRow(SQLModel, table=True):
    """Something that a customer did."""

    __tablename__ = "events"

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id", index=True)
    type: str
    payload: dict[str, object] = Field(sa_type=JSONB)
    occurred_at: datetime = Field(sa_type=Instant)
    received_at: datetime = Field(sa_type=Instant)
