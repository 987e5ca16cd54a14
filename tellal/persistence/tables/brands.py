"""Brands and the keys that act for them."""

from datetime import datetime

from sqlalchemy import UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import EMPTY, EMPTY_LIST, FALSE, Instant


class BrandRow(SQLModel, table=True):
    """A sender in the eyes of customers and of the law; brands share no person and no data."""

    __tablename__ = "brands"

    id: str = Field(primary_key=True)
    name: str = Field(unique=True)
    trade_name: str
    country: str
    timezone: str
    phone: str
    email: str
    mersis: str
    sms_sender: str
    email_sender: str
    whatsapp_sender: str = Field(default="", sa_column_kwargs=EMPTY)
    kind: str = Field(default="company", sa_column_kwargs={"server_default": text("'company'")})
    owner: str = Field(default="", sa_column_kwargs=EMPTY)
    tckn: str = Field(default="", sa_column_kwargs=EMPTY)
    short_number: str = Field(default="", sa_column_kwargs=EMPTY)
    exemption: str = Field(default="", sa_column_kwargs=EMPTY)
    licence: str = Field(default="", sa_column_kwargs=EMPTY)
    sector: str = Field(default="", sa_column_kwargs=EMPTY)
    created_at: datetime = Field(sa_type=Instant)


class ShortCodeRow(SQLModel, table=True):
    """A short number on which a brand is heard; with a keyword it shares it with others."""

    __tablename__ = "short_codes"

    code: str = Field(primary_key=True)
    keyword: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id", index=True)


class ApiKeyRow(SQLModel, table=True):
    """A key to the API. Only the digest of its secret is kept.

    What a key that `rehearses` sets off walks the whole way and never reaches a provider. A key
    belongs to a `person`, or to a system if that is empty; `made_by` is the person who made it over
    the API, empty if an operator did.
    """

    __tablename__ = "api_keys"

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id", index=True)
    name: str
    person: str = Field(default="", sa_column_kwargs=EMPTY)
    made_by: str = Field(default="", sa_column_kwargs=EMPTY)
    roles: list[str] = Field(default=[], sa_type=JSONB, sa_column_kwargs=EMPTY_LIST)
    scopes: list[str] = Field(sa_type=JSONB)
    digest: str = Field(unique=True)
    hint: str
    rehearses: bool = Field(default=False, sa_column_kwargs=FALSE)
    created_at: datetime = Field(sa_type=Instant)
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    revoked_at: datetime | None = Field(default=None, sa_type=Instant)
    last_used_at: datetime | None = Field(default=None, sa_type=Instant)
    replaced_by: str | None = None


class IdempotencyRow(SQLModel, table=True):
    """The answer to a write, stored in the transaction of its effect."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (UniqueConstraint("caller_id", "route", "key"),)

    id: str = Field(primary_key=True)
    caller_id: str
    route: str
    key: str
    digest: str
    status: int
    body: dict[str, object] = Field(sa_type=JSONB)
    created_at: datetime = Field(sa_type=Instant, index=True)
