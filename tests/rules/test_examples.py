"""The examples of the language are rulebooks that load, and their tests pass."""

import re
from pathlib import Path

import pytest

from rules.lint import check
from rules.rulebook import load_rulebook
from rules.trials.reading import read_trials
from rules.trials.running import Standing, run

EXAMPLES = sorted((Path(__file__).parents[2] / "docs" / "rules" / "examples").glob("*.md"))

_YAML = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PACKAGE = re.compile(r"^package: (\w+)$", re.MULTILINE)


def a_folder(tmp_path: Path, page: Path) -> Path:
    for text in _YAML.findall(page.read_text(encoding="utf-8")):
        package = _PACKAGE.search(text)
        name = f"{package[1]}.yaml" if package else "fields.yaml"
        if re.search(r"^tests:$", text, re.MULTILINE):
            name = "page_test.yaml"
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.stem)
def test_an_example_does_what_it_says(tmp_path: Path, page: Path) -> None:
    folder = a_folder(tmp_path, page)
    book = load_rulebook(folder)

    results = run(book, read_trials(book, folder))

    failed = [(one.trial.name, one.differences) for one in results if one.differences]
    assert failed == []
    assert results
    assert all(one.standing is Standing.PASSED for one in results)
    assert [str(finding) for finding in check(folder) if not finding.warns] == []


def test_the_page_about_tests_shows_tests_that_pass(tmp_path: Path) -> None:
    page = EXAMPLES[0].parents[1] / "testing.md"
    book = load_rulebook()
    for number, text in enumerate(_YAML.findall(page.read_text(encoding="utf-8"))):
        (tmp_path / f"{number}_test.yaml").write_text(text, encoding="utf-8")

    results = run(book, read_trials(book, tmp_path))

    assert len(results) == 4
    assert [one.differences for one in results] == [()] * 4
