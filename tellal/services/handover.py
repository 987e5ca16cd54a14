"""The desk at which lanes work: claim, keep, record, and clear up what is in doubt."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import select, update

from tellal.clock import Clock
from tellal.domain.channels import Lane
from tellal.domain.handover import Answered, Carrier, Doubt
from tellal.domain.messages import HandOver, MessageState, OutgoingMessage
from tellal.persistence.bell import Bell
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import MessageRow
from tellal.ports import Renderer
from tellal.services.allow_list import AllowList
from tellal.services.answers import Answers
from tellal.services.claiming import Claiming
from tellal.services.doubts import Doubts
from tellal.services.progress import Progress
from tellal.services.routes import Routes

_messages = table(MessageRow)

GIVE_UP_AFTER = timedelta(minutes=10)
"""How long an unanswered hand-over is looked up before only a callback can settle it."""


def _no_url(_: str) -> str:
    return ""


class HandOvers:
    """Intents are committed before a provider hears of a message, answers after; own transactions.

    A lease says which lane has a message in its hands. It is kept while the lane lives; when it
    runs out nobody knows whether the provider was reached, so the message is in doubt, not free.
    """

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        *,
        progress: Progress,
        renderer: Renderer,
        carriers: Mapping[str, Carrier],
        routes: Routes,
        bell: Bell,
        lease: timedelta,
        reconcile_after: timedelta,
        give_up_after: timedelta = GIVE_UP_AFTER,
        refusal_url: Callable[[str], str] = _no_url,
        only: AllowList | None = None,
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._bell = bell
        self._lease = lease
        self._claiming = Claiming(
            sessions,
            clock,
            progress=progress,
            renderer=renderer,
            carriers=carriers,
            routes=routes,
            lease=lease,
            refusal_url=refusal_url,
            only=only,
        )
        self._answers = Answers(sessions, clock, progress, routes, reconcile_after=reconcile_after)
        self._doubts = Doubts(
            sessions,
            clock,
            progress,
            carriers,
            reconcile_after=reconcile_after,
            give_up_after=give_up_after,
        )

    @property
    def keep_every_s(self) -> float:
        """How often a lane must say that it still has its messages in hand."""
        return self._lease.total_seconds() / 3

    async def claim(self, lane: Lane, limit: int) -> tuple[OutgoingMessage, ...]:
        """Commit intents for the lane's most urgent due messages and return them.

        Where there may be others behind what could not leave, the lane is called for again.
        """
        claimed = await self._claiming.claim(lane, limit)
        if claimed.leads_on:
            await self._bell.ring(lane.value)
        return claimed.messages

    async def keep(self, message_ids: Sequence[str]) -> None:
        """Prolong the leases of messages that are being handed over."""
        of_ours = (
            select(_messages.c.id)
            .where(
                _messages.c.id.in_(message_ids),
                _messages.c.state == MessageState.HANDING_OVER.value,
            )
            .with_for_update(skip_locked=True, key_share=True)
        )
        async with self._sessions() as tx, tx.begin():
            await tx.execute(
                update(_messages)
                .where(_messages.c.id.in_(of_ours))
                .values(lease_until=self._clock.now() + self._lease)
            )

    async def record(self, answered: Sequence[Answered]) -> None:
        """Record providers' answers."""
        await self._answers.record(answered)

    async def recover(self, lane: Lane) -> int:
        """Put in doubt what a lane was handing over when it died."""
        return await self._doubts.recover(lane)

    async def promote(self, lane: Lane) -> int:
        """Queue deferred messages whose time has come; return how many."""
        return await self._claiming.promote(lane)

    async def doubts(self, lane: Lane, limit: int) -> tuple[Doubt, ...]:
        """Take what is to be looked up now."""
        return await self._doubts.take(lane, limit)

    async def settle(self, doubt: Doubt, found: HandOver) -> None:
        """Record what a look-up found."""
        await self._answers.settle(doubt, found)

    def rings(self, lane: Lane) -> int:
        """Count the calls for a lane; take it before looking for work."""
        return self._bell.count(lane.value)

    async def wait(self, lane: Lane, seen: int, timeout_s: float) -> None:
        """Wait until the lane is called for beyond `seen`, or for a while.

        It is a short while if something of the lane waits for tokens of its route: nobody calls
        when those have come.
        """
        dry_for_s = self._claiming.dry_for_s(lane)
        patience_s = timeout_s if dry_for_s is None else min(timeout_s, dry_for_s)
        await self._bell.wait(lane.value, seen, patience_s)
