"""The command `tellal` as an operator or an inspector types it: a process of its own."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import tellal

_CODE = Path(tellal.__file__).parents[1]
_OURS = ("TELLAL_", "TEMPORAL_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command wrote, and how it ended."""

    words: str
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Runs commands in a folder, with the settings given and no others."""

    folder: Path
    settings: dict[str, str]

    async def run(self, *words: str, **settings: str) -> Said:
        """Run `tellal …` to its end; `settings` come besides those of every command."""
        inherited = {name: v for name, v in os.environ.items() if not name.startswith(_OURS)}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tellal", *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self.folder,
            env=inherited | {"PYTHONPATH": str(_CODE)} | self.settings | settings,
        )
        out, _ = await process.communicate()
        return Said(words=out.decode(), code=process.returncode or 0)
