"""Alerts speak of metrics that exist, and each has a page that says what to do."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from api.app import create_app
from tellal import metrics
from tellal.settings import Settings
from tests.support.instruments import declared, series, table_of

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs" / "operations"
PAGES = sorted((OPERATIONS / "runbook").glob("*.md"))
PATHS = create_app(Settings()).openapi()["paths"]
PARTS = ("**It means** ", "**It matters to** ", "## Look", "## Mend", "## Call somebody")

_NAME = re.compile(r"\btellal_[a-z_]+")
_MATCHER = re.compile(r"\b(tellal_[a-z_]+)\{([^}]*)\}")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!=|!~|=)")
_BY = re.compile(r"\bby \(([\w, ]+)\)")


def rules() -> Iterator[dict[str, Any]]:
    written = YAML(typ="safe").load(OPERATIONS / "alerts.yaml")
    for group in written["groups"]:
        yield from group["rules"]


def every_rule() -> pytest.MarkDecorator:
    named = [(f"{n}-{rule['alert']}", rule) for n, rule in enumerate(rules())]
    return pytest.mark.parametrize("rule", [pytest.param(one, id=id) for id, one in named])


def labels_of(name: str) -> set[str]:
    return {"le", *series()[name]}


@every_rule()
def test_an_alert_names_only_metrics_and_labels_that_are_declared(rule: dict[str, Any]) -> None:
    named = _NAME.findall(rule["expr"])
    known = set().union(*(labels_of(name) for name in named))

    assert named
    assert set(named) <= series().keys()
    for name, matchers in _MATCHER.findall(rule["expr"]):
        assert set(_LABEL.findall(matchers)) <= labels_of(name)
    for by in _BY.findall(rule["expr"]):
        assert {label.strip() for label in by.split(",")} <= known
    for said in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
        assert said in known


@every_rule()
def test_an_alert_says_what_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    said = rule["annotations"]

    assert said.keys() == {"summary", "description", "runbook"}
    assert all(said.values())
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert said["runbook"] == f"docs/operations/runbook/{rule['alert']}.md"
    assert (ROOT / said["runbook"]).is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_belongs_to_an_alert_and_says_everything(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert page.stem in {rule["alert"] for rule in rules()}
    assert text.startswith(f"# {page.stem}\n")
    assert [part for part in PARTS if part not in text] == []
    assert set(_NAME.findall(text)) <= series().keys() | {"tellal_"}


def variables(settings: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            yield from variables(part, f"{variable}__")
        yield variable


@pytest.mark.parametrize("page", [*PAGES, OPERATIONS / "metrics.md"], ids=lambda page: page.stem)
def test_settings_and_addresses_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    named = set(re.findall(r"\bTELLAL_[A-Z_]*[A-Z]\b", text))
    assert sorted(named - set(variables(Settings, "TELLAL_"))) == []
    for method, path in re.findall(r"`(GET|POST) (/[\w/{}]+)", text):
        assert method.lower() in PATHS[path]


def test_metrics_are_described_as_they_are_declared() -> None:
    described = (OPERATIONS / "metrics.md").read_text(encoding="utf-8")

    assert table_of(declared()) in described, f"the table must read:\n{table_of(declared())}"


def test_names_keep_to_the_conventions_of_prometheus() -> None:
    for name, kind in ((one._name, one._type) for one in declared()):
        assert name.startswith("tellal_")
        if kind == "histogram":
            assert name.endswith("_seconds")


def test_every_instrument_is_shown_by_somebody() -> None:
    shown = {
        family.name
        for registry in (metrics.EVENTS, metrics.LEDGER)
        for family in registry.collect()
    }

    assert {one._name for one in declared()} == shown
