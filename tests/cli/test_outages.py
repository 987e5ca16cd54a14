"""Outages at the command line, down to the database: what is printed is what has happened."""

import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Row, select, update

from rules.incident_files import SHIPPED, load_incidents
from tellal.clock import SystemClock
from tellal.domain.channels import Channel
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.outages import OutageEntryRow, OutageReviewRow, OutageRow
from tellal.services.keys import Role, Scope, create_key
from tests.support.builders import a_brand, a_customer
from tests.support.terminal import Said, run

pytestmark = pytest.mark.req("B19")

NAME = "porsuk-edas"
HERE = {"customer.district": "tepebasi"}
ISTANBUL = ZoneInfo("Europe/Istanbul")
PEOPLE = 3
_entries = table(OutageEntryRow)
_outages = table(OutageRow)
_reviews = table(OutageReviewRow)

Outage = Callable[..., Said]


@pytest.fixture
async def keys(sessions: Sessions) -> dict[str, str]:
    """Three people in Tepebaşı, and the keys of Ada, of Bob, and of nobody in person."""
    tokens = {}
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx, NAME)
        for n in range(PEOPLE):
            contacts = {Channel.SMS: f"+90535000000{n}"}
            await a_customer(tx, brand, f"in-{n}", contacts=contacts, facts=HERE)
        now = SystemClock().now()
        for name in ("ada", "bob"):
            _, tokens[name] = await create_key(
                tx, brand.id, name, (), now=now, person=f"{name}@x.example", roles=[Role.OPERATOR]
            )
        for name, scope in {"wall": Scope.OUTAGES_READ, "system": Scope.OUTAGES_WRITE}.items():
            _, tokens[name] = await create_key(tx, brand.id, name, [scope], now=now)
    return tokens


@pytest.fixture
def settings(database_url: str, keys: dict[str, str]) -> dict[str, str]:
    """A set-up whose text messages go by Twilio."""
    del keys
    return {"TELLAL_DATABASE_URL": database_url, "TELLAL_TWILIO__ACCOUNT_SID": "AC1"}


@pytest.fixture
def outage(settings: dict[str, str]) -> Outage:
    """Give a command for the brand."""

    def give(*words: str, **more: str) -> Said:
        return run("outage", *words, "--brand", NAME, **settings, **more)

    return give


@pytest.fixture
def strict(tmp_path: Path) -> str:
    """A folder of incidents in which one person may tell two people at most."""
    folder = shutil.copytree(SHIPPED, tmp_path / "incidents")
    kinds = folder / "kinds.yaml"
    said = kinds.read_text(encoding="utf-8")
    kinds.write_text(re.sub(r"approval_above: \d+", "approval_above: 2", said), encoding="utf-8")
    return str(folder)


def well(said: Said) -> Said:
    assert said.code == 0, said.err
    return said


def id_of(said: Said) -> str:
    return well(said).out.split()[0]


def next_of(said: Said) -> list[str]:
    """Return the commands that are named as the next ones."""
    return re.findall(
        r"^Next: tellal outage ([a-z]+) \w+ --brand porsuk-edas", said.out, re.MULTILINE
    )


async def row_of(sessions: Sessions, outage_id: str) -> Row[Any]:
    async with sessions() as tx:
        return (await tx.execute(select(_outages).where(_outages.c.id == outage_id))).one()


async def history(sessions: Sessions, outage_id: str) -> list[Row[Any]]:
    query = select(_entries).where(_entries.c.outage_id == outage_id).order_by(_entries.c.id)
    async with sessions() as tx:
        return list((await tx.execute(query)).all())


@pytest.mark.req("B04", "allows")
@pytest.mark.req("B13")
async def test_a_failure_from_its_preset_to_what_was_learnt(
    outage: Outage, sessions: Sessions
) -> None:
    listed = well(outage("presets"))
    none = outage("list")
    declared = outage("declare", "--preset", "tepebasi_dark", "--by", "Ada")
    outage_id = id_of(declared)
    suspected = await row_of(sessions, outage_id)
    planned = outage("plan", outage_id)
    shown = outage("show", outage_id, "--text", "en=We are looking.")
    confirmed = outage("confirm", outage_id, "--by", "Ada")
    updated = outage("update", outage_id, "--until", "+9h", "--text", "en=It takes longer.")
    running = outage("list")
    resolved = outage("resolve", outage_id)
    gone = outage("list")
    reviewed = outage("review", outage_id, "--happened", "A fuse", "--changes", "A spare one")
    viewed = outage("view", outage_id)
    every = outage("list", "--all")

    assert re.search(r"^tepebasi_dark +failure +Tepebaşı is dark$", listed.out, re.MULTILINE)
    assert set(load_incidents().presets) == {one.split()[0] for one in listed.out.splitlines()}
    assert none.out == gone.out == "No outage.\n"
    assert (suspected.state, suspected.areas) == ("suspected", [{"district": "tepebasi"}])
    for said in (declared, planned):
        assert f"{PEOPLE} people are affected, {PEOPLE} would be told" in said.out
        assert re.search(r"for \d+\.\d\d USD; public: page", said.out)
        assert re.search(r"^  sms +everybody +3  ", said.out, re.MULTILINE)
        assert next_of(said) == ["confirm", "show", "dismiss"]
    assert next_of(shown) == ["confirm", "show", "dismiss"]
    assert f"{outage_id}  confirmed  Tepebaşı is dark" in confirmed.out
    assert "round 1 (notice, deciding): nobody yet" in confirmed.out
    assert next_of(confirmed) == next_of(updated) == ["update", "resolve"]
    assert "round 2 (update, deciding)" in updated.out
    assert running.out.split()[:2] == [outage_id, "confirmed"]
    assert next_of(resolved) == ["review", "reopen"]
    assert reviewed.code == 0
    assert every.out.split()[:2] == [outage_id, "resolved"]
    commands = ["declare", "show", "confirm", "update", "resolve", "review"]
    entries = await history(sessions, outage_id)
    assert [one.command for one in entries] == commands
    assert entries[0].by == "command line (Ada)"
    assert entries[3].public["en"] == "It takes longer."
    assert re.findall(r"UTC  (\w+)", viewed.out)[: len(commands)] == commands
    async with sessions() as tx:
        review = (await tx.execute(select(_reviews))).one()
    assert (review.outage_id, review.what_changes) == (outage_id, "A spare one")


@pytest.mark.req("B10", "allows")
async def test_planned_works_from_their_draft_to_their_end(
    outage: Outage, sessions: Sessions
) -> None:
    begins = (datetime.now(ISTANBUL) + timedelta(days=6)).replace(hour=10, minute=0, second=0)
    start = f"{begins:%Y-%m-%dT%H:%M}"
    declared = outage(
        "declare", "--preset", "grid_works", "--from", start, "--until", "+2h",
        "--area", "district=tepebasi",
    )  # fmt: skip
    outage_id = id_of(declared)
    draft = await row_of(sessions, outage_id)
    announced = outage("confirm", outage_id)
    moved = outage("update", outage_id, "--from", f"{start}+03:00", "--until", "13:30")
    later = await row_of(sessions, outage_id)
    cancelled = outage("cancel", outage_id)

    at = begins.astimezone(UTC).replace(microsecond=0)
    assert (draft.state, draft.starts_at, draft.expected_end) == (
        "draft",
        at,
        at + timedelta(hours=2),
    )
    assert next_of(declared) == ["confirm", "update", "cancel"]
    assert f"{outage_id}  announced  Works on the grid" in announced.out
    assert next_of(announced) == next_of(moved) == ["update", "cancel"]
    assert later.expected_end == at + timedelta(hours=3, minutes=30)
    assert f"{outage_id}  cancelled" in cancelled.out
    commands = [one.command for one in await history(sessions, outage_id)]
    assert commands == ["declare", "announce", "reschedule", "cancel"]


async def test_works_that_have_begun_are_resolved_by_the_same_command(
    outage: Outage, sessions: Sessions
) -> None:
    outage_id = id_of(outage("declare", "--preset", "grid_works", "--from", "+6d"))
    well(outage("confirm", outage_id))
    async with sessions() as tx, tx.begin():
        change = update(_outages).where(_outages.c.id == outage_id)
        await tx.execute(change.values(state="in_progress", started_at=SystemClock().now()))

    done = outage("resolve", outage_id)

    assert f"{outage_id}  completed" in well(done).out
    assert next_of(done) == ["review"]


@pytest.mark.parametrize("said", ["18:30", "+2h", "+90m", "iso", "naive"])
async def test_times_are_read_as_people_say_them(
    outage: Outage, sessions: Sessions, said: str
) -> None:
    before = datetime.now(UTC)
    tomorrow = (datetime.now(ISTANBUL) + timedelta(days=1)).replace(microsecond=0, second=0)
    written = {"iso": tomorrow.isoformat(), "naive": f"{tomorrow:%Y-%m-%dT%H:%M}"}.get(said, said)

    declared = outage("declare", "Dark", "--until", written)

    end = (await row_of(sessions, id_of(declared))).expected_end
    assert f"expected end: {end.astimezone(ISTANBUL):%Y-%m-%d %H:%M %Z}" in declared.out
    match said:
        case "18:30":
            assert (f"{end.astimezone(ISTANBUL):%H:%M:%S}") == "18:30:00"
            assert timedelta() < end - before <= timedelta(days=1, minutes=1)
        case "+2h" | "+90m":
            span = timedelta(hours=2) if said == "+2h" else timedelta(minutes=90)
            assert abs(end - before - span) <= timedelta(minutes=1)
        case _:
            assert end == tomorrow


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        pytest.param(
            ["declare", "Dark", "--until", "soon"], 2, "write 18:30, +2h or 2026-", id="time"
        ),
        pytest.param(["declare", "Dark", "--until", "25:00"], 2, "no time of day", id="clock"),
        pytest.param(["declare", "Dark", "--area", "tepebasi"], 2, "is not PART=NAME", id="area"),
        pytest.param(
            ["declare", "Dark", "--area", "distrikt=x"], 1, "it names province, district", id="part"
        ),
        pytest.param(["declare"], 1, "or name a preset", id="no title"),
        pytest.param(["declare", "--preset", "dark"], 1, "it has app_down", id="preset"),
        pytest.param(
            ["declare", "Dark", "--incident", "power_failur"], 1, "power_failure", id="kind"
        ),
        pytest.param(["confirm", "x", "--channel", "sms"], 2, "is not CHANNEL=WHOM", id="channel"),
        pytest.param(["show", "x", "--text", "merhaba"], 2, "is not LANGUAGE=LINE", id="text"),
        pytest.param(["view", "nowhere"], 1, "no such outage", id="outage"),
        pytest.param(
            ["declare", "Dark", "--as", "tlk_x"], 1, "no working key of the brand", id="key"
        ),
    ],
)
async def test_wrong_input_is_answered_with_what_to_write(
    outage: Outage, sessions: Sessions, words: list[str], code: int, says: str
) -> None:
    said = outage(*words)

    assert said.code == code
    # The terminal's frame breaks long lines.
    assert says in " ".join(re.sub(r"[│╭╮╰╯─]", " ", said.err).split())
    assert "Traceback" not in said.err
    async with sessions() as tx:
        assert (await tx.execute(select(_outages))).all() == []


@pytest.mark.req("B12", "blocks")
@pytest.mark.req("B12", "allows")
async def test_what_people_can_do_is_asked_for_before_they_are_told(
    outage: Outage, sessions: Sessions
) -> None:
    declared = outage("declare", "Dark", "--incident", "power_failure", "--until", "+4h")
    outage_id = id_of(declared)
    refused = outage("confirm", outage_id)
    well(outage("update", outage_id, "--no-workaround"))
    confirmed = outage("confirm", outage_id)

    assert "mind: nobody has said what people can do meanwhile" in declared.out
    assert (refused.code, "say `no_workaround`" in refused.err) == (1, True)
    assert (await row_of(sessions, outage_id)).no_workaround
    assert well(confirmed).out.startswith(f"{outage_id}  confirmed")


async def test_two_persons_with_keys_of_their_own_tell_more_people_than_one_may(
    outage: Outage, sessions: Sessions, keys: dict[str, str], strict: str
) -> None:
    def give(*words: str, key: str = "") -> Said:
        return outage(*words, TELLAL_INCIDENTS=strict, **({"TELLAL_KEY": key} if key else {}))

    declared = give("declare", "--preset", "tepebasi_dark")
    outage_id = id_of(declared)
    anybody = give("confirm", outage_id, "--by", "Ada")
    wall = give("confirm", outage_id, "--as", keys["wall"])
    system = give("confirm", outage_id, "--as", keys["system"])
    asked = give("confirm", outage_id, "--as", keys["ada"])
    alone = give("confirm", outage_id, key=keys["ada"])
    in_another_name = give("confirm", outage_id, "--by", "Bob")
    waiting = await row_of(sessions, outage_id)
    confirmed = give("confirm", outage_id, key=keys["bob"])

    assert "more than 2 people: a second person has to confirm it" in declared.out
    assert (anybody.code, "each with his own key" in anybody.err) == (1, True)
    assert (system.code, "each with his own key" in system.err) == (1, True)
    assert (wall.code, "lacks the scope outages:write" in wall.err) == (1, True)
    assert "nobody is told now: 3 people are affected" in well(asked).out
    assert (alone.code, "somebody else has to confirm it" in alone.err) == (1, True)
    assert (in_another_name.code, "TELLAL_KEY" in in_another_name.err) == (1, True)
    assert (waiting.state, waiting.asked_by) == ("suspected", "ada@x.example")
    assert well(confirmed).out.startswith(f"{outage_id}  confirmed")
    row = await row_of(sessions, outage_id)
    assert row.confirmed_by == "bob@x.example"
    commands = [(one.command, one.by) for one in await history(sessions, outage_id)]
    assert commands[1:] == [("ask", "ada@x.example"), ("confirm", "bob@x.example")]


async def test_in_an_emergency_nobody_is_waited_for_and_that_is_written_down(
    outage: Outage, sessions: Sessions, strict: str
) -> None:
    outage_id = id_of(outage("declare", "--preset", "tepebasi_dark", TELLAL_INCIDENTS=strict))

    done = outage(
        "confirm", outage_id, "--break-glass", "a hospital is dark", TELLAL_INCIDENTS=strict
    )

    assert well(done).out.startswith(f"{outage_id}  confirmed")
    assert (await row_of(sessions, outage_id)).broke_glass == "a hospital is dark"


async def test_the_plan_is_overridden_with_a_reason(outage: Outage, sessions: Sessions) -> None:
    outage_id = id_of(outage("declare", "--preset", "tepebasi_dark"))
    refused = outage("confirm", outage_id, "--channel", "sms=nobody")

    done = outage("confirm", outage_id, "--channel", "sms=nobody", "--reason", "only two streets")

    assert (refused.code, "say why" in refused.err) == (1, True)
    assert well(done).code == 0
    plan = (await row_of(sessions, outage_id)).plan
    assert (plan["overridden"], plan["reason"]) == ({"sms": "nobody"}, "only two streets")
    assert plan["parts"] == []


async def test_an_exercise_says_so_and_a_suspicion_can_be_dismissed_or_opened_again(
    outage: Outage, sessions: Sessions
) -> None:
    exercise = outage("declare", "--preset", "tepebasi_dark", "--exercise")
    real = id_of(outage("declare", "--preset", "tepebasi_dark"))
    twin = outage("declare", "--preset", "tepebasi_dark")
    another = id_of(outage("declare", "--preset", "tepebasi_dark", "--anyway"))
    dismissed = outage("dismiss", another)
    well(outage("confirm", real))
    well(outage("resolve", real))
    reopened = outage("reopen", real, "--until", "+5h")

    assert exercise.out.startswith("EXERCISE  ")
    assert (await row_of(sessions, exercise.out.split()[1])).simulated
    assert (twin.code, "say `anyway`" in twin.err) == (1, True)
    assert f"{another}  dismissed" in dismissed.out
    assert f"{real}  confirmed" in well(reopened).out


@pytest.mark.req("B14", "allows")
async def test_the_report_says_how_fast_outages_were_told(
    outage: Outage, sessions: Sessions, settings: dict[str, str]
) -> None:
    outage_id = id_of(outage("declare", "--preset", "tepebasi_dark"))
    well(outage("confirm", outage_id, "--break-glass", "a hospital is dark"))
    well(outage("resolve", outage_id))
    at = datetime(2026, 3, 2, 7, tzinfo=UTC)
    async with sessions() as tx, tx.begin():
        change = update(_outages).where(_outages.c.id == outage_id)
        await tx.execute(
            change.values(
                declared_at=at,
                first_signal_at=at,
                shown_at=at + timedelta(minutes=3),
                confirmed_at=at + timedelta(minutes=5),
            )
        )
    period = ("--until", (at + timedelta(days=1)).isoformat(), "--days", "2")

    said = run("report", "outages", "--brand", NAME, *period, **settings)
    naive = run("report", "outages", "--brand", NAME, "--until", "2026-03-01", **settings)

    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("1 outages, 2026-03-01 to 2026-03-03 (UTC)\n")
    assert re.search(r"first signal to first public notice +180 s \(median\)", said.out)
    assert re.search(r"first signal to confirmed +300 s \(median\)", said.out)
    assert re.search(r"confirmed to first direct notice +- \(median\)", said.out)
    assert "needs a review; broke glass: a hospital is dark" in said.out
    assert (naive.code, "with its offset" in naive.err) == (2, True)
