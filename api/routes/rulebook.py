"""The rulebook in force, and what is wrong with the files if it is not theirs."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel

from api.problems import documented
from api.requests import Reading, may_read
from api.views import FindingView
from tellal.domain.channels import Lane, MessageClass
from tellal.services.keys import Scope

router = APIRouter(prefix="/rulebook", tags=["rulebook"])

Reader = Annotated[Reading, may_read(Scope.DECISIONS_READ)]


class TopicView(BaseModel):
    """A topic, and where it is declared."""

    id: str
    means: str
    message_class: MessageClass
    lane: Lane
    on: list[str]
    once: bool
    content_version: int
    attempts: int
    file: str
    line: int


class RulebookView(BaseModel):
    """The rulebook in force. `engine` counts how single decisions were answered here."""

    revision: str
    topics: list[TopicView]
    findings: list[FindingView]
    engine: dict[str, int]


@router.get("", responses=documented())
async def get_rulebook(read: Reader) -> RulebookView:
    """Read what is in force; `findings` says why the files of the folder are not."""
    book = read.desk.books.current
    return RulebookView(
        revision=book.revision,
        topics=[
            TopicView(
                id=topic.id,
                means=topic.means,
                message_class=topic.message_class,
                lane=topic.lane,
                on=list(topic.on),
                once=topic.once,
                content_version=topic.content_version,
                attempts=topic.attempts,
                file=topic.file,
                line=topic.line,
            )
            for topic in book.topics.values()
        ],
        findings=[FindingView.of(found) for found in read.desk.books.findings],
        engine=dict(read.desk.engine_counters()),
    )
