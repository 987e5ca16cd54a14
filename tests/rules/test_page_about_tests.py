"""The page about tests of rules shows tests that pass."""

import re
from pathlib import Path

from rules.rulebook import load_rulebook
from rules.trials.reading import read_trials
from rules.trials.running import run

PAGE = Path(__file__).parents[2] / "docs" / "rules" / "testing.md"
_YAML = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_about_tests_shows_tests_that_pass(tmp_path: Path) -> None:
    book = load_rulebook()
    for number, text in enumerate(_YAML.findall(PAGE.read_text(encoding="utf-8"))):
        (tmp_path / f"{number}_test.yaml").write_text(text, encoding="utf-8")

    results = run(book, read_trials(book, tmp_path))

    assert len(results) == 4
    assert [one.differences for one in results] == [()] * 4
