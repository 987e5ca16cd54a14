"""Calls the webhooks: each until it is taken or given up, and none waits behind a slow one."""

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aiohttp import ClientError, ClientSession
from sqlalchemy import Integer, Row, bindparam, exists, literal_column, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from tellal.clock import Clock
from tellal.domain.errors import InvalidInputError
from tellal.domain.open_internet import check_url
from tellal.domain.webhooks import pause_after, signed
from tellal.open_internet import PrivateAddressError, open_internet
from tellal.persistence.columns import Instant, table
from tellal.persistence.session import Sessions, make_singles
from tellal.persistence.tables.outages import WebhookCallRow, WebhookRow
from tellal.services.webhooks import PRIVATE_BY, TAKEN, close
from tellal.supervision import rest

_log = logging.getLogger(__name__)
_hooks = table(WebhookRow)
_calls = table(WebhookCallRow)
_before = _calls.alias("before")

_SIDE_BY_SIDE = 16
_LOOK_EVERY_S = 1.0
_TIMEOUT_S = 10.0
_LEASE = timedelta(seconds=60)
"""How long a claimed call belongs to who claimed it; well above what a call may take."""
_GONE = 410


def _claiming() -> ReturningUpdate[Any]:
    # Of one subject an address hears in turn: what came before has been taken, or given up.
    earlier = exists().where(
        _before.c.webhook_id == _calls.c.webhook_id,
        _before.c.subject == _calls.c.subject,
        _before.c.subject != literal_column("''"),
        _before.c.seq < _calls.c.seq,
        _before.c.done_at.is_(None),
    )
    due = (
        select(_calls.c.id)
        .where(
            _calls.c.done_at.is_(None),
            _calls.c.due_at <= bindparam("now", type_=Instant()),
            ~earlier,
        )
        .order_by(_calls.c.due_at, _calls.c.id)
        .limit(bindparam("most", type_=Integer()))
        .with_for_update(skip_locked=True, key_share=True, of=_calls)
    )
    return (
        update(_calls)
        .where(_calls.c.id.in_(due), _hooks.c.id == _calls.c.webhook_id)
        .values(due_at=bindparam("leased_until", type_=Instant()), tries=_calls.c.tries + 1)
        .returning(_calls, _hooks.c.url, _hooks.c.secret, _hooks.c.ended_at)
    )


_CLAIM = _claiming()
_SETTLE = update(_calls).where(_calls.c.id == bindparam("call"), _calls.c.done_at.is_(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    said: str
    status: int = 0


class Calling:
    """Claims calls that are due and makes them; several workers may do so side by side."""

    def __init__(self, sessions: Sessions, clock: Clock, *, private: bool = False) -> None:
        self._sessions = sessions
        self._singles = make_singles(sessions)
        self._clock = clock
        self._private = private

    async def run(self, stop: asyncio.Event) -> None:
        """Call until told to stop."""
        async with self._client() as client:
            under_way: set[asyncio.Task[None]] = set()
            try:
                while not stop.is_set():
                    rows = await self._claim(_SIDE_BY_SIDE - len(under_way))
                    under_way |= {asyncio.create_task(self._call(client, row)) for row in rows}
                    if under_way:
                        _, under_way = await asyncio.wait(
                            under_way,
                            timeout=_LOOK_EVERY_S,
                            return_when=asyncio.FIRST_COMPLETED,
                        )
                    else:
                        await rest(stop, _LOOK_EVERY_S)
            finally:
                for task in under_way:
                    task.cancel()
                await asyncio.gather(*under_way, return_exceptions=True)

    async def call_due(self) -> int:
        """Make the calls that are due once; return how many there were."""
        async with self._client() as client:
            rows = await self._claim(_SIDE_BY_SIDE)
            await asyncio.gather(*(self._call(client, row) for row in rows))
            return len(rows)

    def _client(self) -> ClientSession:
        return open_internet(_TIMEOUT_S, private=self._private, at_once=_SIDE_BY_SIDE)

    async def _claim(self, most: int) -> list[Row[Any]]:
        if most < 1:
            return []
        now = self._clock.now()
        wanted = {"now": now, "leased_until": now + _LEASE, "most": most}
        async with self._singles() as tx:
            return list((await tx.execute(_CLAIM, wanted)).all())

    async def _call(self, client: ClientSession, row: Row[Any]) -> None:
        try:
            answer = await self._answer(client, row)
            await self._settle(row, answer)
        except Exception as error:  # noqa: BLE001 - its lease runs out, and it comes again
            _log.warning("a webhook could not be called", extra={"error": type(error).__name__})

    async def _answer(self, client: ClientSession, row: Row[Any]) -> _Answer:
        if row.ended_at is not None:
            return _Answer(said="ended")
        now = self._clock.now()
        payload = _payload(row)
        try:
            check_url(row.url, private=self._private, setting=PRIVATE_BY)
            headers = {
                "Content-Type": "application/json",
                **signed(row.secret, row.id, now, payload),
            }
            async with client.post(
                row.url, data=payload, headers=headers, allow_redirects=False
            ) as answer:
                return _Answer(said=str(answer.status), status=answer.status)
        except (InvalidInputError, PrivateAddressError):
            return _Answer(said="private_address")
        except TimeoutError:
            return _Answer(said="timeout")
        except (ClientError, OSError) as error:
            private = isinstance(error.__cause__, PrivateAddressError)
            return _Answer(said="private_address" if private else "no_connection")

    async def _settle(self, row: Row[Any], answer: _Answer) -> None:
        now = self._clock.now()
        if answer.status == _GONE:  # Standard Webhooks: whoever says so hears nothing more
            async with self._sessions() as tx, tx.begin():
                await close(tx, row.webhook_id, answer=answer.said, now=now)
            return
        values: dict[str, object] = {"answer": answer.said}
        pause = pause_after(row.tries)
        if answer.said.startswith(TAKEN) or answer.said == "ended" or pause is None:
            values["done_at"] = now
        else:
            values["due_at"] = now + pause
        async with self._singles() as tx:
            await tx.execute(_SETTLE.values(**values), {"call": row.id})


def _payload(row: Row[Any]) -> bytes:
    said: datetime = row.created_at
    body = {"type": row.kind, "timestamp": said.isoformat(), "data": row.body}
    return json.dumps(body, ensure_ascii=False, sort_keys=True).encode()
