"""What activities ask of the world, as Protocols; only composition roots know who answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from tellal.domain.channels import Channel, Receipts
from tellal.domain.messages import HandOver, OutgoingMessage
from tellal.domain.registry import Known, RegistryKey, RegistryRecord
from tellal.domain.registry_answers import Account, Batch, Change, Changes, Side, Told


class Sender(Protocol):
    """A provider of one channel. One call makes at most one request; nothing in it retries."""

    @property
    def provider(self) -> str:
        """The provider's name, as the ledger records it."""
        ...

    @property
    def channel(self) -> Channel:
        """The channel that it carries; the first of several."""
        ...

    @property
    def receipts(self) -> Receipts:
        """What it tells after having accepted a message."""
        ...

    @property
    def looks_up(self) -> bool:
        """Whether it can be asked for a message whose hand-over got no answer."""
        ...

    async def send(self, message: OutgoingMessage) -> HandOver:
        """Hand the message over; every failure is an answer, never an exception."""
        ...

    async def look_up(self, message: OutgoingMessage, since: datetime) -> HandOver | None:
        """Find a message whose hand-over got no answer.

        Returns `accepted` with its reference when the provider has it, `rejected` with remedy
        `retry` when the provider surely does not, None when it cannot tell (no look-up, or the
        look-up failed).
        """
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


@runtime_checkable
class Recalling(Protocol):
    """What a sender can besides, if its provider gives back what it has not passed on yet."""

    async def recall(self, reference: str) -> bool:
        """Call back what the provider has taken under a reference, by one request at most.

        True only if the provider says that it will not go out. Every other answer is False, and so
        is none in time; what became of the message then, a receipt tells.
        """
        ...


class Forgotten(StrEnum):
    """What a provider says of a copy that it is to delete."""

    DELETED = "deleted"
    """It is gone, or was never there."""
    LATER = "later"
    """Not yet: the message is under way, or the provider cannot be asked at the moment."""
    REFUSED = "refused"
    """It will not be deleted, however often it is asked for."""


@runtime_checkable
class Forgetting(Protocol):
    """What a sender can besides, if its provider deletes what it keeps of a message."""

    async def forget(self, reference: str) -> Forgotten:
        """Have the provider delete its copy of a message, by one request at most.

        Every failure is an answer, never an exception.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A template filled in: subject (or push title), plain text, and HTML where there is one.

    `content` names the same text at the provider, if that keeps an approved one, and
    `content_variables` fill it in.
    """

    subject: str
    text: str
    html: str = ""
    content: str = ""
    content_variables: Mapping[str, str] = field(default_factory=dict)


class Texts(Protocol):
    """Knows which text speaks."""

    def text_name(self, *, topic: str, channel: Channel, language: str) -> str:
        """Name the text of a topic for a language, or its fallback's; empty if there is none.

        A name is `<topic>/<channel>.<language>`.
        """
        ...


class Renderer(Texts, Protocol):
    """Fills texts in; what is asked of itself is answered by those in force."""

    async def of(self, revision: str, /) -> "Renderer":
        """Return the texts of a revision of the rulebook, or those in force if it is not kept."""
        ...

    def render(
        self, *, topic: str, channel: Channel, language: str, variables: Mapping[str, object]
    ) -> Rendered:
        """Render the topic's template for the channel, in the language or its fallback.

        Raises:
            InvalidInputError: There is no such template, or a variable is missing.
        """
        ...


class ExampleRenderer(Renderer, Protocol):
    """A renderer whose topics have examples, and that knows what its texts cannot do without."""

    def required_variables(self, *, topic: str, channel: Channel, language: str) -> tuple[str, ...]:
        """Return the dotted paths without which a text cannot be filled in.

        Raises:
            InvalidInputError: There is no such text.
        """
        ...

    def example(self, topic: str) -> Mapping[str, object]:
        """Return variables with which every text of the topic can be filled in."""
        ...


class Registry(Protocol):
    """A registry of consents that is told of them, and tells what was said there (İYS).

    One call makes at most one request of its kind (a new token besides). Whatever is no answer to
    it is a `RegistryError` of `tellal.domain.registry_answers`.
    """

    async def add(self, account: Account, record: RegistryRecord, /) -> Told:
        """Tell it one record, and hear at once what comes of it."""
        ...

    async def add_batch(self, account: Account, records: Sequence[RegistryRecord], /) -> Batch:
        """Tell it many records, of which it says later what came of them."""
        ...

    async def told_of(self, account: Account, batch: str, /) -> Mapping[str, Told]:
        """Return what came of each part of a batch, by its name for the part."""
        ...

    async def known(self, account: Account, key: RegistryKey, /) -> Known | None:
        """Return what it has for a key, None if nothing."""
        ...

    async def changes(self, account: Account, side: Side, after: str, /) -> Changes:
        """Return the movements of a side after a place; without one, those of the last week."""
        ...

    async def changes_of(self, account: Account, day: date, /) -> tuple[Change, ...]:
        """Return all movements of one of the last days."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...
