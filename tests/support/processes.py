"""Looks at processes from outside, and waits until something is so."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def until(so: Callable[[], bool], *, within_s: float = 30.0) -> bool:
    """Wait until something is so; say whether it came to be."""
    end = time.monotonic() + within_s
    while not so():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def runs(pid: int) -> bool:
    """Say whether a process runs; one that only waits to be buried does not."""
    status = Path(f"/proc/{pid}/stat")
    if status.parent.parent.exists():
        try:
            return status.read_text().rpartition(")")[2].split()[0] not in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def processes_in(folder: Path) -> list[int]:
    """Return the processes that work in a folder or below, as far as the system tells (Linux)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            place = (process / "cwd").readlink()
        except OSError:
            continue
        # A folder that is gone is shown with a remark behind it.
        if str(place).startswith(str(folder)) and runs(int(process.name)):
            found.append(int(process.name))
    return found
