"""A brand's systems, as stories play them: they speak HTTP with a key and nothing else."""

from collections.abc import Mapping
from typing import Any, Self, cast

import httpx

from tellal.ids import new_id

Json = dict[str, Any]

_ALL = 100_000


class Caller:
    """One brand's caller of the API; every write carries an Idempotency-Key."""

    def __init__(self, api_url: str, key: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=f"{api_url}/v1",
            headers={"Authorization": f"Bearer {key}"},
            timeout=30.0,
            limits=httpx.Limits(max_connections=20),
        )

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def get(self, path: str, **query: str | int) -> Json:
        """Read something that must be there."""
        response = await self._http.get(path, params=query)
        response.raise_for_status()
        return cast(Json, response.json())

    async def file(self, path: str) -> bytes:
        """Read a file that must be there."""
        response = await self._http.get(path)
        response.raise_for_status()
        return response.content

    async def write(
        self, path: str, body: Mapping[str, object], *, method: str = "POST", times: int = 1
    ) -> Json:
        """Write something that must succeed; `times` repeats the very same call."""
        response = await self.attempt(path, body, method=method, times=times)
        response.raise_for_status()
        return cast(Json, response.json()) if response.content else {}

    async def upload(self, path: str, content: bytes) -> Json:
        """Upload a file, which must be taken."""
        headers = {"Idempotency-Key": new_id(), "Content-Type": "application/octet-stream"}
        response = await self._http.post(path, content=content, headers=headers)
        response.raise_for_status()
        return cast(Json, response.json())

    async def attempt(
        self, path: str, body: Mapping[str, object], *, method: str = "POST", times: int = 1
    ) -> httpx.Response:
        """Write something that may be refused, and return the last answer as it came."""
        headers = {"Idempotency-Key": new_id()}
        answer = await self._http.request(method, path, json=dict(body), headers=headers)
        for _ in range(times - 1):
            answer = await self._http.request(method, path, json=dict(body), headers=headers)
        return answer

    async def customer(
        self,
        ref: str,
        *,
        contacts: Mapping[str, str],
        attributes: Mapping[str, object] | None = None,
        locale: str = "tr-TR",
        first_name: str = "",
        timezone: str = "",
    ) -> Json:
        """Put a customer; `contacts` maps channels to addresses."""
        return await self.write(
            f"/customers/{ref}",
            {
                "locale": locale,
                "first_name": first_name,
                "timezone": timezone,
                "contacts": [
                    {"channel": channel, "address": address}
                    for channel, address in contacts.items()
                ],
                "attributes": dict(attributes or {}),
            },
            method="PUT",
        )

    async def consent(self, ref: str, channel: str, state: str = "granted") -> Json:
        """Record a customer's consent or refusal."""
        return await self.write(
            f"/customers/{ref}/consents",
            {"channel": channel, "state": state, "source": "branch", "evidence": {}},
        )

    async def event(self, ref: str, type: str, **data: object) -> Json:
        """Tell of something that a customer did."""
        return await self.write("/events", {"customer": ref, "type": type, "data": data})

    async def messages(self, ref: str) -> list[Json]:
        """List a customer's messages, oldest first."""
        page = await self.get("/messages", customer=ref, limit=100)
        return sorted(cast(list[Json], page["items"]), key=lambda message: message["id"])

    async def decisions(self, ref: str, topic: str) -> list[Json]:
        """List the decisions about a customer and a topic, newest first."""
        page = await self.get("/decisions", customer=ref, topic=topic, limit=100)
        return cast(list[Json], page["items"])


class Carrier:
    """The carrier simulator's own side: its book, and its faults."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=f"{url}/_carrier", timeout=10.0)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def book(self, **query: str | int) -> list[Json]:
        """Return what the carriers were given."""
        response = await self._http.get("/book", params=query)
        response.raise_for_status()
        return cast(list[Json], response.json()["entries"])

    async def count(self) -> int:
        """Count the messages that the carriers took."""
        response = await self._http.get("/book/count")
        response.raise_for_status()
        return int(response.json()["count"])

    async def fault(self, **fault: object) -> None:
        """Have the carriers misbehave."""
        (await self._http.post("/faults", json=fault)).raise_for_status()

    async def behave(self) -> None:
        """Have the carriers do well again."""
        (await self._http.delete("/faults")).raise_for_status()

    async def text(self, sender: str, to: str, text: str, hook: str, *, times: int = 1) -> None:
        """Have a person write a text, which the carrier brings to a hook."""
        said = {"from": sender, "to": to, "text": text, "hook": hook, "times": times}
        (await self._http.post("/texts", json=said)).raise_for_status()

    async def registry(self, brand: int) -> dict[str, Json]:
        """Return what stands in İYS for a brand, by the address."""
        response = await self._http.get(f"/iys/records/{brand}")
        response.raise_for_status()
        return {one["recipient"]: one for one in response.json()["records"]}


class Mailbox:
    """The mailbox's view."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=10.0)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def letters(self, to: str) -> list[Json]:
        """Return the mails to an address."""
        return await self._messages(to=to)

    async def delivered(self) -> list[Json]:
        """Return who got mails, and when, without the words."""
        return await self._messages(short=True, limit=_ALL)

    async def count(self) -> int:
        """Count all mails."""
        response = await self._http.get("/api/count")
        response.raise_for_status()
        return int(response.json()["messages"])

    async def _messages(self, **query: str | int) -> list[Json]:
        response = await self._http.get("/api/messages", params=query)
        response.raise_for_status()
        return cast(list[Json], response.json()["messages"])
