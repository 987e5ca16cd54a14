"""Decision tables: long lists of alike rules, one line each, which become rules when loaded.

    tables:
      - id: by_segment
        decides: channels
        table: |
          topic         | customer.segment | customer.age || send
          debt_reminder | private          | >= 65        || sms, email
          debt_reminder |                  |              || push, sms

Left of `||` stand fields; a cell is a value, several with commas, `!value`, a comparison, a range
`18..64`, `-` for "absent", or empty for "any". Right of it stands what the section needs. A row is
the rule `<id>_<number>`, and mistakes in it are shown at its cell.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from rules.entries import Entry, entries_of
from rules.source import Place, Report
from rules.vocabulary import did_you_mean

_EFFECTS: Mapping[str, tuple[str, ...]] = {
    "facts": ("derives",),
    "suppress": ("reason", "text"),
    "channels": ("send",),
}
_COMPARISON = re.compile(r"(>=|<=|>|<)\s*(-?\d+)")
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
_WORDS: Mapping[str, str] = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt"}
_INDENT = 2
AND = "||"


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one cell, and where."""

    text: str
    line: int
    column: int


def expand_tables(root: CommentedMap, file: str, report: Report) -> None:
    """Turn the rows of a file's tables into entries of its other sections, in place."""
    for entry in entries_of(root, "tables", file, report):
        entry.only(("id", "means", "decides", "table"), required=("id", "decides", "table"))
        decides = str(entry.raw.get("decides", ""))
        if decides not in _EFFECTS:
            message = f"'decides' is one of {', '.join(_EFFECTS)}"
            entry.wrong("decides", message, did_you_mean(decides, _EFFECTS))
            continue
        section = root.setdefault(decides, CommentedSeq())
        if isinstance(section, CommentedSeq):
            for row in _rows(entry, decides):
                section.append(row)
                section.lc.add_idx_line_col(len(section) - 1, [row.lc.line, row.lc.col])


def _rows(entry: Entry, decides: str) -> Iterator[CommentedMap]:
    lines = list(table_lines(entry))
    if not lines:
        entry.wrong("table", "a table has a line of names and at least one of values")
        return
    (names, effects), *rows = lines
    for cell in effects:
        if cell.text not in _EFFECTS[decides]:
            near = did_you_mean(cell.text, _EFFECTS[decides])
            message = f"right of '{AND}' stand {', '.join(_EFFECTS[decides])}"
            entry.report.add(place_of_cell(entry, cell), message, near)
            return
    if not rows:
        entry.wrong("table", "a table has a line of names and at least one of values")
    for number, (cells, results) in enumerate(rows, 1):
        if len(cells) != len(names) or len(results) != len(effects):
            message = f"this line has {len(cells)} + {len(results)} cells, "
            message += f"the first has {len(names)} + {len(effects)}"
            entry.report.add(place_of_cell(entry, cells[0]), message)
            continue
        yield _rule(f"{entry.id()}_{number}", entry, (names, cells), (effects, results))


def table_lines(entry: Entry) -> Iterator[tuple[list[Cell], list[Cell]]]:
    """Read the lines of an entry's `table`, each parted by `||` into cells with their places."""
    table = entry.raw.get("table")
    if not isinstance(table, str) or not isinstance(entry.raw, CommentedMap):
        entry.wrong("table", "'table' is text of lines", "begin it with 'table: |'")
        return
    first = entry.raw.lc.value("table")[0] + 2  # counted from 1, and after the line of the '|'
    indent = entry.at("table").column + _INDENT
    for number, line in enumerate(table.splitlines(), first):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        left, mark, right = line.partition(AND)
        if not mark:
            place = Place(file=entry.file, line=number, column=indent)
            entry.report.add(place, f"'{AND}' parts what is asked from what follows")
            continue
        start = indent + len(left) + len(AND)
        yield list(_cells(left, number, indent)), list(_cells(right, number, start))


def _cells(text: str, line: int, column: int) -> Iterator[Cell]:
    for cell in text.split("|"):
        yield Cell(cell.strip(), line, column + len(cell) - len(cell.lstrip()))
        column += len(cell) + 1


def _rule(
    name: str,
    entry: Entry,
    asked: tuple[list[Cell], list[Cell]],
    follows: tuple[list[Cell], list[Cell]],
) -> CommentedMap:
    start = asked[1][0]
    when = node_at(start)
    for field, cell in zip(*asked, strict=True):
        if cell.text:
            put(when, field.text, _condition(cell.text), cell)
    rule = node_at(start)
    put(rule, "id", name, start)
    put(rule, "means", str(entry.raw.get("means", "")), start)
    put(rule, "when", when, start)
    for key, cell in zip(*follows, strict=True):
        value: object = cell.text
        if key.text == "send":
            value = CommentedSeq(part.strip() for part in cell.text.split(","))
            for number in range(len(value)):
                value.lc.add_idx_line_col(number, [cell.line - 1, cell.column - 1])
        put(rule, key.text, value, cell)
    return rule


def _condition(text: str) -> object:
    """Read a cell: what a product person writes, as the language has it."""
    if text == "-":
        return {"exists": False}
    if text.startswith("!"):
        return {"not": _condition(text[1:].strip())}
    if match := _COMPARISON.fullmatch(text):
        return {_WORDS[match[1]]: int(match[2])}
    if match := _RANGE.fullmatch(text):
        return {"between": [int(match[1]), int(match[2])]}
    parts = [cell_value(part.strip()) for part in text.split(",")]
    return parts if len(parts) > 1 else parts[0]


def cell_value(text: str) -> str | int | bool:
    """Read one value of a cell."""
    if text in {"true", "yes"}:
        return True
    if text in {"false", "no"}:
        return False
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def node_at(cell: Cell) -> CommentedMap:
    """Make an empty mapping that stands where a cell does."""
    node = CommentedMap()
    node.lc.line, node.lc.col = cell.line - 1, cell.column - 1
    return node


def put(node: CommentedMap, key: str, value: object, cell: Cell) -> None:
    """Put a value into a mapping, as if it stood at a cell."""
    node[key] = value
    at = [cell.line - 1, cell.column - 1]
    node.lc.add_kv_line_col(key, [*at, *at])


def place_of_cell(entry: Entry, cell: Cell) -> Place:
    """Return the place of a cell."""
    return Place(file=entry.file, line=cell.line, column=cell.column)
