"""Our top-level packages carry everyday names: nothing that is installed may have them too."""

import sys
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
OURS = ("tellal", "rules", "activities", "workflows", "api", "templates", "worker")


@pytest.mark.parametrize("name", OURS)
def test_a_top_level_name_is_ours_alone(name: str) -> None:
    owners = {owner.lower() for owner in packages_distributions().get(name, [])}

    assert owners <= {"tellal"}
    assert name not in sys.stdlib_module_names


@pytest.mark.parametrize("name", OURS)
def test_a_top_level_name_is_found_in_this_project(name: str) -> None:
    found = Path(import_module(name).__file__ or "")

    assert found.is_relative_to(ROOT)
