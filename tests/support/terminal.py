"""Runs the command `tellal` as a person does: in a process of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command wrote, and how it ended."""

    out: str
    err: str
    code: int


def start(*words: str, **settings: str) -> subprocess.Popen[str]:
    """Start `tellal …` with nothing set but these settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TELLAL_", "TEMPORAL_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "tellal", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**kept, **settings, "PYTHONPATH": str(ROOT)},
    )


def run(*words: str, **settings: str) -> Said:
    """Run `tellal …` to its end."""
    process = start(*words, **settings)
    out, err = process.communicate(timeout=300)
    return Said(out=out, err=err, code=process.returncode)
