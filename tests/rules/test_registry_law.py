"""What the law asks with regard to İYS is data, and a mistake in it is shown at its place."""

from datetime import time, timedelta
from pathlib import Path

import pytest

from rules.law_packs import load_packs
from rules.registry_law import FILE, load_registry_law
from tellal.domain.consents import SAID_TO_REGISTRY, TAKEN_BY_SENDER, Source
from tellal.domain.errors import RulebookError
from tellal.domain.registry import Status

SHIPPED = load_packs().packs["tr"].file(FILE).read_text(encoding="utf-8")


def test_what_ships() -> None:
    law = load_registry_law()

    assert (law.report_days, law.warn_days, law.oldest_days) == (3, 2, 3)
    assert law.half_day_ends == time(13)
    assert (law.batch, law.file_days) == (1000, 7)
    assert law.pull_every <= timedelta(hours=1)


@pytest.mark.parametrize("source", sorted(set(Source) - SAID_TO_REGISTRY))
def test_every_refusal_can_be_told(source: str) -> None:
    law = load_registry_law()

    told = law.source(source, Status.REFUSED)

    assert told in TAKEN_BY_SENDER
    assert told == source or source not in TAKEN_BY_SENDER


def test_a_grant_of_which_nobody_knows_how_it_was_given_is_not_told() -> None:
    assert load_registry_law().source("import", Status.GRANTED) == ""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version: 1", "version: 2", "version: 1"),
        ("business_days: 3\n    warn_after", "business_days: x\n    warn_after", "whole number"),
        ("warn_after: 2", "warn_after: 3", "from 1 to 2"),
        ("id: oldest", "id: newest", "'deadlines' lacks oldest"),
        ('ends: "13:00"', 'ends: "1 pm"', "is no hour"),
        ("most: 1000", "least: 1000", "unknown key 'least'"),
        ("every: 15m", "every: often", "time span"),
        ("granted: HS_FIZIKSEL_ORTAM", "granted: HS_BRANCH", "no source that a sender may name"),
        ("id: branch", "id: brunch", "no source of ours"),
        ("id: web\n", "id: branch\n", "stands twice"),
        ("refused: HS_EPOSTA", "granted: HS_EPOSTA", "never a grant"),
        ("source: Law 2429, article 2", "source: ''", "'source' is empty"),
    ],
)
def test_a_mistake_is_shown_at_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SHIPPED
    file = tmp_path / FILE
    file.write_text(SHIPPED.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(RulebookError) as raised:
        load_registry_law(file)

    findings = raised.value.findings
    assert any(message in one.message for one in findings), findings
    assert all(one.line >= 1 and one.file == FILE for one in findings)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RulebookError, match="cannot be read"):
        load_registry_law(tmp_path / FILE)
