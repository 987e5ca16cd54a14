"""What processes use: processor time with all their children, and memory; read from /proc."""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tellal.stack.stack import Stack

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PPID, _UTIME, _CSTIME = 1, 11, 14
"""Places in /proc/<pid>/stat after the name, from zero: parent, then four sorts of time."""
_LOOK_EVERY_S = 0.25


def processes_of(stack: Stack) -> dict[str, int]:
    """Name the processes of a stack that carry a message, with their ids."""
    pids = {"worker": stack.worker.pid, "api": stack.api.pid}
    if stack.postgres is not None:
        pids["postgres"] = stack.postgres.pid
    if stack.temporal is not None:
        pids["temporal"] = stack.temporal.pid
    if stack.carrier is not None:
        pids["simulator"] = stack.carrier.pid
    return pids


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the processor time that each process has used so far, with all its children."""
    parents: dict[int, list[int]] = {}
    used: dict[int, int] = {}
    for pid, fields in _stats():
        parents.setdefault(int(fields[_PPID]), []).append(pid)
        used[pid] = sum(int(one) for one in fields[_UTIME : _CSTIME + 1])
    return {name: _with_children(pid, parents, used) / _TICKS for name, pid in pids.items()}


def memory_mb(pid: int) -> float:
    """Return how much memory of a process is resident, in megabytes."""
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * _PAGE / 1e6


@dataclass(slots=True)
class Memory:
    """A process's resident memory over time, in megabytes."""

    samples: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, float]:
        """Write where it began, how high it went and where it ended."""
        return {
            "rss_start_mb": round(self.samples[0], 1),
            "rss_max_mb": round(max(self.samples), 1),
            "rss_end_mb": round(self.samples[-1], 1),
        }


@asynccontextmanager
async def watched_memory(pid: int) -> AsyncGenerator[Memory]:
    """Sample the memory of a process until the block ends."""
    memory = Memory([memory_mb(pid)])

    async def watch() -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            memory.samples.append(memory_mb(pid))

    watching = asyncio.create_task(watch())
    try:
        yield memory
    finally:
        watching.cancel()
        memory.samples.append(memory_mb(pid))


def _stats() -> Iterator[tuple[int, list[str]]]:
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            with suppress(OSError):
                stat = (place / "stat").read_text(encoding="utf-8", errors="replace")
                # The name stands in brackets and may hold anything.
                yield int(place.name), stat.rpartition(")")[2].split()


def _with_children(pid: int, parents: Mapping[int, list[int]], used: Mapping[int, int]) -> int:
    children = sum(_with_children(child, parents, used) for child in parents.get(pid, ()))
    return used.get(pid, 0) + children
