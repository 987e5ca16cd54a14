"""A command of Tellal's own (API, worker, carrier, mailbox) as a part of the stack."""

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import httpx

from tellal.settings import Settings
from tellal.stack.environment import child_environment
from tellal.stack.premises import Premises
from tellal.stack.process import Child, Program

_START_S = 90.0
_PROBE_S = 2.0


class Part(Protocol):
    """What every part of a stack can do, whoever made it."""

    name: str

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        ...

    @property
    def pid(self) -> int:
        """Its process id; 0 if it does not run."""
        ...

    @property
    def log(self) -> Path:
        """The file it logs to."""
        ...

    def start(self) -> None:
        """Start and wait until it is ready; also again, after a stop or a kill."""
        ...

    def ask_to_stop(self) -> None:
        """Ask it to stop, and do not wait."""
        ...

    def stop(self) -> None:
        """Stop and wait."""
        ...

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        ...

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of its log."""
        ...


class Service:
    """One `tellal …` command as a child process; `ready` gets its process id."""

    def __init__(
        self,
        premises: Premises,
        *,
        name: str,
        command: Sequence[str],
        settings: Settings,
        ready: Callable[[int], bool],
        mend: str,
    ) -> None:
        self.name = name
        self._ready = ready
        program = Program(
            name=name,
            command=[sys.executable, "-m", "tellal", *command],
            environment=child_environment(settings),
            directory=premises.folder,
            mend=mend,
            # Whatever it would put in order is removed next.
            polite=signal.SIGKILL if premises.temporary else signal.SIGTERM,
        )
        self._child = Child(premises, program)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._child.alive

    @property
    def pid(self) -> int:
        """The process's id; 0 if it does not run."""
        return self._child.pid

    @property
    def log(self) -> Path:
        """The file it logs to."""
        return self._child.log

    def launch(self) -> None:
        """Start, and do not wait until it is ready."""
        self._child.launch()

    def await_ready(self) -> None:
        """Wait until it is ready.

        Raises:
            PartError: It did not come up.
        """
        self._child.await_health(lambda: self._ready(self.pid), within_s=_START_S)

    def start(self) -> None:
        """Start and wait until it is ready; also again, after a stop or a kill.

        Raises:
            PartError: It did not come up.
        """
        self.launch()
        self.await_ready()

    def ask_to_stop(self) -> None:
        """Ask it to stop, and do not wait."""
        self._child.ask_to_stop()

    def stop(self) -> None:
        """Stop and wait."""
        self._child.stop()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self._child.kill()

    def freeze(self) -> None:
        """Stop it in its tracks (SIGSTOP), as an overloaded machine would."""
        self._child.freeze()

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._child.thaw()

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of its log."""
        return self._child.log_tail(lines)


def answers(url: str) -> bool:
    """Say whether a GET on the address is answered with success."""
    try:
        return httpx.get(url, timeout=_PROBE_S, trust_env=False).is_success
    except httpx.TransportError:
        return False
