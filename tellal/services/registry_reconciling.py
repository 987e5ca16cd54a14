"""Compares what İYS has with how the ledger stands, and says what differs and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.consent_rules import REGISTRY_TIME
from tellal.domain.registry import CHANNELS, ROLES, STATES, Known, RegistryKey
from tellal.domain.registry_answers import Account, Change, RegistryLaw
from tellal.persistence.session import Sessions
from tellal.ports import Registry
from tellal.services import registry_ledger as ledger
from tellal.services.registry_ledger import PushState

_STANDS = text(
    """
SELECT customer.ref, consent.id, consent.state, consent.source, consent.given_at, push.state AS at,
       push.code
FROM consents AS consent
JOIN customers AS customer ON customer.id = consent.customer_id
LEFT JOIN registry_pushes AS push ON push.consent_id = consent.id
WHERE consent.brand_id = :brand AND consent.address = ANY(ARRAY[:address, :folded])
  AND consent.channel = :channel AND consent.recipient_type = :role AND consent.address <> ''
ORDER BY consent.given_at DESC, consent.id DESC LIMIT 1
"""
)
_TOLD_LATELY = text(
    """
SELECT consent.id, push.consent_id, push.state AS at, push.code, push.attempts, consent.channel,
       consent.state, consent.recipient_type, consent.source, consent.address, consent.given_at,
       consent.delegation, push.consent_date
FROM registry_pushes AS push JOIN consents AS consent ON consent.id = push.consent_id
WHERE push.brand_id = :brand AND push.state = 'accepted' AND push.settled_at >= :since
ORDER BY push.consent_id LIMIT :most
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that İYS and the ledger see differently; empty where one of them has nothing.

    `who` is the brand's name for the customer, or nothing: an address is never shown.
    """

    who: str
    channel: str
    role: str
    here: str
    there: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What was compared, and what differs."""

    compared: int
    differences: tuple[Difference, ...]


async def reconcile(
    registry: Registry,
    sessions: Sessions,
    account: Account,
    law: RegistryLaw,
    now: datetime,
    *,
    days: int,
    most: int = 1_000,
) -> Reconciliation:
    """Compare the daily files of the last days with the ledger, and what we told with the files.

    What İYS had accepted from us and no file shows is asked for one by one, `most` at most.

    Raises:
        RegistryError: İYS gives no file.
    """
    today = now.astimezone(REGISTRY_TIME).date()
    changes: list[Change] = []
    for ago in range(min(days, law.file_days), -1, -1):
        changes += await registry.changes_of(account, today - timedelta(days=ago))
    newest = _newest(changes)
    found: list[Difference] = []
    async with sessions() as tx:
        for change in newest.values():
            known = Known(status=change.record.status, given_at=change.record.given_at)
            found += await _compared(tx, account, change.record.key, known)
        since = now - timedelta(days=days)
        said = {"brand": account.brand_id, "since": since, "most": most}
        told = (await tx.execute(_TOLD_LATELY, said)).all()
    asked = 0
    for row in told:
        record = ledger.as_record(row, law)
        if record is None or record.key.folded() in newest:
            continue
        asked += 1
        there = await registry.known(account, record.key)
        async with sessions() as tx:
            found += await _compared(tx, account, record.key, there)
    return Reconciliation(compared=len(newest) + asked, differences=tuple(found))


def _newest(changes: Iterable[Change]) -> dict[RegistryKey, Change]:
    """Return the last movement of each key."""
    ordered = sorted(changes, key=lambda one: one.created_at)
    return {one.record.key.folded(): one for one in ordered}


async def _compared(
    tx: AsyncSession, account: Account, key: RegistryKey, known: Known | None
) -> Sequence[Difference]:
    """Return how a key differs, if it does."""
    channel, role = CHANNELS[key.kind].value, ROLES[key.party].value
    said = {
        "brand": account.brand_id,
        "address": key.recipient,
        "folded": key.recipient.lower(),
        "channel": channel,
        "role": role,
    }
    row = (await tx.execute(_STANDS, said)).one_or_none()
    there = "" if known is None else STATES[known.status].value
    here = "" if row is None else row.state
    if here == there:
        return ()
    why = _why(row, known)
    who = "" if row is None else row.ref
    return (Difference(who=who, channel=channel, role=role, here=here, there=there, why=why),)


def _why(row: Row[Any] | None, known: Known | None) -> str:
    if row is None:
        return "nobody here has the address, or his consent was erased"
    if known is None:
        return "İYS has no record, which means refusal"
    if row.at in {state.value for state in ledger.UNDER_WAY}:
        return "İYS is still to be told"
    if row.at in {state.value for state in ledger.LOOK_AT}:
        return f"{row.at}: {row.code}"
    if row.at == PushState.NEEDLESS.value:
        return f"it was not told: {row.code}"
    newer = known.given_at is not None and known.given_at > row.given_at
    return "İYS has something newer, not pulled yet" if newer else "İYS has something older"
