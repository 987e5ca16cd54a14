"""Asks for messages as a brand's systems do that never give up: the same key until an answer."""

import asyncio
from collections.abc import Mapping
from typing import Any, Self, cast

import httpx

from tellal.ids import new_id

Json = dict[str, Any]

_PAUSE_S = 0.3
_CALL_S = 10.0
_CONFLICT, _TOO_MANY, _FIRST_SERVER_ERROR = 409, 429, 500


class PatientCaller:
    """A brand's caller of the API; a call that is not answered is made again, with its key."""

    def __init__(self, api_url: str, key: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=f"{api_url}/v1",
            headers={"Authorization": f"Bearer {key}"},
            timeout=_CALL_S,
            limits=httpx.Limits(max_connections=40),
        )
        self.repeated = 0

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def write(self, path: str, body: Mapping[str, object], *, method: str = "POST") -> Json:
        """Write something; comes back when it is done, however long the API is away."""
        return await self._until_answered(method, path, body, {"Idempotency-Key": new_id()})

    async def get(self, path: str) -> Json:
        """Read something."""
        return await self._until_answered("GET", path, None, {})

    async def _until_answered(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        headers: Mapping[str, str],
    ) -> Json:
        while True:
            try:
                answer = await self._http.request(method, path, json=body, headers=dict(headers))
            except httpx.TransportError:
                answer = None
            if answer is not None and not _comes_again(answer):
                answer.raise_for_status()
                return cast(Json, answer.json()) if answer.content else {}
            self.repeated += 1
            await asyncio.sleep(_PAUSE_S)


def _comes_again(answer: httpx.Response) -> bool:
    """Say whether the answer asks for the same call once more; a real conflict names no time."""
    if answer.status_code == _CONFLICT:
        return "Retry-After" in answer.headers
    return answer.status_code == _TOO_MANY or answer.status_code >= _FIRST_SERVER_ERROR
