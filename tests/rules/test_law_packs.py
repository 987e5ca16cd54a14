"""Packs of the law: which country is under which, what falls back, what is wrong in a list."""

from pathlib import Path

import pytest

from rules.law_packs import load_packs
from tellal.domain.errors import RulebookError

LIST = """version: 1
packs:
  - {id: eu, means: Everybody}
  - {id: tr, means: Turkey, base: eu, countries: [TR]}
"""


def packs_in(folder: Path, words: str = LIST) -> Path:
    (folder / "packs.yaml").write_text(words)
    for name in ("eu", "tr"):
        (folder / name).mkdir()
        (folder / name / "consent.yaml").write_text(name)
    (folder / "eu" / "fines.yaml").write_text("eu")
    return folder


@pytest.mark.parametrize(("country", "pack"), [("TR", "tr"), ("PL", "pl"), ("DE", "eu")])
def test_a_country_is_under_its_pack_or_under_the_first(country: str, pack: str) -> None:
    assert load_packs().of(country).id == pack


def test_what_a_pack_has_not_its_base_says(tmp_path: Path) -> None:
    turkey = load_packs(packs_in(tmp_path)).of("TR")

    assert turkey.file("consent.yaml") == tmp_path / "tr" / "consent.yaml"
    assert turkey.file("fines.yaml") == tmp_path / "eu" / "fines.yaml"
    with pytest.raises(RulebookError, match="no-such"):
        turkey.file("no-such.yaml")


@pytest.mark.parametrize(
    ("was", "becomes", "wrong"),
    [
        ("version: 1", "version: 2", "packs.yaml:1:1: a list of packs says 'version: 1'"),
        ("base: eu", "base: us", "packs.yaml:4:29: no pack 'us' stands before this one"),
        ("[TR]", "[TR, TR]", "another pack has TR"),
        ("[TR]", "[Turkey]", "'Turkey' is no country"),
        ("id: tr", "id: eu", "there are two packs 'eu'"),
        ("base:", "bass:", "unknown key 'bass' (did you mean 'base'?)"),
    ],
)
def test_a_list_that_is_wrong_says_where(
    tmp_path: Path, was: str, becomes: str, wrong: str
) -> None:
    folder = packs_in(tmp_path, LIST.replace(was, becomes))

    with pytest.raises(RulebookError) as refused:
        load_packs(folder)

    assert wrong in str(refused.value)
