"""A folder in which servers live, and the watchdog that outlives us to clear it."""

import contextlib
import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tellal.domain.errors import TellalError

UNPRIVILEGED = 65534
"""The user id ("nobody") that servers get which refuse to run as root."""

_WATCHDOG = Path(__file__).with_name("watchdog.py")
_CLEARING_S = 30.0
_LOCK_PATIENCE_S = 3.0


class PremisesError(TellalError):
    """The folder cannot be used; the text says why and what to do."""


def may_enter(folder: Path, user: int) -> bool:
    """Say whether a user id may walk down to a folder (or to where it is going to be)."""
    for place in (folder, *folder.parents):
        if not place.exists():
            continue
        status = place.stat()
        bit = 0o100 if status.st_uid == user else 0o001
        if not status.st_mode & bit:
            return False
    return True


def usual_folder() -> Path:
    """Return where a stack is kept if nobody says otherwise.

    That is below the present folder, unless we are root in a place that only root may enter (as
    /root is): the database could not run there.
    """
    here = Path(".tellal").absolute()
    if os.geteuid() == 0 and not may_enter(here.parent, UNPRIVILEGED):
        return Path("/var/lib/tellal")
    return here


class Premises:
    """A folder with the servers' data and logs; what was started in it never outlives us.

    The watchdog is a process of its own in a session of its own: neither Ctrl-C nor a SIGKILL of
    ours reaches it. It sees our end because the pipe to it closes.
    """

    def __init__(self, folder: Path, *, temporary: bool) -> None:
        self.folder = folder
        self.temporary = temporary
        self._tenants: dict[int, Callable[[], None]] = {}
        self.logs = folder / "logs"
        self.logs.mkdir(mode=0o700, exist_ok=True)
        self._lock = None if temporary else _lock(folder)
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", _WATCHDOG, folder, "remove" if temporary else "keep"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            # The folder is ours until the watchdog is done with it.
            pass_fds=() if self._lock is None else (self._lock.fileno(),),
            cwd="/",
            text=True,
        )

    @classmethod
    def make_temporary(cls) -> Self:
        """Make a folder that is removed at the end, whatever the end is."""
        place = _temporary_place()
        folder = Path(tempfile.mkdtemp(prefix="tellal-", dir=place))
        # A server under another user id must be able to walk down to its own part.
        folder.chmod(0o711)
        return cls(folder, temporary=True)

    @classmethod
    def keep(cls, folder: Path) -> Self:
        """Use a folder that stays.

        Raises:
            PremisesError: It cannot be made or entered, or another stack is using it.
        """
        folder = folder.absolute()
        if os.geteuid() == 0 and not may_enter(folder.parent, UNPRIVILEGED):
            raise PremisesError(
                f"{folder} lies below a folder that only root may enter, and PostgreSQL does not "
                "run as root; choose another with --data, for example /var/lib/tellal"
            )
        try:
            folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        except OSError as error:
            raise PremisesError(f"cannot make {folder}: {error.strerror}") from error
        return cls(folder, temporary=False)

    def watch(self, group: int, polite: int, stop: Callable[[], None]) -> None:
        """Have a process group ended if we end before it; `stop` is how we end it ourselves."""
        self._tenants[group] = stop
        self._tell(f"watch {group} {polite}\n")

    def forget(self, group: int) -> None:
        """Take back `watch`: the group is gone."""
        self._tenants.pop(group, None)
        self._tell(f"forget {group}\n")

    def close(self) -> None:
        """Stop who is left, let the watchdog clear up; closing twice does nothing."""
        for stop in reversed(list(self._tenants.values())):
            stop()
        if self._watchdog.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._watchdog.stdin.close()
        self._watchdog.wait(timeout=_CLEARING_S)
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _tell(self, line: str) -> None:
        pipe = self._watchdog.stdin
        if pipe is None or pipe.closed:
            return
        # Without its watchdog a stack still works; only an abrupt end would leave something.
        with contextlib.suppress(BrokenPipeError):
            pipe.write(line)
            pipe.flush()


def _temporary_place() -> Path:
    """Return the first temporary folder that the servers' user may enter."""
    wanted = Path(tempfile.gettempdir())
    if os.geteuid() != 0:
        return wanted
    places = (wanted, Path("/var/tmp"), Path("/tmp"))  # noqa: S108 mkdtemp makes our own below
    for place in places:
        if place.is_dir() and may_enter(place, UNPRIVILEGED):
            return place
    raise PremisesError(
        f"PostgreSQL does not run as root, and no other user may enter {wanted}; "
        "set TMPDIR to a folder that all may enter"
    )


def _lock(folder: Path) -> IO[str]:
    """Take the folder for us alone."""
    lock = (folder / "lock").open("w")
    # A stack that was killed a moment ago may still be clearing up.
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while not _locked(lock):
        if time.monotonic() > deadline:
            lock.close()
            raise PremisesError(
                f"another stack is running in {folder}; "
                "stop it, or choose another folder with --data"
            )
        time.sleep(0.05)
    return lock


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
