"""Puts the people of a file into a group: by COPY into a table beside it, then as one set.

All of it is one transaction: a file is taken in as a whole, or not at all.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.addresses import country_of
from tellal.clock import Clock
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.groups import Group
from tellal.ids import new_id
from tellal.persistence.bulk import copy_rows
from tellal.services.addressees import (
    Addressee,
    forget,
    look_up,
    note_known,
    repeated,
    unknown,
)
from tellal.services.block_lists import BadLine
from tellal.services.group_members import touch
from tellal.services.kept_refusals import Arrived, refuse_again
from tellal.services.member_files import MemberFile, MemberLine
from tellal.services.newcomers import Newcomer, language_of, make_known

_POINTS = (
    "id", "brand_id", "customer_id", "channel", "address", "bad_reason", "created_at",
)  # fmt: skip
# Whoever is being erased is waited for: nothing may be said of him afterwards.
_PUT = text(
    """
WITH put AS (
    INSERT INTO group_members (group_id, customer_id, variables, added_at)
    SELECT :group, customers.id, given.variables, :now
    FROM (
        SELECT DISTINCT ON (customer_id) customer_id, variables FROM given_addressees
        WHERE customer_id IS NOT NULL ORDER BY customer_id, line
    ) AS given
    JOIN customers ON customers.id = given.customer_id AND customers.erased_at IS NULL
    ORDER BY customers.id
    FOR SHARE OF customers
    ON CONFLICT (group_id, customer_id) DO UPDATE SET variables = excluded.variables
    RETURNING (xmax = 0) AS fresh
)
SELECT count(*) FILTER (WHERE fresh) AS added, count(*) FILTER (WHERE NOT fresh) AS changed FROM put
"""
)
_LEAVE_OUT = text(
    """
DELETE FROM group_members AS member
WHERE member.group_id = :group
  AND NOT EXISTS (
    SELECT FROM given_addressees AS given WHERE given.customer_id = member.customer_id
  )
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a file is to be taken.

    `create` makes those known whom nobody knows, `replace` leaves out of the group whom the file
    does not name, `skip_bad` takes the good lines although some are bad. `source` is what the file
    is called.
    """

    create: bool = False
    replace: bool = False
    skip_bad: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a file; if it is not `done`, nothing at all was changed.

    `repeated` are lines that name somebody whom an earlier one named.
    """

    done: bool
    lines: int
    added: int = 0
    changed: int = 0
    removed: int = 0
    created: int = 0
    empty: int = 0
    repeated: tuple[BadLine, ...] = ()
    bad: tuple[BadLine, ...] = ()
    notes: tuple[str, ...] = ()


class MemberImport:
    """Takes files into lists; the transaction, in which the list is locked, is the caller's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def take(
        self, tx: AsyncSession, brand: Brand, group: Group, read: MemberFile, wanted: Wanted
    ) -> Report:
        """Put the people of a file into a list, or say why not.

        Raises:
            ConflictError: The group is no list, or somebody made one of them known meanwhile.
        """
        group.check_is_list()
        await look_up(tx, brand.id, map(_addressee, read.lines))
        by_line = {one.line: one for one in read.lines}
        nobody, unclear = await unknown(tx)
        strangers = [by_line[line] for line in nobody]
        bad = [*read.bad, *unclear]
        bad += [why for one in strangers if (why := _why_not(one, create=wanted.create))]
        bad.sort(key=lambda one: one.line)
        lines = len(read.lines) + len(read.bad)
        if (bad and not wanted.skip_bad) or not read.lines:
            await forget(tx)
            return Report(
                done=False, lines=lines, empty=read.empty, bad=tuple(bad), notes=read.notes
            )
        welcome = [one for one in strangers if not _why_not(one, create=wanted.create)]
        created = await self._create(tx, brand, welcome) if welcome else 0
        again = await repeated(tx)
        said = {"group": group.id, "now": self._clock.now()}
        put = (await tx.execute(_PUT, said)).one()
        removed = 0
        if wanted.replace:
            gone = await tx.execute(_LEAVE_OUT, {"group": group.id})
            removed = gone.rowcount  # type: ignore[attr-defined]  # a DELETE has one
        await forget(tx)
        await touch(tx, group, self._clock.now(), source=wanted.source)
        return Report(
            done=True,
            lines=lines,
            added=put.added,
            changed=put.changed,
            removed=removed,
            created=created,
            empty=read.empty,
            repeated=tuple(again),
            bad=tuple(bad),
            notes=read.notes,
        )

    async def _create(self, tx: AsyncSession, brand: Brand, strangers: Sequence[MemberLine]) -> int:
        """Make those known whom nobody knows, with their addresses and without any consent."""
        now = self._clock.now()
        known: dict[str, str] = {}
        people: list[Newcomer] = []
        ids = iter(sorted(new_id() for _ in strangers))  # in the order of the file
        fresh: list[tuple[int, str]] = []
        points: dict[tuple[str, Channel, str], None] = {}
        for one in strangers:
            # Of who is named by a reference, another's number makes no other person.
            names = [f"ref:{one.ref}"] if one.ref else [one.phone, one.email.lower()]
            names = [name for name in names if name]
            person = next((known[name] for name in names if name in known), "")
            if not person:
                person = next(ids)
                country = country_of(one.phone) if one.phone else ""
                people.append(
                    Newcomer(
                        id=person,
                        ref=one.ref,
                        country=country or brand.country,
                        first_name=one.first_name,
                    )
                )
            known.update(dict.fromkeys(names, person))
            fresh.append((one.line, person))
            for channel, address in ((Channel.SMS, one.phone), (Channel.EMAIL, one.email)):
                if address:
                    points[person, channel, address] = None
        await make_known(tx, brand, people, locale=language_of(brand), now=now)
        rows = [
            (new_id(), brand.id, person, channel.value, address, "", now)
            for person, channel, address in points
        ]
        await copy_rows(tx, "contact_points", _POINTS, rows)
        await note_known(tx, fresh)
        arrived = [
            Arrived(customer_id=person, channel=channel, address=address)
            for person, channel, address in points
        ]
        await refuse_again(tx, brand.id, arrived, now=now)
        return len(people)


def _addressee(one: MemberLine) -> Addressee:
    written = json.dumps(one.variables, ensure_ascii=False) if one.variables else "{}"
    return Addressee(
        line=one.line, ref=one.ref, phone=one.phone, email=one.email, variables=written
    )


def _why_not(one: MemberLine, *, create: bool) -> BadLine | None:
    """Say why somebody whom nobody knows is not taken; None if he is made known."""
    if one.doubt is not None:
        return one.doubt
    if create and (one.phone or one.email):
        return None
    if one.ref and create:
        return BadLine(
            line=one.line,
            message="nobody is known by this reference, and there is no address to reach him",
            hint="give a number or a mail besides",
        )
    named = "this reference" if one.ref else "this number" if one.phone else "this mail"
    hint = "make him known first, or have those made known whom nobody knows (create)"
    if one.ref.isdigit():
        hint += "; a spreadsheet takes zeros away from the beginning of a number"
    return BadLine(line=one.line, message=f"nobody is known by {named}", hint=hint)
