"""Cases and outages: what officers and operators work on."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import FALSE, NOTHING, Instant


class CaseRow(SQLModel, table=True):
    """An application to the brand, over one intake channel; a `simulated` one is rehearsed."""

    __tablename__ = "cases"
    __table_args__ = (UniqueConstraint("brand_id", "number"),)

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id", index=True)
    number: str
    channel: str
    source_system: str
    subject: str
    state: str
    routed: bool
    team: str
    answer: str
    result: str
    calls: int
    reminders: int
    simulated: bool = Field(default=False, sa_column_kwargs=FALSE)
    opened_at: datetime = Field(sa_type=Instant)
    state_at: datetime = Field(sa_type=Instant)
    resolved_at: datetime | None = Field(default=None, sa_type=Instant)


class CaseEntryRow(SQLModel, table=True):
    """One line of a case's history: a command, who gave it, and what it said."""

    __tablename__ = "case_entries"
    __table_args__ = (Index("case_entries_of_case", "case_id", "id"),)

    id: str = Field(primary_key=True)
    case_id: str = Field(foreign_key="cases.id")
    command: str
    by: str
    body: dict[str, object] = Field(sa_type=JSONB)
    at: datetime = Field(sa_type=Instant)


class CaseNumberRow(SQLModel, table=True):
    """The last record number given out, per brand and year."""

    __tablename__ = "case_numbers"

    brand_id: str = Field(foreign_key="brands.id", primary_key=True)
    year: int = Field(primary_key=True)
    last: int


class OutageRow(SQLModel, table=True):
    """An outage: whom it concerns is a segment by rule, whom it told is in the ledger.

    `components` names what it has taken down. A `simulated` one is rehearsed.
    """

    __tablename__ = "outages"
    __table_args__ = (
        Index(
            "outages_that_take_down",
            "brand_id",
            postgresql_where=text("state = 'confirmed' AND components <> '[]'::jsonb"),
        ),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id", index=True)
    cause_id: str = Field(foreign_key="causes.id")
    title: str
    topic: str
    segment: dict[str, object] = Field(sa_type=JSONB)
    variables: dict[str, object] = Field(sa_type=JSONB)
    components: list[str] = Field(
        default_factory=list,
        sa_type=JSONB,
        sa_column_kwargs=NOTHING,
    )
    state: str
    cursor: str
    in_flight_at_stop: int
    simulated: bool = Field(default=False, sa_column_kwargs=FALSE)
    declared_at: datetime = Field(sa_type=Instant)
    confirmed_at: datetime | None = Field(default=None, sa_type=Instant)
    decided_at: datetime | None = Field(default=None, sa_type=Instant)
    resolved_at: datetime | None = Field(default=None, sa_type=Instant)
