"""Mails on disk, one a line: what a relay has taken it still has after it was killed."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from tellal.carrier.letter import Letter


class LetterFile:
    """A file that grows by a line for every mail; what was never answered for may be torn."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._path.touch(mode=0o600)
        self._end = path.open("ab", buffering=0)

    def read(self) -> Sequence[Letter]:
        """Return the mails in the order of their coming.

        A last line without its end was being written when the process died: nobody was told that
        the mail was taken, so it was not.
        """
        whole, _, _torn = self._path.read_bytes().rpartition(b"\n")
        return [_read(line) for line in whole.splitlines()]

    def add(self, letter: Letter) -> None:
        """Write a mail. The system has it then, so it outlives this process, not a power cut."""
        self._end.write(_written(letter))

    def replace(self, letters: Iterable[Letter]) -> None:
        """Keep these mails and no others."""
        self._end.close()
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.touch(mode=0o600)
        fresh.write_bytes(b"".join(_written(letter) for letter in letters))
        fresh.replace(self._path)
        self._end = self._path.open("ab", buffering=0)

    def close(self) -> None:
        """Let go of the file."""
        self._end.close()


def _written(letter: Letter) -> bytes:
    document = {
        "number": letter.number,
        "at": letter.at.isoformat(),
        "sender": letter.sender,
        "recipients": letter.recipients,
        "told": letter.told,
        "raw": b64encode(letter.raw).decode(),
    }
    return json.dumps(document).encode() + b"\n"


def _read(line: bytes) -> Letter:
    document = json.loads(line)
    return Letter(
        number=document["number"],
        at=datetime.fromisoformat(document["at"]),
        sender=document["sender"],
        recipients=tuple(document["recipients"]),
        told=document["told"],
        raw=b64decode(document["raw"]),
    )
