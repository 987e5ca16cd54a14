"""Reads a black list from a file: CSV as spreadsheets write it, every bad line named."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from zoneinfo import ZoneInfo

from tellal.domain.blocks import BlockOrigin
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError
from tellal.services.blocks import BlockInput, block_address, check_block

REQUIRED = ("address", "reason", "origin")
OPTIONAL = ("channel", "until")


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line (1-based) that cannot be taken in, and how to mend it."""

    line: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """Write it in a line."""
        tail = f" ({self.hint})" if self.hint else ""
        return f"line {self.line}: {self.message}{tail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockList:
    """What a file says; `blocks` holds the good lines."""

    blocks: tuple[BlockInput, ...]
    bad: tuple[BadLine, ...]


def read_block_list(content: bytes, brand: Brand, *, at: datetime) -> BlockList:
    """Read a list: UTF-8, a header, `;` or `,` between the fields.

    A file that cannot be read at all has one bad line and no block.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _refused(line, "this is not UTF-8", "save the file as CSV UTF-8")
    header, _, _ = text.partition("\n")
    delimiter = ";" if header.count(";") > header.count(",") else ","
    lines = _lines(text, delimiter)
    _, names = next(lines, (1, []))
    names = [name.strip().lower() for name in names]
    wrong = _wrong_header(names)
    return _refused(1, *wrong) if wrong else _read(lines, names, brand, at)


def _read(
    lines: Iterator[tuple[int, list[str]]], names: list[str], brand: Brand, at: datetime
) -> BlockList:
    blocks: list[BlockInput] = []
    bad: list[BadLine] = []
    try:
        for line, values in lines:
            try:
                blocks.append(_block(names, values, brand, at))
            except InvalidInputError as error:
                named = f"{error.field}: {error}" if error.field else str(error)
                bad.append(BadLine(line=line, message=named, hint=error.hint))
    except csv.Error as error:
        # The rest of the file cannot be told into fields.
        after = max([one.line for one in bad], default=1)
        bad.append(BadLine(line=after, message=f"after this line: {error}"))
    return BlockList(blocks=tuple(blocks), bad=tuple(bad))


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the records that are not empty, each with the line on which it begins."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    begins = 1
    for values in reader:
        if any(value.strip() for value in values):
            yield begins, values
        begins = reader.line_num + 1


def _wrong_header(names: list[str]) -> tuple[str, str] | None:
    hint = f"the first line reads {','.join((*REQUIRED, *OPTIONAL))}; the last two may be left out"
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        return f"there is no column {', '.join(missing)}", hint
    unknown = [name for name in names if name not in REQUIRED + OPTIONAL]
    if unknown:
        return f"nobody knows the column {', '.join(unknown)}", hint
    return ("a column is named twice", hint) if len(set(names)) < len(names) else None


def _refused(line: int, message: str, hint: str) -> BlockList:
    return BlockList(blocks=(), bad=(BadLine(line=line, message=message, hint=hint),))


def _block(names: list[str], values: list[str], brand: Brand, at: datetime) -> BlockInput:
    if len(values) != len(names):
        raise InvalidInputError(
            f"it has {len(values)} fields, and the header {len(names)}",
            hint="put a field that holds the separator between quotation marks",
        )
    said = {name: value.strip() for name, value in zip(names, values, strict=True)}
    block = BlockInput(
        address=block_address(brand, said["address"], _channel(said)),
        origin=_origin(said["origin"]),
        reason=said["reason"],
        until=_until(said.get("until", ""), brand),
    )
    check_block(block, at=at)
    return block


def _channel(said: Mapping[str, str]) -> Channel | None:
    name = said.get("channel", "").lower()
    known = [channel for channel in Channel if channel is not Channel.BANNER]
    if name and name not in known:
        raise InvalidInputError(
            f"no channel {name!r}",
            field="channel",
            hint=f"one of: {', '.join(known)}; or leave it empty",
        )
    return Channel(name) if name else None


def _origin(name: str) -> BlockOrigin:
    try:
        return BlockOrigin(name.lower())
    except ValueError as error:
        raise InvalidInputError(
            f"no origin {name!r}", field="origin", hint="institution or customer"
        ) from error


def _until(text: str, brand: Brand) -> datetime | None:
    """Read a day or an instant; without a zone it is the brand's own."""
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(
            f"{text!r} is no day", field="until", hint="write it as in 2027-01-31, or leave it out"
        ) from error
    return instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(brand.timezone))
