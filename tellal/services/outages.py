"""What operators do to outages: each command is one transaction, answered from the database.

The state moves along the table of the domain; who hears of it is a round of telling, which the
outage's workflow has decided. Public channels show what the history says.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, DeniedError, RefusedTransitionError
from tellal.domain.incidents import IncidentKind
from tellal.domain.outages import (
    ENDED,
    TELLS_OF_IT,
    NoticeKind,
    OutageCommand,
    OutageKind,
    OutageState,
    first_state,
    next_state,
)
from tellal.domain.outbox import OutboxKind
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.customers import CustomerRow
from tellal.services import outage_rounds as rounds
from tellal.services.outage_checks import OutageChecks
from tellal.services.outage_history import Act, enter, wake, written
from tellal.services.outage_plans import OutagePlans, overridden
from tellal.services.outage_sayings import (
    Change,
    Declaration,
    Go,
    Review,
    kind_of_update,
    new_values,
    plain,
)
from tellal.services.outage_telling import begin_round, is_material, parts_of
from tellal.services.outage_views import (
    EntryView,
    OutageView,
    ReviewView,
    entries,
    entries_of,
    find,
    notices,
    outages,
    review_of,
    reviews,
    signals,
    view,
)
from tellal.services.outbox import enqueue
from tellal.services.round_reading import STOPPED

_customers = table(CustomerRow)

_KEPT = 50
_ONLY_PUBLIC = "the plan tells nobody directly; public channels show it"


class Outages:
    """Declares outages and applies commands; nothing goes to customers while one is suspected."""

    def __init__(self, checks: OutageChecks, plans: OutagePlans, clock: Clock) -> None:
        self._checks = checks
        self._plans = plans
        self._clock = clock

    async def declare(
        self, tx: AsyncSession, *, brand: Brand, said: Declaration, by: str = ""
    ) -> OutageView:
        """Declare a failure, suspected at first, or a planned work, a draft at first.

        Raises:
            InvalidInputError: It names a kind, component, topic or place that there is not, its
                segment is no condition, its times do not fit each other, or its texts lack
                something.
            ConflictError: One like it runs already in the same place.
        """
        kind = self._checks.kind(said.incident)
        now = self._clock.now()
        values = self._first_values(brand, kind, said, now)
        await self._check_twin(tx, brand, values, anyway=said.anyway)
        row = (await tx.execute(insert(outages).values(values).returning(outages))).one()
        await self._checks.check(brand, kind, row)
        act = self._act(tx, brand, row)
        row = await self._planned(act, row)
        await enter(act, row, "declare", by=by, body={"title": said.title})
        await enqueue(
            tx,
            brand_id=brand.id,
            kind=OutboxKind.OUTAGE_DECLARED,
            workflow_id=f"outage/{row.id}",
            body={"outage_id": row.id, "brand": brand.name, "topic": row.topic},
            now=now,
        )
        return await view(tx, row, now, hints=self._checks.hints(brand, kind, row, now))

    async def plan(self, tx: AsyncSession, *, brand: Brand, outage_id: str) -> OutageView:
        """Compute anew whom each channel would reach in time, and keep it for the confirmation.

        Raises:
            NotFoundError: The brand has no such outage.
            RefusedTransitionError: It is over.
        """
        row = await find(tx, brand.id, outage_id, lock=True)
        if OutageState(row.state) in ENDED:
            raise RefusedTransitionError(f"the outage is {row.state}", code=f"already_{row.state}")
        act = self._act(tx, brand, row)
        row = await self._planned(act, row)
        hints = self._checks.hints(brand, act.kind, row, act.now)
        return await view(tx, row, act.now, hints=hints)

    async def show(
        self,
        tx: AsyncSession,
        *,
        brand: Brand,
        outage_id: str,
        text: Mapping[str, str],
        by: str = "",
    ) -> OutageView:
        """Show a holding line of a suspicion on public channels; nobody is told directly (B16).

        Raises:
            NotFoundError: The brand has no such outage.
            RefusedTransitionError: It is not suspected.
        """
        row = await self._moved(tx, brand.id, outage_id, OutageCommand.SHOW)
        act = self._act(tx, brand, row)
        row = await written(tx, row, shown_at=row.shown_at or act.now)
        await enter(act, row, OutageCommand.SHOW, by=by, text=text)
        return await self._told(act, row)

    async def confirm(
        self, tx: AsyncSession, *, brand: Brand, outage_id: str, go: Go | None = None, by: str = ""
    ) -> OutageView:
        """Confirm a failure: its audience is decided and told from now on.

        Above the threshold of its kind the first call asks and a second person's gives the word.

        Raises:
            NotFoundError: The brand has no such outage.
            RefusedTransitionError: It is not suspected (any more).
            ConflictError: The same person asked for it.
            DeniedError: Two persons are needed, and no key of a person's own was shown.
            InvalidInputError: A text message is planned and nobody said what people can do
                meanwhile (B12), or the plan is overridden without a reason.
        """
        return await self._go(
            tx, brand, outage_id, command=OutageCommand.CONFIRM, go=go or Go(), by=by
        )

    async def announce(
        self, tx: AsyncSession, *, brand: Brand, outage_id: str, go: Go | None = None, by: str = ""
    ) -> OutageView:
        """Announce planned works to those whom they will affect.

        Raises:
            NotFoundError: The brand has no such outage.
            RefusedTransitionError: It is no draft.
            ConflictError: The same person asked for it.
            DeniedError: Two persons are needed, and no key of a person's own was shown.
            InvalidInputError: It has no times, comes later than the sector's rules say and no
                reason is given, or lacks what `confirm` asks for.
        """
        return await self._go(
            tx, brand, outage_id, command=OutageCommand.ANNOUNCE, go=go or Go(), by=by
        )

    async def _go(
        self,
        tx: AsyncSession,
        brand: Brand,
        outage_id: str,
        *,
        command: OutageCommand,
        go: Go,
        by: str,
    ) -> OutageView:
        before = await find(tx, brand.id, outage_id, lock=True)
        state = next_state(OutageState(before.state), command)
        act = self._act(tx, brand, before)
        kind, now = act.kind, act.now
        plan = await self._plans.current(tx, brand, kind, before, now)
        if go.channels:
            plan = overridden(kind, before, plan, go.channels, reason=go.reason)
        self._checks.may_be_told(before, plan)
        if command is OutageCommand.ANNOUNCE:
            self._checks.in_time(brand, kind, before, now, excuse=go.reason)
        body: dict[str, object] = {"affected": plan["affected"]}
        body |= {name: said for name in ("reason", "break_glass") if (said := getattr(go, name))}
        if go.channels:
            body["channels"] = dict(go.channels)
        if plan["needs_approval"] and not go.break_glass:
            if not go.person:
                raise DeniedError(
                    "so many people are told on the word of two persons, each with his own key",
                    code="personal_key_needed",
                    hint="show a key that is a person's own, or in a declared emergency say "
                    "break_glass and why",
                )
            if not before.asked_by:
                row = await written(tx, before, asked_by=go.person, plan=dict(plan))
                await enter(act, row, "ask", by=by, body=body, shown=False)
                why = (
                    f"{plan['told']} people are affected, so a second person has to confirm it; "
                    "in a declared emergency say break_glass and why"
                )
                return await view(tx, row, now, why=why)
            if before.asked_by == go.person:
                raise ConflictError(
                    f"{go.person} asked for it, so somebody else has to confirm it",
                    code="second_person",
                    hint="have another person confirm it with his own key",
                )
        row = await written(
            tx,
            before,
            state=state.value,
            plan=dict(plan),
            confirmed_at=now,
            confirmed_by=by,
            broke_glass=go.break_glass,
            shown_at=before.shown_at or now,
            started_at=before.started_at or (now if state is OutageState.CONFIRMED else None),
        )
        told = await begin_round(act, row, NoticeKind.NOTICE)
        await enter(act, row, command, by=by, body=body, text=go.text)
        hints = self._checks.hints(brand, kind, row, now)
        return await self._told(act, row, why="" if told else _ONLY_PUBLIC, hints=hints)

    async def update(
        self, tx: AsyncSession, *, brand: Brand, outage_id: str, change: Change, by: str = ""
    ) -> OutageView:
        """Say what is new; only what is material is told to those affected, the page shows all.

        New times of planned works reschedule or extend them. A scope that grows has whoever is new
        in it told what the others know.

        Raises:
            NotFoundError: The brand has no such outage.
            RefusedTransitionError: It is over.
            ConflictError: Nothing is new (B13), or a wider scope holds more people than the one
                person who confirmed it may have told.
            InvalidInputError: What it says does not fit.
        """
        before = await find(tx, brand.id, outage_id, lock=True)
        act = self._act(tx, brand, before)
        values = new_values(before, change)
        if not values and not await _says_something_new(tx, before, change.text):
            raise ConflictError(
                "nothing of it is new, so nobody is told again",
                code="nothing_new",
                hint="change the expected end, what people can do, the scope, or the public text",
            )
        command = kind_of_update(before, values)
        state = next_state(OutageState(before.state), command)
        row = await written(tx, before, state=state.value, **values)
        await self._checks.check(brand, act.kind, row)
        why = ""
        if rounds.tells(row.state):
            why = await self._tell_update(act, before=before, row=row)
        elif not values:
            why = "only the public text is new"
        body = {name: plain(value) for name, value in values.items()}
        await enter(act, row, command, by=by, body=body, text=change.text)
        hints = self._checks.hints(brand, act.kind, row, act.now)
        return await self._told(act, row, why=why, hints=hints)

    async def end(
        self,
        tx: AsyncSession,
        *,
        brand: Brand,
        outage_id: str,
        command: OutageCommand,
        by: str = "",
        text: Mapping[str, str] | None = None,
    ) -> OutageView:
        """End an outage: from the answer on, no message of it is handed over.

        `resolve` and `complete`: who was told gets the all-clear, by the same channel. `cancel`:
        who heard of planned works hears that they are called off. `dismiss`: nobody was told.

        Raises:
            NotFoundError: The brand has no such outage.
            RefusedTransitionError: It is in no state from which the command leads to an end.
        """
        row = await self._moved(tx, brand.id, outage_id, command)
        act = self._act(tx, brand, row)
        in_flight = await rounds.stop(tx, row.id, code=row.state, now=act.now)
        row = await written(tx, row, resolved_at=act.now, in_flight_at_stop=in_flight)
        after = _AFTERWARDS.get(command)
        if after is not None:
            await begin_round(act, row, after)
        await enter(act, row, command, by=by, body={"in_flight": in_flight}, text=text)
        return await self._told(act, row)

    async def start(
        self, tx: AsyncSession, *, brand: Brand, outage_id: str, by: str = ""
    ) -> OutageView:
        """Begin planned works before the clock does.

        Raises:
            NotFoundError: The brand has no such outage.
            RefusedTransitionError: They are not announced, or have begun.
        """
        row = await self._moved(tx, brand.id, outage_id, OutageCommand.START)
        act = self._act(tx, brand, row)
        row = await written(tx, row, started_at=act.now)
        await enter(act, row, OutageCommand.START, by=by)
        return await self._told(act, row)

    async def reopen(
        self, tx: AsyncSession, *, brand: Brand, outage_id: str, change: Change, by: str = ""
    ) -> OutageView:
        """Open a failure again that was thought to be over; those affected are told anew.

        Raises:
            NotFoundError: The brand has no such outage.
            RefusedTransitionError: It is not resolved.
            ConflictError: As `update` says of a wider scope.
        """
        before = await self._moved(tx, brand.id, outage_id, OutageCommand.REOPEN)
        act = self._act(tx, brand, before)
        await rounds.stop(tx, before.id, code="reopened", now=act.now)
        values = new_values(before, change)
        row = await written(tx, before, resolved_at=None, reviewed_at=None, **values)
        await self._checks.check(brand, act.kind, row)
        row = await self._replanned(act, before=before, row=row)
        self._checks.may_be_told(row, row.plan)
        await begin_round(act, row, NoticeKind.NOTICE)
        body = {name: plain(value) for name, value in values.items()}
        await enter(act, row, OutageCommand.REOPEN, by=by, body=body, text=change.text)
        return await self._told(act, row)

    async def restored(
        self, tx: AsyncSession, *, brand: Brand, outage_id: str, refs: Sequence[str], by: str = ""
    ) -> OutageView:
        """Give the all-clear to those who said that they were still without: these, or all.

        Raises:
            NotFoundError: The brand has no such outage.
            ConflictError: It is not over, or nobody has said so.
        """
        row = await _over(tx, brand.id, outage_id)
        act = self._act(tx, brand, row)
        ids = await answered(tx, row.id, refs, act.now)
        if not ids:
            raise ConflictError("nobody of these has said that he is still without", code="nobody")
        await begin_round(act, row, NoticeKind.ALL_CLEAR, only=ids)
        await enter(act, row, "restored", by=by, body={"customers": len(ids)}, shown=False)
        return await self._told(act, row)

    async def review(
        self, tx: AsyncSession, *, brand: Brand, outage_id: str, said: Review, by: str = ""
    ) -> ReviewView:
        """Write down what was learnt (B13); once per outage.

        Raises:
            NotFoundError: The brand has no such outage.
            ConflictError: It is not over, or was reviewed already.
        """
        row = await _over(tx, brand.id, outage_id)
        if row.reviewed_at is not None:
            raise ConflictError("the outage was reviewed already", code="already_reviewed")
        act = self._act(tx, brand, row)
        values = {
            "what_happened": said.what_happened,
            "what_was_late": said.what_was_late,
            "what_changes": said.what_changes,
        }
        await tx.execute(delete(reviews).where(reviews.c.outage_id == row.id))
        await tx.execute(insert(reviews).values(outage_id=row.id, by=by, at=act.now, **values))
        row = await written(tx, row, reviewed_at=act.now)
        await enter(act, row, "review", by=by, shown=False)
        await wake(tx, brand, row, act.now)
        return ReviewView(by=by, at=act.now, **values)

    async def view(self, tx: AsyncSession, brand_id: str, outage_id: str) -> OutageView:
        """Show an outage with its rounds.

        Raises:
            NotFoundError: The brand has no such outage.
        """
        return await view(tx, await find(tx, brand_id, outage_id), self._clock.now())

    async def history(
        self, tx: AsyncSession, brand_id: str, outage_id: str
    ) -> tuple[EntryView, ...]:
        """Show everything that was done to an outage, oldest first.

        Raises:
            NotFoundError: The brand has no such outage.
        """
        return await entries_of(tx, (await find(tx, brand_id, outage_id)).id)

    async def reviewed(self, tx: AsyncSession, brand_id: str, outage_id: str) -> ReviewView | None:
        """Show what was learnt of an outage, None if nobody has written it yet.

        Raises:
            NotFoundError: The brand has no such outage.
        """
        return await review_of(tx, (await find(tx, brand_id, outage_id)).id)

    async def page(
        self,
        tx: AsyncSession,
        brand_id: str,
        *,
        running: bool = False,
        after: str = "",
        limit: int = _KEPT,
    ) -> tuple[OutageView, ...]:
        """List the brand's outages in the order of their declaration."""
        query = (
            select(outages)
            .where(outages.c.brand_id == brand_id, outages.c.id > after)
            .order_by(outages.c.id)
            .limit(limit)
        )
        if running:
            query = query.where(outages.c.state.not_in([state.value for state in sorted(ENDED)]))
        now = self._clock.now()
        return tuple([await view(tx, row, now) for row in (await tx.execute(query)).all()])

    def _first_values(
        self, brand: Brand, kind: IncidentKind, said: Declaration, now: datetime
    ) -> dict[str, object]:
        components = kind.components if said.components is None else said.components
        return {
            "id": new_id(),
            "brand_id": brand.id,
            "kind": kind.kind.value,
            "incident": kind.id,
            "severity": (said.severity or kind.severity).value,
            "title": said.title,
            "topic": said.topic or kind.topics[NoticeKind.NOTICE],
            "segment": dict(said.segment),
            "areas": [dict(area) for area in said.areas],
            "variables": dict(said.variables),
            "components": sorted(set(components)),
            "reason": said.reason,
            "workaround": said.workaround or str(said.variables.get("workaround", "")),
            "no_workaround": said.no_workaround,
            "hotline": said.hotline,
            "state": first_state(kind.kind).value,
            "starts_at": said.starts_at,
            "expected_end": said.expected_end,
            "in_flight_at_stop": 0,
            "simulated": said.simulated,
            "first_signal_at": said.first_signal_at,
            "declared_at": now,
        }

    async def _check_twin(
        self, tx: AsyncSession, brand: Brand, values: Mapping[str, Any], *, anyway: bool
    ) -> None:
        """Refuse a second outage of one kind for the same people while the first one runs."""
        if anyway or values["kind"] == OutageKind.PLANNED:
            return
        query = select(outages.c.id).where(
            outages.c.brand_id == brand.id,
            outages.c.incident == values["incident"],
            outages.c.simulated == values["simulated"],
            outages.c.segment == values["segment"],
            outages.c.areas == values["areas"],
            outages.c.components == values["components"],
            outages.c.state.in_([OutageState.SUSPECTED.value, OutageState.CONFIRMED.value]),
        )
        twin = (await tx.execute(query.limit(1))).scalar_one_or_none()
        if twin is not None:
            raise ConflictError(
                f"{twin} runs already for the same people",
                code="declared_already",
                hint="update that one, or say `anyway` if it is another",
            )

    async def _moved(
        self, tx: AsyncSession, brand_id: str, outage_id: str, command: OutageCommand
    ) -> Row[Any]:
        row = await find(tx, brand_id, outage_id, lock=True)
        state = next_state(OutageState(row.state), command)
        return await written(tx, row, state=state.value)

    async def _tell_update(self, act: Act, *, before: Row[Any], row: Row[Any]) -> str:
        """Tell those affected if it matters; return in words why not, empty if they are told."""
        if is_material(act.kind, before, row, act.now):
            row = await self._replanned(act, before=before, row=row)
            self._checks.may_be_told(row, row.plan)
            await rounds.stop(act.tx, row.id, code="superseded", now=act.now)
            told = await begin_round(act, row, NoticeKind.UPDATE)
            return "" if told else _ONLY_PUBLIC
        if (before.areas, before.segment) != (row.areas, row.segment):
            row = await self._replanned(act, before=before, row=row)
            await self._widen(act, row)
            return ""
        return "nothing of it matters enough to those affected; public channels show it"

    async def _widen(self, act: Act, row: Row[Any]) -> None:
        """Have the round that runs look for who is new in the scope; who has heard stays so."""
        query = (
            select(notices.c.id)
            .where(
                notices.c.outage_id == row.id,
                notices.c.state != STOPPED,
                notices.c.kind.in_([one.value for one in TELLS_OF_IT]),
            )
            .order_by(notices.c.number.desc())
            .limit(1)
        )
        latest = (await act.tx.execute(query)).scalar_one_or_none()
        if latest is None:
            await begin_round(act, row, NoticeKind.NOTICE)
            return
        await rounds.widen(act.tx, latest, await parts_of(act.tx, row, NoticeKind.NOTICE))

    async def _planned(self, act: Act, row: Row[Any]) -> Row[Any]:
        """Make the plan of an outage as it stands now, and keep it with it."""
        plan = await self._plans.make(act.tx, act.brand, act.kind, row, act.now)
        return await written(act.tx, row, plan=dict(plan))

    async def _replanned(self, act: Act, *, before: Row[Any], row: Row[Any]) -> Row[Any]:
        """Make the plan of an outage whose word was given before; a wider one needs a new word."""
        row = await self._planned(act, row)
        one_word = not before.asked_by and not before.broke_glass
        wider = (before.areas, before.segment) != (row.areas, row.segment)
        if one_word and wider and row.plan["needs_approval"]:
            raise ConflictError(
                f"{row.plan['told']} people would be told now, which takes two persons' word",
                code="second_person",
                hint="declare what is new as an outage of its own, and have it confirmed by two",
            )
        return row

    def _act(self, tx: AsyncSession, brand: Brand, row: Row[Any]) -> Act:
        kind = self._checks.kind(row.incident)
        topics = self._checks.topics(kind)
        return Act(tx=tx, brand=brand, kind=kind, now=self._clock.now(), topics=topics)

    async def _told(
        self, act: Act, row: Row[Any], *, why: str = "", hints: tuple[str, ...] = ()
    ) -> OutageView:
        await wake(act.tx, act.brand, row, act.now)
        return await view(act.tx, row, act.now, why=why, hints=hints)


_AFTERWARDS = {
    OutageCommand.RESOLVE: NoticeKind.ALL_CLEAR,
    OutageCommand.COMPLETE: NoticeKind.ALL_CLEAR,
    OutageCommand.CANCEL: NoticeKind.CANCELLED,
}


async def answered(
    tx: AsyncSession, outage_id: str, refs: Sequence[str], now: datetime
) -> tuple[str, ...]:
    """Close what customers of these names said of being still without; return who they are."""
    waiting = (
        select(signals.c.id, signals.c.customer_id)
        .join(_customers, _customers.c.id == signals.c.customer_id)
        .where(
            signals.c.outage_id == outage_id,
            signals.c.still_out.is_(True),
            signals.c.answered_at.is_(None),
        )
    )
    if refs:
        waiting = waiting.where(_customers.c.ref.in_(refs))
    rows = (await tx.execute(waiting)).all()
    ids = [row.id for row in rows]
    await tx.execute(update(signals).where(signals.c.id.in_(ids)).values(answered_at=now))
    return tuple(sorted({row.customer_id for row in rows}))


async def _over(tx: AsyncSession, brand_id: str, outage_id: str) -> Row[Any]:
    """Lock an outage that is over."""
    row = await find(tx, brand_id, outage_id, lock=True)
    if OutageState(row.state) not in ENDED:
        raise ConflictError(f"the outage is {row.state}, not over", code="not_over")
    return row


async def _says_something_new(tx: AsyncSession, row: Row[Any], text: Mapping[str, str]) -> bool:
    """Say whether a public text differs from the one that was shown last."""
    if not text:
        return False
    latest = (
        select(entries.c.public)
        .where(entries.c.outage_id == row.id, entries.c.public != {})
        .order_by(entries.c.id.desc())
        .limit(1)
    )
    shown = (await tx.execute(latest)).scalar_one_or_none() or {}
    return any(shown.get(language) != line for language, line in text.items())
