"""Cases: what officers work on."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import FALSE, Instant


class CaseRow(SQLModel, table=True):
    """An application to the brand, over one intake channel; a `simulated` one is rehearsed.

    `tracking_code` lets whoever has it follow the case in public; it cannot be guessed.
    """

    __tablename__ = "cases"
    __table_args__ = (UniqueConstraint("brand_id", "number"), UniqueConstraint("tracking_code"))

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id", index=True)
    number: str
    tracking_code: str | None = None
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
