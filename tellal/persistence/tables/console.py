"""Who is signed in to the console."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from tellal.persistence.columns import Instant


class ConsoleSessionRow(SQLModel, table=True):
    """Somebody at the console with a key of the API; `digest` is of the secret in his cookie.

    `officer` is what he calls himself, where several people share a key.
    """

    __tablename__ = "console_sessions"

    digest: str = Field(primary_key=True)
    key_id: str = Field(foreign_key="api_keys.id", index=True)
    officer: str
    began_at: datetime = Field(sa_type=Instant)
    seen_at: datetime = Field(sa_type=Instant)
