"""Cases: what officers work on."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import EMPTY, FALSE, NOBODY, Instant

_ZERO = {"server_default": text("0")}


class CaseRow(SQLModel, table=True):
    """An application to the brand, over one intake channel; a `simulated` one is rehearsed.

    `tracking_code` lets whoever has it follow the case in public; it cannot be guessed. `round`
    counts its reopenings. `told_at` is when a call told the result to `verified_as`, `contacted_at`
    when somebody was first spoken to at all; from `unreachable_at` on he is written to instead.
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
    round: int = Field(default=0, sa_column_kwargs=_ZERO)
    closure: str = Field(default="", sa_column_kwargs=EMPTY)
    form_reference: str = Field(default="", sa_column_kwargs=EMPTY)
    queue_ticket: str = Field(default="", sa_column_kwargs=EMPTY)
    reply_by: str = Field(default="", sa_column_kwargs=EMPTY)
    special_category: str = Field(default="", sa_column_kwargs=EMPTY)
    verified_as: str = Field(default="", sa_column_kwargs=EMPTY)
    merged_into: str | None = Field(default=None, foreign_key="cases.id")
    opened_at: datetime = Field(sa_type=Instant)
    state_at: datetime = Field(sa_type=Instant)
    contacted_at: datetime | None = Field(default=None, sa_type=Instant)
    told_at: datetime | None = Field(default=None, sa_type=Instant)
    unreachable_at: datetime | None = Field(default=None, sa_type=Instant)
    reminded_at: datetime | None = Field(default=None, sa_type=Instant)
    warn_at: datetime | None = Field(default=None, sa_type=Instant)
    warned_at: datetime | None = Field(default=None, sa_type=Instant)
    due_at: datetime | None = Field(default=None, sa_type=Instant)
    escalated_at: datetime | None = Field(default=None, sa_type=Instant)
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


class CallTaskRow(SQLModel, table=True):
    """An applicant whom an officer must call: who has the task, until when, and what came of it.

    There is one that is not over per case at the most.
    """

    __tablename__ = "call_tasks"
    __table_args__ = (
        Index(
            "call_tasks_open",
            "brand_id",
            "not_before",
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(
            "call_tasks_one_per_case",
            "case_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    case_id: str = Field(foreign_key="cases.id", index=True)
    round: int
    purpose: str
    state: str
    attempts: int
    last_outcome: str
    claimed_by: str
    claimed_until: datetime | None = Field(default=None, sa_type=Instant)
    not_before: datetime = Field(sa_type=Instant)
    due_at: datetime = Field(sa_type=Instant)
    first_tried_at: datetime | None = Field(default=None, sa_type=Instant)
    tried_at: datetime | None = Field(default=None, sa_type=Instant)
    created_at: datetime = Field(sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


class AgentCallRow(SQLModel, table=True):
    """A message that a person of the call centre is to tell: `script` is its text.

    The number stands nowhere here: it is looked up when somebody is about to call. `reason` says
    why nobody is to call any more.
    """

    __tablename__ = "agent_calls"
    __table_args__ = (
        UniqueConstraint("message_id", "attempt"),
        Index(
            "agent_calls_open",
            "brand_id",
            "not_before",
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id", index=True)
    message_id: str = Field(foreign_key="messages.id")
    attempt: int
    state: str
    reason: str
    script: str
    language: str
    last_outcome: str
    claimed_by: str
    tries: int
    claimed_until: datetime | None = Field(default=None, sa_type=Instant)
    not_before: datetime = Field(sa_type=Instant)
    created_at: datetime = Field(sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


class CaseSurveyRow(SQLModel, table=True):
    """What an applicant thought of how his case was dealt with, once per reopening."""

    __tablename__ = "case_surveys"
    __table_args__ = (UniqueConstraint("case_id", "round"),)

    id: str = Field(primary_key=True)
    case_id: str = Field(foreign_key="cases.id")
    round: int
    score: int
    comment: str
    recorded_by: str
    answered_at: datetime = Field(sa_type=Instant)


class CaseAssessmentRow(SQLModel, table=True):
    """The checklist of a case that was concluded: question by question, true, false or null."""

    __tablename__ = "case_assessments"
    __table_args__ = (UniqueConstraint("case_id", "round"),)

    id: str = Field(primary_key=True)
    case_id: str = Field(foreign_key="cases.id")
    round: int
    items: dict[str, object] = Field(sa_type=JSONB, sa_column_kwargs=NOBODY)
    fulfilled: bool
    note: str
    assessed_by: str
    assessed_at: datetime = Field(sa_type=Instant)


class CaseNumberRow(SQLModel, table=True):
    """The last record number given out, per brand and year."""

    __tablename__ = "case_numbers"

    brand_id: str = Field(foreign_key="brands.id", primary_key=True)
    year: int = Field(primary_key=True)
    last: int
