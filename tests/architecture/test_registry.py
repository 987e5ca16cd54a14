"""Every workflow and activity is offered, under a name of its own that no renaming changes."""

import ast
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import create_autospec

import pytest

from activities.lanes import HandOverDesk
from workflows import registry

ROOT = Path(__file__).parent.parent.parent
_NAMED = ("defn", "signal", "query", "update")


def decorators(folder: str) -> Iterator[tuple[str, str, str | None]]:
    """Yield the place, the kind and the explicit name of every Temporal definition in a folder."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for decorator in getattr(node, "decorator_list", []):
                call = decorator if isinstance(decorator, ast.Call) else None
                mark = call.func if call else decorator
                if isinstance(mark, ast.Attribute) and mark.attr in _NAMED:
                    place = f"{path.relative_to(ROOT)}:{decorator.lineno}"
                    yield place, f"{ast.unparse(mark)}", _name(call)


def _name(call: ast.Call | None) -> str | None:
    for keyword in call.keywords if call else []:
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return None


@pytest.mark.parametrize("folder", ["workflows", "activities"])
def test_every_definition_names_itself(folder: str) -> None:
    found = list(decorators(folder))

    assert found
    assert [place for place, _, name in found if name is None] == []


def test_every_workflow_is_offered_once() -> None:
    defined = [name for _, kind, name in decorators("workflows") if kind == "workflow.defn"]
    offered = [
        workflow.__temporal_workflow_definition.name  # type: ignore[attr-defined]  # set by the decorator
        for workflow in registry.WORKFLOWS
    ]

    assert sorted(offered) == sorted(name or "" for name in defined)
    assert len(set(offered)) == len(offered)
    assert all(name.startswith("Tellal") for name in offered)


def test_every_activity_is_offered_once() -> None:
    defined = [name for _, kind, name in decorators("activities") if kind == "activity.defn"]
    nobody = create_autospec(object)
    bound = [
        *registry.activities(journeys=nobody, cases=nobody, outages=nobody, campaigns=nobody),
        *registry.lane_activities(create_autospec(HandOverDesk), {}, {}),
    ]
    offered = [one.__temporal_activity_definition.name for one in bound]  # type: ignore[attr-defined]  # set by the decorator

    assert sorted(offered) == sorted(name or "" for name in defined)
    assert len(set(offered)) == len(offered)
    assert all(name.startswith("tellal.") for name in offered)
