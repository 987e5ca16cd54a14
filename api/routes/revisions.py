"""Revisions of the rulebook: proposed, approved, published, rolled back, and the log of it all."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import Limit, Reading, Writing, may_read, may_write
from api.views import FindingView
from tellal.domain.chains import Link
from tellal.domain.errors import NotFoundError
from tellal.domain.publishing import Proposal, ProposalState
from tellal.services import proposals, revisions, rulebook_log
from tellal.services.differences import TopicChange
from tellal.services.editions import pack
from tellal.services.keys import Scope
from tellal.services.publishing import Preview, Proposed

router = APIRouter(prefix="/rulebook", tags=["rulebook"])

Named = Annotated[
    str, Path(max_length=80, description="`sha256:…`, or so much of it that it is the only one")
]
Reader = Annotated[Reading, may_read(Scope.DECISIONS_READ)]
Author = Annotated[Writing, may_write(Scope.RULEBOOK_WRITE)]
Approver = Annotated[Writing, may_write(Scope.RULEBOOK_APPROVE)]

_RULES = {"promotions.yaml": "version: 1\npackage: promotions\n…"}
_TEXTS = {"iscep_promo/sms.tr.j2": "İşCep'i deneyin: {{ brand.phone }}"}


class NewRevision(BaseModel):
    """Rule files by name, texts by path; `templates` left out are those in force.

    The vocabulary (`fields.yaml`) and the law (`law/…`) that ship with Tellal become part of the
    revision where it has none of its own.
    """

    model_config = ConfigDict(extra="forbid")

    rules: dict[str, str] = Field(min_length=1, examples=[_RULES])
    templates: dict[str, str] | None = Field(default=None, examples=[_TEXTS])
    note: str = Field(default="", max_length=500, examples=["Fewer promotions in the evening"])


class Return(BaseModel):
    """What to roll back to, and why."""

    model_config = ConfigDict(extra="forbid")

    revision: str = Field(max_length=80, examples=["sha256:1f0c8a"])
    note: str = Field(default="", max_length=500, examples=["The new text names a wrong rate"])


class ProposalView(BaseModel):
    """A proposal; while `needs_approval` a second person must agree before it is published."""

    id: str
    revision: str
    base: str
    kind: str
    state: ProposalState
    author: str
    approver: str
    affected: int
    threshold: int
    needs_approval: bool
    note: str
    created_at: datetime
    decided_at: datetime | None
    published_at: datetime | None
    warnings: list[FindingView] = []


class RevisionView(BaseModel):
    """A stored revision."""

    revision: str
    author: str
    note: str
    created_at: datetime
    in_force: bool


class RevisionFiles(RevisionView):
    """A stored revision with its files and what was ever proposed of it."""

    files: dict[str, str]
    proposals: list[ProposalView]


class RevisionList(BaseModel):
    """The newest revisions, newest first."""

    items: list[RevisionView]


class StandingView(BaseModel):
    """Open journeys of a topic that began with a revision, and what they would lack."""

    topic: str
    revision: str
    open: int
    outages: int
    cases: int
    campaigns: int
    lacks: list[str]


class PreviewView(BaseModel):
    """What would happen now; while a journey `lacks` something it cannot be published."""

    revision: str
    base: str
    affected: int
    threshold: int
    needs_approval: bool
    journeys: list[StandingView]


class RecordView(BaseModel):
    """A record of the log; `hash` covers it and `previous`."""

    seq: int
    at: datetime
    who: str
    key_id: str
    action: str
    revision: str
    details: dict[str, object]
    previous: str
    hash: str


class History(BaseModel):
    """Records, newest first; `next` goes into `before` for those before them."""

    items: list[RecordView]
    next: int | None


class DifferenceView(BaseModel):
    """What becomes of the customers of your brand, topic by topic; topics that stay are left out.

    A shift says to how many of them the same thing happens (`gain`, `lose`, `channel`, `time`,
    `same`; `unsure` where caps by the calendar leave open how long somebody waits), what they got
    before and would get after, and names some.
    """

    old: str
    new: str
    topics: list[TopicChange]


@router.get("/revisions", responses=documented())
async def list_revisions(read: Reader, limit: Limit = 50) -> RevisionList:
    """List the newest revisions, newest first."""
    async with read.session() as tx:
        found = await revisions.revisions(tx, limit=limit)
    return RevisionList(items=[_revision(one) for one in found])


@router.post("/revisions", status_code=201, responses=documented(409, 422),
             response_model=ProposalView)  # fmt: skip
async def propose_revision(body: NewRevision, write: Author) -> Response:
    """Propose rules and texts as one revision. Nothing is in force by this; see `publish`.

    Everything is checked as a whole. What is wrong is answered with 422 and `findings`: file, line,
    column and how to mend it. The same content on the same base is not proposed twice.
    """

    async def effect(tx: AsyncSession) -> ProposalView:
        desk = write.desk.publishing
        texts = body.templates
        if texts is None:
            texts = dict((await desk.present(tx)).texts)
        edition = pack(body.rules, texts)
        return _proposed(await desk.propose(tx, write.caller.actor, edition, note=body.note))

    return await write.once(201, effect)


@router.get("/revisions/{revision}", responses=documented(404, 422))
async def get_revision(revision: Named, read: Reader) -> RevisionFiles:
    """Read a revision with its files."""
    async with read.session() as tx:
        found = await revisions.find(tx, revision)
        edition = await revisions.stored_edition(tx, found.revision)
        if edition is None:
            raise NotFoundError(f"there is no revision {revision}")
        proposed = await proposals.proposals(tx, revision=found.revision)
    return RevisionFiles(
        **_revision(found).model_dump(),
        files=dict(edition.files),
        proposals=[_proposal(one) for one in proposed],
    )


@router.get("/revisions/{revision}/preview", responses=documented(404, 422))
async def preview_revision(revision: Named, read: Reader) -> PreviewView:
    """Count whom it would concern, and which journeys are where, if it came into force now."""
    async with read.session() as tx:
        return _preview(await read.desk.publishing.preview(tx, revision))


@router.get("/revisions/{revision}/difference", responses=documented(404, 422))
async def compare_revision(
    revision: Named,
    read: Reader,
    topic: Annotated[
        str | None, Query(max_length=100, description="Only this topic; else all that change")
    ] = None,
) -> DifferenceView:
    """Say what a revision would change for your customers, compared with what is in force.

    Nobody is told anything: everybody is decided about twice, and nothing is written.
    """
    desk = read.desk
    async with read.session() as tx:
        found = await revisions.find(tx, revision)
        book = await desk.shelf.book_of(found.revision)
        if book is None:
            raise NotFoundError("this version of Tellal cannot read that revision")
        changes = await desk.differences.compare(
            tx,
            read.brand.id,
            desk.books.current,
            book,
            desk.clock.now(),
            topics=[] if topic is None else [topic],
        )
    return DifferenceView(old=desk.books.current.revision, new=book.revision, topics=list(changes))


@router.post("/revisions/{revision}/approve", responses=documented(404, 409, 422),
             response_model=ProposalView)  # fmt: skip
async def approve_revision(revision: Named, write: Approver) -> Response:
    """Agree to a proposal: as a person, with your own key, and not to what you wrote yourself."""

    async def effect(tx: AsyncSession) -> ProposalView:
        return _proposal(await write.desk.publishing.approve(tx, write.caller.actor, revision))

    return await write.once(200, effect)


@router.post("/revisions/{revision}/refuse", responses=documented(404, 409, 422),
             response_model=ProposalView)  # fmt: skip
async def refuse_revision(revision: Named, write: Approver) -> Response:
    """Refuse a proposal: it ends, and may be proposed again."""

    async def effect(tx: AsyncSession) -> ProposalView:
        return _proposal(await write.desk.publishing.refuse(tx, write.caller.actor, revision))

    return await write.once(200, effect)


@router.post("/revisions/{revision}/withdraw", responses=documented(404, 409, 422),
             response_model=ProposalView)  # fmt: skip
async def withdraw_revision(revision: Named, write: Author) -> Response:
    """Take your own proposal back."""

    async def effect(tx: AsyncSession) -> ProposalView:
        return _proposal(await write.desk.publishing.withdraw(tx, write.caller.actor, revision))

    return await write.once(200, effect)


@router.post("/revisions/{revision}/publish", responses=documented(404, 409, 422),
             response_model=ProposalView)  # fmt: skip
async def publish_revision(revision: Named, write: Author) -> Response:
    """Put a proposed revision in force: within about a second in every process.

    Everything is checked again. 409 says why not: `approval_needed`, `journeys_need_it` (read the
    preview), `rulebook_moved` (another one came into force; propose it again).
    """

    async def effect(tx: AsyncSession) -> ProposalView:
        return _proposal(await write.desk.publishing.publish(tx, write.caller.actor, revision))

    return await write.once(200, effect)


@router.post("/rollback", responses=documented(404, 409, 422), response_model=ProposalView)
async def roll_back(body: Return, write: Author) -> Response:
    """Put a revision in force again that was so before, or propose it if somebody must agree.

    It is checked as anything that is published. If `needs_approval` is true in the answer, it is in
    force once a second person has approved it and it has been published.
    """

    async def effect(tx: AsyncSession) -> ProposalView:
        return _proposed(
            await write.desk.publishing.rollback(
                tx, write.caller.actor, body.revision, note=body.note
            )
        )

    return await write.once(200, effect)


@router.get("/history", responses=documented())
async def list_history(
    read: Reader,
    before: Annotated[int, Query(ge=0, description="The `next` of the page before")] = 0,
    limit: Limit = 50,
) -> History:
    """Read who did what to the rulebook, newest first; each record is sealed to the one before."""
    async with read.session() as tx:
        found = await rulebook_log.history(tx, before=before, limit=limit + 1)
    items = [_record(link) for link in found[:limit]]
    return History(items=items, next=items[-1].seq if len(found) > limit else None)


def _revision(one: revisions.Revision) -> RevisionView:
    return RevisionView(
        revision=one.revision,
        author=one.author,
        note=one.note,
        created_at=one.created_at,
        in_force=one.in_force,
    )


def _proposed(proposed: Proposed) -> ProposalView:
    view = _proposal(proposed.proposal)
    view.warnings = [FindingView.of(one) for one in proposed.warnings]
    return view


def _proposal(one: Proposal) -> ProposalView:
    return ProposalView(
        id=one.id,
        revision=one.revision,
        base=one.base,
        kind=one.kind.value,
        state=one.state,
        author=one.author,
        approver=one.approver,
        affected=one.affected,
        threshold=one.threshold,
        needs_approval=one.needs_approval,
        note=one.note,
        created_at=one.created_at,
        decided_at=one.decided_at,
        published_at=one.published_at,
    )


def _preview(one: Preview) -> PreviewView:
    return PreviewView(
        revision=one.revision,
        base=one.base,
        affected=one.affected,
        threshold=one.threshold,
        needs_approval=one.needs_approval,
        journeys=[
            StandingView(
                topic=standing.topic,
                revision=standing.revision,
                open=standing.open,
                outages=standing.outages,
                cases=standing.cases,
                campaigns=standing.campaigns,
                lacks=list(standing.lacks),
            )
            for standing in one.journeys
        ],
    )


def _record(link: Link) -> RecordView:
    record = link.record
    return RecordView(
        seq=record.seq,
        at=record.at,
        who=record.who,
        key_id=record.key_id,
        action=record.action,
        revision=record.subject,
        details=dict(record.details),
        previous=link.previous,
        hash=link.hash,
    )
