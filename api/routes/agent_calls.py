"""Calls that people of the call centre make: agents claim one, call, and tell how it went."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.domain.calls import TaskState
from tellal.domain.cases import CallOutcome
from tellal.services import agent_call_views
from tellal.services.agent_call_views import AgentCall
from tellal.services.keys import Scope

router = APIRouter(prefix="/agent-calls", tags=["messages"])

CallId = Annotated[str, Path(max_length=50, description="The call")]
Reader = Annotated[Reading, may_read(Scope.CASES_READ)]
Writer = Annotated[Writing, may_write(Scope.CASES_WRITE)]
_REHEARSED = "call"


class Agent(BaseModel):
    """Who claims a call, or gives it back."""

    model_config = ConfigDict(extra="forbid")

    agent: str = Field(default="", max_length=100, examples=["desk-3"])


class Told(Agent):
    """How a call went."""

    outcome: CallOutcome = Field(examples=["reached"])


@router.get("", responses=documented())
async def list_calls(
    read: Reader,
    state: TaskState | None = None,
    *,
    due: Annotated[bool, Query(description="Only those that may be made now")] = False,
    after: After = "",
    limit: Limit = 50,
) -> Page[AgentCall]:
    """List calls in the order in which they came up, without numbers."""
    async with read.session() as tx:
        found = await agent_call_views.page(
            tx,
            read.brand.id,
            read.desk.clock.now(),
            state=state,
            due=due,
            after=after,
            limit=limit + 1,
        )
    return page_of(found, limit)


@router.get("/{call}", responses=documented(404))
async def get_call(call: CallId, read: Reader) -> AgentCall:
    """Read a call, without the number."""
    async with read.session() as tx:
        row = await agent_call_views.read(tx, read.brand.id, call)
    return agent_call_views.view(row, read.desk.clock.now())


@router.post("/{call}/claim", responses=documented(404, 409, 422), response_model=AgentCall)
async def claim_call(call: CallId, body: Agent, write: Writer) -> Response:
    """Claim a call for half an hour; the answer has number and script if he may be called now.

    Consent is looked at once more: without it the call is over, and the answer says `cancelled`.
    """
    write.check_rehearsal(_REHEARSED, simulated=False)

    async def effect(tx: AsyncSession) -> AgentCall:
        by = write.signed(body.agent)
        return await write.desk.agents.claim(tx, write.brand, call, by=by)

    return await write.once(200, effect, keep=_without_number)


@router.post("/{call}/release", responses=documented(404, 409, 422), response_model=AgentCall)
async def release_call(call: CallId, body: Agent, write: Writer) -> Response:
    """Give a call back."""
    write.check_rehearsal(_REHEARSED, simulated=False)

    async def effect(tx: AsyncSession) -> AgentCall:
        by = write.signed(body.agent)
        return await write.desk.agents.release(tx, write.brand, call, by=by)

    return await write.once(200, effect)


@router.post("/{call}/outcome", responses=documented(404, 409, 422), response_model=AgentCall)
async def tell_call(call: CallId, body: Told, write: Writer) -> Response:
    """Tell how a call went; who does not want to be called has refused calls with that."""
    write.check_rehearsal(_REHEARSED, simulated=False)

    async def effect(tx: AsyncSession) -> AgentCall:
        by = write.signed(body.agent)
        return await write.desk.agents.tell(tx, write.brand, call, body.outcome, by=by)

    return await write.once(200, effect)


def _without_number(call: AgentCall) -> AgentCall:
    """Leave out what must not be kept with the answer: a repeat of the request lacks it."""
    return replace(call, number="", script="")
