"""A small HTTP server for tests that keeps every request and gives one answer to all."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from aiohttp import web

_LONG_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as it came; header names in lower case."""

    path_and_query: str
    headers: Mapping[str, str]
    body: str


class Answering:
    """The server, for the length of a block; its requests may be read afterwards."""

    def __init__(
        self, status: int = 200, document: object = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.requests: list[Seen] = []
        self.url = ""
        self._status = status
        self._headers = headers
        self._came = asyncio.Condition()
        self._document = document
        self._runner = web.ServerRunner(web.Server(self._answer))

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = (await request.read()).decode(errors="replace")
        self.requests.append(Seen(path_and_query=str(request.rel_url), headers=headers, body=body))
        async with self._came:
            self._came.notify_all()
        return web.Response(
            status=self._status,
            text=json.dumps(self._document),
            content_type="application/json",
            headers=self._headers,
        )

    async def until(self, count: int) -> None:
        """Wait until so many requests have come.

        Raises:
            TimeoutError: They did not, for a long time.
        """
        async with asyncio.timeout(_LONG_S), self._came:
            await self._came.wait_for(lambda: len(self.requests) >= count)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        address: tuple[str, int] = self._runner.addresses[0]
        self.url = f"http://127.0.0.1:{address[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
