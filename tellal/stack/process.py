"""A child process under supervision: watched from its first instruction, healthy or explained."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tellal.domain.errors import TellalError
from tellal.stack.premises import Premises

# The shell holds the child back until the watchdog knows its process group; if we die before
# that, `read` sees the end of the pipe and nothing starts.
_GATE = 'read -r _ || exit 1; exec "$@" </dev/null'
_POLL_S = 0.03


class PartError(TellalError):
    """A part of the stack did not come up: which, what it logged last, and how to mend it."""

    def __init__(self, part: str, problem: str, *, log: Path, tail: str, mend: str) -> None:
        super().__init__(f"{part} {problem}")
        self.part = part
        self.log = log
        self.tail = tail
        self.mend = mend


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run. `user` is the id to run as, None for ours; `polite` is the signal to stop by."""

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    directory: Path
    mend: str
    user: int | None = None
    polite: signal.Signals = signal.SIGTERM


class Child:
    """One program as a process group of its own, with a log file in the premises."""

    def __init__(self, premises: Premises, program: Program) -> None:
        self._premises = premises
        self.program = program
        self.log = premises.logs / f"{program.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process's id; 0 if it does not run."""
        return self._process.pid if self._process is not None and self.alive else 0

    def launch(self) -> None:
        """Start, and do not wait until it is healthy."""
        if self.alive:
            raise RuntimeError(f"{self.program.name} runs already")
        if self._process is not None:
            self._end()
        with self.log.open("ab") as log:
            os.fchmod(log.fileno(), 0o600)
            self._log_start = log.tell()
            self._process = process = subprocess.Popen(
                ["/bin/sh", "-c", _GATE, "sh", *self.program.command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.program.environment),
                cwd=self.program.directory,
                start_new_session=True,
                user=self.program.user,
                group=self.program.user,
                extra_groups=None if self.program.user is None else [],
            )
        self._premises.watch(process.pid, self.program.polite, self.stop)
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(b"go\n")
                process.stdin.close()

    def start(self, healthy: Callable[[], bool], *, within_s: float) -> None:
        """Start and wait until the probe is content.

        Raises:
            PartError: It ended, or was not healthy in time; nothing of it runs then.
        """
        self.launch()
        self.await_health(healthy, within_s=within_s)

    def await_health(self, healthy: Callable[[], bool], *, within_s: float) -> None:
        """Wait until the probe is content.

        Raises:
            PartError: It ended, or was not healthy in time; nothing of it runs then.
        """
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if not self.alive:
                raise self._failure(f"ended before it was ready (exit code {self._end()})")
            if healthy():
                return
            time.sleep(_POLL_S)
        self.kill()
        raise self._failure(f"was not ready within {within_s:.0f} s")

    def run(self, *, within_s: float) -> None:
        """Run to the end.

        Raises:
            PartError: It failed or took too long.
        """
        self.launch()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(within_s)
        if self.alive:
            self.kill()
            raise self._failure(f"took longer than {within_s:.0f} s")
        if code := self._end():
            raise self._failure(f"failed (exit code {code})")

    def ask_to_stop(self) -> None:
        """Ask it to end, and do not wait."""
        self._signal(self.program.polite)

    def stop(self, *, within_s: float = 10.0) -> None:
        """Ask it to end, wait, then end it."""
        if self._process is None:
            return
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(within_s)
        self._end()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self._end()

    def freeze(self) -> None:
        """Stop it in its tracks (SIGSTOP), as an overloaded machine would."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._signal(signal.SIGCONT)

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines that it wrote since its last start."""
        return "\n".join(self.logged().splitlines()[-lines:])

    def logged(self) -> str:
        """Return what it wrote since its last start."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", errors="replace")

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _end(self) -> int:
        """End the whole group, take its exit code, and tell the watchdog."""
        process = self._process
        if process is None:
            return 0
        # Before the wait: until then nobody else can have got the group's id.
        self._signal(signal.SIGKILL)
        code = process.wait()
        self._premises.forget(process.pid)
        self._process = None
        return code

    def _failure(self, problem: str) -> PartError:
        return PartError(
            self.program.name,
            problem,
            log=self.log,
            tail=self.log_tail(),
            mend=self.program.mend,
        )
