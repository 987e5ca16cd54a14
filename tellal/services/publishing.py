"""Publishes rules and texts as one revision: proposed by one person, approved by another.

Whoever changes anything waits for the log, so there is one order of everything. What is checked
when a revision is proposed is checked again when it comes into force, because the world has moved
on: people were added, journeys began, and this program may be another version.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from rules.profiles import IntakeProfile
from tellal.clock import Clock
from tellal.domain.errors import ConflictError, DeniedError, Finding, NotFoundError
from tellal.domain.publishing import Action, Actor, Kind, Proposal, ProposalState, Standing
from tellal.domain.routes import RouteTable
from tellal.persistence.columns import table
from tellal.persistence.tables.rulebook import ActiveRow
from tellal.services import proposals, revisions, rulebook_log
from tellal.services.editions import Edition, check
from tellal.services.impact import Everybody, Impact
from tellal.services.pinned import standings

_active = table(ActiveRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A proposal, and what was found that need not stop it."""

    proposal: Proposal
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would happen if a revision came into force now."""

    revision: str
    base: str
    affected: int
    threshold: int
    journeys: tuple[Standing, ...]

    @property
    def needs_approval(self) -> bool:
        """Whether a second person must agree."""
        return self.affected > self.threshold

    @property
    def stranded(self) -> tuple[Standing, ...]:
        """The journeys that could not go on: while there are any it cannot come into force."""
        return tuple(one for one in self.journeys if one.lacks)


class Publishing:
    """Proposes, approves, publishes and rolls back; in the caller's transaction.

    `folder` reads what is in force while nothing has been published; `above` is how many customers
    a change may concern before a second person must agree; `profiles` say what open cases tell.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        folder: Callable[[], Edition],
        routes: RouteTable,
        providers: Collection[str],
        above: int,
        profiles: Mapping[str, IntakeProfile],
        impact: Impact | None = None,
    ) -> None:
        self._clock = clock
        self._folder = folder
        self._routes = routes
        self._providers = providers
        self._above = above
        self._profiles = profiles
        self._impact = impact or Everybody()

    async def propose(
        self, tx: AsyncSession, actor: Actor, edition: Edition, *, note: str = ""
    ) -> Proposed:
        """Propose an edition; one that is proposed already, on the same base, is not doubled.

        Raises:
            DeniedError: It is nobody in person who proposes.
            RulebookError: There are mistakes in it; all are listed.
            ConflictError: It is in force already.
        """
        _check_person(actor)
        warnings = await self._checked(edition)
        await rulebook_log.one_at_a_time(tx)
        now = self._clock.now()
        await revisions.store(tx, edition, author=actor.person, note=note, now=now)
        proposal = await self._proposal(tx, actor, edition, Kind.PUBLISH, note)
        return Proposed(proposal=proposal, warnings=warnings)

    async def preview(self, tx: AsyncSession, named: str) -> Preview:
        """Say whom a revision would concern if it came into force now, and which journeys run.

        Raises:
            NotFoundError: There is no such revision.
            RulebookError: This version of Tellal cannot read it.
        """
        found = await revisions.find(tx, named)
        edition = await _stored(tx, found.revision)
        await self._checked(edition)
        return await self._preview(tx, edition)

    async def approve(self, tx: AsyncSession, actor: Actor, named: str) -> Proposal:
        """Agree to a proposal as a second person.

        Raises:
            NotFoundError: There is no such revision.
            DeniedError: Nobody in person, or the author himself, would approve.
            ConflictError: It is not proposed (any more), or something else came into force.
        """
        proposal = await self._judged(tx, actor, named)
        await _check_base(tx, proposal)
        return await self._move(tx, proposal, Action.APPROVE, actor)

    async def refuse(self, tx: AsyncSession, actor: Actor, named: str) -> Proposal:
        """Refuse a proposal as a second person.

        Raises:
            NotFoundError: There is no such revision.
            DeniedError: Nobody in person, or the author himself, would refuse.
            ConflictError: It is not proposed (any more).
        """
        proposal = await self._judged(tx, actor, named)
        return await self._move(tx, proposal, Action.REFUSE, actor)

    async def withdraw(self, tx: AsyncSession, actor: Actor, named: str) -> Proposal:
        """Take one's own proposal back.

        Raises:
            NotFoundError: There is no such revision.
            DeniedError: It is somebody else's.
            ConflictError: It is not proposed (any more).
        """
        _check_person(actor)
        proposal = await self._open(tx, named)
        if proposal.author != actor.person:
            raise DeniedError(
                f"{proposal.author} proposed it, and only he or she withdraws it",
                code="not_yours",
                hint="an approver may refuse it",
            )
        return await self._move(tx, proposal, Action.WITHDRAW, actor)

    async def publish(self, tx: AsyncSession, actor: Actor, named: str) -> Proposal:
        """Put a proposed revision in force, if nobody else must agree or somebody has.

        Raises:
            NotFoundError: There is no such revision.
            DeniedError: It is nobody in person who publishes.
            RulebookError: There are mistakes in it, by what is known now.
            ConflictError: It is not proposed, a second person must agree first, running journeys
                need something that it lacks, or something else came into force meanwhile.
        """
        _check_person(actor)
        revision = (await revisions.find(tx, named)).revision
        edition = await _stored(tx, revision)
        await self._checked(edition)
        await rulebook_log.one_at_a_time(tx)
        proposal = await proposals.needed(tx, revision)
        await _check_base(tx, proposal)
        preview = await self._preview(tx, edition)
        _check_nobody_stranded(preview)
        if preview.needs_approval and proposal.state is not ProposalState.APPROVED:
            raise ConflictError(
                f"it concerns {preview.affected} customers, so a second person must agree",
                code="approval_needed",
                hint=f"somebody else than {proposal.author}: tellal rules approve {revision[:19]}",
            )
        action = Action.ROLLBACK if proposal.kind is Kind.ROLLBACK else Action.PUBLISH
        return await self._move(tx, proposal, action, actor, affected=preview.affected)

    async def rollback(
        self, tx: AsyncSession, actor: Actor, named: str, *, note: str = ""
    ) -> Proposed:
        """Put a revision in force again that was so before, or propose it if that needs approval.

        Raises:
            NotFoundError: There is no such revision.
            DeniedError: It is nobody in person who rolls back.
            RulebookError: There are mistakes in it, by what is known now.
            ConflictError: It was never in force, is so now, or running journeys need something
                that it lacks.
        """
        _check_person(actor)
        revision = (await revisions.find(tx, named)).revision
        edition = await _stored(tx, revision)
        warnings = await self._checked(edition)
        await rulebook_log.one_at_a_time(tx)
        if not await rulebook_log.was_in_force(tx, revision):
            raise ConflictError(
                f"{revision} was never in force",
                code="never_in_force",
                hint="publish it; tellal rules history shows what was in force",
            )
        proposal = await self._proposal(tx, actor, edition, Kind.ROLLBACK, note)
        if proposal.needs_approval:
            _check_nobody_stranded(await self._preview(tx, edition))
        else:
            proposal = await self.publish(tx, actor, revision)
        return Proposed(proposal=proposal, warnings=warnings)

    async def present(self, tx: AsyncSession) -> Edition:
        """Return what is in force: what was published last, else the folder."""
        published = await revisions.active_edition(tx)
        return await asyncio.to_thread(self._folder) if published is None else published

    async def _checked(self, edition: Edition) -> tuple[Finding, ...]:
        today = self._clock.now().date()
        return await asyncio.to_thread(check, edition, self._routes, self._providers, day=today)

    async def _preview(self, tx: AsyncSession, edition: Edition) -> Preview:
        present = await self.present(tx)
        return Preview(
            revision=edition.revision,
            base=await revisions.active_revision(tx),
            affected=await self._impact.count(tx, present, edition),
            threshold=self._above,
            journeys=await standings(tx, edition, present, self._profiles),
        )

    async def _proposal(
        self, tx: AsyncSession, actor: Actor, edition: Edition, kind: Kind, note: str
    ) -> Proposal:
        """Propose an edition against what is in force, or find that somebody has done so."""
        base = await revisions.active_revision(tx)
        if edition.revision == base:
            raise ConflictError("it is in force already", code="in_force")
        earlier = await proposals.open_one(tx, edition.revision)
        if earlier is not None and earlier.base == base and earlier.kind is kind:
            return earlier
        if earlier is not None:  # meant for something that is in force no more, or not in this way
            await self._move(tx, earlier, Action.WITHDRAW, actor)
        now = self._clock.now()
        affected = await self._impact.count(tx, await self.present(tx), edition)
        proposal = await proposals.add(
            tx,
            actor,
            revision=edition.revision,
            base=base,
            kind=kind,
            affected=affected,
            threshold=self._above,
            note=note,
            now=now,
        )
        details = _details(proposal, affected=affected)
        await rulebook_log.append(tx, actor, Action.PROPOSE, edition.revision, details, now=now)
        return proposal

    async def _judged(self, tx: AsyncSession, actor: Actor, named: str) -> Proposal:
        """Return the proposal on which somebody may pass judgement: nobody passes it on his own."""
        _check_person(actor)
        proposal = await self._open(tx, named)
        first = await revisions.find(tx, proposal.revision)
        authors = {proposal.author, first.author}
        if actor.person in authors:
            raise DeniedError(
                "whoever wrote a revision does not approve it",
                code="own_revision",
                hint="a second person must look at it",
            )
        if actor.made_by in authors:
            raise DeniedError(
                f"{actor.made_by} wrote the revision and made the key that would approve it",
                code="key_of_author",
                hint="use a key that somebody else made",
            )
        return proposal

    async def _open(self, tx: AsyncSession, named: str) -> Proposal:
        revision = (await revisions.find(tx, named)).revision
        await rulebook_log.one_at_a_time(tx)
        return await proposals.needed(tx, revision)

    async def _move(
        self,
        tx: AsyncSession,
        proposal: Proposal,
        action: Action,
        actor: Actor,
        **details: object,
    ) -> Proposal:
        """Do something to a proposal, which may put it in force, and write it down."""
        now = self._clock.now()
        moved = await proposals.move(tx, proposal, action, actor, now=now)
        link = await rulebook_log.append(
            tx, actor, action, proposal.revision, _details(moved, **details), now=now
        )
        if action in (Action.PUBLISH, Action.ROLLBACK):
            values = {"revision": proposal.revision, "seq": link.record.seq, "since": now}
            await tx.execute(
                insert(_active)
                .values(id=revisions.ONE, **values)
                .on_conflict_do_update(index_elements=["id"], set_=values)
            )
        return moved


def _details(proposal: Proposal, **more: object) -> dict[str, object]:
    return {
        "proposal": proposal.id,
        "base": proposal.base,
        "author": proposal.author,
        "approver": proposal.approver,
        "threshold": proposal.threshold,
        "note": proposal.note,
        **more,
    }


def _check_person(actor: Actor) -> None:
    if not actor.person:
        raise DeniedError(
            "a rulebook is published by people: this key is nobody's own",
            code="personal_key_needed",
            hint="tellal keys create BRAND NAME --person ada@bank.example --role author",
        )
    if actor.rehearses:
        raise DeniedError("a rehearsal key does not touch what is in earnest", code="rehearsal_key")


async def _check_base(tx: AsyncSession, proposal: Proposal) -> None:
    if await revisions.active_revision(tx) != proposal.base:
        raise ConflictError(
            "another revision came into force since this one was proposed",
            code="rulebook_moved",
            hint="look at what has changed, and propose it again",
        )


def _check_nobody_stranded(preview: Preview) -> None:
    if preview.stranded:
        raise ConflictError(
            f"running journeys need what this revision lacks: {_words(preview.stranded)}",
            code="journeys_need_it",
            hint="keep it until they have ended; take the topic out of events at first",
        )


def _words(stranded: Sequence[Standing]) -> str:
    return "; ".join(f"{one.topic} ({one.number}) {', '.join(one.lacks)}" for one in stranded)


async def _stored(tx: AsyncSession, revision: str) -> Edition:
    edition = await revisions.stored_edition(tx, revision)
    if edition is None:
        raise NotFoundError(f"there is no revision {revision}")
    return edition
