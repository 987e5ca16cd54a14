"""What comes in from outside of the house: applications, mails, and how often somebody asked."""

from datetime import datetime

from sqlalchemy import BigInteger, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import NOTHING, Instant


class ApplicationRow(SQLModel, table=True):
    """What an applicant wrote himself, in a form or a mail: the beginning of one case.

    `reference` is its name where it came from (a mail's Message-ID), by which a repeat is known.
    """

    __tablename__ = "applications"
    __table_args__ = (UniqueConstraint("brand_id", "channel", "reference"),)

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id", index=True)
    case_id: str = Field(foreign_key="cases.id", unique=True)
    channel: str
    reference: str
    text: str
    attachments: list[dict[str, str]] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs=NOTHING
    )
    received_at: datetime = Field(sa_type=Instant)


class MailboxMailRow(SQLModel, table=True):
    """What became of one mail of a mailbox, by the mailbox's own number for it (RFC 9051, UID)."""

    __tablename__ = "mailbox_mails"

    mailbox: str = Field(primary_key=True)
    validity: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    uid: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    became: str
    at: datetime = Field(sa_type=Instant, index=True)


class RateBucketRow(SQLModel, table=True):
    """How often somebody may still ask for something; `slot` is all that is kept of who it is."""

    __tablename__ = "rate_buckets"

    name: str = Field(primary_key=True)
    slot: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    tokens: float
    refilled_at: datetime = Field(sa_type=Instant)
