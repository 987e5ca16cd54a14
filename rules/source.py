"""Reads rule files as YAML 1.2 and keeps the place of everything, so that mistakes can be shown."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean

from tellal.domain.errors import Finding

SHIPPED = Path(__file__).parent / "book"
SHIPPED_LAW = Path(__file__).parent / "law"
FIELDS = "fields.yaml"
LAW = "law/"
"""How the names of files begin that hold the law; no author writes them."""
PACKS = f"{LAW}packs.yaml"
CONSENT = "consent.yaml"
TESTS = "_test.yaml"
"""How the names of files end that test the rules beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands in a rule file; lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        """Write it as editors do."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(slots=True)
class Report:
    """Collects every mistake, so that an author sees all of them at once."""

    findings: list[Finding] = field(default_factory=list)

    def add(self, place: Place, message: str, hint: str = "") -> None:
        """Note a mistake."""
        finding = Finding(
            file=place.file, line=place.line, column=place.column, message=message, hint=hint
        )
        if finding not in self.findings:
            self.findings.append(finding)

    def in_order(self) -> tuple[Finding, ...]:
        """Return the findings as one reads the files."""
        return tuple(sorted(self.findings, key=lambda one: (one.file, one.line, one.column)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A rule file as it was read: its name and its text, line ends made equal."""

    name: str
    text: str


def read_folder(folder: Path | None) -> tuple[SourceFile, ...]:
    """Read the files of a rulebook, by name.

    The vocabulary that ships with Tellal stands in where a folder has none of its own. The law that
    ships is always a part of it: nobody should lose the law by writing a promotion.
    """
    return completed(
        {
            path.name: _text(path)
            for path in (folder or SHIPPED).glob("*.yaml")
            if not path.name.endswith(TESTS)
        }
    )


def completed(texts: Mapping[str, str]) -> tuple[SourceFile, ...]:
    """Make a whole rulebook of files by name: with the vocabulary, if it has none, and the law."""
    whole = {FIELDS: _text(SHIPPED / FIELDS), **texts, **law_texts()}
    return tuple(SourceFile(name=name, text=whole[name]) for name in sorted(whole))


def law_texts(folder: Path | None = None) -> dict[str, str]:
    """Read what a folder of law packs says of consent, by the name in a rulebook."""
    chosen = folder or SHIPPED_LAW
    paths = [chosen / PACKS.removeprefix(LAW), *chosen.glob(f"*/{CONSENT}")]
    return {f"{LAW}{path.relative_to(chosen).as_posix()}": _text(path) for path in paths}


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8-sig", "replace").replace("\r\n", "\n")


def read_file(path: Path, what: str, report: Report) -> SourceFile | None:
    """Read a single file; one that cannot be read is reported and gives None."""
    try:
        return SourceFile(name=path.name, text=path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not written in UTF-8"
        report.add(Place(file=str(path)), f"{what} cannot be read: {reason}")
        return None


def revision_of(files: Sequence[SourceFile]) -> str:
    """Name a rulebook by its content: the same files have the same revision anywhere."""
    digest = hashlib.sha256()
    for file in files:
        for part in (file.name, file.text):
            encoded = part.encode("utf-8")
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return f"sha256:{digest.hexdigest()}"


RULE_FILE = "a rule file is a mapping with 'version', 'package' and sections"


def parse(file: SourceFile, report: Report, shape: str = RULE_FILE) -> CommentedMap | None:
    """Read one file; a mistake of form is reported and gives None. `shape` says what it must be."""
    place = Place(file=file.name)
    try:
        raw = YAML().load(file.text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        if mark is not None:
            place = Place(file=file.name, line=mark.line + 1, column=mark.column + 1)
        problem = (error.problem or "this is no YAML").strip().splitlines()[0]
        report.add(place, problem, "every name may stand once" if "duplicate" in problem else "")
        return None
    except (YAMLError, ValueError) as error:
        report.add(place, f"this is no YAML: {str(error).splitlines()[0]}")
        return None
    if isinstance(raw, CommentedMap):
        _plain(raw, set())
        return raw
    report.add(place, shape)
    return None


def _plain(node: CommentedMap | CommentedSeq, seen: set[int]) -> None:
    """Turn scalars that remember how they were written into Python's own, in place."""
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    keys = list(node) if isinstance(node, CommentedMap) else range(len(node))
    for key in keys:
        value = node[key]
        if isinstance(value, CommentedMap | CommentedSeq):
            _plain(value, seen)
        elif isinstance(value, ScalarBoolean):
            node[key] = bool(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            node[key] = int(value)
        elif isinstance(value, str):
            node[key] = str(value)


def place_of(node: object, key: object, file: str) -> Place:
    """Return where a key of a mapping, or an item of a list, stands."""
    try:
        if isinstance(node, CommentedMap):
            line, column = node.lc.key(key)
        elif isinstance(node, CommentedSeq):
            line, column = node.lc.item(key)
        else:
            return Place(file=file)
    except (KeyError, TypeError):  # a key that a YAML merge brought in stands elsewhere
        return place_of_node(node, file)
    return Place(file=file, line=line + 1, column=column + 1)


def place_of_node(node: object, file: str) -> Place:
    """Return where a mapping or a list begins."""
    if isinstance(node, CommentedMap | CommentedSeq) and node.lc.line is not None:
        return Place(file=file, line=node.lc.line + 1, column=node.lc.col + 1)
    return Place(file=file)


def as_mapping(node: object) -> Mapping[object, object] | None:
    """Return a node if it is a mapping."""
    return node if isinstance(node, Mapping) else None
