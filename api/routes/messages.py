"""Messages: what was said to whom, and where it is."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.problems import documented
from api.requests import After, Limit, Page, Reading, Writing, may_read, may_write, page_of
from tellal.domain.messages import MessageState
from tellal.persistence import reading
from tellal.persistence.reading import MessageDetail, MessageView
from tellal.services.keys import Scope

router = APIRouter(prefix="/messages", tags=["messages"])

MessageId = Annotated[str, Path(max_length=64)]
Reader = Annotated[Reading, may_read(Scope.MESSAGES_READ)]
Writer = Annotated[Writing, may_write(Scope.MESSAGES_WRITE)]
Filter = Annotated[str | None, Query(max_length=200)]


@router.get("", responses=documented())
async def list_messages(
    read: Reader,
    *,
    customer: Filter = None,
    topic: Filter = None,
    state: MessageState | None = None,
    after: After = "",
    limit: Limit = 50,
) -> Page[MessageView]:
    """List messages in the order of their making."""
    async with read.session() as tx:
        found = await reading.messages(
            tx, read.brand.id, customer=customer, topic=topic, state=state, after=after,
            limit=limit + 1,
        )  # fmt: skip
    return page_of(found, limit)


@router.get("/{message_id}", responses=documented(404))
async def get_message(message_id: MessageId, read: Reader) -> MessageDetail:
    """Read a message with every attempt and every receipt."""
    async with read.session() as tx:
        return await reading.message(tx, read.brand.id, message_id)


@router.post("/{message_id}/shown", status_code=204, responses=documented(404, 409))
async def banner_shown(message_id: MessageId, write: Writer) -> Response:
    """Report that a banner was shown: the person is told."""
    return await _surface(write, message_id, "shown")


@router.post("/{message_id}/acknowledged", status_code=204, responses=documented(404, 409))
async def banner_acknowledged(message_id: MessageId, write: Writer) -> Response:
    """Report that a person acknowledged a banner."""
    return await _surface(write, message_id, "acknowledged")


async def _surface(write: Writing, message_id: str, state: str) -> Response:
    async def effect(tx: AsyncSession) -> None:
        if write.rehearses:
            banner = await reading.message(tx, write.brand.id, message_id)
            write.check_rehearsal("banner", simulated=banner.message.simulated)
        await write.desk.receipts.surface(
            tx, brand_id=write.brand.id, message_id=message_id, state=state
        )

    return await write.once(204, effect)
