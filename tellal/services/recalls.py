"""Calls back what a provider took of a round of telling shortly before the round was stopped.

Each message is tried once: that it is tried is on disk before the provider is asked, and whatever
the answer, it is not asked again. The newest come first, because they are the likeliest to be still
there; where none of them is, the older ones are left alone. What is called back has told nobody, so
its person gets no all-clear, if that has not left yet.

One worker of a deployment asks, at a bounded pace, because providers limit accounts.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    Integer,
    Interval,
    Row,
    String,
    all_,
    and_,
    bindparam,
    exists,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.channels import Receipts
from tellal.domain.messages import HANDED_OVER, UNSENT, MessageState, OutcomeState
from tellal.domain.outages import TELLS_OF_IT, NoticeKind
from tellal.ids import new_id
from tellal.persistence.bulk import among
from tellal.persistence.columns import Instant, table
from tellal.persistence.session import Sessions, make_singles
from tellal.persistence.tables.ledger import AttemptRow, MessageRow, OutcomeRow
from tellal.persistence.tables.outages import OutageNoticeRow
from tellal.ports import Recalling
from tellal.services.leases import Leases
from tellal.services.moves import Move
from tellal.services.progress import Progress
from tellal.services.round_reading import STOPPED
from tellal.supervision import rest

_messages = table(MessageRow)
_attempts = table(AttemptRow)
_outcomes = table(OutcomeRow)
_notices = table(OutageNoticeRow)

RECALLED = "recalled"
"""The code of a message that a provider gave back, and of the outcome that ends with it."""

_LATELY = timedelta(minutes=5)
"""How long before the stop a message may have been handed over; what is older has gone out."""
_TRIED_FOR = timedelta(minutes=5)
"""How long after the stop messages are called back."""
_AT_ONCE = 10
"""How many messages of a provider are called back side by side."""
_BETWEEN_S = 0.5
_LOOK_EVERY_S = 1.0
_IN_VAIN = 20
"""After how many vain tries nothing of a round is called back from a provider any more."""
_HELD_FOR = timedelta(minutes=1)

_TELLS = [kind.value for kind in TELLS_OF_IT]
_ENDS = [NoticeKind.ALL_CLEAR.value, NoticeKind.CANCELLED.value]
_MAY_TELL = sorted({*HANDED_OVER, MessageState.HANDING_OVER, MessageState.UNKNOWN})

_STOPPED_LATELY = _notices.c.stopped_at > bindparam("stopped_since", type_=Instant())
_ANY_STOPPED = select(_notices.c.id).where(_STOPPED_LATELY).limit(1)
_PICKED = (
    select(
        _attempts.c.id.label("attempt_id"),
        _messages.c.id,
        _messages.c.cause_id,
        _messages.c.reference,
    )
    .select_from(_messages)
    .join(_notices, _notices.c.cause_id == _messages.c.cause_id)
    .join(
        _attempts,
        and_(_attempts.c.message_id == _messages.c.id, _attempts.c.n == _messages.c.attempt),
    )
    .where(
        _messages.c.provider == bindparam("taken_by", type_=String()),
        # As the index has it.
        _messages.c.state == literal_column("'accepted'"),
        _messages.c.handed_at > bindparam("handed_since", type_=Instant()),
        _messages.c.handed_at > _notices.c.stopped_at - literal(_LATELY, Interval()),
        _messages.c.reference != literal_column("''"),
        # Without receipts its person counts as told already, and an outcome is not taken back.
        _messages.c.receipts == Receipts.DELIVERY.value,
        _messages.c.cause_id != all_(bindparam("given_up", type_=ARRAY(String()))),
        _notices.c.state == STOPPED,
        _STOPPED_LATELY,
        _attempts.c.recall_at.is_(None),
    )
    .order_by(_messages.c.handed_at.desc())
    .limit(bindparam("most", type_=Integer()))
    .with_for_update(key_share=True, skip_locked=True, of=_attempts)
    .cte("picked")
)
_TRY = (
    update(_attempts)
    .where(_attempts.c.id == _PICKED.c.attempt_id)
    .values(recall_at=bindparam("now", type_=Instant()))
    .returning(_PICKED.c.id, _PICKED.c.cause_id, _PICKED.c.reference)
)

_NOT_CANCELLED = exists().where(
    _messages.c.outcome_id == _outcomes.c.id, _messages.c.state != MessageState.CANCELLED.value
)
_END = (
    update(_outcomes)
    .where(
        _outcomes.c.id.in_(select(_messages.c.outcome_id).where(among(_messages.c.id))),
        _outcomes.c.state.in_([OutcomeState.OPEN.value, OutcomeState.UNKNOWN.value]),
        ~_NOT_CANCELLED,
    )
    .values(
        state=OutcomeState.CANCELLED.value,
        reason=RECALLED,
        closed_at=bindparam("now", type_=Instant()),
        check_at=None,
    )
)
"""Ends outcomes of which nothing is left, also those that had ended because nobody knew."""

_back, _back_round = _messages.alias("back"), _notices.alias("back_round")
_other, _other_round = _messages.alias("other"), _notices.alias("other_round")
_TOLD_OTHERWISE = exists().where(
    _other_round.c.outage_id == _back_round.c.outage_id,
    _other_round.c.kind.in_(_TELLS),
    _other.c.cause_id == _other_round.c.cause_id,
    _other.c.customer_id == _back.c.customer_id,
    _other.c.channel == _back.c.channel,
    _other.c.state.in_(_MAY_TELL),
)
_NEEDLESS = (
    select(_messages.c.id)
    .join(_outcomes, _outcomes.c.id == _messages.c.outcome_id)
    .join(_notices, _notices.c.cause_id == _messages.c.cause_id)
    .join(_back_round, _back_round.c.outage_id == _notices.c.outage_id)
    .join(
        _back,
        and_(
            _back.c.cause_id == _back_round.c.cause_id,
            _back.c.customer_id == _messages.c.customer_id,
            _back.c.channel == _messages.c.channel,
        ),
    )
    .where(
        among(_back.c.id),
        _back.c.state == MessageState.CANCELLED.value,
        _back_round.c.kind.in_(_TELLS),
        _notices.c.kind.in_(_ENDS),
        _messages.c.state.in_(sorted(UNSENT)),
        ~_TOLD_OTHERWISE,
    )
    .with_for_update(key_share=True, skip_locked=True, of=[_messages, _outcomes])
)
"""What has not left of ends that are to be told to whom nothing of the beginning was told.

As with a stop, what somebody else is at (a claim) is passed over.
"""

_log = logging.getLogger(__name__)


class Recalls:
    """Calls back while it holds the lease; `providers` are those that can give something back."""

    def __init__(
        self,
        providers: Mapping[str, Recalling],
        *,
        sessions: Sessions,
        clock: Clock,
        progress: Progress,
        leases: Leases,
    ) -> None:
        self._providers = providers
        self._sessions = sessions
        self._singles = make_singles(sessions)
        self._clock = clock
        self._progress = progress
        self._leases = leases
        self._holder = new_id()
        self._in_vain: Counter[tuple[str, str]] = Counter()
        """How often each provider has given nothing back of a cause, in a row."""

    async def run(self, stop: asyncio.Event) -> None:
        """Call back until told to stop."""
        while not stop.is_set():
            tried = await self.call_back()
            await rest(stop, _BETWEEN_S if tried else _LOOK_EVERY_S)

    async def call_back(self) -> int:
        """Try a few messages of each provider, if it is ours to try; return how many it were."""
        if not await self._is_due():
            return 0
        tried = await asyncio.gather(*map(self._call_back_from, self._providers))
        return sum(tried)

    async def _is_due(self) -> bool:
        since = self._clock.now() - _TRIED_FOR
        async with self._singles() as tx:
            found = (await tx.execute(_ANY_STOPPED, {"stopped_since": since})).first()
        return found is not None and await self._leases.take("recalls", self._holder, _HELD_FOR)

    async def _call_back_from(self, provider: str) -> int:
        rows = await self._mark(provider)
        if not rows:
            return 0
        given = await asyncio.gather(*(self._ask(provider, row.reference) for row in rows))
        for row, back in zip(rows, given, strict=True):
            key = (provider, row.cause_id)
            self._in_vain[key] = 0 if back else self._in_vain[key] + 1
        ids = [row.id for row, back in zip(rows, given, strict=True) if back]
        if ids:
            await self._take_back(ids)
        return len(rows)

    async def _mark(self, provider: str) -> Sequence[Row[Any]]:
        """Choose what is tried next and write down that it is."""
        now = self._clock.now()
        values = {
            "taken_by": provider,
            "now": now,
            "stopped_since": now - _TRIED_FOR,
            "handed_since": now - _TRIED_FOR - _LATELY,
            "given_up": [
                cause
                for (of, cause), times in self._in_vain.items()
                if of == provider and times >= _IN_VAIN
            ],
            "most": _AT_ONCE,
        }
        async with self._singles() as tx:
            return (await tx.execute(_TRY, values)).all()

    async def _ask(self, provider: str, reference: str) -> bool:
        try:
            return await self._providers[provider].recall(reference)
        except Exception as error:  # noqa: BLE001 - one call's mishap must not lose the others' answers
            _log.warning(
                "a message could not be called back",
                extra={"provider": provider, "error": type(error).__name__},
            )
            return False

    async def _take_back(self, ids: Sequence[str]) -> None:
        async with self._sessions() as tx, tx.begin():
            await self._cancel(tx, ids)
        # After it by itself, so that outcomes are never locked after another's messages.
        async with self._sessions() as tx, tx.begin():
            needless = (await tx.execute(_NEEDLESS, {"among": list(ids)})).scalars().all()
            await self._cancel(tx, sorted(set(needless)))

    async def _cancel(self, tx: AsyncSession, ids: Sequence[str]) -> None:
        """Cancel messages, and end outcomes of which nothing is left."""
        if not ids:
            return
        moves = [Move(message_id=one, state=MessageState.CANCELLED, code=RECALLED) for one in ids]
        await self._progress.move(tx, moves)
        await tx.execute(_END, {"among": list(ids), "now": self._clock.now()})
