"""Reading and writing: one transaction per request, and a repeat happens once."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Protocol, TypeVar

from fastapi import Depends, Header, Query, Request, Response, Security
from pydantic import BaseModel, TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import caller
from api.state import Desk, TheDesk
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError
from tellal.services.idempotency import Answer, Request as Repeatable, claim, complete
from tellal.services.keys import Caller, Scope

T = TypeVar("T")

Effect = Callable[[AsyncSession], Awaitable[object]]

REPLAYED = {"Idempotent-Replay": "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A request that only reads."""

    desk: Desk
    caller: Caller

    @property
    def brand(self) -> Brand:
        """The brand whose data the caller may see."""
        return self.caller.brand

    @property
    def rehearses(self) -> bool:
        """Whether nothing that the caller sets off may reach a provider."""
        return self.caller.key.rehearses

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Open a session to read in."""
        async with self.desk.singles() as tx:
            yield tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing(Reading):
    """A request that changes something, once for each Idempotency-Key."""

    route: str
    key: str | None
    digest: str

    @property
    def by(self) -> str:
        """Who acts, as histories show it."""
        return self.caller.key.name

    def signed(self, person: str) -> str:
        """Return who acts, with the person whom the caller names, if he names one."""
        return f"{self.by} ({person})" if person else self.by

    def check_rehearsal(self, what: str, *, simulated: bool) -> None:
        """Let a rehearsal key change nothing but what a rehearsal key began.

        Raises:
            ConflictError: The key rehearses, and the thing is in earnest.
        """
        if self.rehearses and not simulated:
            raise ConflictError(
                f"a rehearsal key cannot change a {what} that is in earnest",
                code="not_a_rehearsal",
                hint=f"use a {what} that the same key began, or a key that does not rehearse",
            )

    async def once(
        self, status: int, effect: Effect, keep: Callable[[Any], object] | None = None
    ) -> Response:
        """Have an effect and answer with its result, or repeat the answer that was given.

        Effect and answer are one transaction; an error leaves neither. `keep` takes out of the
        answer what must not be stored; a repeat then lacks it.
        """
        async with self.desk.sessions() as tx, tx.begin():
            claimed = await self._claim(tx)
            if isinstance(claimed, Answer):
                return _response(claimed.status, claimed.body, REPLAYED)
            result = await effect(tx)
            body = as_json(result) if result is not None else ""
            if claimed is not None:
                kept = body if keep is None else as_json(keep(result))
                await complete(tx, claimed, Answer(status=status, body=kept))
        return _response(status, body, {})

    async def _claim(self, tx: AsyncSession) -> str | Answer | None:
        if self.key is None:
            return None
        repeatable = Repeatable(
            caller=self.caller.identity, route=self.route, key=self.key, digest=self.digest
        )
        return await claim(tx, repeatable, now=self.desk.clock.now())


def _response(status: int, body: str, headers: dict[str, str]) -> Response:
    return Response(body, status, headers=headers, media_type="application/json" if body else None)


def as_json(value: object) -> str:
    """Write a result as the API shows it."""
    kind = type(value)
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind].dump_json(value).decode()


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


async def reading(desk: TheDesk, who: Annotated[Caller, Depends(caller)]) -> Reading:
    """Make a reading request; its scopes are checked where the caller is found."""
    return Reading(desk=desk, caller=who)


async def writing(
    request: Request,
    desk: TheDesk,
    who: Annotated[Caller, Depends(caller)],
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=200,
            description="Strongly advised. Any text of yours, new for each new request (a UUID "
            "does). Send the same key again when you do not know whether a request arrived: it "
            "happens once, and is answered the same, marked `Idempotent-Replay: true`. Another "
            "body under the same key gets 422; while the first request is still running a repeat "
            "gets 409 with `Retry-After`. A key belongs to the caller and the address, outlives a "
            "rotation of the API key, and is kept for 30 days.",
            examples=["0b1f6c1e-8a51-4f4c-9a0e-6f2b7a4d9c11"],
        ),
    ] = None,
) -> Writing:
    """Make a writing request."""
    return Writing(
        desk=desk,
        caller=who,
        route=f"{request.method} {request.url.path}",
        key=key,
        digest=_digest(await request.body()),
    )


def _digest(body: bytes) -> str:
    """Digest what a body says: blanks and the order of keys make no other request."""
    try:
        said = json.dumps(json.loads(body), sort_keys=True).encode()
    except ValueError:
        said = body
    return hashlib.sha256(said).hexdigest()


def may_read(scope: Scope) -> Any:  # noqa: ANN401 - what FastAPI takes as a dependency
    """Return the dependency of a route that reads with a scope."""
    return Security(reading, scopes=[scope.value])


def may_write(scope: Scope) -> Any:  # noqa: ANN401 - what FastAPI takes as a dependency
    """Return the dependency of a route that writes with a scope."""
    return Security(writing, scopes=[scope.value])


class Page(BaseModel, Generic[T]):
    """A page of a list; `next` goes into `after` for the next one, and is null on the last."""

    items: list[T]
    next: str | None


After = Annotated[str, Query(description="The `next` of the page before", max_length=64)]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at the most")]


class Identified(Protocol):
    """Something that a list can go on after."""

    @property
    def id(self) -> str:
        """Its id."""
        ...


Item = TypeVar("Item", bound=Identified)


def page_of(found: Sequence[Item], limit: int) -> "Page[Item]":
    """Make a page of what was found by asking for one more than the limit."""
    # The annotation is a text: evaluated, it would have pydantic ask for a schema of the Protocol.
    items = list(found[:limit])
    return Page(items=items, next=items[-1].id if len(found) > limit else None)
