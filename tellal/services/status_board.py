"""What the public sees now; when the database does not answer, what it saw last, marked as such."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from tellal.clock import Clock
from tellal.domain.errors import NotFoundError, TellalError
from tellal.domain.incidents import Incidents
from tellal.domain.status import PublicOutage, Snapshot
from tellal.persistence.session import Sessions, make_singles
from tellal.services.public_status import read_snapshots
from tellal.settings import Settings
from tellal.supervision import rest

SNAPSHOT_FILE = "snapshot.json"
"""What a folder keeps of a brand for a process that begins while the database is away."""

_log = logging.getLogger(__name__)
_snapshots: TypeAdapter[Snapshot] = TypeAdapter(Snapshot)

_PATIENCE_S = 2.0
_REST_AFTER_ERROR_S = 1.0
_LOOK_EVERY_S = 5.0


class NothingKnownError(TellalError):
    """The database does not answer, and nothing was seen before."""


class Kept:
    """A snapshot, and what was written of it, for as long as it is the newest."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.texts: dict[str, str] = {}

    @cached_property
    def digest(self) -> str:
        """Stands for all that it says, whenever it was made."""
        return digest(self.snapshot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A snapshot to show; a `stale` one is the last that is known."""

    kept: Kept
    stale: bool

    @property
    def snapshot(self) -> Snapshot:
        """What is to be shown."""
        return self.kept.snapshot

    @property
    def digest(self) -> str:
        """Stands for all that is shown, whenever it was seen."""
        return f"{self.kept.digest}{'-stale' if self.stale else ''}"

    def text(self, tag: str, write: Callable[[], str]) -> str:
        """Return what is written under a tag; it is written once, however many read it."""
        texts = self.kept.texts
        if tag not in texts:
            texts[tag] = write()
        return texts[tag]


class StatusBoard:
    """Looks into the database at most once in a while, however many ask."""

    def __init__(
        self, sessions: Sessions, clock: Clock, incidents: Incidents, settings: Settings
    ) -> None:
        self._singles = make_singles(sessions)
        self._clock = clock
        self._incidents = incidents
        self._default = settings.status_brand
        self._fresh_for_s = settings.status_fresh_s
        self._folder = settings.status_folder
        self._seen: dict[bool, dict[str, Kept]] = {}
        self._seen_at: dict[bool, float] = {}
        self._away_until = 0.0
        self._looking = asyncio.Lock()

    async def run(self, stop: asyncio.Event) -> None:
        """Look now and then, so that something is known when the database goes away."""
        while not stop.is_set():
            await self._is_fresh(exercise=False)
            await rest(stop, _LOOK_EVERY_S)

    async def show(self, brand: str = "", *, exercise: bool = False) -> Shown:
        """Return what is to be shown of a brand, by default of the one set or of the only one.

        Raises:
            NotFoundError: There is no such brand, or several and none is named.
            NothingKnownError: The database does not answer, and nothing was seen before.
        """
        fresh, snapshots = await self._known(exercise=exercise)
        name = brand or self._default
        if name and name not in snapshots:
            # A look that began before the brand was made may be under way.
            async with self._looking:
                pass
            fresh, snapshots = await self._known(exercise=exercise)
        if name:
            if name not in snapshots:
                raise NotFoundError(f"there is no brand {name!r} here")
            return Shown(kept=snapshots[name], stale=not fresh)
        if len(snapshots) != 1:
            words = (
                "name one of the brands, as in ?brand=NAME" if snapshots else "there is no brand"
            )
            raise NotFoundError(words)
        (only,) = snapshots.values()
        return Shown(kept=only, stale=not fresh)

    async def show_outage(
        self, outage_id: str, brand: str = "", *, exercise: bool = False
    ) -> tuple[Shown, PublicOutage]:
        """Return an outage that the public sees, with the snapshot of its brand.

        Raises:
            NotFoundError: The public sees no such outage (of that brand).
            NothingKnownError: The database does not answer, and nothing was seen before.
        """
        fresh, snapshots = await self._known(exercise=exercise)
        for name, kept in snapshots.items():
            found = kept.snapshot.find(outage_id)
            if found is not None and brand in ("", name):
                return Shown(kept=kept, stale=not fresh), found
        raise NotFoundError("no such outage is shown to the public")

    async def _known(self, *, exercise: bool) -> tuple[bool, dict[str, Kept]]:
        fresh = await self._is_fresh(exercise=exercise)
        if exercise not in self._seen and not exercise and self._folder is not None:
            self._seen[exercise] = await asyncio.to_thread(_from_folder, self._folder)
        snapshots = self._seen.get(exercise)
        if not fresh and not snapshots:
            raise NothingKnownError("what is so cannot be looked up now")
        return fresh, snapshots or {}

    async def _is_fresh(self, *, exercise: bool) -> bool:
        """Look, unless that was just done; say whether what is known is of now.

        While one waits for the database, all others are answered with what was seen before.
        """
        if self._looking.locked() and exercise in self._seen:
            return asyncio.get_running_loop().time() >= self._away_until
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if now < self._away_until:
                return False
            if exercise in self._seen_at and now - self._seen_at[exercise] < self._fresh_for_s:
                return True
            try:
                async with asyncio.timeout(_PATIENCE_S), self._singles() as tx:
                    seen = await read_snapshots(
                        tx, self._incidents, now=self._clock.now(), exercise=exercise
                    )
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                _log.warning("status not looked up", extra={"error": type(error).__name__})
                self._away_until = asyncio.get_running_loop().time() + _REST_AFTER_ERROR_S
                return False
            self._seen[exercise] = {one.brand.name: Kept(one) for one in seen}
            self._seen_at[exercise] = asyncio.get_running_loop().time()
            return True


def digest(snapshot: Snapshot) -> str:
    """Return what stands for all that a snapshot says, whenever it was made."""
    timeless = _snapshots.dump_json(snapshot, exclude={"made_at"})
    return sha256(timeless).hexdigest()[:32]


def stored(snapshot: Snapshot) -> str:
    """Write a snapshot so that it can be read again."""
    return _snapshots.dump_json(snapshot).decode()


def _from_folder(folder: Path) -> dict[str, Kept]:
    found: dict[str, Kept] = {}
    for path in sorted(folder.glob(f"*/{SNAPSHOT_FILE}")):
        try:
            one = _snapshots.validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            _log.warning("a stored status is unreadable", extra={"error": type(error).__name__})
            continue
        found[one.brand.name] = Kept(one)
    return found
