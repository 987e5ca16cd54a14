"""Groups of customers, and campaigns: what is planned, each time that it runs, whom it tells."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import EMPTY, FALSE, NOBODY, Instant

_ZERO = {"server_default": text("0")}


class GroupRow(SQLModel, table=True):
    """Customers under a name that campaigns may speak to, or leave out.

    `kind`: list (those who were put in), segment (whoever meets the condition when it is asked),
    snapshot (those who met it once). `source` is the file or the condition's group it came from.
    """

    __tablename__ = "groups"
    __table_args__ = (UniqueConstraint("brand_id", "name"),)

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    name: str
    kind: str
    segment: dict[str, object] | None = Field(default=None, sa_type=JSONB)
    source: str = Field(default="", sa_column_kwargs=EMPTY)
    made_by: str
    created_at: datetime = Field(sa_type=Instant)
    changed_at: datetime = Field(sa_type=Instant)
    deleted_at: datetime | None = Field(default=None, sa_type=Instant)


class GroupMemberRow(SQLModel, table=True):
    """One customer of a list or a snapshot, with what texts may say of him alone."""

    __tablename__ = "group_members"
    __table_args__ = (Index("group_members_of_customer", "customer_id"),)

    group_id: str = Field(primary_key=True, foreign_key="groups.id")
    customer_id: str = Field(primary_key=True, foreign_key="customers.id")
    variables: dict[str, object] = Field(
        default_factory=dict, sa_type=JSONB, sa_column_kwargs=NOBODY
    )
    added_at: datetime = Field(sa_type=Instant)


class CampaignRow(SQLModel, table=True):
    """A campaign: what is said to whom, when, at which speed and price.

    `plan` is what its author wrote (`tellal.domain.campaigns`). `digest` is of the plan that was
    approved: another plan needs another approval. `next_at` is when it runs next, None when it does
    not. A `simulated` one is rehearsed.
    """

    __tablename__ = "campaigns"
    __table_args__ = (
        UniqueConstraint("brand_id", "name"),
        Index("campaigns_due", "next_at", postgresql_where=text("next_at IS NOT NULL")),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    name: str
    state: str
    plan: dict[str, object] = Field(sa_type=JSONB)
    digest: str = Field(default="", sa_column_kwargs=EMPTY)
    made_by: str
    approved_by: str = Field(default="", sa_column_kwargs=EMPTY)
    approved_at: datetime | None = Field(default=None, sa_type=Instant)
    next_at: datetime | None = Field(default=None, sa_type=Instant)
    runs: int = Field(default=0, sa_column_kwargs=_ZERO)
    simulated: bool = Field(default=False, sa_column_kwargs=FALSE)
    created_at: datetime = Field(sa_type=Instant)
    changed_at: datetime = Field(sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


class CampaignEntryRow(SQLModel, table=True):
    """One line of a campaign's history: a command, who gave it, and what it said."""

    __tablename__ = "campaign_entries"
    __table_args__ = (Index("campaign_entries_of_campaign", "campaign_id", "id"),)

    id: str = Field(primary_key=True)
    campaign_id: str = Field(foreign_key="campaigns.id")
    command: str
    by: str
    body: dict[str, object] = Field(sa_type=JSONB)
    at: datetime = Field(sa_type=Instant)


class CampaignRunRow(SQLModel, table=True):
    """One time that a campaign runs. `state`: running, paused, ended, cancelled.

    `planned_for` is the instant of its first wave. `reason` says why it is paused or was ended
    early (`operator`, `budget`, …). `pace` is how many may be told (`tokens`), as it was `at` an
    instant.
    """

    __tablename__ = "campaign_runs"
    __table_args__ = (UniqueConstraint("campaign_id", "number"),)

    id: str = Field(primary_key=True)
    campaign_id: str = Field(foreign_key="campaigns.id")
    brand_id: str = Field(foreign_key="brands.id")
    number: int
    planned_for: datetime = Field(sa_type=Instant)
    state: str
    reason: str = Field(default="", sa_column_kwargs=EMPTY)
    pace: dict[str, object] = Field(default_factory=dict, sa_type=JSONB, sa_column_kwargs=NOBODY)
    paused_at: datetime | None = Field(default=None, sa_type=Instant)
    started_at: datetime = Field(sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


class CampaignRoundRow(SQLModel, table=True):
    """What one variant of one step of a run tells, which is a cause of its own.

    `parts` are decided in their order, each not before its instant; `cursor` says how far it is.
    `state`: deciding, decided, stopped.
    """

    __tablename__ = "campaign_rounds"
    __table_args__ = (UniqueConstraint("run_id", "step", "variant"),)

    id: str = Field(primary_key=True)
    run_id: str = Field(foreign_key="campaign_runs.id")
    campaign_id: str = Field(foreign_key="campaigns.id", index=True)
    brand_id: str = Field(foreign_key="brands.id")
    step: int = Field(default=0, sa_column_kwargs=_ZERO)
    variant: str = Field(default="", sa_column_kwargs=EMPTY)
    cause_id: str = Field(foreign_key="causes.id", unique=True)
    topic: str
    variables: dict[str, object] = Field(sa_type=JSONB)
    parts: list[dict[str, object]] = Field(sa_type=JSONB)
    cursor: dict[str, object] = Field(sa_type=JSONB)
    state: str
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    simulated: bool = Field(default=False, sa_column_kwargs=FALSE)
    created_at: datetime = Field(sa_type=Instant)
    decided_at: datetime | None = Field(default=None, sa_type=Instant)
