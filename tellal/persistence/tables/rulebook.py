"""Rules and texts as they are published: revisions, who agreed to them, and a log of it all."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import Instant


class RevisionRow(SQLModel, table=True):
    """Rule files and texts as one thing, named by their content; a trigger keeps it as it is."""

    __tablename__ = "rulebook_revisions"

    revision: str = Field(primary_key=True)
    files: dict[str, str] = Field(sa_type=JSONB)
    author: str
    note: str
    created_at: datetime = Field(sa_type=Instant)


class ProposalRow(SQLModel, table=True):
    """A revision that somebody wants in force in the place of `base`."""

    __tablename__ = "rulebook_proposals"
    __table_args__ = (
        Index(
            "rulebook_proposals_open",
            "revision",
            unique=True,
            postgresql_where=text("state IN ('proposed', 'approved')"),
        ),
    )

    id: str = Field(primary_key=True)
    revision: str = Field(foreign_key="rulebook_revisions.revision")
    base: str
    kind: str
    state: str
    author: str
    author_key: str
    approver: str
    approver_key: str
    affected: int
    threshold: int
    note: str
    created_at: datetime = Field(sa_type=Instant)
    decided_at: datetime | None = Field(default=None, sa_type=Instant)
    published_at: datetime | None = Field(default=None, sa_type=Instant)


class ActiveRow(SQLModel, table=True):
    """The revision in force, in one row; without it the folder of the settings is in force."""

    __tablename__ = "rulebook_active"
    __table_args__ = (CheckConstraint("id = 1", name="rulebook_active_is_one"),)

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    revision: str = Field(foreign_key="rulebook_revisions.revision")
    seq: int
    since: datetime = Field(sa_type=Instant)


class RulebookLogRow(SQLModel, table=True):
    """Who did what to the rulebook; rows are only added, each sealed to the one before."""

    __tablename__ = "rulebook_log"

    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=Instant)
    who: str
    key_id: str
    action: str
    revision: str
    details: dict[str, object] = Field(sa_type=JSONB)
    previous: str
    hash: str = Field(unique=True)
