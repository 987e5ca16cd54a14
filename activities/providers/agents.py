"""Calls that people make: a message goes to the call centre as a task, which tells how it went.

Nothing leaves the house here. What is kept and what becomes of it is the caller's, who gives us
how to do that (`tellal.services.agent_calls`).
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from tellal.domain.calls import AGENTS
from tellal.domain.channels import Channel, Receipts
from tellal.domain.messages import Answer, HandOver, OutgoingMessage, Remedy

_log = logging.getLogger(__name__)

Owe = Callable[[OutgoingMessage], Awaitable[str]]
"""Keeps a call that is to be made, once for each attempt; returns what it is called."""


class AgentCalls:
    """Makes a task of each message."""

    def __init__(self, owe: Owe) -> None:
        self._owe = owe

    @property
    def provider(self) -> str:
        """The provider's name, as the ledger records it."""
        return AGENTS

    @property
    def channel(self) -> Channel:
        """The channel that it carries."""
        return Channel.CALL

    @property
    def receipts(self) -> Receipts:
        """Whoever has called tells how it went."""
        return Receipts.DELIVERY

    @property
    def looks_up(self) -> bool:
        """A task is kept or not: whoever asks again gets the same."""
        return True

    async def send(self, message: OutgoingMessage) -> HandOver:
        """Make the task; every failure is an answer, never an exception."""
        made = await self._made(message)
        if made is None:
            # It may have been kept all the same: a look-up makes it, or finds it made.
            return HandOver(
                answer=Answer.AMBIGUOUS,
                provider=AGENTS,
                code="connection_lost",
                remedy=Remedy.RECONCILE,
            )
        return made

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:
        """Make the task, if there is none yet: that is as good as finding it."""
        del since
        return await self._made(message)

    async def _made(self, message: OutgoingMessage) -> HandOver | None:
        """Make the task; None if nobody knows whether there is one now."""
        try:
            task = await self._owe(message)
        except Exception as error:  # noqa: BLE001 - the database is the caller's
            _log.warning("a call may not have been kept", extra={"error": type(error).__name__})
            return None
        return HandOver(answer=Answer.ACCEPTED, provider=AGENTS, reference=task)

    async def close(self) -> None:
        """Give nothing back."""
