"""What people write to our numbers, what came of it, and what they are still to be told."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import EMPTY, Instant


class InboundRow(SQLModel, table=True):
    """A word that somebody wrote to a number; the same of a carrier's ids comes once.

    What nobody is asked to understand (free text) is not kept. `answer` says what became of the
    automatic reply.
    """

    __tablename__ = "inbound"
    __table_args__ = (
        UniqueConstraint("provider", "reference"),
        Index("inbound_of_number", "sender", "received_at"),
    )

    id: str = Field(primary_key=True)
    provider: str
    reference: str
    channel: str
    sender: str
    recipient: str
    text: str
    does: str
    keyword: str = Field(default="", sa_column_kwargs=EMPTY)
    answer: str = Field(default="", sa_column_kwargs=EMPTY)
    received_at: datetime = Field(sa_type=Instant)


class InboundEffectRow(SQLModel, table=True):
    """What a word did for one customer of one brand, and how many messages it stopped."""

    __tablename__ = "inbound_effects"
    __table_args__ = (
        UniqueConstraint("inbound_id", "customer_id"),
        Index("inbound_effects_of_brand", "brand_id", "received_at", "id"),
    )

    id: str = Field(primary_key=True)
    inbound_id: str = Field(foreign_key="inbound.id")
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id", index=True)
    did: str
    consent_id: str | None = None
    message_id: str | None = Field(default=None, foreign_key="messages.id")
    cancelled: int = 0
    received_at: datetime = Field(sa_type=Instant)


class ConfirmationRow(SQLModel, table=True):
    """An electronic consent that is to be confirmed to the person until `confirm_by`.

    `state`: due, posted (`message_id` is on its way), confirmed, taken_back.
    """

    __tablename__ = "consent_confirmations"
    __table_args__ = (
        Index(
            "consent_confirmations_open",
            "confirm_by",
            postgresql_where=text("state IN ('due', 'posted')"),
        ),
    )

    consent_id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    customer_id: str = Field(foreign_key="customers.id", index=True)
    channel: str
    confirm_by: datetime = Field(sa_type=Instant)
    state: str
    reason: str = Field(default="", sa_column_kwargs=EMPTY)
    message_id: str | None = Field(default=None, foreign_key="messages.id")
    settled_at: datetime | None = Field(default=None, sa_type=Instant)


class FirstSendRow(SQLModel, table=True):
    """The first commercial message to a customer whom the law only takes for one who agreed."""

    __tablename__ = "first_sends"

    customer_id: str = Field(primary_key=True, foreign_key="customers.id")
    channel: str = Field(primary_key=True)
    message_id: str = Field(foreign_key="messages.id")
    at: datetime = Field(sa_type=Instant)
