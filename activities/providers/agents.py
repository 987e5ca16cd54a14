"""Calls that people make: a message goes to the call centre as a task, which tells how it went.

Nothing leaves the house here. What is kept and what becomes of it is the caller's, who gives us
how to do that (`tellal.services.agent_calls`).
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

from tellal.domain.calls import AGENTS
from tellal.domain.channels import Channel, Receipts
from tellal.domain.messages import Answer, HandOver, OutgoingMessage, Remedy

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
        try:
            task = await self._owe(message)
        except Exception:  # noqa: BLE001 - nothing was kept
            return HandOver(
                answer=Answer.REJECTED,
                provider=AGENTS,
                code="unreachable",
                remedy=Remedy.RETRY,
            )
        return HandOver(answer=Answer.ACCEPTED, provider=AGENTS, reference=task)

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:
        """Make the task, if there is none yet: that is as good as finding it."""
        del since
        return await self.send(message)

    async def close(self) -> None:
        """Give nothing back."""
