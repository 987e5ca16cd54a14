"""Stays behind when the process that started servers dies, and clears up after it.

A program of its own (standard library only, run by path): it is told over its standard input which
process groups there are. When that pipe ends, however the other side came to its end, it stops
every group that is left and removes the folder, if the folder was temporary.

Usage: watchdog.py FOLDER keep|remove
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

GRACE_S = 5.0
REMOVAL_S = 10.0


def _listen() -> dict[int, int]:
    """Read `watch GROUP SIGNAL` and `forget GROUP` until the pipe ends; return what is left."""
    groups: dict[int, int] = {}
    for line in sys.stdin:
        match line.split():
            case ["watch", group, polite]:
                groups[int(group)] = int(polite)
            case ["forget", group]:
                groups.pop(int(group), None)
            case _:
                pass
    return groups


def _signal(group: int, number: int) -> bool:
    """Send a signal to a group; say whether anybody was there."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stop(groups: dict[int, int]) -> None:
    """Ask every group to stop, wait a while, then end what remains."""
    remaining = {group for group, polite in groups.items() if _signal(group, polite)}
    deadline = time.monotonic() + GRACE_S
    while remaining and time.monotonic() < deadline:
        time.sleep(0.02)
        remaining = {group for group in remaining if _signal(group, 0)}
    for group in remaining:
        _signal(group, signal.SIGKILL)


def _remove(folder: Path) -> None:
    """Remove a folder; a dying server may still write into it, so try more than once."""
    deadline = time.monotonic() + REMOVAL_S
    while folder.exists() and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
            return
        time.sleep(0.05)


def main() -> None:
    """Wait for the end, then clear up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folder, fate = Path(sys.argv[1]), sys.argv[2]
    _stop(_listen())
    if fate == "remove":
        _remove(folder)


if __name__ == "__main__":
    main()
