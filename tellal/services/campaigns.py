"""What people do to campaigns: each command is one transaction, answered from the database.

What is approved is one plan: another one needs another approval, and nobody approves what he has
made or submitted himself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.clock import Clock
from tellal.domain.campaigns import (
    CampaignCommand,
    CampaignState,
    Plan,
    digest_of,
    next_state,
)
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, DeniedError
from tellal.domain.messages import REACHED
from tellal.domain.outbox import OutboxKind
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow
from tellal.services.campaign_checks import CampaignChecks
from tellal.services.campaign_runs import (
    CANCELLED,
    PAUSED,
    RUNNING,
    audience_of,
    running_run,
    write_run,
)
from tellal.services.campaign_views import (
    CampaignView,
    EntryView,
    RunView,
    campaigns,
    causes_of,
    entries,
    find,
    rounds,
    run_view,
    runs,
    view,
)
from tellal.services.outbox import enqueue
from tellal.services.pausing import pause_causes, resume_causes
from tellal.services.round_reading import STOPPED
from tellal.services.stopping import stop_cause

_messages = table(MessageRow)

_OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """Who acts: `by` is the person whose own key it came by, else the key's name.

    `made_by` is who made that key over the API, empty if an operator did.
    """

    by: str
    personal: bool = False
    made_by: str = ""


class Campaigns:
    """Makes campaigns and applies commands; nothing is said before a second person agrees."""

    def __init__(self, checks: CampaignChecks, clock: Clock) -> None:
        self._checks = checks
        self._clock = clock

    async def make(
        self,
        tx: AsyncSession,
        *,
        brand: Brand,
        name: str,
        plan: Mapping[str, object],
        who: Staff,
        simulated: bool = False,
    ) -> CampaignView:
        """Make a campaign, a draft at first.

        Raises:
            InvalidInputError: The plan does not fit; the error says where and how to mend it.
            NotFoundError: It names a group that there is not.
            ConflictError: There is a campaign of that name.
        """
        now = self._clock.now()
        await self._check(tx, brand, Plan.of(plan))
        made = (
            pg_insert(campaigns)
            .values(
                id=new_id(),
                brand_id=brand.id,
                name=name,
                state=CampaignState.DRAFT.value,
                plan=dict(plan),
                made_by=who.by,
                simulated=simulated,
                created_at=now,
                changed_at=now,
            )
            .on_conflict_do_nothing(index_elements=["brand_id", "name"])
            .returning(campaigns)
        )
        row = (await tx.execute(made)).one_or_none()
        if row is None:
            raise ConflictError(
                f"there is a campaign named {name!r}",
                code="name_taken",
                hint="take another name, or change that one",
            )
        await note(tx, row.id, "make", by=who.by, body={"digest": digest_of(plan)}, now=now)
        return await view(tx, row, now)

    async def change(
        self,
        tx: AsyncSession,
        *,
        brand: Brand,
        campaign_id: str,
        plan: Mapping[str, object],
        who: Staff,
    ) -> CampaignView:
        """Give a campaign another plan; it is a draft again, whoever had approved it.

        Raises:
            NotFoundError: The brand has no such campaign, or it names a group that there is not.
            RefusedTransitionError: It runs, or is over.
            InvalidInputError: The plan does not fit.
        """
        await self._check(tx, brand, Plan.of(plan))
        act = await self._act(tx, brand, campaign_id, CampaignCommand.CHANGE, who)
        row = await act.write(
            plan=dict(plan),
            made_by=who.by,
            digest="",
            approved_by="",
            approved_at=None,
            next_at=None,
        )
        await act.note(digest=digest_of(plan))
        return await view(tx, row, act.now)

    async def submit(
        self, tx: AsyncSession, *, brand: Brand, campaign_id: str, who: Staff
    ) -> CampaignView:
        """Ask for a second person's approval of the plan as it stands.

        Raises:
            NotFoundError: The brand has no such campaign.
            RefusedTransitionError: It is no draft.
            InvalidInputError: It would never run, or nothing could be said.
        """
        act = await self._act(tx, brand, campaign_id, CampaignCommand.SUBMIT, who)
        plan = Plan.of(act.row.plan)
        await self._check(tx, brand, plan)
        await self._checks.first_run(tx, brand, plan, act.now)
        row = await act.write(digest=digest_of(act.row.plan))
        await act.note(digest=row.digest)
        return await view(tx, row, act.now)

    async def send_back(
        self, tx: AsyncSession, *, brand: Brand, campaign_id: str, who: Staff, reason: str
    ) -> CampaignView:
        """Give a submitted campaign back to its author, with the reason.

        Raises:
            NotFoundError: The brand has no such campaign.
            RefusedTransitionError: Nobody has submitted it.
        """
        act = await self._act(tx, brand, campaign_id, CampaignCommand.RETURN, who)
        row = await act.write(digest="")
        await act.note(reason=reason)
        return await view(tx, row, act.now)

    async def approve(
        self, tx: AsyncSession, *, brand: Brand, campaign_id: str, who: Staff, digest: str = ""
    ) -> CampaignView:
        """Agree to the plan that was submitted; from now on it runs when its time comes.

        `digest` is of the plan that the approver has seen; without it, the plan as it stands.

        Raises:
            NotFoundError: The brand has no such campaign.
            RefusedTransitionError: Nobody has submitted it.
            DeniedError: No key of a person's own was shown.
            ConflictError: He made or submitted it himself, or has seen another plan.
            InvalidInputError: Its time is over.
        """
        act = await self._act(tx, brand, campaign_id, CampaignCommand.APPROVE, who)
        if not who.personal:
            raise DeniedError(
                "a campaign is approved by a person, with his own key",
                code="personal_key_needed",
                hint="show a key that is a person's own",
            )
        if {who.by, who.made_by} & await _authors(tx, act.row):
            raise ConflictError(
                f"{who.by} has made or submitted it, so somebody else has to approve it",
                code="second_person",
                hint="have another person approve it with his own key",
            )
        if digest not in ("", act.row.digest):
            raise ConflictError(
                "the plan has changed since it was looked at",
                code="plan_changed",
                hint="look at it again",
            )
        plan = Plan.of(act.row.plan)
        await self._check(tx, brand, plan)
        next_at = await self._checks.first_run(tx, brand, plan, act.now, act.row.id)
        row = await act.write(approved_by=who.by, approved_at=act.now, next_at=next_at)
        await act.note(digest=row.digest, next_at=next_at.isoformat())
        await wake(tx, brand, row, act.now)
        return await view(tx, row, act.now)

    async def pause(
        self,
        tx: AsyncSession,
        *,
        brand: Brand,
        campaign_id: str,
        who: Staff,
        reason: str = _OPERATOR,
    ) -> CampaignView:
        """Pause a run: once this is answered nothing of it is handed over, and nothing is lost.

        Raises:
            NotFoundError: The brand has no such campaign.
            RefusedTransitionError: It does not run.
        """
        act = await self._act(tx, brand, campaign_id, CampaignCommand.PAUSE, who)
        run = await act.run()
        causes = await causes_of(tx, run.id)
        in_flight = await pause_causes(tx, causes)
        await write_run(tx, run.id, state=PAUSED, reason=reason, paused_at=act.now)
        row = await act.write()
        left = await _left(tx, causes)
        await act.note(reason=reason, in_flight=in_flight, left=left)
        await wake(tx, brand, row, act.now)
        return await view(tx, row, act.now, in_flight=in_flight, left=left)

    async def resume(
        self,
        tx: AsyncSession,
        *,
        brand: Brand,
        campaign_id: str,
        who: Staff,
        expired: bool = False,
    ) -> CampaignView:
        """Let a paused run go on; with `expired`, also what has run out while it was paused.

        Whoever waits then has as much longer as the pause took.

        Raises:
            NotFoundError: The brand has no such campaign.
            RefusedTransitionError: It is not paused.
        """
        act = await self._act(tx, brand, campaign_id, CampaignCommand.RESUME, who)
        run = await act.run()
        shown = await run_view(tx, run, act.now)
        longer = act.now - run.paused_at if expired and run.paused_at else None
        await resume_causes(tx, await causes_of(tx, run.id), longer=longer)
        if longer is not None:
            await _extend_parts(tx, run.id, longer)
        await write_run(tx, run.id, state=RUNNING, reason="", paused_at=None)
        row = await act.write()
        await act.note(held=shown.held, expired=shown.expired, send_expired=expired)
        await wake(tx, brand, row, act.now)
        return await view(tx, row, act.now)

    async def cancel(
        self, tx: AsyncSession, *, brand: Brand, campaign_id: str, who: Staff, reason: str = ""
    ) -> CampaignView:
        """End a campaign for good: once this is answered nothing of it is handed over any more.

        The answer says how many messages had left, and how many a provider was being handed.

        Raises:
            NotFoundError: The brand has no such campaign.
            RefusedTransitionError: It is over.
        """
        act = await self._act(tx, brand, campaign_id, CampaignCommand.CANCEL, who)
        run = await running_run(tx, act.row.id)
        in_flight = left = 0
        if run is not None:
            causes = await causes_of(tx, run.id)
            for cause_id in causes:
                in_flight += await stop_cause(tx, cause_id, code="campaign_cancelled", now=act.now)
            await tx.execute(
                update(rounds)
                .where(rounds.c.run_id == run.id, rounds.c.state != STOPPED)
                .values(state=STOPPED)
            )
            left = await _left(tx, causes)
            await write_run(
                tx, run.id, state=CANCELLED, reason=_OPERATOR, ended_at=act.now, paused_at=None
            )
        row = await act.write(next_at=None, ended_at=act.now)
        await act.note(reason=reason, in_flight=in_flight, left=left)
        await wake(tx, brand, row, act.now)
        return await view(tx, row, act.now, in_flight=in_flight, left=left)

    async def view(self, tx: AsyncSession, brand_id: str, campaign_id: str) -> CampaignView:
        """Show a campaign.

        Raises:
            NotFoundError: The brand has no such campaign.
        """
        return await view(tx, await find(tx, brand_id, campaign_id), self._clock.now())

    async def page(
        self, tx: AsyncSession, brand_id: str, *, state: str, after: str, limit: int
    ) -> list[CampaignView]:
        """List campaigns in the order in which they were made."""
        query = select(campaigns).where(campaigns.c.brand_id == brand_id, campaigns.c.id > after)
        if state:
            query = query.where(campaigns.c.state == state)
        found = (await tx.execute(query.order_by(campaigns.c.id).limit(limit))).all()
        return [await view(tx, row, self._clock.now()) for row in found]

    async def runs(self, tx: AsyncSession, brand_id: str, campaign_id: str) -> list[RunView]:
        """List every time that a campaign ran, the first one first.

        Raises:
            NotFoundError: The brand has no such campaign.
        """
        row = await find(tx, brand_id, campaign_id)
        query = select(runs).where(runs.c.campaign_id == row.id).order_by(runs.c.number)
        now = self._clock.now()
        return [await run_view(tx, run, now) for run in (await tx.execute(query)).all()]

    async def history(
        self, tx: AsyncSession, brand_id: str, campaign_id: str
    ) -> Sequence[EntryView]:
        """List what was done to a campaign, oldest first.

        Raises:
            NotFoundError: The brand has no such campaign.
        """
        row = await find(tx, brand_id, campaign_id)
        query = select(entries).where(entries.c.campaign_id == row.id).order_by(entries.c.id)
        return [
            EntryView(id=one.id, command=one.command, by=one.by, body=one.body, at=one.at)
            for one in await tx.execute(query)
        ]

    async def _check(self, tx: AsyncSession, brand: Brand, plan: Plan) -> None:
        await self._checks.check(tx, brand, plan)
        await audience_of(tx, brand.id, plan)

    async def _act(
        self,
        tx: AsyncSession,
        brand: Brand,
        campaign_id: str,
        command: CampaignCommand,
        who: Staff,
    ) -> "_Act":
        row = await find(tx, brand.id, campaign_id, lock=True)
        state = next_state(CampaignState(row.state), command)
        return _Act(tx=tx, row=row, state=state, command=command, who=who, now=self._clock.now())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Act:
    """A command that the table allows, on a campaign whose row is locked."""

    tx: AsyncSession
    row: Row[Any]
    state: CampaignState
    command: CampaignCommand
    who: Staff
    now: datetime

    async def write(self, **values: object) -> Row[Any]:
        return await write(self.tx, self.row.id, self.now, state=self.state.value, **values)

    async def note(self, **body: object) -> None:
        await note(
            self.tx, self.row.id, self.command.value, by=self.who.by, body=body, now=self.now
        )

    async def run(self) -> Row[Any]:
        run = await running_run(self.tx, self.row.id)
        if run is None:
            raise ConflictError("no run of it goes on", code="no_run")
        return run


async def write(tx: AsyncSession, campaign_id: str, now: datetime, **values: object) -> Row[Any]:
    """Change a campaign's row and return it as it is now."""
    change = update(campaigns).where(campaigns.c.id == campaign_id)
    changed = change.values(changed_at=now, **values).returning(campaigns)
    row: Row[Any] = (await tx.execute(changed)).one()
    return row


async def note(
    tx: AsyncSession,
    campaign_id: str,
    command: str,
    *,
    by: str,
    body: Mapping[str, object],
    now: datetime,
) -> None:
    """Add a line to a campaign's history."""
    await tx.execute(
        insert(entries).values(
            id=new_id(), campaign_id=campaign_id, command=command, by=by, body=dict(body), at=now
        )
    )


async def wake(tx: AsyncSession, brand: Brand, row: Row[Any], now: datetime) -> None:
    """Have the campaign's workflow look at the ledger; one that there is not yet begins."""
    await enqueue(
        tx,
        brand_id=row.brand_id,
        kind=OutboxKind.CAMPAIGN_CHANGED,
        workflow_id=f"campaign/{row.id}",
        body={"campaign_id": row.id, "state": row.state, "brand": brand.name},
        now=now,
    )


async def _authors(tx: AsyncSession, row: Row[Any]) -> set[str]:
    """Return everybody who had a hand in the plan that stands: who made, changed, submitted it."""
    query = select(entries.c.by).where(
        entries.c.campaign_id == row.id,
        entries.c.command.in_(("make", CampaignCommand.CHANGE, CampaignCommand.SUBMIT)),
        entries.c.body["digest"].as_string() == row.digest,
    )
    return {row.made_by, *(await tx.execute(query)).scalars()}


async def _left(tx: AsyncSession, causes: Sequence[str]) -> int:
    """Count the messages of causes that a provider has taken, or may have."""
    query = select(func.count()).where(
        _messages.c.cause_id.in_(list(causes)), _messages.c.state.in_(sorted(REACHED))
    )
    return int((await tx.execute(query)).scalar_one())


async def _extend_parts(tx: AsyncSession, run_id: str, longer: timedelta) -> None:
    """Give parts that are still to be decided as much longer as the pause took."""
    found = await tx.execute(select(rounds.c.id, rounds.c.parts).where(rounds.c.run_id == run_id))
    for row in found.all():
        parts = [
            {**part, "until": (datetime.fromisoformat(part["until"]) + longer).isoformat()}
            if part.get("until")
            else part
            for part in row.parts
        ]
        await tx.execute(update(rounds).where(rounds.c.id == row.id).values(parts=parts))
