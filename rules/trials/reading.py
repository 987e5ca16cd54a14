"""Reads test files: customers with a name, tests one by one or as lines of a table."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from rules.entries import Entry, entries_of
from rules.rulebook import Rulebook
from rules.source import SHIPPED, TESTS, Place, Report, parse, place_of_node, read_file
from rules.trials.definitions import Expected, Trial
from rules.trials.expecting import read_expected
from rules.trials.layers import FACTS, Layers, instant
from rules.trials.rows import rows_of
from rules.trials.scenes import Scene
from rules.vocabulary import did_you_mean
from tellal.domain.errors import RulebookError

_SHAPE = "a test file is a mapping with 'version', 'customers' and 'tests'"
_ROOT = ("version", "means", "everyone", "customers", "tests")
_KEYS = ("name", "given", "at", "expect", "table", "todo", "means")
_SOME_DAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""Customers whom no test names are read as of this day."""


def read_trials(book: Rulebook, folder: Path | None = None) -> tuple[Trial, ...]:
    """Read every test that stands beside the rules of a folder.

    Raises:
        RulebookError: A test file has mistakes; all are listed with their places.
    """
    report = Report()
    found: list[Trial] = []
    for path in sorted((folder or SHIPPED).glob(f"*{TESTS}")):
        found += read_file_of_trials(book, path, report)
    if report.findings:
        raise RulebookError(report.in_order())
    return tuple(found)


def read_file_of_trials(book: Rulebook, path: Path, report: Report) -> tuple[Trial, ...]:
    """Read one file; what is wrong with it goes into the report."""
    file = read_file(path, "the test file", report)
    root = parse(file, report, _SHAPE) if file else None
    if root is None:
        return ()
    return TrialFile(book, root, path.name, report).trials()


class TrialFile:
    """One test file, by the names of one rulebook."""

    def __init__(
        self, book: Rulebook, root: Mapping[object, object], file: str, report: Report
    ) -> None:
        self._book = book
        self._file = file
        self._report = report
        self._layers = Layers(book, file, report)
        self._rules = {rule.id for rule in book.rules} | {
            asked.rule.id for shard in book.shards.values() for asked in shard.order
        }
        self._root = Entry(raw=root, file=file, report=report, start=place_of_node(root, file))

    def trials(self) -> tuple[Trial, ...]:
        """Read its tests."""
        self._root.only(_ROOT, required=("version", "tests"))
        if self._root.raw.get("version") != 1:
            self._root.wrong("version", "a test file says 'version: 1'")
        self._check_customers()
        found = [
            trial
            for entry in entries_of(self._root.raw, "tests", self._file, self._report)
            for trial in self._entry(entry)
        ]
        self._check_names(found)
        return tuple(found)

    def _entry(self, entry: Entry) -> Iterable[Trial]:
        entry.only(_KEYS, required=("name",))
        if "table" not in entry.raw:
            yield self._trial(entry, (entry.within("given").raw,), entry)
            return
        base = entry.within("given").raw
        for row in rows_of(entry):
            yield self._trial(row, (base, row.within("given").raw), entry)

    def _trial(
        self, entry: Entry, layers: tuple[Mapping[object, object], ...], above: Entry
    ) -> Trial:
        at = self._at(entry if "at" in entry.raw else above)
        scene = Scene(at=at)
        self._layers.lay(scene, self._root.within("everyone").raw)
        for layer in layers:
            self._lay(scene, layer)
        if not scene.topic:
            entry.wrong("given", "'given' names no topic", "as in given: {topic: …}")
        expected = read_expected(entry, self._rules, self._book.fact_names)
        if expected == Expected():
            entry.wrong("expect", "'expect' says nothing", "as in expect: {outcome: send}")
        return Trial(
            name=entry.text("name"),
            question=scene.question(self._book),
            expected=expected,
            place=entry.at("name"),
            todo=above.text("todo"),
        )

    def _at(self, entry: Entry) -> datetime:
        found = instant(entry.raw.get("at"))
        if found is None:
            what = "is missing" if "at" not in entry.raw else "has no offset of its zone"
            entry.wrong("at", f"'at' {what}", "write 2026-03-02T12:00+03:00")
        return found or _SOME_DAY

    def _lay(self, scene: Scene, node: Mapping[object, object]) -> None:
        """Lay a `given` over a scene; a customer's name brings what is known of him."""
        name = node.get("customer")
        if isinstance(name, str):
            self._layers.lay(scene, self._customer(name, node))
        self._layers.lay(scene, node, but="customer" if isinstance(name, str) else "")

    def _customer(self, name: str, node: Mapping[object, object]) -> Mapping[object, object]:
        known = self._root.within("customers").raw
        found = known.get(name)
        if isinstance(found, Mapping):
            return found
        place = Entry(
            raw=node, file=self._file, report=self._report, start=place_of_node(node, self._file)
        ).at("customer")
        near = did_you_mean(name, [str(one) for one in known])
        self._report.add(place, f"no customer is called '{name}'", near)
        return {}

    def _check_customers(self) -> None:
        """Find mistakes in customers whom no test names, too."""
        customers = self._root.within("customers")
        for name, node in customers.raw.items():
            if isinstance(node, Mapping):
                self._layers.lay(Scene(at=_SOME_DAY), node)
            else:
                hint = f"as in {{{FACTS[0].rstrip('.')}: {{…}}, addresses: [sms]}}"
                customers.wrong(str(name), "a customer is a mapping", hint)

    def _check_names(self, trials: Iterable[Trial]) -> None:
        seen: dict[str, Place] = {}
        for trial in trials:
            first = seen.setdefault(trial.name, trial.place)
            if first != trial.place:
                self._report.add(trial.place, f"a test of this name stands at {first}")
