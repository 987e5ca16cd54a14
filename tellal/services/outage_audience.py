"""Decides an outage's audience page by page, and says when nobody is left in the open."""

from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from rules.standing import belongs, parse_segment
from tellal.domain.messages import OutcomeState
from tellal.domain.outages import OutageState
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand, lock_page
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import CauseRow, OutcomeRow
from tellal.persistence.tables.outages import OutageRow
from tellal.services.asking import document, situation
from tellal.services.deciding import Deciding
from tellal.services.entries import Matter

_causes = table(CauseRow)
_outages = table(OutageRow)
_outcomes = table(OutcomeRow)


class OutageAudience:
    """Decides who is affected; each page is a transaction, and a page twice changes nothing."""

    def __init__(self, sessions: Sessions, deciding: Deciding) -> None:
        self._sessions = sessions
        self._deciding = deciding

    async def decide_page(self, outage_id: str, after: str, limit: int) -> str | None:
        """Decide the customers after a cursor; return the next cursor, None when through.

        It is through, too, when the outage does not run any more.
        """
        async with self._sessions() as tx, tx.begin():
            outage = await self._running(tx, outage_id)
            if outage is None:
                return None
            brand = await read_brand(tx, outage.brand_id)
            page = await lock_page(tx, outage.brand_id, after=after, limit=limit)
            # After the customers, so that no lock is ever waited for in the other order.
            if not await self._share_cause(tx, outage.cause_id):
                return None
            decided = await self._decided(tx, outage.cause_id, [one.id for one in page])
            book = self._deciding.asking.book
            affected = parse_segment(book, outage.segment)
            now = self._deciding.clock.now()
            for customer in page:
                known = document(customer, book.constants(outage.topic))
                if customer.id in decided:
                    continue
                if not belongs(book, affected, known, situation(customer, now)):
                    continue
                await self._deciding.decide(
                    tx,
                    brand,
                    customer,
                    Matter(
                        topic=outage.topic,
                        cause_kind="outage",
                        cause_key=f"outage:{outage.id}",
                        cause_id=outage.cause_id,
                        variables={"outage": outage.variables},
                        workflow_id="",
                        simulated=outage.simulated,
                    ),
                )
            if len(page) == limit:
                return page[-1].id
            await tx.execute(
                update(_outages)
                .where(_outages.c.id == outage_id)
                .values(decided_at=self._deciding.clock.now())
            )
            return None

    async def open_outcomes(self, outage_id: str) -> int:
        """Count the outcomes of an outage that have not come to an end."""
        async with self._sessions() as tx:
            query = (
                select(func.count())
                .select_from(_outcomes.join(_outages, _outages.c.cause_id == _outcomes.c.cause_id))
                .where(_outages.c.id == outage_id, _outcomes.c.state == OutcomeState.OPEN)
            )
            return int((await tx.execute(query)).scalar_one())

    async def _running(self, tx: AsyncSession, outage_id: str) -> Row[Any] | None:
        query = select(_outages).where(
            _outages.c.id == outage_id, _outages.c.state == OutageState.CONFIRMED
        )
        return (await tx.execute(query)).one_or_none()

    async def _share_cause(self, tx: AsyncSession, cause_id: str) -> bool:
        query = select(_causes.c.state).where(_causes.c.id == cause_id).with_for_update(read=True)
        return bool((await tx.execute(query)).scalar_one() == "running")

    async def _decided(self, tx: AsyncSession, cause_id: str, ids: list[str]) -> set[str]:
        query = select(_outcomes.c.customer_id).where(
            _outcomes.c.cause_id == cause_id, _outcomes.c.customer_id.in_(ids)
        )
        return set((await tx.execute(query)).scalars())
