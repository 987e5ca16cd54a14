"""Runs the command `tellal` as a person does."""

import contextlib
import io
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from tellal.cli import app

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command wrote, and how it ended."""

    out: str
    err: str
    code: int


def start(*words: str, **settings: str) -> subprocess.Popen[str]:
    """Start `tellal …` in a process of its own, with nothing set but these settings."""
    return subprocess.Popen(
        [sys.executable, "-m", "tellal", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**_kept(), **settings, "PYTHONPATH": str(ROOT)},
    )


def run_process(*words: str, **settings: str) -> Said:
    """Run `tellal …` to its end in a process of its own."""
    process = start(*words, **settings)
    out, err = process.communicate(timeout=300)
    return Said(out=out, err=err, code=process.returncode)


def run(*words: str, **settings: str) -> Said:
    """Run `tellal …` to its end in this process, which has loaded everything already.

    A thread of its own has no event loop yet, as a command expects it.
    """
    codes: list[object] = []

    def command() -> None:
        try:
            app(list(words), prog_name="tellal")
        except SystemExit as end:
            codes.append(end.code)

    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, {**_kept(), **settings}, clear=True),
        contextlib.chdir(ROOT),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        thread = threading.Thread(target=command)
        thread.start()
        thread.join()
    (code,) = codes
    return Said(out=out.getvalue(), err=err.getvalue(), code=code if isinstance(code, int) else 0)


def _kept() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("TELLAL_", "TEMPORAL_"))}
