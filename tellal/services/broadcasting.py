"""Decides the audience of a round of telling, chunk by chunk, each in one transaction.

A chunk is decided as its customers would be decided one after another: the same questions, the same
reference, the same rows; only that all is read and written for thousands at once. What may have to
displace lower messages is decided by itself, in the same transaction.

Customers are locked in the order of their ids while they are decided about. What a stop has to wait
for comes last and is short: from the gate on, nothing is waited for and everything is inserted.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from rules.rulebook import Rulebook
from tellal.domain.campaigns import HOLD_OUT, VARIABLE_MISSING
from tellal.domain.customers import Customer
from tellal.persistence.columns import table
from tellal.persistence.people import brand as read_brand
from tellal.persistence.session import Sessions
from tellal.persistence.tables.ledger import CauseRow
from tellal.ports import ExampleRenderer
from tellal.services.asking import Answer, Circumstances
from tellal.services.audience import next_page
from tellal.services.deciding import Deciding
from tellal.services.entering import by_itself, enter
from tellal.services.entries import Entry, Matter
from tellal.services.gate import try_gate
from tellal.services.posting import template_variables
from tellal.services.round_reading import Place, Round, Rounds
from tellal.services.text_needs import lacks_words
from tellal.services.wording import Spoken

_causes = table(CauseRow).c

_FIRST = 100
"""How many customers the first chunk of a round has, so that the first messages leave early."""
_ASIDE_S = 0.02
_STATE = select(_causes.state).where(_causes.id == bindparam("cause"))
_SHARE = _STATE.with_for_update(read=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """How many customers a call decided, and whether nobody is left to decide."""

    decided: int
    done: bool


class _StandAsideError(Exception):
    """An operator's command goes first: what was decided is dropped, and decided again later."""


class Broadcasting:
    """Decides rounds; a call may be repeated, and may end anywhere without leaving a trace."""

    def __init__(
        self,
        sessions: Sessions,
        deciding: Deciding,
        rounds: Rounds,
        texts: ExampleRenderer | None = None,
    ) -> None:
        """Decide rounds of a kind; with `texts` only who has what they say is told."""
        self._sessions = sessions
        self._deciding = deciding
        self._rounds = rounds
        self._texts = texts

    async def decide_chunk(self, notice_id: str, limit: int) -> Portion:
        """Decide the next customers of a round, the first time only a few.

        It is through, too, when the round or its cause does not run any more. None may be decided
        although it is not through: nobody of this chunk is meant, or a command went first.

        Raises:
            NotFoundError: There is no such round.
            InvalidInputError: The rulebook has no such topic, or cannot read the round's segment.
        """
        try:
            async with self._sessions() as tx, tx.begin():
                return await self._decide(tx, notice_id, limit)
        except _StandAsideError:
            await asyncio.sleep(_ASIDE_S)
            return Portion(decided=0, done=False)

    async def _decide(self, tx: AsyncSession, notice_id: str, limit: int) -> Portion:
        one = await self._rounds.read(tx, notice_id)
        state = (await tx.execute(_STATE, {"cause": one.cause_id})).scalar_one()
        if not one.runs or state != "running":
            return Portion(decided=0, done=True)
        book, now = self._deciding.asking.book, self._deciding.clock.now()
        size = min(limit, _FIRST) if one.begins else limit
        if one.most is not None:
            size = min(size, one.most)
        if not size:
            return Portion(decided=0, done=False)
        page = await next_page(tx, book, one, size, now)
        entries = await self._entries(tx, one, book, page.people if page else (), now)
        if not await self._begin_to_write(tx, one):
            return Portion(decided=0, done=True)
        await self._write(tx, one, entries)
        place = Place(part=one.place.part + 1)
        if page is None or page.last is not None:
            place = Place(part=one.place.part, after=page.last or "" if page else "")
        told = sum(not entry.silent for entry in entries)
        done = await self._rounds.move(tx, one, place, now, told=told)
        return Portion(decided=len(entries), done=done)

    async def _entries(
        self,
        tx: AsyncSession,
        one: Round,
        book: Rulebook,
        people: Sequence[tuple[Customer, Circumstances]],
        now: datetime,
    ) -> list[Entry]:
        if not people:
            return []
        brand = await read_brand(tx, one.brand_id)
        answers = await self._answers(tx, one, book, people, now)
        return [
            Entry(
                tx=tx,
                brand=brand,
                customer=customer,
                topic=book.topics[one.topic],
                matter=_matter(one, around),
                answer=answer,
                now=now,
            )
            for (customer, around), answer in zip(people, answers, strict=True)
        ]

    async def _answers(
        self,
        tx: AsyncSession,
        one: Round,
        book: Rulebook,
        people: Sequence[tuple[Customer, Circumstances]],
        now: datetime,
    ) -> Sequence[Answer]:
        """Ask about everybody, and again about those of whom it then shows that nothing is said.

        Held out is only who would be told, or nobody could compare.
        """

        async def ask(some: Sequence[tuple[Customer, Circumstances]]) -> list[Answer]:
            return await self._deciding.asking.ask_each(
                tx, some, one.topic, now, simulated=one.simulated, book=book
            )

        held = {n for n, (_, around) in enumerate(people) if around.withheld == HOLD_OUT}
        free = [
            (who, replace(around, withheld="") if n in held else around)
            for n, (who, around) in enumerate(people)
        ]
        answers = await ask(free)
        withheld = {n: HOLD_OUT for n in held if answers[n].decision.steps}
        if self._texts is not None:
            brand = await read_brand(tx, one.brand_id)
            for n, ((who, around), answer) in enumerate(zip(people, answers, strict=True)):
                if n in withheld or not answer.decision.steps:
                    continue
                variables = {**one.variables, **around.variables}
                said = Spoken(
                    topic=one.topic,
                    channel=answer.decision.steps[0].channel,
                    language=who.locale,
                    message_class=answer.decision.message_class,
                    variables=template_variables(brand, who, variables),
                )
                if lacks_words(self._texts, said):
                    withheld[n] = VARIABLE_MISSING
        again = [(people[n][0], replace(people[n][1], withheld=withheld[n])) for n in withheld]
        for n, answer in zip(withheld, await ask(again) if again else [], strict=True):
            answers[n] = answer
        return answers

    async def _begin_to_write(self, tx: AsyncSession, one: Round) -> bool:
        """Lock the round and share its cause; False if that was stopped meanwhile."""
        if not (await try_gate(tx) and await self._rounds.hold(tx, one)):
            raise _StandAsideError
        state = (await tx.execute(_SHARE, {"cause": one.cause_id})).scalar_one()
        return bool(state == "running")

    async def _write(self, tx: AsyncSession, one: Round, entries: Collection[Entry]) -> None:
        alone = [entry for entry in entries if by_itself(entry)]
        together = [entry for entry in entries if not by_itself(entry)]
        await enter(tx, together, one.cause_id, speed=self._deciding.speed)
        for entry in alone:
            await self._deciding.decide(tx, entry.brand, entry.customer, entry.matter)


def _matter(one: Round, around: Circumstances) -> Matter:
    return Matter(
        topic=one.topic,
        cause_kind=one.cause_kind,
        cause_key="",
        cause_id=one.cause_id,
        variables={**one.variables, **around.variables} if around.variables else one.variables,
        around=around,
        workflow_id="",
        simulated=one.simulated,
    )
