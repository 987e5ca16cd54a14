"""Decisions: why somebody did, or did not, get a message."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.problems import documented
from api.requests import Limit, Page, Reading, may_read, page_of
from rules.telling import explain
from tellal.persistence import reading
from tellal.services.explaining import Explaining, Of, revisions
from tellal.services.keys import Scope
from tellal.services.recording import plain

router = APIRouter(prefix="/decisions", tags=["decisions"])

Reader = Annotated[Reading, may_read(Scope.DECISIONS_READ)]


class FiredView(BaseModel):
    """A rule that held, and where it stands."""

    rule: str
    section: str
    file: str
    line: int
    text: str
    source: str = Field(default="", description="The article, if it is of the law")


class ReasonView(BaseModel):
    """Why a message or a channel was stopped."""

    code: str
    text: str
    rule: str
    file: str
    line: int
    source: str = Field(default="", description="The article, if it is of the law")


class DecisionView(BaseModel):
    """A decision with its explanation: the rules that held, what they read, every verdict."""

    model_config = ConfigDict(extra="allow")

    id: str
    customer: str
    topic: str
    verdict: str
    reason: str
    at: str
    event_id: str | None
    outcome_id: str | None
    revision: str
    executor: str
    simulated: bool
    reasons: list[ReasonView]
    fired: list[FiredView]
    facts: list[str]


@router.get("", responses=documented())
async def list_decisions(
    read: Reader,
    customer: Annotated[str, Query(max_length=200)],
    topic: Annotated[str | None, Query(max_length=100)] = None,
    after: Annotated[str, Query(max_length=64)] = "",
    limit: Limit = 50,
) -> Page[DecisionView]:
    """List the decisions about a customer, newest first."""
    async with read.session() as tx:
        found = await reading.decisions(
            tx, read.brand.id, customer=customer, topic=topic, before=after, limit=limit + 1
        )
    return page_of([DecisionView.model_validate(one) for one in found], limit)


class ExplainedView(BaseModel):
    """What the rules decide, though nothing follows from it."""

    model_config = ConfigDict(extra="allow")

    topic: str
    verdict: str
    at: str
    revision: str
    reasons: list[ReasonView]
    fired: list[FiredView]
    facts: list[str]


class ExplanationView(BaseModel):
    """A decision about somebody, on what it rests, and the same in sentences.

    `rules` and `facts` say of which time they are; `decision_id` is the stored decision whose facts
    were taken.
    """

    customer: str
    rules: Of
    facts: Of
    rests_on: str
    decision_id: str | None
    decision: ExplainedView
    told: list[str]


@router.get("/explain", responses=documented(404))
async def explain_decision(
    read: Reader,
    customer: Annotated[str, Query(max_length=200)],
    topic: Annotated[str, Query(max_length=100)],
    at: Annotated[
        AwareDatetime | None, Query(description="A moment; without it, now", title="At")
    ] = None,
) -> ExplanationView:
    """Say what is decided about a customer and why, though nobody asked and nothing follows.

    Of a moment in the past the facts are taken that were stored with his last decision about the
    topic; where there is none, those of today.
    """
    desk = read.desk
    known = revisions(desk.books, desk.shelf.book_of)
    explaining = Explaining(desk.house.deciding.asking, known)
    async with read.session() as tx:
        found = await explaining.explain(
            tx, read.brand.id, customer, topic, desk.clock.now(), at=at
        )
    return ExplanationView(
        customer=customer,
        rules=found.rules,
        facts=found.facts,
        rests_on=found.label,
        decision_id=found.decision_id or None,
        decision=ExplainedView.model_validate(plain(asdict(found.decision))),
        told=[*explain(found.decision), *filter(None, (found.gathers,))],
    )


@router.get("/{decision_id}", responses=documented(404))
async def get_decision(
    decision_id: Annotated[str, Path(max_length=64)], read: Reader
) -> DecisionView:
    """Read one decision."""
    async with read.session() as tx:
        return DecisionView.model_validate(await reading.decision(tx, read.brand.id, decision_id))
