"""The documents say what is so: code compiles, links lead somewhere, targets exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        *ROOT.glob("docs/**/*.md"),
    ]
)

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_TARGET = re.compile(r"\bmake ([a-z]+)\b")


def every_document() -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "document", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in DOCUMENTS]
    )


@every_document()
def test_python_in_documents_compiles(document: Path) -> None:
    for language, code in _FENCE.findall(document.read_text(encoding="utf-8")):
        if language == "python":
            compile(code, str(document), "exec")


@every_document()
def test_links_of_documents_lead_to_files(document: Path) -> None:
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))

    targets = [link.split("#")[0] for link in _LINK.findall(text) if "://" not in link]

    assert [t for t in targets if t and not (document.parent / t).exists()] == []


def test_the_make_targets_that_documents_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    offered = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))

    code = [
        span
        for document in DOCUMENTS
        for span in _code(document.read_text(encoding="utf-8"))
        if span.startswith("make ")
    ]
    named = {target for span in code for target in _TARGET.findall(span)}

    assert {"demo", "test"} <= named
    assert named <= offered


def test_the_files_that_documents_name_exist() -> None:
    named = {
        span
        for document in DOCUMENTS
        for span in re.findall(r"`([\w./-]+/[\w.-]+\.\w+)`", document.read_text(encoding="utf-8"))
    }

    missing = [name for name in sorted(named) if not (ROOT / name).exists()]

    assert named
    assert missing == []


def test_every_decision_is_listed_and_whole() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text(encoding="utf-8")

    for page in folder.glob("0*.md"):
        text = page.read_text(encoding="utf-8")
        assert f"({page.name})" in index
        for part in ("Status: ", "## Context", "## Decision", "## Consequences", "## Alternatives"):
            assert part in text, f"{page.name} lacks {part!r}"


def _code(text: str) -> list[str]:
    """Return what stands in code spans and in lines of shell blocks."""
    blocks = [code for language, code in _FENCE.findall(text) if language == "sh"]
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [*re.findall(r"`([^`\n]+)`", _FENCE.sub("", text)), *lines]
