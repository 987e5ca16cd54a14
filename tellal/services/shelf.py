"""Keeps the texts of revisions at hand, and takes a published revision into force.

Rules and texts change together because the texts in force are found by the rulebook in force: there
is one switch, not two. A journey asks for the revision that its plan names.
"""

import asyncio
import logging
from collections.abc import Mapping

from sqlalchemy.exc import SQLAlchemyError

from rules.holder import RulebookHolder
from rules.rulebook import Rulebook
from tellal.domain.channels import Channel
from tellal.domain.errors import InvalidInputError, RulebookError
from tellal.persistence.session import Sessions
from tellal.ports import ExampleRenderer, Rendered, Renderer
from tellal.services.editions import Edition
from tellal.services.revisions import active_revision, stored_edition

_log = logging.getLogger(__name__)

_KEPT = 64
"""How many revisions are remembered besides the one in force: journeys live for days, not years."""


class Shelf:
    """The texts of every revision that a running journey may need; as a renderer, those in force.

    `folder` is what speaks while nothing has been published.
    """

    def __init__(self, sessions: Sessions, books: RulebookHolder, folder: ExampleRenderer) -> None:
        self._sessions = sessions
        self._books = books
        self._folder = folder
        self._kept: dict[str, Edition | None] = {}
        self._refused = ""
        self._looking = asyncio.Lock()
        self.known = False
        """Whether it is known what is published: before that nothing should be decided."""

    async def refresh(self) -> None:
        """Take the published revision into force, if it is another than the present one.

        Raises:
            RulebookError: This version of Tellal cannot read it, and nothing published is in force
                here that could go on instead.
            InvalidInputError: The same of its texts.
        """
        async with self._sessions() as tx:
            revision = await active_revision(tx)
            if revision in ("", self._books.current.revision, self._refused):
                self.known = True
                return
            edition = await stored_edition(tx, revision)
        if edition is None:
            return
        try:
            await asyncio.to_thread(_compile, edition)
        except (RulebookError, InvalidInputError) as error:
            if not self._books.published:
                raise
            self._refused = revision
            _log.error(
                "published rulebook refused, the last good one goes on",
                extra={"revision": revision, "findings": str(error)},
            )
            return
        self._keep(revision, edition)
        self._books.publish(edition.book)
        self.known = True

    async def look(self) -> None:
        """Refresh, and leave it at that if the database is away: the next look is near.

        Raises:
            RulebookError: As `refresh`.
            InvalidInputError: As `refresh`.
        """
        try:
            await self.refresh()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            _log.warning("rulebook not looked up", extra={"error": type(error).__name__})

    async def of(self, revision: str, /) -> Renderer:
        """Return the texts of a revision, or those in force if it is not stored."""
        edition = await self._edition(revision)
        return self.in_force() if edition is None else edition.renderer

    async def book_of(self, revision: str) -> Rulebook | None:
        """Return the rules of a revision; None if it is not stored."""
        edition = await self._edition(revision)
        return None if edition is None else edition.book

    def render(
        self, *, topic: str, channel: Channel, language: str, variables: Mapping[str, object]
    ) -> Rendered:
        """Render with the texts in force.

        Raises:
            InvalidInputError: There is no such template, or a variable is missing.
        """
        return self.in_force().render(
            topic=topic, channel=channel, language=language, variables=variables
        )

    def text_name(self, *, topic: str, channel: Channel, language: str) -> str:
        """Name the text in force that speaks; empty if there is none."""
        return self.in_force().text_name(topic=topic, channel=channel, language=language)

    def example(self, topic: str) -> Mapping[str, object]:
        """Return variables with which a topic's texts in force can be filled in."""
        return self.in_force().example(topic)

    def required_variables(self, *, topic: str, channel: Channel, language: str) -> tuple[str, ...]:
        """Return without what a text in force cannot be filled in."""
        return self.in_force().required_variables(topic=topic, channel=channel, language=language)

    def in_force(self) -> ExampleRenderer:
        """Return the texts in force themselves, for whoever lists what there is."""
        edition = self._kept.get(self._books.current.revision)
        return self._folder if edition is None else edition.renderer

    async def _edition(self, revision: str) -> Edition | None:
        if revision not in self._kept:
            async with self._looking:
                if revision not in self._kept:
                    self._keep(revision, await self._read(revision))
        return self._kept.get(revision)

    async def _read(self, revision: str) -> Edition | None:
        """Read a stored revision; one that this version cannot read is as good as none."""
        async with self._sessions() as tx:
            edition = await stored_edition(tx, revision)
        if edition is None:
            return None
        try:
            await asyncio.to_thread(_compile, edition)
        except (RulebookError, InvalidInputError):
            _log.warning("an old revision cannot be read", extra={"revision": revision})
            return None
        return edition

    def _keep(self, revision: str, edition: Edition | None) -> None:
        self._kept[revision] = edition
        if len(self._kept) > _KEPT:
            del self._kept[next(one for one in self._kept if one != self._books.current.revision)]


def _compile(edition: Edition) -> None:
    """Do the work now, in a thread, instead of in the middle of a decision."""
    _ = edition.book, edition.renderer
