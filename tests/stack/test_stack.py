"""The whole stack comes up, bears the loss of a part, explains a failure, and leaves nothing."""

import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from tellal.settings import Settings
from tellal.stack.premises import Premises
from tellal.stack.process import PartError
from tellal.stack.progress import Progress, Stage
from tellal.stack.stack import Stack
from tellal.stack.temporal import Temporal
from tests.support.processes import processes_in, until
from tests.support.terminal import run_process as run, start

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as running:
        yield running


@pytest.fixture
def temporary(premises: Premises, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary folders, so that one sees what is left in it."""
    place = premises.folder / "temporary"
    place.mkdir(mode=0o711, exist_ok=True)
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield place
    assert until(lambda: not left_in(place)), left_in(place)


def left_in(folder: Path) -> list[object]:
    return [*folder.iterdir(), *processes_in(folder)]


def send_over_netgsm(stack: Stack, text: str) -> None:
    account = stack.settings.netgsm
    httpx.post(
        f"{stack.carrier_url}/sms/rest/v2/send",
        json={
            "msgheader": "BANKA",
            "iysfilter": "0",
            "messages": [{"no": "5321112233", "msg": text}],
        },
        auth=(account.usercode, account.password.get_secret_value()),
    ).raise_for_status()


def test_every_part_answers(stack: Stack) -> None:
    pages = (
        f"{stack.api_url}/healthz",
        f"{stack.carrier_url}/healthz",
        f"{stack.mailbox_url}/healthz",
        stack.temporal_ui_url,
    )

    assert [httpx.get(page, follow_redirects=True).status_code for page in pages] == [200] * 4
    assert set(stack.logs()) == {"postgres", "temporal", "carrier", "mailbox", "api", "worker"}
    assert all(log.exists() for log in stack.logs().values())


def test_api_and_worker_show_what_they_count(stack: Stack) -> None:
    def worker_has_read() -> bool:
        return "tellal_ledger_read_timestamp_seconds 1." in httpx.get(stack.metrics_url).text

    assert until(worker_has_read)
    assert (
        'tellal_lane_oldest_due_seconds{lane="critical"} 0.0' in httpx.get(stack.metrics_url).text
    )
    assert 'route="/healthz"' in httpx.get(f"{stack.api_url}/metrics").text


def test_the_carrier_comes_back_with_its_book(stack: Stack) -> None:
    send_over_netgsm(stack, "x")
    assert stack.carrier is not None

    stack.carrier.kill()
    revived = stack.revive()

    book = httpx.get(f"{stack.carrier_url}/_carrier/book").json()["entries"]
    assert revived == ("carrier",)
    assert [entry["text"] for entry in book] == ["x"]


def test_the_worker_asks_for_reports(stack: Stack) -> None:
    def has_the_lease() -> bool:
        with psycopg.connect(stack.database_url.replace("+psycopg", "")) as connection:
            rows = connection.execute("SELECT name FROM leases WHERE until > now()").fetchall()
        return ("netgsm-reports",) in rows

    assert until(has_the_lease)
    assert "a part failed" not in stack.logs()["worker"].read_text(errors="replace")


def test_reports_are_pushed_to_the_api_and_the_secret_is_nowhere_to_be_read(stack: Stack) -> None:
    secret = stack.settings.netgsm.callback_secret.get_secret_value()
    pushed = 'route="/v1/hooks/netgsm/{secret}",status="204"'
    send_over_netgsm(stack, "pushed")

    assert until(lambda: pushed in httpx.get(f"{stack.api_url}/metrics").text)
    assert secret
    for text in (
        httpx.get(f"{stack.api_url}/metrics").text,
        *(log.read_text(errors="replace") for log in stack.logs().values()),
    ):
        assert secret not in text


@pytest.mark.parametrize("part", ["worker", "api", "postgres", "temporal"])
def test_a_part_that_dies_is_started_again(stack: Stack, part: str) -> None:
    getattr(stack, part).kill()
    dead = not getattr(stack, part).alive

    revived = stack.revive()

    assert dead
    assert revived == (part,)
    assert httpx.get(f"{stack.api_url}/healthz").status_code == 200


def test_a_part_that_fails_is_named_and_takes_the_rest_with_it(
    temporary: Path, database_url: str, temporal_server: Temporal
) -> None:
    news: list[Progress] = []
    settings = Settings(
        database_url=SecretStr(database_url),
        TEMPORAL_ADDRESS=temporal_server.address,
        rulebook=temporary / "nowhere",
    )

    with pytest.raises(PartError) as failure, Stack(settings=settings, announce=news.append):
        pytest.fail("it came up without rules")

    assert failure.value.part == "api"
    assert failure.value.tail
    assert failure.value.mend
    assert news[-1].stage is Stage.FAILED
    assert {progress.part for progress in news} == {
        "temporal",
        "database",
        "carrier",
        "mailbox",
        "api",
        "worker",
    }
    assert left_in(temporary) == []


def test_a_failure_at_the_command_line_is_explained(temporary: Path) -> None:
    said = run("demo", TELLAL_RULEBOOK=str(temporary / "nowhere"), TMPDIR=str(temporary))

    assert said.code == 1
    assert "api ended before it was ready" in said.err
    assert "To mend it: " in said.err
    assert "Traceback (most recent call last)" not in said.err


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, id="ctrl-c"),
        pytest.param(signal.SIGTERM, id="sigterm"),
        pytest.param(signal.SIGKILL, id="sigkill"),
    ],
)
def test_a_demo_that_is_broken_off_leaves_nothing(temporary: Path, number: signal.Signals) -> None:
    demo = start("demo", TMPDIR=str(temporary))
    assert demo.stdout is not None
    while "worker" not in demo.stdout.readline():
        assert demo.poll() is None

    demo.send_signal(number)
    demo.communicate(timeout=120)

    assert demo.returncode != 0


def test_dev_says_where_everything_is_and_keeps_its_data(premises: Premises) -> None:
    data = premises.folder / "dev"
    keys = []
    for _ in range(2):
        dev = start("dev", "--data", str(data))
        assert dev.stdout is not None
        lines = []
        while "Ctrl-C" not in (line := dev.stdout.readline()):
            assert line, dev.communicate()
            lines.append(line)
        (key,) = (line.split()[-1] for line in lines if line.startswith("Key"))
        (api,) = (line.split()[-1] for line in lines if line.startswith("API"))
        keys.append(key)
        assert httpx.get(api).status_code == 200
        dev.send_signal(signal.SIGINT)
        dev.communicate(timeout=120)

    assert keys[0] == keys[1]
    assert until(lambda: not processes_in(data))
