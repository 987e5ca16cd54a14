"""Decisions: why somebody did, or did not, get a message."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict

from api.problems import documented
from api.requests import Limit, Page, Reading, may_read, page_of
from tellal.persistence import reading
from tellal.services.keys import Scope

router = APIRouter(prefix="/decisions", tags=["decisions"])

Reader = Annotated[Reading, may_read(Scope.DECISIONS_READ)]


class FiredView(BaseModel):
    """A rule that held, and where it stands."""

    rule: str
    section: str
    file: str
    line: int
    text: str


class ReasonView(BaseModel):
    """Why a message or a channel was stopped."""

    code: str
    text: str
    rule: str
    file: str
    line: int


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


@router.get("/{decision_id}", responses=documented(404))
async def get_decision(
    decision_id: Annotated[str, Path(max_length=64)], read: Reader
) -> DecisionView:
    """Read one decision."""
    async with read.session() as tx:
        return DecisionView.model_validate(await reading.decision(tx, read.brand.id, decision_id))
