"""Explicit consents to the processing of data of special categories: signed, per category (E15).

They are records of their own (KVKK article 6, GDPR article 9). A notice that was shown makes none,
they say nothing of commercial messages, and no consent to messages counts here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.customers import ConsentState
from tellal.domain.errors import InvalidInputError
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import find_customer_id
from tellal.persistence.tables.privacy import ExplicitConsentRow

_consents = table(ExplicitConsentRow)

CATEGORIES: Mapping[str, str] = {
    "race": "race and ethnic origin",
    "politics": "political opinion",
    "belief": "philosophical belief, religion, sect and other beliefs",
    "appearance": "dress",
    "membership": "membership of associations, foundations and unions",
    "health": "health",
    "sex_life": "sex life and sexual orientation",
    "criminal": "convictions and security measures",
    "biometric": "biometric data",
    "genetic": "genetic data",
}
"""The special categories of KVKK article 6, which contain those of GDPR article 9."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplicitInput:
    """A consent to a category, or its withdrawal (`refused`); now, unless `given_at` says when.

    `document` names the text that was signed. `signature` says how: a `kind` (wet, electronic,
    mobile) and what proves it; a withdrawal needs none.
    """

    category: str
    state: ConsentState
    document: str
    version: str
    language: str
    signature: Mapping[str, object] = field(default_factory=dict)
    given_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplicitConsent:
    """A record; once its person is erased it has no signature, and proves nothing any more."""

    id: str
    category: str
    state: ConsentState
    document: str
    version: str
    language: str
    signature: Mapping[str, object]
    given_at: datetime
    recorded_at: datetime
    recorded_by: str


_SHOWN = tuple(part.name for part in fields(ExplicitConsent))


class ExplicitConsents:
    """Records and reads explicit consents; rows are only added."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def record(
        self, tx: AsyncSession, brand_id: str, ref: str, said: ExplicitInput, *, by: str
    ) -> ExplicitConsent:
        """Record a consent or a withdrawal; the latest of a category, by `given_at`, is in force.

        Raises:
            NotFoundError: The brand has no such customer.
            InvalidInputError: There is no such category, a consent is not signed, or it lies in the
                future.
        """
        if said.category not in CATEGORIES:
            raise InvalidInputError(
                f"no special category {said.category!r}",
                field="category",
                hint=f"one of: {', '.join(CATEGORIES)}",
            )
        granted = said.state is ConsentState.GRANTED
        if granted and not (said.signature.get("kind") and len(said.signature) > 1):
            raise InvalidInputError(
                "an explicit consent is signed",
                field="signature",
                hint="say its kind (wet, electronic, mobile) and what proves it, as in "
                '{"kind": "wet", "file": "KVK-17"}',
            )
        customer_id = await find_customer_id(tx, brand_id, ref)
        now = self._clock.now()
        given_at = said.given_at or now
        if given_at > now:
            raise InvalidInputError("it cannot be given in the future", field="given_at")
        statement = insert(_consents).values(
            id=new_id(),
            brand_id=brand_id,
            customer_id=customer_id,
            category=said.category,
            state=said.state.value,
            document=said.document,
            version=said.version,
            language=said.language,
            signature=dict(said.signature),
            given_at=given_at,
            recorded_at=now,
            recorded_by=by,
        )
        return _view((await tx.execute(statement.returning(_consents))).one())

    async def page(
        self, tx: AsyncSession, brand_id: str, ref: str, *, after: str, limit: int
    ) -> list[ExplicitConsent]:
        """Read a customer's records in the order in which they were taken down.

        Raises:
            NotFoundError: The brand has no such customer.
        """
        customer_id = await find_customer_id(tx, brand_id, ref)
        query = (
            select(_consents)
            .where(_consents.c.customer_id == customer_id, _consents.c.id > after)
            .order_by(_consents.c.id)
            .limit(limit)
        )
        return [_view(row) for row in await tx.execute(query)]

    async def allows(self, tx: AsyncSession, brand_id: str, ref: str, category: str) -> bool:
        """Say whether data of a category may be processed: a signed consent is in force.

        Raises:
            NotFoundError: The brand has no such customer.
        """
        customer_id = await find_customer_id(tx, brand_id, ref)
        query = (
            select(_consents.c.state, _consents.c.signature)
            .where(_consents.c.customer_id == customer_id, _consents.c.category == category)
            .order_by(_consents.c.given_at.desc(), _consents.c.id.desc())
            .limit(1)
        )
        row = (await tx.execute(query)).one_or_none()
        return row is not None and row.state == ConsentState.GRANTED.value and bool(row.signature)


def _view(row: Row[Any]) -> ExplicitConsent:
    shown = {name: getattr(row, name) for name in _SHOWN}
    return ExplicitConsent(**{**shown, "state": ConsentState(row.state)})
