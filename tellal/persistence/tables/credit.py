"""The ledger of credit: accounts, their lines, what is reserved now, and alerts."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ARRAY, Index, Numeric, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from tellal.persistence.columns import EMPTY, FALSE, Instant

MONEY = Numeric(18, 6)
_ZERO = {"server_default": text("0")}
_NONE = {"server_default": text("'{}'::numeric[]")}


class CreditAccountRow(SQLModel, table=True):
    """What a brand has paid beforehand in one currency.

    `available` is what may still be reserved, without what was given back and has not been gathered
    yet. `alert_reserve` of it is kept for alerts. `thresholds` are watched; those `armed` have not
    been crossed downwards since the last top-up above them.
    """

    __tablename__ = "credit_accounts"
    __table_args__ = (
        UniqueConstraint("brand_id", "name"),
        UniqueConstraint("brand_id", "currency"),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    name: str
    currency: str
    may_go_negative: bool = Field(default=False, sa_column_kwargs=FALSE)
    available: Decimal = Field(default=Decimal(0), sa_type=MONEY, sa_column_kwargs=_ZERO)
    alert_reserve: Decimal = Field(default=Decimal(0), sa_type=MONEY, sa_column_kwargs=_ZERO)
    thresholds: list[Decimal] = Field(sa_type=ARRAY(MONEY), sa_column_kwargs=_NONE)
    armed: list[Decimal] = Field(sa_type=ARRAY(MONEY), sa_column_kwargs=_NONE)
    mobile: str = Field(default="", sa_column_kwargs=EMPTY)
    email: str = Field(default="", sa_column_kwargs=EMPTY)
    made_by: str
    created_at: datetime = Field(sa_type=Instant)
    changed_at: datetime = Field(sa_type=Instant)


class CreditEntryRow(SQLModel, table=True):
    """One line of an account: what was paid in, or what became of a message's cost; only added.

    `amount` is above zero but for adjustments; `kind` says which way it counts. `message_id` is
    ours, and empty where no message is meant.
    """

    __tablename__ = "credit_entries"
    __table_args__ = (
        Index("credit_entries_of_account", "account_id", "id"),
        Index("credit_entries_of_message", "message_id"),
    )

    id: str = Field(primary_key=True)
    brand_id: str = Field(foreign_key="brands.id")
    account_id: str = Field(foreign_key="credit_accounts.id")
    kind: str
    amount: Decimal = Field(sa_type=MONEY)
    message_id: str = Field(default="", sa_column_kwargs=EMPTY)
    note: str = Field(default="", sa_column_kwargs=EMPTY)
    by: str
    at: datetime = Field(sa_type=Instant)


class CreditReservationRow(SQLModel, table=True):
    """What an attempt of a message has reserved, until it is settled or gathered back.

    `returned` says that it was given back; the account's row has it when somebody gathers it.
    """

    __tablename__ = "credit_reservations"
    __table_args__ = (
        Index("credit_reservations_of_account", "account_id", "returned"),
        Index("credit_reservations_open", "at", postgresql_where=text("NOT returned")),
    )

    message_id: str = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    account_id: str = Field(foreign_key="credit_accounts.id")
    brand_id: str = Field(foreign_key="brands.id")
    amount: Decimal = Field(sa_type=MONEY)
    returned: bool = Field(default=False, sa_column_kwargs=FALSE)
    at: datetime = Field(sa_type=Instant)


class CreditAlertRow(SQLModel, table=True):
    """That a threshold was crossed, and how far telling the account's person over one way is.

    `way`: sms, email. `state`: due, begun (on disk before a provider is called), sent, refused,
    unpaid (not even the reserve for alerts pays for it), covered (a lower threshold was crossed at
    the same moment, and is told of instead).
    """

    __tablename__ = "credit_alerts"
    __table_args__ = (
        Index("credit_alerts_of_account", "account_id", "id"),
        Index(
            "credit_alerts_due", "crossed_at", postgresql_where=text("state IN ('due', 'begun')")
        ),
    )

    id: str = Field(primary_key=True)
    account_id: str = Field(foreign_key="credit_accounts.id")
    brand_id: str = Field(foreign_key="brands.id")
    way: str
    threshold: Decimal = Field(sa_type=MONEY)
    available: Decimal = Field(sa_type=MONEY)
    state: str
    tries: int = Field(default=0, sa_column_kwargs=_ZERO)
    code: str = Field(default="", sa_column_kwargs=EMPTY)
    crossed_at: datetime = Field(sa_type=Instant)
    begun_at: datetime | None = Field(default=None, sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
