"""Status callbacks, signed as Twilio does or not at all; none goes twice unless a fault says so."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping

import aiohttp
from yarl import URL

from tellal.carrier.settings import CarrierSettings


def signature(auth_token: str, url: str, form: Mapping[str, str]) -> str:
    """Sign as Twilio does: HMAC-SHA1 over the URL and the sorted fields, in base 64."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    digest = hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


class Callbacks:
    """Posts callbacks, a bounded number at once, and counts how they went."""

    def __init__(self, settings: CarrierSettings) -> None:
        self._auth_token = settings.auth_token
        self._timeout = aiohttp.ClientTimeout(total=settings.callback_timeout_s)
        self._at_once = asyncio.Semaphore(settings.callbacks_at_once)
        self._session: aiohttp.ClientSession | None = None
        self.answered = 0
        self.lost = 0

    async def post(self, url: str, form: Mapping[str, str]) -> None:
        """Post one callback; whatever comes back, it is not tried again."""
        await self._post(url, form, {"X-Twilio-Signature": signature(self._auth_token, url, form)})

    async def post_unsigned(self, url: str, form: Mapping[str, str]) -> None:
        """Post a callback whose only proof is a secret in its address."""
        await self._post(url, form, {})

    async def _post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> None:
        async with self._at_once:
            if self._session is None:
                self._session = aiohttp.ClientSession(timeout=self._timeout)
            try:
                # Encoded: the address is signed as it was given and must arrive so.
                target = URL(url, encoded=True)
                async with self._session.post(target, data=form, headers=headers) as answer:
                    taken = answer.status < 400  # noqa: PLR2004 (HTTP's own border)
            except (aiohttp.ClientError, TimeoutError, OSError):
                taken = False
        if taken:
            self.answered += 1
        else:
            self.lost += 1

    async def close(self) -> None:
        """Give the connections back."""
        if self._session is not None:
            await self._session.close()
