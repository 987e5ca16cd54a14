"""What İYS, the Turkish registry of consents, was told and has told; no address stands here."""

from datetime import date, datetime

from sqlalchemy import Index, Integer, text
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import EMPTY, Instant

_ZERO = {"server_default": text("0")}
_OPEN = text("state IN ('waiting', 'sending', 'sent', 'rejected', 'blocked')")


class RegistryAccountRow(SQLModel, table=True):
    """A brand at İYS. `citizens_after` and `senders_after` are how far its movements are read.

    Before `activated_on` İYS takes history, after it nothing older than three business days.
    """

    __tablename__ = "registry_accounts"

    brand_id: str = Field(primary_key=True, foreign_key="brands.id")
    iys_code: int
    brand_code: int
    activated_on: date | None = None
    citizens_after: str = Field(default="", sa_column_kwargs=EMPTY)
    senders_after: str = Field(default="", sa_column_kwargs=EMPTY)
    pulled_at: datetime | None = Field(default=None, sa_type=Instant)
    created_at: datetime = Field(sa_type=Instant)


class RegistryPushRow(SQLModel, table=True):
    """Whether İYS knows of one row of the ledger of consents. A trigger makes it with that row.

    `due_at` is when the law wants it there, `warn_at` when somebody is warned; both are set when
    the row is first looked at. `batch` is İYS' request and `part` its name for the record, `code`
    what it (or we) refused it with, `consent_date` the date that it was told, `transaction` its
    name for the movement. No foreign key leads to `consents`, as none does from their chain.
    """

    __tablename__ = "registry_pushes"
    __table_args__ = (
        Index(
            "registry_pushes_open",
            "brand_id",
            "state",
            "due_at",
            "consent_id",
            postgresql_where=_OPEN,
        ),
        Index("registry_pushes_moved", "transaction", postgresql_where=text("transaction <> ''")),
        Index("registry_pushes_batch", "batch", postgresql_where=text("state = 'sent'")),
    )

    consent_id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    state: str
    next_at: datetime = Field(sa_type=Instant)
    warn_at: datetime | None = Field(default=None, sa_type=Instant)
    due_at: datetime | None = Field(default=None, sa_type=Instant)
    attempts: int = Field(default=0, sa_type=Integer, sa_column_kwargs=_ZERO)
    batch: str = Field(default="", sa_column_kwargs=EMPTY)
    part: str = Field(default="", sa_column_kwargs=EMPTY)
    code: str = Field(default="", sa_column_kwargs=EMPTY)
    transaction: str = Field(default="", sa_column_kwargs=EMPTY)
    consent_date: datetime | None = Field(default=None, sa_type=Instant)
    pushed_at: datetime | None = Field(default=None, sa_type=Instant)
    settled_at: datetime | None = Field(default=None, sa_type=Instant)


class RegistryChangeRow(SQLModel, table=True):
    """A movement at İYS that has been worked in, so that it is worked in once.

    `result` says how: `recorded`, `ours` (we had told it), `known`, `nobody` (no customer has the
    address), `unproved` (a grant by somebody else, of which we have no proof) or `unrecordable`.
    """

    __tablename__ = "registry_changes"

    brand_id: str = Field(primary_key=True, foreign_key="brands.id")
    transaction: str = Field(primary_key=True)
    result: str
    created_at: datetime = Field(sa_type=Instant)
    read_at: datetime = Field(sa_type=Instant)
