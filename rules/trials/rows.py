"""The table form of tests: one line is one test, columns are what is given and what is expected."""

from collections.abc import Iterator

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from rules.entries import Entry
from rules.tables import AND, Cell, cell_value, node_at, place_of_cell, put, table_lines
from rules.trials.expecting import KEYS
from rules.vocabulary import did_you_mean

_LISTS = frozenset({"addresses", "channels", "reasons", "shadow"} | {
    "fired", "fired_exactly", "not_fired", "facts", "not_facts"
})  # fmt: skip
_WHOLE = frozenset({"topic", "customer", "timezone", "country", "locale", "addresses"})
_SHORT = ("caps.", "counts.", "last.", "told_version", "pending", "attempts")
"""What a column may name without 'history.' before it."""
_PREFIXES = (
    "customer.", "event.", "case.", "outage.", "consents.", "blocked.", "unroutable.", "wishes.",
    "down.",
)  # fmt: skip
_REMOVED = "removed."
_NOTHING = "-"


def rows_of(entry: Entry) -> Iterator[Entry]:
    """Turn the lines of a table into tests; an empty cell says nothing, `-` says that it is absent.

    A column is a path as in `given`; one without a known beginning is a customer's field.
    """
    if "expect" in entry.raw:
        entry.wrong("expect", f"what is expected stands right of '{AND}' in a table")
    lines = list(table_lines(entry))
    if len(lines) < len("ab"):
        entry.wrong("table", "a table has a line of names and at least one of values")
        return
    (names, results), *rows = lines
    if not _all_known(entry, results):
        return
    for number, (cells, outcomes) in enumerate(rows, 1):
        if len(cells) != len(names) or len(outcomes) != len(results):
            message = f"this line has {len(cells)} + {len(outcomes)} cells, "
            message += f"the first has {len(names)} + {len(results)}"
            entry.report.add(place_of_cell(entry, cells[0]), message)
            continue
        node = node_at(cells[0])
        put(node, "name", f"{entry.raw.get('name')}, line {number}", cells[0])
        given, expected = node_at(cells[0]), node_at(cells[0])
        for column, cell in zip(names, cells, strict=True):
            if column.text == "at" and cell.text:
                put(node, "at", cell.text, cell)
            elif cell.text:
                put(given, _path(column.text), _value(column.text, cell), cell)
        for column, cell in zip(results, outcomes, strict=True):
            _expect(expected, column.text, cell)
        put(node, "given", given, cells[0])
        put(node, "expect", expected, outcomes[0])
        start = place_of_cell(entry, cells[0])
        yield Entry(raw=node, file=entry.file, report=entry.report, start=start)


def _all_known(entry: Entry, results: list[Cell]) -> bool:
    for cell in results:
        if not cell.text.startswith(_REMOVED) and cell.text not in KEYS:
            message = f"right of '{AND}' stand {', '.join(KEYS)}"
            entry.report.add(place_of_cell(entry, cell), message, did_you_mean(cell.text, KEYS))
            return False
    return True


def _path(column: str) -> str:
    if column in _WHOLE or column.startswith((*_PREFIXES, "history.")):
        return column
    return f"history.{column}" if column.startswith(_SHORT) else f"customer.{column}"


def _value(column: str, cell: Cell) -> object:
    if cell.text == _NOTHING:
        return None
    if column in _LISTS or "," in cell.text:
        return _several(cell)
    return cell_value(cell.text)


def _several(cell: Cell) -> CommentedSeq:
    items = [part.strip() for part in cell.text.split(",") if part.strip() != _NOTHING]
    listed = CommentedSeq(items)
    for number in range(len(listed)):
        listed.lc.add_idx_line_col(number, [cell.line - 1, cell.column - 1])
    return listed


def _expect(expected: CommentedMap, column: str, cell: Cell) -> None:
    if not cell.text:
        return
    if column.startswith(_REMOVED):
        removed = expected.get("removed")
        if removed is None:
            removed = node_at(cell)
            put(expected, "removed", removed, cell)
        put(removed, column.removeprefix(_REMOVED), cell.text, cell)
    else:
        put(expected, column, _several(cell) if column in _LISTS else cell.text, cell)
