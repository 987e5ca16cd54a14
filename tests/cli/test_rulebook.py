"""`tellal rules check`, as a product manager uses it."""

import shutil
from pathlib import Path

import pytest

import rules
from tests.support.terminal import run


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A copy of the shipped rule files, to be broken."""
    return shutil.copytree(Path(rules.__file__).parent / "book", tmp_path / "book")


def test_the_shipped_rule_files_are_in_order() -> None:
    said = run("rules", "check")

    assert (said.code, said.out) == (0, "The rule files are in order.\n")


def test_a_mistake_is_shown_where_it_stands(book: Path) -> None:
    file = book / "security.yaml"
    broken = file.read_text(encoding="utf-8").replace("class: service", "clas: service", 1)
    file.write_text(broken, encoding="utf-8")
    line = next(n for n, text in enumerate(broken.splitlines(), 1) if "clas: service" in text)

    said = run("rules", "check", str(book))

    assert said.code == 1
    assert f"security.yaml:{line}:" in said.out
    assert "class" in said.out
    assert "Traceback" not in said.err


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    said = run("rules", "check", str(tmp_path / "nowhere"))

    assert said.code == 1
    assert "nowhere" in said.out + said.err
    assert "Traceback" not in said.err
