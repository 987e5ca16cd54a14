"""Publishing at the command line, with one's own key, on a real database."""

from pathlib import Path
from shutil import copytree

import pytest

from rules.source import SHIPPED
from tellal.clock import SystemClock
from tellal.domain.channels import Channel
from tellal.persistence.session import Sessions
from tellal.services.keys import create_key
from tests.support.builders import a_brand, a_customer
from tests.support.terminal import Said, run


@pytest.fixture
async def keys(sessions: Sessions) -> dict[str, str]:
    """Keys of Ada, who writes, of Bob, who approves, and of a system."""
    tokens = {}
    now = SystemClock().now()
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(
            tx,
            brand,
            contacts={Channel.EMAIL: "ayse@example.com"},
            consents={Channel.EMAIL: "granted"},
        )
        for name, role in (("ada", "author"), ("bob", "approver")):
            _, tokens[name] = await create_key(
                tx, brand.id, name, (), now=now, person=f"{name}@bank.example", roles=[role]
            )
        _, tokens["core"] = await create_key(tx, brand.id, "core", ["rulebook:write"], now=now)
    return tokens


NOBODY = "customer.age: {exists: false}"
GROWN_UPS = "customer.age: {lt: 19}"
"""Of whom the age is not known is spoken to or not: each time it concerns the one customer."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of rule files in which a team has changed a rule."""
    copy = copytree(SHIPPED, tmp_path / "book")
    edit(copy, "customer.age: {lt: 18}", NOBODY)
    return copy


def edit(folder: Path, old: str, new: str, file: str = "common.yaml") -> None:
    path = folder / file
    said = path.read_text(encoding="utf-8")
    assert old in said
    path.write_text(said.replace(old, new), encoding="utf-8")


def test_two_persons_publish_and_one_more_revision_can_be_taken_back(
    keys: dict[str, str], database_url: str, folder: Path, tmp_path: Path
) -> None:
    def rules(who: str, *words: str) -> Said:
        said = run("rules", *words, TELLAL_DATABASE_URL=database_url, TELLAL_KEY=keys[who])
        assert said.code == 0, said.err
        return said

    proposed = rules("ada", "publish", str(folder), "--note", "Twice a week")
    first = proposed.out.split("tellal rules approve ")[1].strip()
    approved = rules("bob", "approve", first)
    published = rules("ada", "publish", str(folder))
    edit(folder, NOBODY, GROWN_UPS)
    second = rules("ada", "publish", str(folder)).out.split("approve ")[1].strip()
    rules("bob", "approve", second)
    rules("ada", "publish", "--revision", second)
    asked = rules("ada", "rollback", first, "--note", "Too often")
    rules("bob", "approve", first)
    rules("ada", "publish", "--revision", first)
    rules("ada", "show", first, "--into", str(tmp_path / "there"))
    edit(folder, GROWN_UPS, NOBODY)
    history = rules("ada", "history")
    verified = run("verify", "rulebook", TELLAL_DATABASE_URL=database_url)

    assert "It concerns 1 customers, more than 0" in proposed.out
    assert "bob@bank.example agrees to what ada@bank.example has proposed." in approved.out
    assert published.out.endswith("is in force.\n")
    assert "is proposed and not in force yet" in asked.out
    written = {path.name: path.read_bytes() for path in (tmp_path / "there/rules").glob("*.yaml")}
    assert written == {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if not path.name.endswith("_test.yaml")
    }
    actions = [line.split(" by ")[0].split()[-1] for line in history.out.splitlines()]
    assert actions[:3] == ["rollback", "approve", "propose"]
    assert "propose by ada@bank.example: Too often" in history.out
    assert verified.out.startswith("The log of the rulebook is whole: 9 records")


@pytest.mark.parametrize(
    ("who", "words"),
    [
        pytest.param("", "a working key of your own is needed", id="nobody"),
        pytest.param("core", "this key is nobody's own", id="a system"),
        pytest.param("bob", "lacks the scope rulebook:write", id="another role"),
    ],
)
def test_who_publishes_is_a_person_who_may(
    keys: dict[str, str], database_url: str, folder: Path, who: str, words: str
) -> None:
    key = keys.get(who, "")

    said = run("rules", "publish", str(folder), "--as", key, TELLAL_DATABASE_URL=database_url)

    assert said.code == 1
    assert words in said.err


def test_mistakes_are_shown_with_their_places(
    keys: dict[str, str], database_url: str, folder: Path
) -> None:
    edit(folder, "reason: promo_cap", "reasn: promo_cap", "iscep.yaml")

    said = run(
        "rules", "publish", str(folder), TELLAL_DATABASE_URL=database_url, TELLAL_KEY=keys["ada"]
    )

    assert said.code == 1
    assert "iscep.yaml:" in said.err
    assert "reasn" in said.err


def test_a_seal_that_is_not_there_is_told(database_url: str) -> None:
    said = run("verify", "rulebook", "--head", "sha256:00", TELLAL_DATABASE_URL=database_url)

    assert said.code == 1
    assert "the record with the seal sha256:00 is not there" in said.out
