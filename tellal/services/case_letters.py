"""Letters to applicants: the reply that an officer wrote, or that nobody could reach him."""

from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.cases import ReplyWay
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, NotFoundError
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.operations import CaseEntryRow, CaseRow
from templates.letters import Letter, Letters

_cases = table(CaseRow)
_entries = table(CaseEntryRow)
_customers = table(CustomerRow)


class CaseLetters:
    """Prints the latest letter of a case as PDF; it is made anew each time, and kept nowhere."""

    def __init__(self) -> None:
        self._letters = Letters()

    async def print(self, tx: AsyncSession, brand: Brand, number: str) -> bytes:
        """Return the latest letter of a case.

        Raises:
            NotFoundError: The brand has no such case.
            ConflictError: There is no letter to print.
        """
        query = (
            select(_cases, _customers.c.locale)
            .join(_customers, _customers.c.id == _cases.c.customer_id)
            .where(_cases.c.brand_id == brand.id, _cases.c.number == number)
        )
        case = (await tx.execute(query)).one_or_none()
        if case is None:
            raise NotFoundError(f"no case {number!r}")
        entry = await self._latest(tx, case.id)
        language = str(case.locale).split("-")[0]
        variables = {
            "brand": {"phone": brand.phone, "trade_name": brand.trade_name},
            "case": {"number": number, "reply": entry.body.get("text", "")},
        }
        name = "reply" if entry.command == "reply" else "unreachable"
        subject, words = self._letters.write(name, language, variables)
        letter = Letter(
            sender=(brand.trade_name, brand.phone, brand.email),
            day=entry.at.astimezone(ZoneInfo(brand.timezone)).strftime("%d.%m.%Y"),
            subject=subject,
            paragraphs=[part for part in words.split("\n\n") if part.strip()],
        )
        return self._letters.print(letter, entry.at)

    async def _latest(self, tx: AsyncSession, case_id: str) -> Row[Any]:
        way = _entries.c.body
        query = (
            select(_entries)
            .where(
                _entries.c.case_id == case_id,
                ((_entries.c.command == "reply") & (way["way"].astext == ReplyWay.LETTER.value))
                | ((_entries.c.command == "unreachable") & (way["fallback"].astext == "letter")),
            )
            .order_by(_entries.c.id.desc())
            .limit(1)
        )
        entry = (await tx.execute(query)).one_or_none()
        if entry is None:
            raise ConflictError(
                "there is no letter to print",
                code="no_letter",
                hint="reply with way: letter first",
            )
        return entry
