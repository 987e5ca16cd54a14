"""`tellal bench callbacks`: Twilio's signed callbacks per second, beside a bare verified insert.

Ours is the address that Twilio calls; what it says of a message is kept before it is answered for.
The baseline is a minimal application that verifies the same signature and inserts one row. Both get
the same forms from the same client, as many side by side, in turns. How long it takes afterwards
until the last receipt has moved its message is reported beside it.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from statistics import median, quantiles

import aiohttp
from sqlalchemy import text
from yarl import URL

from tellal.bench.bare_hook import PATH
from tellal.bench.crowd import (
    Batch,
    Crowd,
    gather_crowd,
    mark_taken,
    open_cause,
    queue,
    reference_of,
)
from tellal.bench.usage import cpu_seconds, processes_of
from tellal.carrier.callbacks import signature
from tellal.clock import SystemClock
from tellal.domain.channels import Lane
from tellal.persistence.session import Sessions, make_engine, make_sessions
from tellal.settings import Settings
from tellal.stack.environment import child_environment
from tellal.stack.ports import LOOPBACK, free_port
from tellal.stack.service import answers
from tellal.stack.stack import Stack

_ROUNDS = 5
_MESSAGES = 2_500
_STATUSES = ("sent", "delivered")
_AT_ONCE = 64
_WARM_UP = 100
_TAKEN = 204
_START_S = 30.0
_PATIENCE_S = 120.0
_LOOK_EVERY_S = 0.05

_UNDELIVERED = text("""
SELECT EXISTS (SELECT 1 FROM messages WHERE cause_id = :cause AND state <> 'delivered')
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One callback, signed before anybody looks at the clock."""

    url: URL
    form: dict[str, str]
    headers: dict[str, str]


def run(messages: int = _MESSAGES) -> dict[str, object]:
    """Run the benchmark on a stack of its own; two callbacks tell of each message."""
    with Stack(settings=Settings(), ui=False) as stack, _bare_hook(stack) as bare_url:
        return asyncio.run(_measure(stack, bare_url, messages))


@contextmanager
def _bare_hook(stack: Stack) -> Iterator[str]:
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "tellal.bench.bare_hook", str(port)],
        env=child_environment(stack.settings),
    )
    try:
        end = time.monotonic() + _START_S
        while not answers(f"{url}/docs"):
            if time.monotonic() > end or process.poll() is not None:
                raise RuntimeError("the bare application did not start")
            time.sleep(_LOOK_EVERY_S)
        yield f"{url}{PATH}"
    finally:
        process.terminate()
        process.wait(timeout=20)


async def _measure(stack: Stack, bare_url: str, messages: int) -> dict[str, object]:
    size = max(1, messages // _ROUNDS)
    ours, bare, worked_in, latencies = [], [], [], list[float]()
    async with AsyncExitStack() as held:
        engine = make_engine(stack.database_url, pool=2)
        held.push_async_callback(engine.dispose)
        sessions = make_sessions(engine)
        connector = aiohttp.TCPConnector(limit=_AT_ONCE)
        http = await held.enter_async_context(aiohttp.ClientSession(connector=connector))
        async with sessions() as tx, tx.begin():
            crowd = await gather_crowd(tx, max(size, _WARM_UP))
        await _warm_up(stack, bare_url, http, sessions, crowd)
        pids, used = processes_of(stack), dict[str, float]()
        for _ in range(_ROUNDS):
            batch = await _taken(sessions, crowd, size)
            calls = list(_calls(stack, bare_url, batch))
            bare.append(await _post(http, calls, []))
            calls = list(_calls(stack, f"{stack.api_url}/v1/hooks/twilio/status", batch))
            before, began = cpu_seconds(pids), time.perf_counter()
            ours.append(await _post(http, calls, latencies))
            await _worked_in(sessions, batch)
            worked_in.append(time.perf_counter() - began)
            for name, now in cpu_seconds(pids).items():
                used[name] = used.get(name, 0.0) + now - before[name]
    count = size * len(_STATUSES)
    per_hundred = quantiles(latencies, n=100)
    return {
        "bench": "callbacks",
        "ratio": round(median(b / o for b, o in zip(bare, ours, strict=True)), 3),
        "ours": {
            "callbacks": count * _ROUNDS,
            "at_once": _AT_ONCE,
            "per_second": round(count / median(ours), 1),
            "p50_s": round(per_hundred[49], 4),
            "p99_s": round(per_hundred[98], 4),
            "worked_in_per_second": round(count / median(worked_in), 1),
            "cpu_ms_per_callback": {
                name: round(1000 * seconds / (count * _ROUNDS), 3)
                for name, seconds in sorted(used.items())
            },
        },
        "baseline": {"per_second": round(count / median(bare), 1)},
    }


async def _warm_up(
    stack: Stack, bare_url: str, http: aiohttp.ClientSession, sessions: Sessions, crowd: Crowd
) -> None:
    batch = await _taken(sessions, crowd, _WARM_UP)
    for url in (bare_url, f"{stack.api_url}/v1/hooks/twilio/status"):
        await _post(http, list(_calls(stack, url, batch)), [])
    await _worked_in(sessions, batch)


async def _taken(sessions: Sessions, crowd: Crowd, size: int) -> Batch:
    """Write messages that Twilio has taken."""
    async with sessions() as tx, tx.begin():
        cause_id = await open_cause(tx, crowd, running=True)
        batch = await queue(tx, crowd, cause_id, Lane.BULK, first=1, last=size)
        await mark_taken(tx, batch, SystemClock().now())
    return batch


def _calls(stack: Stack, url: str, batch: Batch) -> Iterator[_Call]:
    """Sign what Twilio would say of the messages, status after status."""
    token = stack.settings.twilio.auth_token.get_secret_value()
    account = stack.settings.twilio.account_sid
    for status in _STATUSES:
        for number in range(batch.first, batch.last + 1):
            message_id = batch.message_id(number)
            sid = reference_of(message_id)
            form = {
                "AccountSid": account,
                "ApiVersion": "2010-04-01",
                "From": "PORSUKEDAS",
                "MessageSid": sid,
                "MessageStatus": status,
                "SmsSid": sid,
                "SmsStatus": status,
                "To": f"+90532{number:07}",
            }
            target = f"{url}?m={message_id}&a=1"
            headers = {"X-Twilio-Signature": signature(token, target, form)}
            yield _Call(url=URL(target, encoded=True), form=form, headers=headers)


async def _post(
    http: aiohttp.ClientSession, calls: Sequence[_Call], latencies: list[float]
) -> float:
    """Post the callbacks, so many side by side; return the seconds until the last was answered."""
    began = time.perf_counter()
    waiting = iter(calls)
    await asyncio.gather(*(_post_each(http, waiting, latencies) for _ in range(_AT_ONCE)))
    return time.perf_counter() - began


async def _post_each(
    http: aiohttp.ClientSession, waiting: Iterable[_Call], latencies: list[float]
) -> None:
    for call in waiting:
        began = time.perf_counter()
        async with http.post(call.url, data=call.form, headers=call.headers) as answer:
            if answer.status != _TAKEN:
                raise AssertionError(f"a callback was answered with {answer.status}")
        latencies.append(time.perf_counter() - began)


async def _worked_in(sessions: Sessions, batch: Batch) -> None:
    """Wait until every message is where its last callback said."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            async with sessions() as tx:
                left = (await tx.execute(_UNDELIVERED, {"cause": batch.cause_id})).scalar_one()
            if not left:
                return
            await asyncio.sleep(_LOOK_EVERY_S)
