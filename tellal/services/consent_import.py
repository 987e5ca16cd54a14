"""Takes many consents into the ledger at once: by COPY into a table beside it, then as one set.

Whom nobody knows becomes a customer. A record that is there already is not written again, so a file
may be imported as often as one likes.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import ARRAY, String, any_, bindparam, func, select, text, union
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.addresses import country_of
from tellal.clock import Clock
from tellal.domain.channels import BY_NUMBER, Channel
from tellal.domain.consents import ConsentChannel, is_whole
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError
from tellal.ids import new_id
from tellal.persistence.bulk import copy_rows
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import ConsentRow, ContactPointRow, CustomerRow
from tellal.services.block_lists import BadLine
from tellal.services.consent_files import ConsentFile, ConsentLine

_customers = table(CustomerRow).c
_points = table(ContactPointRow).c
_consents = table(ConsentRow).c

_LOCALES = {"TR": "tr-TR", "PL": "pl-PL"}
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
_MAKE_CUSTOMERS = text(
    """
CREATE TEMPORARY TABLE given_customers (
    id text, ref text, kind text, country text, first_name text
) ON COMMIT DROP
"""
)
_ADD_CUSTOMERS = text(
    """
INSERT INTO customers (id, brand_id, ref, kind, locale, timezone, country, first_name, facts,
                       created_at, updated_at)
SELECT id, :brand, ref, kind, :locale, :timezone, country, first_name, '{}', :now, :now
FROM given_customers
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
    """Writes lines in parts, each in the caller's transaction."""

    def __init__(self, clock: Clock, *, locale: str = "") -> None:
        self._clock = clock
        self._locale = locale

    async def settled(self, tx: AsyncSession, brand: Brand, read: ConsentFile) -> ConsentFile:
        """Take out the lines of which nobody can say whom they mean: two customers share them."""
        nameless = [one.claim.address for one in read.lines if not one.customer]
        having = await _having(tx, brand.id, nameless)
        good, bad = [], list(read.bad)
        for one in read.lines:
            if one.customer or len(having.get(one.claim.address.lower(), ())) < 2:  # noqa: PLR2004
                good.append(one)
                continue
            bad.append(
                BadLine(
                    line=one.line,
                    message="address: several customers have it",
                    hint="say which in the column customer",
                )
            )
        bad.sort(key=lambda one: one.line)
        return replace(read, lines=tuple(good), bad=tuple(bad))

    async def put(
        self, tx: AsyncSession, brand: Brand, lines: Sequence[ConsentLine], *, by: str
    ) -> Imported:
        """Write a part of a file; whom it concerns is locked, as a single record locks him.

        Raises:
            InvalidInputError: Several customers have an address by which a line names one.
        """
        people = await _known(tx, brand.id, lines)
        fresh: dict[str, tuple[object, ...]] = {}
        rows = []
        for one in lines:
            key = _key(one)
            person = people.get(key)
            if person is None:
                person = people[key] = _Person(new_id(), one.claim.recipient_type.value)
                fresh[key] = _customer(person, one, brand)
            rows.append(_row(one, person))
        now = self._clock.now()
        await tx.execute(_MAKE)
        await copy_rows(tx, "given_consents", _COLUMNS, rows)
        if fresh:
            await tx.execute(_MAKE_CUSTOMERS)
            columns = ("id", "ref", "kind", "country", "first_name")
            await copy_rows(tx, "given_customers", columns, fresh.values())
            said = {
                "brand": brand.id,
                "locale": self._locale or _LOCALES.get(brand.country, "en"),
                "timezone": brand.timezone,
                "now": now,
            }
            await tx.execute(_ADD_CUSTOMERS, said)
        await tx.execute(_LOCK)
        await tx.execute(_ADD_POINTS, {"brand": brand.id, "now": now})
        added = await tx.execute(_ADD, {"brand": brand.id, "now": now, "by": by})
        done = Imported(consents=len(added.all()), customers=len(fresh))
        await tx.execute(text("DROP TABLE given_consents"))
        await tx.execute(text("DROP TABLE IF EXISTS given_customers"))
        return done


async def _known(
    tx: AsyncSession, brand_id: str, lines: Sequence[ConsentLine]
) -> dict[str, _Person]:
    """Return the customers whom lines mean, by `_key`."""
    refs = sorted({one.customer for one in lines if one.customer})
    query = select(_customers.id, _customers.ref, _customers.kind).where(
        _customers.brand_id == brand_id, _customers.ref == any_(_list("refs"))
    )
    found = {
        f"ref:{row.ref}": _Person(row.id, row.kind)
        for row in await tx.execute(query, {"refs": refs})
    }
    nameless = [one.claim.address for one in lines if not one.customer]
    for address, people in (await _having(tx, brand_id, nameless)).items():
        if len(people) > 1:
            raise InvalidInputError(
                "several customers have an address of the file", field="address", hint="name them"
            )
        found[f"address:{address}"] = people[0]
    return found


async def _having(
    tx: AsyncSession, brand_id: str, addresses: Iterable[str]
) -> Mapping[str, list[_Person]]:
    """Return who has each of the addresses, or gave a consent for it."""
    wanted = sorted({address.lower() for address in addresses})
    if not wanted:
        return {}
    small = func.lower(_points.address)
    by_point = select(small.label("address"), _points.customer_id).where(
        _points.brand_id == brand_id, small == any_(_list("addresses"))
    )
    by_consent = select(func.lower(_consents.address), _consents.customer_id).where(
        _consents.brand_id == brand_id,
        _consents.address != "",
        _consents.address == any_(_list("addresses")),
    )
    having = union(by_point, by_consent).subquery("having")
    query = select(having.c.address, _customers.id, _customers.kind).join(
        table(CustomerRow), _customers.id == having.c.customer_id
    )
    found: dict[str, list[_Person]] = {}
    for row in await tx.execute(query, {"addresses": wanted}):
        found.setdefault(row.address, []).append(_Person(row.id, row.kind))
    return found


def _list(name: str) -> Any:  # noqa: ANN401 a parameter has no type of its own
    return bindparam(name, type_=ARRAY(String()))


def _key(one: ConsentLine) -> str:
    return f"ref:{one.customer}" if one.customer else f"address:{one.claim.address.lower()}"


def _customer(person: _Person, one: ConsentLine, brand: Brand) -> tuple[object, ...]:
    by_number = _channel(one) in BY_NUMBER
    country = country_of(one.claim.address) if by_number else ""
    # A name of ours says nothing of him: the address must not live on in it.
    ref = one.customer or f"imported-{person.id}"
    return person.id, ref, person.kind, country or brand.country, one.first_name


def _row(one: ConsentLine, person: _Person) -> tuple[object, ...]:
    claim = one.claim
    delegation = {} if claim.delegation is None else asdict(claim.delegation)
    return (
        one.line,
        new_id(),
        person.id,
        claim.channel.value,
        claim.state.value,
        claim.recipient_type.value,
        claim.source.value,
        json.dumps(claim.purposes),
        json.dumps(delegation),
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
