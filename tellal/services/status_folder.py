"""Writes the public channels as files, so that any web server shows them when nothing else works.

Each file is put in its place whole: written beside it, then renamed. Several workers may write the
same folder.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from tellal.clock import Clock
from tellal.domain.incidents import Incidents
from tellal.domain.status import Snapshot
from tellal.persistence.session import Sessions, make_singles
from tellal.services.public_status import read_snapshots
from tellal.services.status_board import SNAPSHOT_FILE, digest, stored
from tellal.supervision import rest
from templates.status import cap
from templates.status.addresses import in_folder
from templates.status.channels import Channel, channels
from templates.status.words import LANGUAGES, Words, own_language

_LOOK_EVERY_S = 1.0
_AT_LEAST_EVERY = timedelta(minutes=1)
"""How old the time on the page may be while everything is well and nothing changes."""
_READABLE = 0o644


class StatusFolder:
    """Keeps a folder for each brand, changed whenever what it says has changed."""

    def __init__(
        self,
        sessions: Sessions,
        clock: Clock,
        incidents: Incidents,
        *,
        folder: Path,
        public_url: str,
    ) -> None:
        self._singles = make_singles(sessions)
        self._clock = clock
        self._incidents = incidents
        self._folder = folder
        self._public_url = public_url
        self._channels = channels()
        self._written: dict[str, tuple[str, datetime]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Look every second until told to stop, and write what has changed."""
        while not stop.is_set():
            await self.look()
            await rest(stop, _LOOK_EVERY_S)

    async def look(self) -> tuple[str, ...]:
        """Write the brands whose status has changed or whose time is old; return their names."""
        async with self._singles() as tx:
            seen = await read_snapshots(tx, self._incidents, now=self._clock.now())
        written = []
        for snapshot in seen:
            name, said = snapshot.brand.name, digest(snapshot)
            before = self._written.get(name)
            if before and before[0] == said and snapshot.made_at - before[1] < _AT_LEAST_EVERY:
                continue
            await asyncio.to_thread(self._write, snapshot)
            self._written[name] = (said, snapshot.made_at)
            written.append(name)
        return tuple(written)

    def _write(self, snapshot: Snapshot) -> None:
        home = self._folder / snapshot.brand.name
        files = dict(_files(snapshot, self._channels, self._public_url))
        for name, text in files.items():
            _put(home / name, text)
        for path in [*home.glob("cap/*.xml"), *home.glob("cap/*/*.xml")]:
            if path.relative_to(home).as_posix() not in files:
                path.unlink(missing_ok=True)


def _files(
    snapshot: Snapshot, offered: Mapping[str, Channel], public_url: str
) -> Iterator[tuple[str, str]]:
    """Yield the files of a brand by name; without a language's name they are in the brand's own."""
    own = own_language(snapshot.brand.country)
    for language in LANGUAGES:
        words = Words(language, snapshot.brand.timezone)
        to = in_folder(public_url, snapshot, language)
        for one in offered.values():
            text = one.write(snapshot, words, to, stale=False)
            yield f"{one.name}.{language}.{one.ending}", text
            if language == own:
                yield f"{one.name}.{one.ending}", text
    to = in_folder(public_url, snapshot, own)
    for outage in snapshot.all():
        messages = len(cap.messages_of(outage))
        for number in range(1, messages + 1):
            text = cap.cap(snapshot, outage, number, to)
            yield f"cap/{outage.id}/{number}.xml", text
            if number == messages:
                yield f"cap/{outage.id}.xml", text
    yield SNAPSHOT_FILE, stored(snapshot)


def _put(path: Path, text: str) -> None:
    """Put a file in its place whole; one that says the same already is left alone."""
    content = text.encode()
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).chmod(_READABLE)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
