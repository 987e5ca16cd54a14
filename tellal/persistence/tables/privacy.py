"""What data protection asks for: notices, explicit consents, erasures, what they leave, purges."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import EMPTY, NOBODY, Instant

_ZERO = {"server_default": text("0")}


class ShownNoticeRow(SQLModel, table=True):
    """An information notice as it was shown to somebody; it is no consent to anything."""

    __tablename__ = "shown_notices"

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id", index=True)
    notice: str
    version: str
    language: str
    way: str
    details: dict[str, object] = Field(default_factory=dict, sa_type=JSONB, sa_column_kwargs=NOBODY)
    shown_at: datetime = Field(sa_type=Instant)
    recorded_at: datetime = Field(sa_type=Instant)
    recorded_by: str


class ExplicitConsentRow(SQLModel, table=True):
    """A signed consent to the processing of data of a special category, or its withdrawal.

    It says nothing of commercial messages: those consents are in `consents`.
    """

    __tablename__ = "explicit_consents"
    __table_args__ = (Index("explicit_consents_current", "customer_id", "category", "given_at"),)

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id")
    category: str
    state: str
    document: str
    version: str
    language: str
    signature: dict[str, object] = Field(
        default_factory=dict, sa_type=JSONB, sa_column_kwargs=NOBODY
    )
    given_at: datetime = Field(sa_type=Instant)
    recorded_at: datetime = Field(sa_type=Instant)
    recorded_by: str


class AddressSaltRow(SQLModel, table=True):
    """The salt with which a brand's kept refusals are hashed; it never changes."""

    __tablename__ = "address_salts"

    brand_id: str = Field(primary_key=True, foreign_key="brands.id")
    salt: str


class KeptRefusalRow(SQLModel, table=True):
    """What an erased person refused, by a salted hash of his address; nothing else is kept of him.

    With a `block_origin` it is a block of the address instead, on whatever channel.
    """

    __tablename__ = "kept_refusals"
    __table_args__ = (UniqueConstraint("brand_id", "digest", "channel", "block_origin"),)

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    digest: str
    channel: str = Field(default="", sa_column_kwargs=EMPTY)
    block_origin: str = Field(default="", sa_column_kwargs=EMPTY)
    block_until: datetime | None = Field(default=None, sa_type=Instant)
    refused_at: datetime = Field(sa_type=Instant)
    kept_at: datetime = Field(sa_type=Instant)


class ErasureRow(SQLModel, table=True):
    """That somebody was erased, by whose order, and how much; rows are only added.

    `ref_digest` is a salted hash of the brand's name for him, by which a repeat is known.
    """

    __tablename__ = "erasures"
    __table_args__ = (Index("erasures_by_ref", "brand_id", "ref_digest"),)

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id", index=True)
    ref_digest: str
    counts: dict[str, int] = Field(sa_type=JSONB)
    by: str
    at: datetime = Field(sa_type=Instant)


class ProviderCopyRow(SQLModel, table=True):
    """A message of an erased person that a provider has a copy of, and what became of it.

    `state` is `due`, `deleted`, or `kept` with the reason in `code`.
    """

    __tablename__ = "provider_copies"
    __table_args__ = (
        UniqueConstraint("provider", "reference"),
        Index("provider_copies_due", "due_at", postgresql_where=text("state = 'due'")),
    )

    id: str = Field(primary_key=True)
    erasure_id: str = Field(foreign_key="erasures.id", index=True)
    provider: str
    reference: str
    state: str
    tries: int = Field(default=0, sa_column_kwargs=_ZERO)
    code: str = Field(default="", sa_column_kwargs=EMPTY)
    due_at: datetime = Field(sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


class PurgeRow(SQLModel, table=True):
    """What one run of the purge removed of one kind; the database refuses to change it."""

    __tablename__ = "purges"
    __table_args__ = (Index("purges_of_brand", "brand_id", "id"),)

    id: str = Field(primary_key=True)
    run: str
    brand_id: str = Field(foreign_key="brands.id")
    kind: str
    cut_off: datetime = Field(sa_type=Instant)
    removed: int
    at: datetime = Field(sa_type=Instant)
