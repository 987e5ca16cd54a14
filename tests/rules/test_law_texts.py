"""The law of texts is read strictly, from a country's folder or its base's."""

import shutil
from pathlib import Path

import pytest

from rules.law_texts import load_text_laws
from rules.source import SHIPPED_LAW
from tellal.domain.errors import RulebookError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the law that ships."""
    return Path(shutil.copytree(SHIPPED_LAW, tmp_path / "law"))


def test_a_country_has_its_own_law_or_that_of_its_base() -> None:
    laws = load_text_laws()

    assert (laws.of("TR").stop_word, laws.of("PL").stop_word, laws.of("DE").pack) == (
        "RET",
        "STOP",
        "eu",
    )
    assert laws.of("PL").fines == ()
    assert all(duty.source and duty.mend for law in laws.all for duty in law.duties)


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("tr/content.yaml", "free: true", "fee: true", "unknown key 'fee'"),
        ("tr/content.yaml", "offence: no_refusal", "offence: none", "no fine is set for 'none'"),
        ("tr/content.yaml", "needs: [trade_name, mersis]", "needs: [nom]", "a sender has no 'nom'"),
        ("tr/footers.yaml", "{trade_name} Mersis", "{trade} Mersis", "may not name {trade}"),
        ("tr/footers.yaml", "channels: [push]", "channels: [sms]", "no English footer for push"),
        ("tr/fines.yaml", "least: 1000", "least: 9000", "the least is more than the most"),
        ("eu/words.yaml", "kind: offer", "kind: offers", "'offers' is not one of"),
    ],
)
def test_a_mistake_is_told_at_its_place(
    folder: Path, file: str, old: str, new: str, told: str
) -> None:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")

    with pytest.raises(RulebookError) as refused:
        load_text_laws(folder)

    finding = refused.value.findings[0]
    assert told in " ".join(one.message for one in refused.value.findings)
    assert finding.file == file
    assert finding.line >= 1
