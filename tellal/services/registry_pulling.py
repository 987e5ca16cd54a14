"""Learns from İYS what citizens said there, and what others told it in the brand's name.

A citizen's word is recorded like any other and weighed by when he gave it. What we had told İYS
ourselves is no news. A grant that somebody else told it is not recorded, for we could not prove it;
a refusal is.
"""

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ARRAY, String, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.consents import SAID_TO_REGISTRY, TAKEN_BY_SENDER
from tellal.domain.errors import InvalidInputError
from tellal.domain.registry import CHANNELS, ROLES, STATES, Status
from tellal.domain.registry_answers import Account, Change, RegistryError, Side
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand
from tellal.persistence.session import Sessions
from tellal.persistence.tables.registry import RegistryAccountRow, RegistryChangeRow
from tellal.ports import Registry
from tellal.services.consents import ConsentInput, Consents

BY = "registry"
"""Who has recorded what was said at İYS."""

_accounts = table(RegistryAccountRow)
_changes = table(RegistryChangeRow)
_PAGES_AT_ONCE = 50
_FALLBACK = {Side.CITIZEN: "IYS_WEB", Side.SENDER: "HS_KARAR"}
"""What a source is taken for that İYS has added since: a refusal must not be lost for its name."""

_WHOSE = text(
    """
SELECT customer.id, customer.ref, point.address
FROM contact_points AS point JOIN customers AS customer ON customer.id = point.customer_id
WHERE point.brand_id = :brand AND lower(point.address) = :folded AND point.channel = ANY(:by)
UNION
SELECT customer.id, customer.ref, consent.address
FROM consents AS consent JOIN customers AS customer ON customer.id = consent.customer_id
WHERE consent.brand_id = :brand AND consent.address <> ''
  AND consent.address = ANY(ARRAY[:address, :folded]) AND consent.channel = ANY(:by)
ORDER BY id
"""
).bindparams(bindparam("by", type_=ARRAY(String())))
_HAVE = text(
    """
SELECT 1 FROM consents AS consent LEFT JOIN registry_pushes AS push ON push.consent_id = consent.id
WHERE consent.brand_id = :brand AND consent.customer_id = :customer AND consent.channel = :channel
  AND consent.recipient_type = :role AND consent.state = :state
  AND (date_trunc('second', consent.given_at) = :given OR push.consent_date = :given)
LIMIT 1
"""
)
_OURS = text(
    "SELECT transaction FROM registry_pushes WHERE brand_id = :brand "
    "AND transaction = ANY(:moved) AND transaction <> ''"
)
_KNOWN = text(
    "UPDATE registry_pushes SET state = 'known', transaction = :transaction, "
    "settled_at = next_at WHERE consent_id = :id"
)
"""What somebody else told İYS in the brand's name, it need not be told again."""

_REACHED_BY = {"call": ["sms", "call"], "sms": ["sms"], "email": ["email"]}

_log = logging.getLogger(__name__)


class Pulling:
    """Reads the movements of one brand; whoever calls it holds the brand's lease."""

    def __init__(
        self, registry: Registry, sessions: Sessions, clock: Clock, consents: Consents
    ) -> None:
        self._registry = registry
        self._sessions = sessions
        self._clock = clock
        self._consents = consents

    async def pull(self, account: Account) -> int:
        """Work in what İYS has to tell; return how many records were new.

        How far it has been read is on disk after each page; a page that is read again changes
        nothing. Trouble is logged and ends the pull with what has come so far.
        """
        try:
            new = await self._side(account, Side.CITIZEN) + await self._side(account, Side.SENDER)
        except RegistryError as error:
            codes = ",".join(error.codes)
            said = {"trouble": error.trouble.value, "code": codes}
            _log.warning("İYS told no movements", extra=said)
            return 0
        async with self._sessions() as tx, tx.begin():
            mine = _accounts.c.brand_id == account.brand_id
            await tx.execute(update(_accounts).where(mine).values(pulled_at=self._clock.now()))
        return new

    async def _side(self, account: Account, side: Side) -> int:
        place = _accounts.c.citizens_after if side is Side.CITIZEN else _accounts.c.senders_after
        mine = _accounts.c.brand_id == account.brand_id
        async with self._sessions() as tx:
            after = (await tx.execute(select(place).where(mine))).scalar_one()
        new = 0
        for _ in range(_PAGES_AT_ONCE):
            page = await self._registry.changes(account, side, after)
            new += await self._work_in(account, side, page.changes)
            if page.after == after:
                break
            after = page.after
            async with self._sessions() as tx, tx.begin():
                await tx.execute(update(_accounts).where(mine).values({place.name: after}))
        return new

    async def _work_in(self, account: Account, side: Side, changes: Sequence[Change]) -> int:
        """Work a page in; what we had told İYS ourselves is left out in one look."""
        new = 0
        ours = await self._ours(account, changes) if side is Side.SENDER else frozenset()
        for change in changes:
            if change.transaction in ours:
                continue
            async with self._sessions() as tx, tx.begin():
                new += await self._take(tx, account, side, change)
        return new

    async def _ours(self, account: Account, changes: Sequence[Change]) -> frozenset[str]:
        """Return which movements come from what we have told."""
        said = {"brand": account.brand_id, "moved": [one.transaction for one in changes]}
        async with self._sessions() as tx:
            return frozenset((await tx.execute(_OURS, said)).scalars().all())

    async def _take(self, tx: AsyncSession, account: Account, side: Side, change: Change) -> int:
        """Work a movement in, once; return how many records it made."""
        noted = insert(_changes).values(
            brand_id=account.brand_id,
            transaction=change.transaction,
            result="",
            created_at=change.created_at,
            read_at=self._clock.now(),
        )
        fresh = noted.on_conflict_do_nothing().returning(_changes.c.transaction)
        if (await tx.execute(fresh)).one_or_none() is None:
            return 0
        result, number = await self._result(tx, account, side, change)
        mine = (_changes.c.brand_id == account.brand_id) & (
            _changes.c.transaction == change.transaction
        )
        await tx.execute(update(_changes).where(mine).values(result=result))
        return number

    async def _result(
        self, tx: AsyncSession, account: Account, side: Side, change: Change
    ) -> tuple[str, int]:
        record, brand_id = change.record, account.brand_id
        channel = CHANNELS[record.key.kind].value
        asked = {
            "brand": brand_id,
            "address": record.key.recipient,
            "folded": record.key.recipient.lower(),
            "by": _REACHED_BY[channel],
        }
        people = {row.id: row for row in await tx.execute(_WHOSE, asked)}
        if not people:
            return "nobody", 0
        given = min(record.given_at or change.created_at, self._clock.now())
        known = {
            "brand": brand_id,
            "channel": channel,
            "role": ROLES[record.key.party].value,
            "state": STATES[record.status].value,
            "given": given,
        }
        news = [
            row
            for row in people.values()
            if (await tx.execute(_HAVE, {**known, "customer": row.id})).first() is None
        ]
        if not news:
            return ("ours" if side is Side.SENDER else "known"), 0
        if side is Side.SENDER and record.status is Status.GRANTED:
            return "unproved", 0
        brand = await read_brand(tx, brand_id)
        try:
            for row in news:
                given_in = _as_input(side, change, row.address, given)
                kept = await self._consents.record(
                    tx, brand=brand, ref=row.ref, said=given_in, by=BY, heard=True
                )
                await tx.execute(_KNOWN, {"id": kept.id, "transaction": change.transaction})
        except InvalidInputError as error:
            # One that cannot be written down must not keep those behind it from us.
            _log.warning("a movement at İYS cannot be recorded", extra={"field": error.field})
            return "unrecordable", 0
        return "recorded", len(news)


def _as_input(side: Side, change: Change, address: str, given: datetime) -> ConsentInput:
    record = change.record
    ways = SAID_TO_REGISTRY if side is Side.CITIZEN else TAKEN_BY_SENDER
    return ConsentInput(
        channel=CHANNELS[record.key.kind],
        state=STATES[record.status],
        source=record.source if record.source in ways else _FALLBACK[side],
        recipient_type=ROLES[record.key.party],
        given_at=given,
        address=address,
        evidence={"transaction": change.transaction, "registry_source": record.source},
    )
