"""Holds the rulebook in force: the published one, else a folder's.

A broken file never replaces it.
"""

import logging
from pathlib import Path

from rules.rulebook import Rulebook, load_rulebook
from rules.source import read_folder, revision_of
from tellal.domain.errors import Finding, RulebookError

_log = logging.getLogger(__name__)


class RulebookHolder:
    """Holds the last good rulebook of a folder, by default the one that ships with Tellal.

    Raises:
        RulebookError: The first rulebook is broken; there is none to go on with.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._seen = ""
        self._findings: tuple[Finding, ...] = ()
        self._published: Rulebook | None = None
        self._current = load_rulebook(folder)
        self._seen = self._current.revision

    @property
    def current(self) -> Rulebook:
        """The rulebook in force."""
        return self._published or self._current

    @property
    def published(self) -> bool:
        """Whether a published rulebook is in force, whatever the folder says."""
        return self._published is not None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the files as they are now; nothing if they are in force."""
        return () if self.published else self._findings

    def publish(self, book: Rulebook) -> None:
        """Put a published rulebook in force; from now on the folder is not looked at."""
        self._published = book
        _log.info("rulebook published", extra={"revision": book.revision})

    def reload(self) -> tuple[Finding, ...]:
        """Take the files as they are now, unless something is wrong with them.

        Files that have not changed are not compiled again, so this may be called often.
        """
        if self.published:
            return ()
        try:
            seen = revision_of(read_folder(self._folder))
        except OSError as error:  # a folder that is being replaced is there again in a moment
            _log.warning("rulebook not readable", extra={"error": type(error).__name__})
            return self._findings
        if seen == self._seen:
            return self._findings
        self._seen = seen
        try:
            self._current = load_rulebook(self._folder)
            self._seen, self._findings = self._current.revision, ()
            _log.info("rulebook loaded", extra={"revision": self._current.revision})
        except RulebookError as error:
            self._findings = error.findings
            _log.error(
                "rulebook refused, the last good one goes on",
                extra={"findings": [str(finding) for finding in error.findings]},
            )
        return self._findings
