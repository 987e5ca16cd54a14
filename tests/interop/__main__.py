"""Install what others wrote, from Debian and npm, and run the tests that speak to it.

`python -m tests.interop` needs root (or sudo) for Debian's packages and npm for the others; nothing
of it is needed to run Tellal. Every test prints one line of what it proved.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def packages() -> list[str]:
    """Return the names of Debian's packages that are to be installed, one per line of the file."""
    lines = (HERE / "debian.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def install() -> None:
    """Install Debian's packages and, into this folder, those of npm."""
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    missing = [name for name in packages() if not _is_installed(name)]
    if missing:
        env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        _run([*as_root, "apt-get", "update", "--quiet"], env)
        # Servers are started by the tests alone, so nothing is to start by being installed.
        _run(
            [
                *as_root,
                "apt-get",
                "install",
                "--quiet",
                "--yes",
                "--no-install-recommends",
                *missing,
            ],
            env,
        )
    if not shutil.which("npm"):
        raise SystemExit("npm was not found; install Node.js 18 or newer")
    _run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(HERE)], None)


def _is_installed(name: str) -> bool:
    asked = subprocess.run(["dpkg", "-s", name], capture_output=True, check=False)
    return asked.returncode == 0


def _run(command: list[str], env: dict[str, str] | None) -> None:
    if subprocess.run(command, env=env, check=False).returncode:
        raise SystemExit(f"this failed, see above: {' '.join(command)}")


if __name__ == "__main__":
    install()
    sys.exit(pytest.main(["-m", "interop", "-rA", "--no-header", str(HERE), *sys.argv[1:]]))
