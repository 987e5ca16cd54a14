"""A child process that does not come up explains itself."""

import sys
from pathlib import Path

import pytest

from tellal.stack.premises import Premises
from tellal.stack.process import Child, PartError, Program
from tests.support.processes import runs, until

SAYS_WHY = "print('the teapot is empty', flush=True); raise SystemExit(3)"
SLEEPS = "import threading; print('waiting', flush=True); threading.Event().wait()"


def a_child(premises: Premises, code: str, name: str = "teapot") -> Child:
    program = Program(
        name=name,
        command=[sys.executable, "-c", code],
        environment={},
        directory=premises.folder,
        mend="fill it",
    )
    return Child(premises, program)


def test_a_part_that_ends_is_named_with_its_last_words_and_the_mend(premises: Premises) -> None:
    child = a_child(premises, SAYS_WHY)

    with pytest.raises(PartError, match=r"teapot ended before it was ready \(exit code 3\)") as e:
        child.start(lambda: False, within_s=30)

    assert e.value.tail == "the teapot is empty"
    assert e.value.mend == "fill it"
    assert e.value.log.read_text().endswith("the teapot is empty\n")


def test_a_part_that_is_never_ready_is_ended(premises: Premises) -> None:
    child = a_child(premises, SLEEPS)

    with pytest.raises(PartError, match="was not ready within"):
        child.start(lambda: False, within_s=0.5)

    assert not child.alive


def test_a_part_does_not_inherit_what_it_was_not_given(premises: Premises) -> None:
    child = a_child(premises, "import os; print(sorted(os.environ), flush=True)")

    child.run(within_s=30)

    assert "HOME" not in child.logged()


def test_the_log_of_an_earlier_run_is_kept_but_not_quoted(premises: Premises) -> None:
    child = a_child(premises, "print('once', flush=True)", name="twice")

    child.run(within_s=30)
    child.run(within_s=30)

    assert child.log_tail() == "once"
    assert child.log.read_text() == "once\nonce\n"


def test_what_a_part_started_ends_with_it(premises: Premises, tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    code = f"""
import pathlib, subprocess, sys
grandchild = subprocess.Popen([sys.executable, "-c", {SLEEPS!r}])
pathlib.Path({str(note)!r}).write_text(str(grandchild.pid))
grandchild.wait()
"""
    child = a_child(premises, code, name="family")
    child.start(lambda: note.exists() and bool(note.read_text()), within_s=30)
    grandchild = int(note.read_text())

    child.kill()

    assert until(lambda: not runs(grandchild))
