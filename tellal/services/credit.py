"""Accounts of credit: opened, paid into, put right, read with their lines; in one's transaction.

What a brand has paid in and not used up is its balance: top-ups and adjustments less what was
settled. Of the balance a part is reserved for messages under way, and the rest is available. The
balance is not kept but added up, `available + reserved`; that it is the sum of the lines is tested.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, Select, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.addresses import normalise
from tellal.clock import Clock
from tellal.domain.channels import Channel
from tellal.domain.credit import EntryKind, armed_at
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.credit import (
    CreditAccountRow,
    CreditEntryRow,
    CreditReservationRow,
)
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.credit_reserving import gathered, note_crossings

_accounts = table(CreditAccountRow)
_entries = table(CreditEntryRow)
_reservations = table(CreditReservationRow)
_messages = table(MessageRow)

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_MOST = Decimal(10) ** 11
_SMALLEST = Decimal("0.000001")
_MOST_THRESHOLDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an account allows, and who is told when its credit runs low.

    Below what is available `alert_reserve` is kept, for texts to `mobile`. Only messages that the
    law orders to be told may take it below zero, where it `may_go_negative`.
    """

    may_go_negative: bool = False
    alert_reserve: Decimal = Decimal(0)
    thresholds: tuple[Decimal, ...] = ()
    mobile: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account as it stands: `balance` is `available` and `reserved`.

    `held_back` messages, which would cost `held_back_cost`, wait until somebody pays in.
    """

    id: str
    name: str
    currency: str
    balance: Decimal
    reserved: Decimal
    available: Decimal
    terms: Terms
    armed: tuple[Decimal, ...]
    held_back: int
    held_back_cost: Decimal
    made_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a statement."""

    id: str
    kind: EntryKind
    amount: Decimal
    message_id: str
    note: str
    by: str
    at: datetime


class Credit:
    """Keeps brands' accounts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def open(
        self, tx: AsyncSession, brand: Brand, name: str, currency: str, terms: Terms, *, by: str
    ) -> Account:
        """Open an account; from then on what has a price in its currency is paid from it.

        Raises:
            InvalidInputError: A name, an amount or an address is none.
            ConflictError: The brand has one of this name, or in this currency.
        """
        if _NAME.fullmatch(name) is None:
            raise InvalidInputError(
                f"{name!r} is no name", field="name", hint="small letters, digits and dashes"
            )
        if _CURRENCY.fullmatch(currency) is None:
            raise InvalidInputError(
                f"{currency!r} is no currency", field="currency", hint="three letters, as in TRY"
            )
        same = (_accounts.c.name == name) | (_accounts.c.currency == currency)
        query = select(_accounts.c.name).where(_accounts.c.brand_id == brand.id, same).limit(1)
        there = (await tx.execute(query)).scalar_one_or_none()
        if there is not None:
            raise ConflictError(
                f"the brand has an account {there!r} of this name or in this currency",
                code="account_exists",
                hint="an account has one currency, and a currency one account",
            )
        now = self._clock.now()
        values = {"id": new_id(), "brand_id": brand.id, "name": name, "currency": currency}
        await tx.execute(
            insert(_accounts).values(
                **values, **_checked(brand, terms), made_by=by, created_at=now, changed_at=now
            )
        )
        await self._note(tx, values["id"], brand.id, EntryKind.TERMS, by=by, note=_words(terms))
        return await self.find(tx, brand.id, name)

    async def top_up(
        self, tx: AsyncSession, brand_id: str, name: str, amount: Decimal, *, note: str, by: str
    ) -> Account:
        """Pay in; thresholds that are not above what is available now are watched again.

        Raises:
            NotFoundError: The brand has no such account.
            InvalidInputError: The amount is none, or not above zero.
        """
        if amount <= 0:
            raise InvalidInputError("a top-up is above zero", field="amount")
        account = await self._add(tx, brand_id, name, amount)
        armed = sorted({*account.armed, *armed_at(account.thresholds, account.available)})
        await tx.execute(update(_accounts).where(_accounts.c.id == account.id).values(armed=armed))
        await self._note(tx, account.id, brand_id, EntryKind.TOP_UP, amount, note=note, by=by)
        return await self.find(tx, brand_id, name)

    async def adjust(
        self, tx: AsyncSession, brand_id: str, name: str, amount: Decimal, *, note: str, by: str
    ) -> Account:
        """Put an account right by hand, up or down; it says why.

        Raises:
            NotFoundError: The brand has no such account.
            InvalidInputError: The amount is none, or nobody says why.
            ConflictError: It would take more than is available from an account that forbids it.
        """
        if not amount or not note:
            raise InvalidInputError(
                "an adjustment has an amount and a reason", field="note" if amount else "amount"
            )
        account = await self._add(tx, brand_id, name, amount)
        if amount < 0 and account.available < 0 and not account.may_go_negative:
            raise ConflictError(
                f"only {account.available - amount} {account.currency} are available",
                code="not_enough_credit",
            )
        await note_crossings(tx, account, self._clock.now())
        await self._note(tx, account.id, brand_id, EntryKind.ADJUST, amount, note=note, by=by)
        return await self.find(tx, brand_id, name)

    async def set_terms(
        self, tx: AsyncSession, brand: Brand, name: str, terms: Terms, *, by: str
    ) -> Account:
        """Change what an account allows and whom it tells.

        A threshold that was told of is not told of again before a top-up; a new one that lies above
        what is available is not crossed, and waits for one, too.

        Raises:
            NotFoundError: The brand has no such account.
            InvalidInputError: An amount or an address is none.
        """
        values = _checked(brand, terms)
        account = await gathered(tx, await self._id(tx, brand.id, name))
        news = set(terms.thresholds) - set(account.thresholds)
        armed = {one for one in terms.thresholds if one in account.armed}
        armed |= set(armed_at(news, account.available))
        values |= {"armed": sorted(armed), "changed_at": self._clock.now()}
        await tx.execute(update(_accounts).where(_accounts.c.id == account.id).values(**values))
        await self._note(tx, account.id, brand.id, EntryKind.TERMS, by=by, note=_words(terms))
        return await self.find(tx, brand.id, name)

    async def find(self, tx: AsyncSession, brand_id: str, name: str) -> Account:
        """Read an account as it stands.

        Raises:
            NotFoundError: The brand has no such account.
        """
        query = _standing().where(_accounts.c.brand_id == brand_id, _accounts.c.name == name)
        row = (await tx.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError(f"the brand has no account {name!r}")
        return _account(row)

    async def all_of(self, tx: AsyncSession, brand_id: str) -> tuple[Account, ...]:
        """Read a brand's accounts by their names."""
        query = _standing().where(_accounts.c.brand_id == brand_id).order_by(_accounts.c.name)
        return tuple(_account(row) for row in await tx.execute(query))

    async def statement(
        self, tx: AsyncSession, brand_id: str, name: str, *, after: str, limit: int
    ) -> Sequence[Line]:
        """Read lines of an account in the order in which they were written, after one of them.

        Raises:
            NotFoundError: The brand has no such account.
        """
        account_id = await self._id(tx, brand_id, name)
        query = (
            select(_entries)
            .where(_entries.c.account_id == account_id, _entries.c.id > after)
            .order_by(_entries.c.id)
            .limit(limit)
        )
        return [_line(row) for row in await tx.execute(query)]

    async def _id(self, tx: AsyncSession, brand_id: str, name: str) -> str:
        query = select(_accounts.c.id).where(
            _accounts.c.brand_id == brand_id, _accounts.c.name == name
        )
        found = (await tx.execute(query)).scalar_one_or_none()
        if found is None:
            raise NotFoundError(f"the brand has no account {name!r}")
        return str(found)

    async def _add(self, tx: AsyncSession, brand_id: str, name: str, amount: Decimal) -> Row[Any]:
        """Add to what is available, with what was given back; return the row, locked."""
        _check_amount(amount, "amount")
        account = await gathered(tx, await self._id(tx, brand_id, name))
        more = update(_accounts).where(_accounts.c.id == account.id)
        more = more.values(available=_accounts.c.available + amount, changed_at=self._clock.now())
        row: Row[Any] = (await tx.execute(more.returning(_accounts))).one()
        return row

    async def _note(
        self,
        tx: AsyncSession,
        account_id: str,
        brand_id: str,
        kind: EntryKind,
        amount: Decimal = Decimal(0),
        *,
        note: str,
        by: str,
    ) -> None:
        await tx.execute(
            insert(_entries).values(
                id=new_id(),
                brand_id=brand_id,
                account_id=account_id,
                kind=kind.value,
                amount=amount,
                note=note,
                by=by,
                at=self._clock.now(),
            )
        )


def _standing() -> Select[Any]:
    """Select accounts with what is reserved, given back and held back, all of one moment."""
    of_account = _reservations.c.account_id == _accounts.c.id
    amounts = func.coalesce(func.sum(_reservations.c.amount), 0)
    held = _messages.c.held_by == literal("credit:") + _accounts.c.id
    return select(
        _accounts,
        select(amounts)
        .where(of_account, ~_reservations.c.returned)
        .scalar_subquery()
        .label("open"),
        select(amounts).where(of_account, _reservations.c.returned).scalar_subquery().label("back"),
        select(func.count()).select_from(_messages).where(held).scalar_subquery().label("held"),
        select(func.coalesce(func.sum(_messages.c.cost), 0))
        .where(held)
        .scalar_subquery()
        .label("held_cost"),
    )


def _account(row: Row[Any]) -> Account:
    available = row.available + row.back
    return Account(
        id=row.id,
        name=row.name,
        currency=row.currency,
        balance=available + row.open,
        reserved=row.open,
        available=available,
        terms=Terms(
            may_go_negative=row.may_go_negative,
            alert_reserve=row.alert_reserve,
            thresholds=tuple(row.thresholds),
            mobile=row.mobile,
            email=row.email,
        ),
        armed=tuple(row.armed),
        held_back=row.held,
        held_back_cost=row.held_cost,
        made_by=row.made_by,
        created_at=row.created_at,
    )


def _line(row: Row[Any]) -> Line:
    return Line(
        id=row.id,
        kind=EntryKind(row.kind),
        amount=row.amount,
        message_id=row.message_id,
        note=row.note,
        by=row.by,
        at=row.at,
    )


def _checked(brand: Brand, terms: Terms) -> dict[str, object]:
    """Return the columns of terms, addresses in their one form."""
    _check_amount(terms.alert_reserve, "alert_reserve")
    if terms.alert_reserve < 0:
        raise InvalidInputError("a reserve is not below zero", field="alert_reserve")
    if len(terms.thresholds) > _MOST_THRESHOLDS:
        raise InvalidInputError(f"at most {_MOST_THRESHOLDS} thresholds", field="thresholds")
    for one in terms.thresholds:
        _check_amount(one, "thresholds")
    return {
        "may_go_negative": terms.may_go_negative,
        "alert_reserve": terms.alert_reserve,
        "thresholds": sorted(set(terms.thresholds)),
        "mobile": _address(Channel.SMS, terms.mobile, brand),
        "email": _address(Channel.EMAIL, terms.email, brand),
    }


def _address(channel: Channel, raw: str, brand: Brand) -> str:
    return normalise(channel, raw, region=brand.country) if raw else ""


def _check_amount(amount: Decimal, field: str) -> None:
    if not amount.is_finite() or abs(amount) >= _MOST or amount != amount.quantize(_SMALLEST):
        raise InvalidInputError(
            f"{amount} is no amount", field=field, hint="up to eleven digits, and six decimals"
        )


def _words(terms: Terms) -> str:
    """Say in a line what terms are; numbers and yes or no, and no address."""
    thresholds = ", ".join(map(_plain, sorted(terms.thresholds))) or "none"
    said: Mapping[str, str] = {
        "may go negative": "yes" if terms.may_go_negative else "no",
        "reserve for alerts": _plain(terms.alert_reserve),
        "thresholds": thresholds,
        "told": " and ".join(_told(terms)) or "nobody",
    }
    return "; ".join(f"{name}: {value}" for name, value in said.items())


def _told(terms: Terms) -> Iterable[str]:
    if terms.mobile:
        yield "a mobile"
    if terms.email:
        yield "a mailbox"


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
