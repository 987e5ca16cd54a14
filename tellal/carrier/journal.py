"""The journal: what the simulator must still know after it was killed, line by line in a file.

A line reaches the operating system before the client gets its answer, so whoever was told
"accepted" finds the message in the book of the next process too. A power cut is another matter:
nothing is forced to the disk.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tellal.domain.errors import TellalError

_BEGINNING = b'{"n":'


class JournalError(TellalError):
    """The file cannot be read as a journal; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A thing as it stood at last: which kind, under which number, its fields as JSON has them."""

    number: int
    kind: str
    fields: Mapping[str, Any]


class Journal:
    """Lines of two sorts: a thing (`kind`, `is`), and what became of it since (`now`)."""

    def __init__(self, file: Path | None) -> None:
        """Open the file, or keep no journal if there is none.

        Only we may read it: it names people. What a kill left half written at its end is cut off;
        nobody was told about that.

        Raises:
            JournalError: Its end is none of ours.
        """
        self._file = file
        self._last = 0
        if file is None:
            self._out = None
            return
        if file.exists():
            _cut_torn_line(file)
        self._out = os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "ab")

    def next_number(self) -> int:
        """Return a number that no line has yet."""
        self._last += 1
        return self._last

    def began(self, number: int, kind: str, as_json: Callable[[], bytes]) -> None:
        """Write a thing down."""
        if self._out is not None:
            self._write(b'{"n":%d,"kind":"%s","is":%s}\n' % (number, kind.encode(), as_json()))

    def changed(self, number: int, fields: Mapping[str, object]) -> None:
        """Write down what has become of a thing."""
        if self._out is not None:
            line = json.dumps({"n": number, "now": fields}, ensure_ascii=False)
            self._write(line.encode() + b"\n")

    def read(self, cap: int) -> Iterator[Kept]:
        """Return what was written, oldest first; only of the newest `cap` the later changes count.

        Raises:
            JournalError: A line in it is none of ours.
        """
        if self._file is None:
            return
        open_things: dict[int, Kept] = {}
        for line in self._lines(self._file):
            number = int(line["n"])
            self._last = max(self._last, number)
            if "kind" in line:
                open_things[number] = Kept(number=number, kind=line["kind"], fields=line["is"])
                if len(open_things) > cap:
                    yield open_things.pop(next(iter(open_things)))
            elif number in open_things:
                _merge(open_things[number].fields, line["now"])
        yield from open_things.values()

    @staticmethod
    def _lines(file: Path) -> Iterator[dict[str, Any]]:
        with file.open("rb") as lines:
            for place, line in enumerate(lines, start=1):
                try:
                    found = json.loads(line)
                    int(found["n"])
                except (ValueError, TypeError, KeyError) as error:
                    raise _strange(file, place) from error
                yield found

    def clear(self) -> None:
        """Forget every line; numbers go on, so that a late change cannot hit a newer thing."""
        if self._out is not None:
            self._out.truncate(0)

    def close(self) -> None:
        """Let the file go."""
        if self._out is not None:
            self._out.close()

    def _write(self, line: bytes) -> None:
        if self._out is not None and not self._out.closed:
            self._out.write(line)
            self._out.flush()


def _cut_torn_line(file: Path) -> None:
    content = file.read_bytes()
    whole = content.rfind(b"\n") + 1
    torn = content[whole:]
    if not torn.startswith(_BEGINNING[: len(torn)]):
        raise _strange(file, content.count(b"\n") + 1)
    if torn:
        os.truncate(file, whole)


def _strange(file: Path, place: int) -> JournalError:
    return JournalError(
        f"{file}:{place} is no line of a carrier's book; move the file away to begin a new one"
    )


def _merge(fields: Any, now: Mapping[str, Any]) -> None:  # noqa: ANN401 (JSON as it was read)
    for name, value in now.items():
        if isinstance(value, dict) and isinstance(fields.get(name), dict):
            _merge(fields[name], value)
        else:
            fields[name] = value
