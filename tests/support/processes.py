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
