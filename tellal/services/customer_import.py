"""Takes many customers in at once: by COPY into tables beside the ledger, then as one set.

What the file says replaces what was known, what it says nothing of stays; addresses are added and
none is removed. All of it is one transaction: a file is taken in as a whole, or not at all.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand, CustomerKind
from tellal.ids import new_id
from tellal.persistence.bulk import copy_rows
from tellal.persistence.people import read_customers
from tellal.services.addressees import (
    Addressee,
    forget,
    look_up,
    note_known,
    repeated,
    unknown,
)
from tellal.services.block_lists import BadLine
from tellal.services.consents import weigh_anew
from tellal.services.customer_files import CustomerFile, CustomerLine
from tellal.services.kept_refusals import Arrived, refuse_again
from tellal.services.newcomers import Newcomer, language_of, make_known
from tellal.services.progress import Progress
from tellal.services.refusals import stop_unwished

_PEOPLE = (
    "line", "kind", "locale", "timezone", "country", "first_name", "service_only", "topics_off",
    "facts",
)  # fmt: skip
_ADDRESSES = ("line", "id", "channel", "address", "bad_reason")
_MAKE = text(
    """
CREATE TEMPORARY TABLE given_people (
    line integer, kind text, locale text, timezone text, country text, first_name text,
    service_only boolean, topics_off jsonb, facts jsonb
) ON COMMIT DROP
"""
)
_MAKE_ADDRESSES = text(
    """
CREATE TEMPORARY TABLE given_addresses (
    line integer, id text, channel text, address text, bad_reason text
) ON COMMIT DROP
"""
)
_KEEP_FIRST = text(
    """
DELETE FROM given_people WHERE line NOT IN (
    SELECT min(line) FROM given_addressees WHERE customer_id IS NOT NULL GROUP BY customer_id
)
"""
)
_LOCK = text(
    """
SELECT customers.id, customers.kind, customers.service_only, customers.topics_off,
       given.kind AS new_kind, given.service_only AS new_only, given.topics_off AS new_off
FROM customers
JOIN given_addressees AS meant ON meant.customer_id = customers.id
JOIN given_people AS given ON given.line = meant.line
ORDER BY customers.id FOR NO KEY UPDATE OF customers
"""
)
_CHANGE = text(
    """
UPDATE customers SET
    kind = coalesce(given.kind, customers.kind),
    locale = coalesce(given.locale, customers.locale),
    timezone = coalesce(given.timezone, customers.timezone),
    country = coalesce(given.country, customers.country),
    first_name = coalesce(given.first_name, customers.first_name),
    service_only = coalesce(given.service_only, customers.service_only),
    topics_off = coalesce(given.topics_off, customers.topics_off),
    facts = customers.facts || given.facts,
    updated_at = :now
FROM given_people AS given JOIN given_addressees AS meant ON meant.line = given.line
WHERE meant.customer_id = customers.id AND customers.erased_at IS NULL
"""
)
_ADD_ADDRESSES = text(
    """
INSERT INTO contact_points (id, brand_id, customer_id, channel, address, bad_reason, created_at)
SELECT given.id, :brand, customers.id, given.channel, given.address, given.bad_reason, :now
FROM given_addresses AS given
JOIN given_people AS person ON person.line = given.line
JOIN given_addressees AS meant ON meant.line = given.line
JOIN customers ON customers.id = meant.customer_id AND customers.erased_at IS NULL
ON CONFLICT (customer_id, channel, address) DO UPDATE SET bad_reason = ''
    WHERE contact_points.bad_reason = 'removed'
RETURNING customer_id, channel, address
"""
)
_LEAVE = text("DROP TABLE IF EXISTS given_people, given_addresses")


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """What came of a file; if it is not `done`, nothing at all was changed."""

    done: bool
    created: int = 0
    changed: int = 0
    empty: int = 0
    repeated: tuple[BadLine, ...] = ()
    bad: tuple[BadLine, ...] = ()


class CustomerImport:
    """Takes files of customers in; the transaction is the caller's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._progress = Progress(clock)

    async def take(
        self, tx: AsyncSession, brand: Brand, read: CustomerFile, *, skip_bad: bool = False
    ) -> TakenIn:
        """Write customers as a file says, or say why not.

        Raises:
            ConflictError: Somebody else made one of them known meanwhile.
        """
        await look_up(tx, brand.id, map(_addressee, read.lines))
        by_line = {one.line: one for one in read.lines}
        nobody, unclear = await unknown(tx)
        bad = tuple(sorted([*read.bad, *unclear], key=lambda one: one.line))
        if (bad and not skip_bad) or not read.lines:
            await forget(tx)
            return TakenIn(done=False, bad=bad, empty=read.empty)
        created = await self._create(tx, brand, [by_line[line] for line in nobody])
        again = await repeated(tx)
        changed = await self._change(tx, brand, read.lines)
        await forget(tx)
        return TakenIn(
            done=True,
            created=created,
            changed=changed - created,
            empty=read.empty,
            repeated=tuple(again),
            bad=bad,
        )

    async def _create(
        self, tx: AsyncSession, brand: Brand, strangers: Sequence[CustomerLine]
    ) -> int:
        """Make those known whom nobody knows; what else is said of them is written with all."""
        known: dict[str, str] = {}
        people: list[Newcomer] = []
        ids = iter(sorted(new_id() for _ in strangers))  # in the order of the file
        fresh: list[tuple[int, str]] = []
        for one in strangers:
            mail = one.first(Channel.EMAIL).lower()
            names = [f"ref:{one.ref}"] if one.ref else [one.first(Channel.SMS), mail]
            names = [name for name in names if name]
            person = next((known[name] for name in names if name in known), "")
            if not person:
                person = next(ids)
                people.append(Newcomer(id=person, ref=one.ref, country=brand.country))
            known.update(dict.fromkeys(names, person))
            fresh.append((one.line, person))
        if people:
            now = self._clock.now()
            await make_known(tx, brand, people, locale=language_of(brand), now=now)
            await note_known(tx, fresh)
        return len(people)

    async def _change(self, tx: AsyncSession, brand: Brand, lines: Sequence[CustomerLine]) -> int:
        """Write what is said of everybody, and let what follows from it follow."""
        now = self._clock.now()
        await tx.execute(_MAKE)
        await tx.execute(_MAKE_ADDRESSES)
        await copy_rows(tx, "given_people", _PEOPLE, map(_row, lines))
        await copy_rows(tx, "given_addresses", _ADDRESSES, _addresses(lines))
        await tx.execute(_KEEP_FIRST)
        people = (await tx.execute(_LOCK)).all()
        said = {"brand": brand.id, "now": now}
        await tx.execute(_CHANGE, said)
        points = (await tx.execute(_ADD_ADDRESSES, said)).all()
        await tx.execute(_LEAVE)
        arrived = [
            Arrived(customer_id=one.customer_id, channel=Channel(one.channel), address=one.address)
            for one in points
        ]
        await refuse_again(tx, brand.id, arrived, now=now)
        for one in people:
            if one.new_kind is not None and one.new_kind != one.kind:
                await weigh_anew(tx, one.id, CustomerKind(one.new_kind))
        less = [one.id for one in people if _wants_less(one)]
        for customer in (await read_customers(tx, less)).values() if less else ():
            await stop_unwished(tx, self._progress, customer)
        return len(people)


def _wants_less(row: Any) -> bool:  # noqa: ANN401 - a row of `_LOCK`
    """Say whether somebody does not want to hear something any more that may wait for him."""
    only = bool(row.new_only) and not row.service_only
    return only or not set(row.new_off or ()) <= set(row.topics_off)


def _addressee(one: CustomerLine) -> Addressee:
    return Addressee(
        line=one.line,
        ref=one.ref,
        phone=one.first(Channel.SMS),
        email=one.first(Channel.EMAIL),
    )


def _row(one: CustomerLine) -> tuple[object, ...]:
    off = None if one.topics_off is None else json.dumps(one.topics_off)
    return (
        one.line,
        one.kind,
        one.locale,
        one.timezone,
        one.country,
        one.first_name,
        one.service_only,
        off,
        _json(one.facts),
    )


def _addresses(lines: Sequence[CustomerLine]) -> list[tuple[object, ...]]:
    """Give every address an id; newer ids are preferred, so the first one gets the newest."""
    rows = [(one.line, point) for one in lines for point in one.addresses]
    ids = sorted((new_id() for _ in rows), reverse=True)
    return [
        (line, id, point.channel.value, point.address, point.bad_reason)
        for (line, point), id in zip(rows, ids, strict=True)
    ]


def _json(facts: Mapping[str, object]) -> str:
    return json.dumps(facts, ensure_ascii=False)
