"""Takes many consents into the ledger at once: by COPY into a table beside it, then as one set.

Whom nobody knows becomes a customer. A record that is there already is not written again, so a file
may be imported as often as one likes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from sqlalchemy import ARRAY, String, any_, bindparam, func, select, text, union
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.addresses import country_of
from tellal.clock import Clock
from tellal.domain.channels import BY_NUMBER, Channel
from tellal.domain.consents import ELECTRONIC, ConsentChannel, is_whole
from tellal.domain.customers import Brand
from tellal.domain.messages import MessageState
from tellal.ids import new_id
from tellal.persistence.bulk import copy_rows, given
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ConsentRow, ContactPointRow, CustomerRow
from tellal.services.block_lists import BadLine
from tellal.services.consent_files import ConsentFile, ConsentLine
from tellal.services.kept_refusals import Arrived, refuse_again
from tellal.services.moves import Move
from tellal.services.newcomers import Newcomer, language_of, make_known
from tellal.services.progress import Progress

_customers = table(CustomerRow).c
_points = table(ContactPointRow).c
_consents = table(ConsentRow).c

_WANTED = given(address=String())
_BY_POINT = select(_WANTED.c.address, _points.customer_id).where(
    _points.brand_id == bindparam("brand"), func.lower(_points.address) == _WANTED.c.address
)
_BY_CONSENT = select(_WANTED.c.address, _consents.customer_id).where(
    _consents.brand_id == bindparam("brand"),
    _consents.address != "",
    _consents.address == _WANTED.c.address,
)
_OWNERS = union(_BY_POINT, _BY_CONSENT).subquery("owners")
_HAVING = select(_OWNERS.c.address, _customers.id, _customers.kind).join(
    table(CustomerRow), _customers.id == _OWNERS.c.customer_id
)
_NAMED = select(_customers.id, _customers.ref, _customers.kind).where(
    _customers.brand_id == bindparam("brand"),
    _customers.ref == any_(bindparam("refs", type_=ARRAY(String()))),
)
_MANY = 200
_IN_ONE_GO = text("SET LOCAL enable_nestloop = off")
"""Thousands of addresses are looked up in one pass over the table. Else it depends on statistics,
which lag behind a large import, whether each of them leads to a pass of its own."""
_COLUMNS = (
    "line", "id", "customer_id", "channel", "state", "recipient_type", "source", "purposes",
    "delegation", "whole", "address", "evidence", "given_at", "valid_until", "fresh_point",
)  # fmt: skip
_MAKE = text(
    """
CREATE TEMPORARY TABLE given_consents (
    line integer, id text, customer_id text, channel text, state text, recipient_type text,
    source text, purposes jsonb, delegation jsonb, whole boolean, address text, evidence jsonb,
    given_at timestamptz, valid_until timestamptz, fresh_point text
) ON COMMIT DROP
"""
)
_LOCK = text(
    """
SELECT id FROM customers WHERE id IN (SELECT customer_id FROM given_consents)
ORDER BY id FOR NO KEY UPDATE
"""
)
_ADD_POINTS = text(
    """
INSERT INTO contact_points (id, brand_id, customer_id, channel, address, bad_reason, created_at)
SELECT fresh_point, :brand, customer_id, channel, address, '', :now
FROM given_consents WHERE fresh_point <> '' ORDER BY line
ON CONFLICT (customer_id, channel, address) DO NOTHING
RETURNING customer_id, channel, address
"""
)
_ADD = text(
    """
INSERT INTO consents (id, brand_id, customer_id, channel, state, recipient_type, source, purposes,
                      delegation, whole, address, evidence, given_at, valid_until, recorded_at,
                      recorded_by)
SELECT id, :brand, customer_id, channel, state, recipient_type, source, purposes, delegation, whole,
       address, evidence, given_at, valid_until, :now, :by
FROM given_consents AS new
WHERE NOT EXISTS (
    SELECT FROM consents AS old
    WHERE old.customer_id = new.customer_id AND old.channel = new.channel
      AND old.given_at = new.given_at AND old.state = new.state
      AND old.recipient_type = new.recipient_type AND old.source = new.source
      AND old.purposes = new.purposes AND old.delegation = new.delegation
)
ORDER BY line
RETURNING id
"""
)

_NOTE_DUTIES = text(
    """
INSERT INTO consent_confirmations (consent_id, brand_id, customer_id, channel, confirm_by, state)
SELECT id, :brand, customer_id, channel, until, 'due'
FROM (
    SELECT *, least(
        given_at + interval '24 hours',
        (date_trunc('day', given_at AT TIME ZONE :zone) + interval '1 day') AT TIME ZONE :zone
    ) AS until
    FROM given_consents
    WHERE state = 'granted' AND source = ANY(:electronic)
) AS fresh
WHERE until > :now AND EXISTS (SELECT FROM consents WHERE consents.id = fresh.id)
"""
)
"""As `confirmation_duty.note_duty` does for a single record."""
_REFUSED = text(
    """
SELECT DISTINCT messages.id
FROM given_consents AS new
JOIN messages ON messages.customer_id = new.customer_id AND messages.channel = new.channel
JOIN outcomes ON outcomes.id = messages.outcome_id
WHERE new.state = 'refused' AND messages.state IN ('deferred', 'queued')
  AND messages.message_class = 'commercial'
  AND newest_consent(new.customer_id, new.channel, :now) IS FALSE
  AND (new.purposes = '[]' OR coalesce(outcomes.plan -> 'purposes', '[]') = '[]'
       OR EXISTS (SELECT FROM jsonb_array_elements_text(new.purposes) AS one
                  WHERE jsonb_exists(outcomes.plan -> 'purposes', one)))
ORDER BY messages.id
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of a part of a file."""

    consents: int = 0
    customers: int = 0

    def __add__(self, other: "Imported") -> "Imported":
        return Imported(
            consents=self.consents + other.consents, customers=self.customers + other.customers
        )


@dataclass(frozen=True, slots=True)
class _Person:
    """Whom a line is about; without an id nobody knows him yet."""

    id: str
    kind: str


class ConsentImport:
    """Takes one file in: looks once whom it means, then writes it in parts.

    Each part is the caller's transaction; a file whose part failed is imported again from the
    beginning.
    """

    def __init__(self, clock: Clock, brand: Brand, *, locale: str = "") -> None:
        self._clock = clock
        self._brand = brand
        self._locale = locale or language_of(brand)
        self._people: dict[str, _Person] = {}

    async def settle(self, tx: AsyncSession, read: ConsentFile) -> ConsentFile:
        """Look whom the lines mean, and take out those of which nobody can say: several are meant.

        In a transaction of its own.
        """
        self._people = await self._by_ref(tx, read.lines)
        having = await self._having(tx, read.lines)
        unclear = {address for address, people in having.items() if len(people) > 1}
        self._people |= {f"address:{address}": people[0] for address, people in having.items()}
        meant = [one for one in read.lines if one.customer or _folded(one) not in unclear]
        bad = [
            BadLine(
                line=one.line,
                message="address: several customers have it",
                hint="say which in the column customer",
            )
            for one in read.lines
            if not one.customer and _folded(one) in unclear
        ]
        in_order = sorted([*read.bad, *bad], key=lambda one: one.line)
        return replace(read, lines=tuple(meant), bad=tuple(in_order))

    async def put(self, tx: AsyncSession, lines: Sequence[ConsentLine], *, by: str) -> Imported:
        """Write a part of a settled file; whom it concerns is locked, as a single record locks him.

        Raises:
            ConflictError: Somebody else made one of its customers known meanwhile.
        """
        fresh: dict[str, Newcomer] = {}
        rows = []
        for one in lines:
            key = _key(one)
            person = self._people.get(key)
            if person is None:
                person = self._people[key] = _Person(new_id(), one.claim.recipient_type.value)
                fresh[key] = _customer(person, one, self._brand)
            rows.append(_row(one, person))
        said = {"brand": self._brand.id, "now": self._clock.now()}
        await tx.execute(_MAKE)
        await copy_rows(tx, "given_consents", _COLUMNS, rows)
        if fresh:
            await make_known(
                tx, self._brand, list(fresh.values()), locale=self._locale, now=self._clock.now()
            )
        await tx.execute(_LOCK)
        points = (await tx.execute(_ADD_POINTS, said)).all()
        added = await tx.execute(_ADD, {**said, "by": by})
        electronic = sorted(source.value for source in ELECTRONIC)
        zone = self._brand.timezone
        await tx.execute(_NOTE_DUTIES, {**said, "zone": zone, "electronic": electronic})
        await self._stop_refused(tx)
        done = Imported(consents=len(added.all()), customers=len(fresh))
        await tx.execute(text("DROP TABLE given_consents"))
        arrived = [
            Arrived(customer_id=one.customer_id, channel=Channel(one.channel), address=one.address)
            for one in points
        ]
        await refuse_again(tx, self._brand.id, arrived, now=self._clock.now())
        return done

    async def _stop_refused(self, tx: AsyncSession) -> None:
        """Cancel what has not left and is refused by what was just written."""
        ids = (await tx.execute(_REFUSED, {"now": self._clock.now()})).scalars().all()
        cancelled = MessageState.CANCELLED
        moves = [Move(message_id=one, state=cancelled, code="no_consent") for one in ids]
        await Progress(self._clock).move(tx, moves)

    async def _by_ref(self, tx: AsyncSession, lines: Sequence[ConsentLine]) -> dict[str, _Person]:
        refs = sorted({one.customer for one in lines if one.customer})
        rows = await tx.execute(_NAMED, {"brand": self._brand.id, "refs": refs})
        return {f"ref:{row.ref}": _Person(row.id, row.kind) for row in rows}

    async def _having(
        self, tx: AsyncSession, lines: Sequence[ConsentLine]
    ) -> Mapping[str, list[_Person]]:
        """Return who has each of the addresses that stand alone, or gave a consent for it."""
        wanted = sorted({_folded(one) for one in lines if not one.customer})
        if not wanted:
            return {}
        if len(wanted) > _MANY:
            await tx.execute(_IN_ONE_GO)
        found: dict[str, list[_Person]] = {}
        said = {"brand": self._brand.id, "given_address": wanted}
        for row in await tx.execute(_HAVING, said):
            found.setdefault(row.address, []).append(_Person(row.id, row.kind))
        return found


def _folded(one: ConsentLine) -> str:
    return one.claim.address.lower()


def _key(one: ConsentLine) -> str:
    return f"ref:{one.customer}" if one.customer else f"address:{_folded(one)}"


def _customer(person: _Person, one: ConsentLine, brand: Brand) -> Newcomer:
    by_number = _channel(one) in BY_NUMBER
    country = country_of(one.claim.address) if by_number else ""
    return Newcomer(
        id=person.id,
        ref=one.customer,
        kind=person.kind,
        country=country or brand.country,
        first_name=one.first_name,
    )


def _row(one: ConsentLine, person: _Person) -> tuple[object, ...]:
    claim = one.claim
    return (
        one.line,
        new_id(),
        person.id,
        claim.channel.value,
        claim.state.value,
        claim.recipient_type.value,
        claim.source.value,
        json.dumps(claim.purposes) if claim.purposes else "[]",
        "{}" if claim.delegation is None else json.dumps(asdict(claim.delegation)),
        is_whole(claim.state, claim.recipient_type, person.kind, claim.purposes, claim.delegation),
        claim.address,
        json.dumps(claim.evidence, ensure_ascii=False),
        claim.given_at,
        claim.valid_until,
        new_id() if _channel(one) is not None else "",
    )


def _channel(one: ConsentLine) -> Channel | None:
    """Return the channel of which the address is one; a number to be called is none of ours."""
    if one.claim.channel is not ConsentChannel.CALL:
        return Channel(one.claim.channel.value)
    return None
