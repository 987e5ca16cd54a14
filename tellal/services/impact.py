"""How many people a change of rules or texts concerns."""

from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from rules.source import Report, SourceFile, parse
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import CustomerRow
from tellal.services.editions import Edition

_customers = table(CustomerRow)


class Impact(Protocol):
    """Counts the customers who would be told something else, or somewhere else, or not at all."""

    async def count(self, tx: AsyncSession, before: Edition, after: Edition) -> int:
        """Return how many customers a change from one edition to another concerns."""
        ...


class Everybody:
    """Takes everybody for concerned as soon as any rule or text says something else.

    What is only written in another way, comments and blanks in rule files, concerns nobody.
    """

    async def count(self, tx: AsyncSession, before: Edition, after: Edition) -> int:
        """Return none or all."""
        if says_the_same(before, after):
            return 0
        return int((await tx.execute(select(func.count()).select_from(_customers))).scalar_one())


def says_the_same(one: Edition, other: Edition) -> bool:
    """Say whether two editions differ in nothing that a machine reads."""
    return one.texts == other.texts and _meant(one) == _meant(other)


def _meant(edition: Edition) -> dict[str, object]:
    return {file.name: _read(file) for file in edition.rules}


def _read(file: SourceFile) -> object:
    """Return what a file says; one that cannot be read is taken by its letters."""
    read = parse(file, Report())
    return file.text if read is None else read
