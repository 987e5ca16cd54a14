"""The chain of what officers and operators did: hashes, and beside each record what seals it."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import Instant


class AuditSealRow(SQLModel, table=True):
    """That a record of a log is to be sealed, or where it was; a trigger writes it with the record.

    The salt goes with what it was about: without it the hash tells nothing of what was emptied.
    """

    __tablename__ = "audit_seals"
    __table_args__ = (
        Index(
            "audit_seals_unsealed", "brand_id", "record_id", postgresql_where=text("seq IS NULL")
        ),
        Index(
            "audit_seals_untold_erasures",
            "brand_id",
            "record_id",
            postgresql_where=text("erased_at IS NOT NULL AND tombstone IS NULL"),
        ),
    )

    log: str = Field(primary_key=True)
    record_id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    salt: str
    noted_at: datetime = Field(sa_type=Instant)
    erased_at: datetime | None = Field(default=None, sa_type=Instant)
    seq: int | None = Field(default=None, sa_type=BigInteger)
    tombstone: int | None = Field(default=None, sa_type=BigInteger)


class AuditChainRow(SQLModel, table=True):
    """A brand's chain of its logs: hashes, each sealed to the one before; rows stay.

    No foreign key leads to the logs: what was removed there must still be missed here.
    """

    __tablename__ = "audit_chain"
    __table_args__ = (UniqueConstraint("log", "record_id", "action"),)

    brand_id: str = Field(primary_key=True, foreign_key="brands.id")
    seq: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    at: datetime = Field(sa_type=Instant)
    action: str
    log: str
    record_id: str
    core: str
    digest: str
    previous: str
    hash: str
