"""The pages that teach the language do what they say."""

import re
from pathlib import Path

import pytest

from rules.rulebook import load_rulebook
from rules.sections import SectionReader
from rules.trials.reading import read_trials
from rules.trials.running import Standing, run

PAGES = Path(__file__).parents[2] / "docs" / "rules"
EXAMPLES = sorted((PAGES / "examples").glob("*.md"))
_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# file: (\S+)\n")


def unpack(page: Path, folder: Path) -> None:
    """Write a page's rule files and, as the last, its tests."""
    *rules, tests = _BLOCK.findall(page.read_text(encoding="utf-8"))
    for text in rules:
        named = _FILE.match(text)
        (folder / (named[1] if named else "rules.yaml")).write_text(text, encoding="utf-8")
    (folder / "rules_test.yaml").write_text(tests, encoding="utf-8")


def test_there_are_eleven_and_the_first_page_leads_to_each() -> None:
    index = (PAGES / "README.md").read_text(encoding="utf-8")

    assert len(EXAMPLES) == 11
    assert all(f"(examples/{page.name})" in index for page in EXAMPLES)


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.stem)
def test_an_example_is_in_order_and_its_tests_pass(page: Path, tmp_path: Path) -> None:
    unpack(page, tmp_path)

    book = load_rulebook(tmp_path)
    results = run(book, read_trials(book, tmp_path))

    assert results
    assert [str(one) for one in results if one.standing is not Standing.PASSED] == []


def test_the_first_page_names_every_key_of_every_section() -> None:
    text = (PAGES / "README.md").read_text(encoding="utf-8")
    source = Path(SectionReader.__init__.__code__.co_filename).read_text(encoding="utf-8")

    keys = {key for group in re.findall(r"\{(\"[a-z_\", ]+\")\}", source) for key in group.split()}
    missing = [key for key in (key.strip('",') for key in keys) if f"`{key}`" not in text]

    assert missing == []
