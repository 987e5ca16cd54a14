"""Keys to the API: made, shown once, rotated with overlap, revoked at once.

A token is `tlk_<id>_<secret>`. Only the digest of the secret is kept: the secret has 256 random
bits, so a plain SHA-256 of it cannot be guessed back, and no slow hash is needed.
"""

import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import Row, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, DeniedError, InvalidInputError, NotFoundError
from tellal.domain.publishing import Actor
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.brands import ApiKeyRow, BrandRow

_keys = table(ApiKeyRow)
_brands = table(BrandRow)
_PREFIX = "tlk"
_ID_LENGTH = 26
_SECRET_BYTES = 32
_HINT_LENGTH = 4
_ACCOUNT = re.compile(r"[a-z0-9._+@-]{1,254}")
_BRAND_NAMES = tuple(part.name for part in fields(Brand))
_IDENTIFY = (
    select(_keys, *(_brands.c[name].label(f"the_brand_{name}") for name in _BRAND_NAMES))
    .join(_brands, _brands.c.id == _keys.c.brand_id)
    .where(_keys.c.id == bindparam("key"))
)
USE_SHOWN_EVERY = timedelta(minutes=1)
"""How exact the last use of a key is."""


class Scope(StrEnum):
    """What a key may do, always within its own brand."""

    CUSTOMERS_READ = "customers:read"
    CUSTOMERS_WRITE = "customers:write"
    CONSENTS_READ = "consents:read"
    CONSENTS_WRITE = "consents:write"
    GROUPS_READ = "groups:read"
    GROUPS_WRITE = "groups:write"
    EVENTS_WRITE = "events:write"
    CASES_READ = "cases:read"
    CASES_WRITE = "cases:write"
    OUTAGES_READ = "outages:read"
    OUTAGES_WRITE = "outages:write"
    CAMPAIGNS_READ = "campaigns:read"
    CAMPAIGNS_WRITE = "campaigns:write"
    CAMPAIGNS_APPROVE = "campaigns:approve"
    MESSAGES_READ = "messages:read"
    MESSAGES_WRITE = "messages:write"
    DECISIONS_READ = "decisions:read"
    PERSONS_READ = "persons:read"
    PERSONS_WRITE = "persons:write"
    COMPLAINTS_READ = "complaints:read"
    COMPLAINTS_WRITE = "complaints:write"
    REPORTS_READ = "reports:read"
    HOLDS_READ = "holds:read"
    HOLDS_WRITE = "holds:write"
    BLOCKS_READ = "blocks:read"
    BLOCKS_WRITE = "blocks:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    RULEBOOK_WRITE = "rulebook:write"
    RULEBOOK_APPROVE = "rulebook:approve"
    CREDIT_READ = "credit:read"
    CREDIT_WRITE = "credit:write"
    BRAND_READ = "brand:read"
    BRAND_WRITE = "brand:write"
    KEYS_ADMIN = "keys:admin"


class Role(StrEnum):
    """What a person does; a role is a handful of scopes, `SCOPES_OF` says which."""

    AUTHOR = "author"
    APPROVER = "approver"
    OPERATOR = "operator"
    OFFICER = "officer"
    AUDITOR = "auditor"
    ENGINEER = "engineer"


_READS = frozenset(scope for scope in Scope if scope.value.endswith(":read")) - {Scope.PERSONS_READ}
"""All that is held about a person in one piece is not for everybody who may look something up."""
SCOPES_OF: Mapping[Role, frozenset[Scope]] = {
    Role.AUTHOR: frozenset(
        {
            Scope.RULEBOOK_WRITE,
            Scope.CAMPAIGNS_READ,
            Scope.CAMPAIGNS_WRITE,
            Scope.DECISIONS_READ,
        }
    ),
    Role.APPROVER: frozenset(
        {
            Scope.RULEBOOK_APPROVE,
            Scope.CAMPAIGNS_READ,
            Scope.CAMPAIGNS_APPROVE,
            Scope.DECISIONS_READ,
        }
    ),
    Role.OPERATOR: _READS
    | {
        Scope.GROUPS_WRITE,
        Scope.CASES_WRITE,
        Scope.OUTAGES_WRITE,
        Scope.MESSAGES_WRITE,
        Scope.HOLDS_WRITE,
        Scope.BLOCKS_WRITE,
        Scope.RULEBOOK_WRITE,
        Scope.CAMPAIGNS_WRITE,
    },
    Role.OFFICER: _READS
    | {
        Scope.PERSONS_READ,
        Scope.PERSONS_WRITE,
        Scope.CONSENTS_WRITE,
        Scope.HOLDS_WRITE,
        Scope.BLOCKS_WRITE,
        Scope.BRAND_WRITE,
        Scope.CREDIT_WRITE,
        Scope.RULEBOOK_APPROVE,
        Scope.CAMPAIGNS_APPROVE,
    },
    Role.AUDITOR: _READS,
    Role.ENGINEER: _READS
    | {
        Scope.CUSTOMERS_WRITE,
        Scope.CONSENTS_WRITE,
        Scope.GROUPS_WRITE,
        Scope.EVENTS_WRITE,
        Scope.CASES_WRITE,
        Scope.OUTAGES_WRITE,
        Scope.WEBHOOKS_WRITE,
    },
}
"""An operator may roll the rulebook back in the night; a second person approves all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as its brand sees it; `hint` is the end of the secret, to tell keys apart.

    What a key that `rehearses` sets off is decided and recorded, and reaches no provider. `person`
    is the account of whom it belongs to, empty if systems or several people share it; `made_by`
    is who made it over the API.
    """

    id: str
    brand_id: str
    name: str
    scopes: tuple[Scope, ...]
    hint: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaced_by: str | None
    rehearses: bool = False
    person: str = ""
    made_by: str = ""
    roles: tuple[Role, ...] = ()

    def works(self, now: datetime) -> bool:
        """Say whether the key opens anything at an instant."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls: a key, for a brand.

    `identity` outlives a rotation, so that a repeat under the new key is known as a repeat.
    """

    key: ApiKey
    brand: Brand

    @property
    def identity(self) -> str:
        """The caller as idempotency knows it."""
        kind = "/rehearsal" if self.key.rehearses else ""
        return f"{self.brand.id}/{self.key.name}{kind}"

    @property
    def actor(self) -> Actor:
        """The caller as the rulebook's log knows him."""
        key = self.key
        return Actor(person=key.person, key_id=key.id, made_by=key.made_by, rehearses=key.rehearses)


async def create_key(
    tx: AsyncSession,
    brand_id: str,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    *,
    now: datetime,
    rehearses: bool = False,
    person: str = "",
    roles: Iterable[str] = (),
    made_by: str | None = None,
) -> tuple[ApiKey, str]:
    """Create a key; the second value is the whole token, which nobody can read again.

    It opens the scopes named and those of its roles. `made_by` is the person by whose key it is
    made over the API (empty: by a key that is nobody's own); None is an operator.

    Raises:
        InvalidInputError: A scope or a role does not exist, a role has no person, the key would
            have expired already, or a rehearsal key would administer keys.
        ConflictError: A working key of the brand has that name.
        DeniedError: The key would let a person approve, and nobody in person makes it.
    """
    owner, held = _owner(person), _roles(tuple(roles))
    if held and not owner:
        raise InvalidInputError(
            "roles are people's: the key must belong to a person",
            field="person",
            hint="name his account, as in ada@bank.example",
        )
    granted = _scopes((*scopes, *(scope for role in held for scope in SCOPES_OF[role])))
    _check_maker(owner, granted, made_by)
    if rehearses and Scope.KEYS_ADMIN in granted:
        raise InvalidInputError(
            "a rehearsal key administers no keys: it could make one that is in earnest",
            field="scopes",
            hint=f"leave {Scope.KEYS_ADMIN.value} out",
        )
    if expires_at is not None and expires_at <= now:
        raise InvalidInputError("the key would have expired already", field="expires_at")
    await _one_at_a_time(tx, brand_id)
    if any(key.name == name and key.works(now) for key in await list_keys(tx, brand_id)):
        raise ConflictError(
            f"a working key is called {name!r} already",
            code="name_taken",
            hint="rotate that key, revoke it, or choose another name",
        )
    whose = _Whose(person=owner, made_by=made_by or "", roles=held)
    return _add(tx, brand_id, name, granted, expires_at, whose=whose, now=now, rehearses=rehearses)


async def rotate_key(
    tx: AsyncSession,
    brand_id: str,
    key_id: str,
    *,
    overlap: timedelta,
    now: datetime,
    made_by: str | None = None,
) -> tuple[ApiKey, str]:
    """Put a new key in the place of a working one, which lives on for the overlap.

    The new key has the same name, person, roles and scopes, rehearses if the old one does, and
    lives as long as that was meant to. `made_by` is as for a new key: whoever rotates another's key
    learns its token, so he has made it.

    Raises:
        NotFoundError: The brand has no such key.
        ConflictError: The key does not work any more, or was rotated before.
        DeniedError: The key lets a person approve, and nobody in person rotates it.
    """
    await _one_at_a_time(tx, brand_id)
    row = await _row(tx, brand_id, key_id)
    old = _view(row)
    if old.replaced_by is not None or not old.works(now):
        raise ConflictError("this key was rotated, was revoked or has expired", code="key_spent")
    lifetime = None if old.expires_at is None else now + (old.expires_at - old.created_at)
    _check_maker(old.person, old.scopes, made_by)
    maker = old.made_by if made_by in (None, old.person) else made_by
    whose = _Whose(person=old.person, made_by=maker or "", roles=old.roles)
    new, token = _add(
        tx, brand_id, old.name, old.scopes, lifetime, whose=whose, now=now, rehearses=old.rehearses
    )
    row.replaced_by = new.id
    end = now + overlap
    row.expires_at = end if old.expires_at is None else min(end, old.expires_at)
    return new, token


async def revoke_key(tx: AsyncSession, brand_id: str, key_id: str, *, now: datetime) -> None:
    """Revoke a key: from the commit on it opens nothing. Revoking twice changes nothing.

    Raises:
        NotFoundError: The brand has no such key.
    """
    row = await _row(tx, brand_id, key_id)
    if row.revoked_at is None:
        row.revoked_at = now


async def list_keys(tx: AsyncSession, brand_id: str) -> tuple[ApiKey, ...]:
    """List the brand's keys, also the spent ones, newest first."""
    query = select(ApiKeyRow).where(_keys.c.brand_id == brand_id).order_by(_keys.c.id.desc())
    return tuple(_view(row) for row in (await tx.execute(query)).scalars())


async def identify(tx: AsyncSession, token: str, *, now: datetime) -> Caller | None:
    """Find out who holds a token; None when it opens nothing, whatever the reason."""
    parts = _parts(token)
    if parts is None:
        return None
    key_id, secret = parts
    found = (await tx.execute(_IDENTIFY, {"key": key_id})).one_or_none()
    if found is None or not hmac.compare_digest(found.digest, _digest(secret)):
        return None
    return _caller(found, now)


async def caller_of(tx: AsyncSession, key_id: str, *, now: datetime) -> Caller | None:
    """Return the caller that a key stands for; None when it opens nothing any more."""
    found = (await tx.execute(_IDENTIFY, {"key": key_id})).one_or_none()
    return None if found is None else _caller(found, now)


def _caller(row: Row[Any], now: datetime) -> Caller | None:
    key = _view(row)
    return Caller(key=key, brand=_brand_of(row)) if key.works(now) else None


async def show_use(tx: AsyncSession, key_id: str, *, at: datetime) -> None:
    """Note that a key was used; a use shown less than a minute ago is enough."""
    stale = or_(_keys.c.last_used_at.is_(None), _keys.c.last_used_at <= at - USE_SHOWN_EVERY)
    await tx.execute(update(_keys).where(_keys.c.id == key_id, stale).values(last_used_at=at))


async def _one_at_a_time(tx: AsyncSession, brand_id: str) -> None:
    """Make writers of a brand's keys wait for each other; whoever reads the brand does not."""
    query = select(_brands.c.id).where(_brands.c.id == brand_id).with_for_update(key_share=True)
    if (await tx.execute(query)).one_or_none() is None:
        raise NotFoundError("no such brand")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whose:
    person: str
    made_by: str
    roles: tuple[Role, ...]


def _add(
    tx: AsyncSession,
    brand_id: str,
    name: str,
    scopes: tuple[Scope, ...],
    expires_at: datetime | None,
    *,
    whose: _Whose,
    now: datetime,
    rehearses: bool,
) -> tuple[ApiKey, str]:
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    row = ApiKeyRow(
        id=new_id(),
        brand_id=brand_id,
        name=name,
        person=whose.person,
        made_by=whose.made_by,
        roles=[role.value for role in whose.roles],
        scopes=[scope.value for scope in scopes],
        digest=_digest(secret),
        hint=secret[-_HINT_LENGTH:],
        rehearses=rehearses,
        created_at=now,
        expires_at=expires_at,
    )
    tx.add(row)
    return _view(row), f"{_PREFIX}_{row.id}_{secret}"


async def _row(tx: AsyncSession, brand_id: str, key_id: str) -> ApiKeyRow:
    query = select(ApiKeyRow).where(_keys.c.brand_id == brand_id, _keys.c.id == key_id)
    row = (await tx.execute(query.with_for_update(key_share=True))).scalar_one_or_none()
    if row is None:
        raise NotFoundError("no such key")
    return row


def _scopes(names: tuple[str, ...]) -> tuple[Scope, ...]:
    known = {scope.value for scope in Scope}
    for name in names:
        if name not in known:
            raise InvalidInputError(
                f"no scope {name!r}", field="scopes", hint=f"any of: {', '.join(sorted(known))}"
            )
    granted = tuple(scope for scope in Scope if scope in set(names))
    if not granted:
        raise InvalidInputError("a key without scopes opens nothing", field="scopes")
    return granted


def _roles(names: tuple[str, ...]) -> tuple[Role, ...]:
    known = {role.value for role in Role}
    for name in names:
        if name not in known:
            raise InvalidInputError(
                f"no role {name!r}", field="roles", hint=f"any of: {', '.join(sorted(known))}"
            )
    return tuple(role for role in Role if role in set(names))


def _owner(person: str) -> str:
    """Return an account in one way of writing it: a second pair of eyes is not a capital letter."""
    owner = person.strip().lower()
    if owner and not _ACCOUNT.fullmatch(owner):
        raise InvalidInputError(
            f"{person!r} is no name of an account",
            field="person",
            hint="letters, digits and . _ + - @, as in ada@bank.example",
        )
    return owner


def _check_maker(person: str, scopes: Iterable[Scope], made_by: str | None) -> None:
    """Refuse that who is nobody in particular makes himself a second pair of eyes."""
    if person and Scope.RULEBOOK_APPROVE in scopes and made_by == "":
        raise DeniedError(
            "a key with which a person approves is made by a person, with a key of his own",
            code="personal_key_needed",
            hint="make it with `tellal keys create`, or with a personal key",
        )


async def still_works(tx: AsyncSession, key_id: str, *, now: datetime) -> bool:
    """Say whether a key that opened something a while ago would still open it."""
    query = select(_keys.c.revoked_at, _keys.c.expires_at).where(_keys.c.id == key_id)
    row = (await tx.execute(query)).one_or_none()
    if row is None or row.revoked_at is not None:
        return False
    return row.expires_at is None or now < row.expires_at


def _parts(token: str) -> tuple[str, str] | None:
    head = f"{_PREFIX}_"
    rest = token.removeprefix(head)
    if rest == token or len(rest) <= _ID_LENGTH or rest[_ID_LENGTH] != "_" or not token.isascii():
        return None
    return rest[:_ID_LENGTH], rest[_ID_LENGTH + 1 :]


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _brand_of(row: Row[Any]) -> Brand:
    return Brand(**{name: getattr(row, f"the_brand_{name}") for name in _BRAND_NAMES})


def _view(row: ApiKeyRow | Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        brand_id=row.brand_id,
        name=row.name,
        scopes=tuple(Scope(name) for name in row.scopes),
        hint=row.hint,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        replaced_by=row.replaced_by,
        rehearses=row.rehearses,
        person=row.person,
        made_by=row.made_by,
        roles=tuple(Role(name) for name in row.roles),
    )
