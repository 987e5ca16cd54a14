"""Events: tell what a customer did, and learn what was decided."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import Writing, may_write
from tellal.services.events import RecordedEvent
from tellal.services.keys import Scope

router = APIRouter(prefix="/events", tags=["events"])

Writer = Annotated[Writing, may_write(Scope.EVENTS_WRITE)]


class EventBody(BaseModel):
    """Something that a customer did; the vocabulary names the types and their fields."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "customer": "customer-42",
                    "type": "login",
                    "data": {"method": "cep_anahtar", "surface": "web", "can_show_banner": True},
                }
            ]
        },
    )

    customer: str = Field(max_length=200)
    type: str = Field(max_length=100)
    occurred_at: AwareDatetime | None = Field(default=None, description="Now, if left out")
    data: dict[str, object] = {}


@router.post("", responses=documented(404, 409, 422), response_model=RecordedEvent)
async def record_event(body: EventBody, write: Writer) -> Response:
    """Record an event; every topic that it raises is decided before you are answered.

    A `banner` in the answer is to be shown now: report it as shown, or the next channel follows.
    """

    async def effect(tx: AsyncSession) -> RecordedEvent:
        return await write.desk.house.events.record(
            tx,
            brand=write.brand,
            customer_ref=body.customer,
            type=body.type,
            payload=body.data,
            occurred_at=body.occurred_at,
            simulated=write.rehearses,
        )

    return await write.once(200, effect)
