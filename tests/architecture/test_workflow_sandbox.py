"""Each workflow loads in the sandbox, and brings nothing into it but itself."""

import subprocess
import sys
from importlib import import_module

import pytest
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import _Definition

from workflows.registry import WORKFLOWS

_FORBIDDEN = (
    "sqlalchemy",
    "sqlmodel",
    "psycopg",
    "httpx",
    "jinja2",
    "durable",
    "fastapi",
    "twilio",
)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.__name__)
async def test_it_loads_in_the_sandbox(workflow: type) -> None:
    definition = _Definition.must_from_class(workflow)

    SandboxedWorkflowRunner().prepare_workflow(definition)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.__name__)
def test_everything_that_it_uses_is_passed_through(workflow: type) -> None:
    """What is imported plainly is loaded anew for every run, which costs milliseconds each."""
    module = import_module(workflow.__module__)
    path = module.__file__ or ""
    with open(path, encoding="utf-8") as source:  # noqa: PTH123 - a module's own file
        plain = [line for line in source if line.startswith(("from ", "import "))]

    ours = ("tellal", "activities", "workflows", "rules", "templates")
    assert [line for line in plain if line.split()[1].startswith(ours)] == []


def test_no_workflow_reaches_a_library_that_does_things() -> None:
    """In a process of its own, because this one has loaded everything already."""
    program = (
        "import sys, workflows.registry;"
        f"print([m for m in sys.modules if m.split('.')[0] in {_FORBIDDEN!r}])"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert loaded.stdout.strip() == "[]"
