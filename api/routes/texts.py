"""Texts: send one to a colleague before customers get it."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import Writing, may_write
from tellal.domain.channels import Channel
from tellal.domain.errors import ConflictError
from tellal.services.keys import Scope
from tellal.services.trials import Trial, Wanted

router = APIRouter(prefix="/templates", tags=["templates"])

Topic = Annotated[str, Path(max_length=100)]
Writer = Annotated[Writing, may_write(Scope.MESSAGES_WRITE)]


class NewTest(BaseModel):
    """Which text to send to whom; `customer_like` lends his language and his name."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "channel": "email",
                    "to": "elif@bank.example",
                    "customer_like": "ayse",
                    "by": "Duty officer",
                }
            ]
        },
    )

    channel: Channel
    to: str = Field(max_length=4096, description="An address on the allow-list of this set-up")
    customer_like: str = Field(max_length=200, description="A customer of yours, by reference")
    by: str = Field(default="", max_length=200, description="The person who asks for it")


@router.post(
    "/{topic}/test", status_code=201, responses=documented(404, 409, 422), response_model=Trial
)
async def send_test(topic: Topic, body: NewTest, write: Writer) -> Response:
    """Send a topic's text to a colleague through the real provider, marked as a test.

    It takes no slot of a cap and is in no report; the answer shows what the provider said, and the
    text as it left. An address that is not on the allow-list is refused, and nothing is sent.
    """
    if write.rehearses:
        raise ConflictError(
            "a rehearsal key sends nothing to anybody",
            code="not_a_rehearsal",
            hint="use a key that does not rehearse",
        )
    wanted = Wanted(topic=topic, channel=body.channel, to=body.to, customer_like=body.customer_like)

    async def effect(_: AsyncSession) -> Trial:
        return await write.desk.trials.send(write.brand, wanted, by=write.signed(body.by))

    return await write.once(201, effect)
