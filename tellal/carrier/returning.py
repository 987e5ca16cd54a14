"""Brings back what is written about mails: at once or late, one or many, over HTTP or SMTP."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Self

import aiohttp
from aiosmtplib import SMTP, SMTPException
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tellal.carrier.letter import Letter
from tellal.carrier.reports import Kind, written_about

_SEED = 1
_PATIENCE_S = 10.0
_AT_ONCE = 16
_NOBODY = frozenset({"", "<>", "None"})
"""What aiosmtpd makes of an envelope without a sender."""


class Return(BaseModel):
    """What comes back about which mails, and where it is brought.

    `to` empty is everybody, `rate` is the chance of each mail, `times` None is for ever. It is
    brought `copies` times after `after_s` seconds, to `url` (with the API key `key`) or to `smtp`
    (host:port). `code` is the mail system's (RFC 3463), else the usual one of its kind.
    """

    model_config = ConfigDict(extra="forbid")

    to: str = ""
    kind: Kind = Kind.FAILED
    code: Annotated[str, Field(pattern=r"^([245]\.\d{1,3}\.\d{1,3})?$")] = ""
    after_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    times: Annotated[int, Field(ge=1)] | None = None
    copies: Annotated[int, Field(ge=1, le=10)] = 1
    url: str = ""
    key: str = Field(default="", repr=False)
    smtp: Annotated[str, Field(pattern=r"^([\w.-]+:\d{1,5})?$")] = ""
    fired: int = 0

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.url) == bool(self.smtp):
            raise ValueError("say where it is brought: url or smtp, and not both")
        return self


class Returning:
    """The rules that are switched on, and what is on its way back."""

    def __init__(self) -> None:
        self._rules: list[Return] = []
        self._chance = random.Random(_SEED)  # noqa: S311 (repeatable misbehaviour, no secret)
        self._under_way: set[asyncio.Task[None]] = set()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self.brought = 0
        self.lost = 0

    @property
    def under_way(self) -> int:
        """How many wait for their time, or are being brought."""
        return len(self._under_way)

    def add(self, rule: Return) -> None:
        """Switch a rule on."""
        self._rules.append(rule)

    def listed(self) -> Sequence[Return]:
        """Return every rule that was switched on."""
        return tuple(self._rules)

    def clear(self) -> None:
        """Switch all off, and forget what is on its way."""
        self._rules.clear()
        self._chance = random.Random(_SEED)  # noqa: S311 (as above)
        for task in self._under_way:
            task.cancel()
        self.brought = self.lost = 0

    def taken(self, letter: Letter) -> None:
        """Begin to send back what the rules order about a mail that was just taken."""
        for rule in self._rules:
            self.send_back(letter, rule)

    def send_back(self, letter: Letter, rule: Return) -> bool:
        """Begin to send back what one rule orders; say whether it did.

        Nothing comes back about what has no sender: two mail systems would never end.
        """
        spent = rule.times is not None and rule.fired >= rule.times
        meant = letter.sender not in _NOBODY and (not rule.to or rule.to in letter.recipients)
        if spent or not meant or (rule.rate < 1 and self._chance.random() >= rule.rate):
            return False
        rule.fired += 1
        task = asyncio.get_running_loop().create_task(self._bring(letter, rule))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return True

    async def _bring(self, letter: Letter, rule: Return) -> None:
        await asyncio.sleep(rule.after_s)
        raw = written_about(letter, rule.kind, rule.code, datetime.now(UTC))
        for _ in range(rule.copies):
            async with self._at_once:
                try:
                    there = await (_post if rule.url else _mail)(rule, letter.sender, raw)
                except (aiohttp.ClientError, SMTPException, TimeoutError, OSError):
                    there = False
            self.brought += there
            self.lost += not there


async def _post(rule: Return, to: str, raw: bytes) -> bool:
    headers = {"Authorization": f"Bearer {rule.key}", "Content-Type": "message/rfc822"}
    patience = aiohttp.ClientTimeout(total=_PATIENCE_S)
    async with (
        aiohttp.ClientSession(timeout=patience) as session,
        session.post(rule.url, params={"to": to}, data=raw, headers=headers) as answer,
    ):
        return answer.status < 400  # noqa: PLR2004 (HTTP's own border)


async def _mail(rule: Return, to: str, raw: bytes) -> bool:
    host, _, port = rule.smtp.rpartition(":")
    async with SMTP(hostname=host, port=int(port), timeout=_PATIENCE_S, start_tls=False) as client:
        # Without a sender: what cannot be delivered of this comes back to nobody.
        await client.sendmail("", [to], raw)
    return True
