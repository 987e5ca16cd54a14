"""Column types shared by the tables."""

from sqlalchemy import DateTime
from sqlalchemy.types import TypeDecorator


class Instant(TypeDecorator[object]):
    """A moment with its zone; PostgreSQL keeps it in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True
