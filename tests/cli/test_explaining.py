"""Why, at the command line, and a test that is written from a decision; on a real database."""

from pathlib import Path

import pytest

from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.persistence.session import Sessions
from tellal.services.house import House
from tests.support.builders import a_brand, a_customer
from tests.support.terminal import Said, run

NAME = "anadolu-bank"


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx, NAME)
        await a_customer(
            tx,
            brand,
            contacts={Channel.EMAIL: "ayse@deneme.example"},
            consents={Channel.EMAIL: "granted"},
            facts={"customer.age": 13},
        )
        return brand


@pytest.mark.req("A06")
async def test_a_decision_is_explained_and_becomes_a_test(
    house: House, brand: Brand, database_url: str, tmp_path: Path
) -> None:
    async with house.sessions() as tx, tx.begin():
        recorded = await house.events.record(
            tx,
            brand=brand,
            customer_ref="ayse",
            type="login",
            payload={"method": "password", "surface": "web"},
        )
    (decision,) = (one.id for one in recorded.decisions if one.topic == "iscep_promo")

    def rules(*words: str) -> Said:
        return run("rules", *words, TELLAL_DATABASE_URL=database_url)

    stored = rules("explain", "--decision", decision)
    asked = ("--customer", "ayse", "--topic", "iscep_promo", "--brand", NAME)
    now = rules("explain", *asked)
    past = rules("explain", *asked, "--at", "2026-03-02T13:00:00+03:00")
    file = tmp_path / "shop_test.yaml"
    written = rules("record", decision, "--into", str(file))
    run_again = rules("test", str(tmp_path))

    digest = rules("explain", "--customer", "ayse", "--topic", "account_movements", "--brand", NAME)
    assert "account_movements is a digest (movements.yaml:" in digest.out
    assert (
        "because minor: Nothing commercial goes to minors (common.minor, common.yaml:" in stored.out
    )
    assert now.out.startswith("rules and facts of today\n")
    assert past.out.startswith(f"rules of then, facts stored with decision {decision}\n")
    assert (written.code, written.err) == (0, "")
    test = file.read_text(encoding="utf-8")
    assert "customer.age: 17" in test
    assert "13" not in test.replace("2026-03-02T13", "").replace(decision, "")
    # The folder has no rules of its own, so nothing there knows the topic.
    assert "unknown topic 'iscep_promo'" in run_again.out


@pytest.mark.usefixtures("brand")
def test_where_no_provider_is_set_up_it_is_said_what_routes_could_carry(
    database_url: str,
) -> None:
    asked = ("--customer", "ayse", "--topic", "phishing_awareness", "--brand", NAME)

    said = run("rules", "explain", *asked, TELLAL_DATABASE_URL=database_url)

    assert "phishing_awareness: send at " in said.out
    assert "over email from " in said.out
    assert "route_forbidden" not in said.out


def test_what_is_to_be_explained_must_be_named(database_url: str) -> None:
    said = run("rules", "explain", TELLAL_DATABASE_URL=database_url)

    assert said.code != 0
    assert "--decision" in said.err
    assert "Traceback" not in said.err


def test_a_test_file_has_its_name(database_url: str, tmp_path: Path) -> None:
    said = run(
        "rules",
        "record",
        "01X",
        "--into",
        str(tmp_path / "x.yaml"),
        TELLAL_DATABASE_URL=database_url,
    )

    assert said.code == 1
    assert "_test.yaml" in said.err
