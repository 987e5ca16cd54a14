"""Credit at the command line, on a real database."""

import pytest

from tellal.domain.customers import Brand
from tellal.persistence.session import Sessions
from tests.support.builders import a_brand
from tests.support.terminal import Said, run

NAME = "anadolu-bank"


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx, NAME)


def test_an_account_is_kept_at_the_command_line(brand: Brand, database_url: str) -> None:
    def credit(*words: str) -> Said:
        return run("credit", *words, "--brand", brand.name, TELLAL_DATABASE_URL=database_url)

    nothing = credit("list")
    opened = credit(
        "open", "main", "TRY", "--below", "100", "--keep", "5", "--mobile", "05320000999"
    )
    paid = credit("top-up", "main", "250.00", "--note", "Invoice 7", "--by", "Finance")
    put_right = credit("adjust", "main", "-0.5", "--note", "Paid in twice")
    changed = credit("terms", "main", "--below", "50", "--email", "cfo@anadolu.example")
    statement = credit("statement", "main", "--most", "3")

    assert nothing.out == "There is no account, so nothing is limited.\n"
    assert "main: balance 0.00 TRY, reserved 0.00, available 0.00" in opened.out
    assert "below 100.00 it tells +905320000999" in opened.out
    assert f"Next: tellal credit top-up main AMOUNT --brand {NAME}" in opened.out
    assert "main: balance 250.00 TRY" in paid.out
    assert "main: balance 249.50 TRY" in put_right.out
    assert "below 50.00 it tells cfo@anadolu.example" in changed.out
    lines = statement.out.splitlines()
    assert [line.split("\t")[2:4] for line in lines[:3]] == [
        ["terms", "0.00"],
        ["top_up", "250.00"],
        ["adjust", "-0.50"],
    ]
    assert lines[1].endswith("command line (Finance)\tInvoice 7")
    assert lines[3].startswith(f"Next: tellal credit statement main --brand {NAME} --after ")


@pytest.mark.parametrize("amount", ["much", "-5", "0"])
def test_what_is_no_amount_is_refused(brand: Brand, database_url: str, amount: str) -> None:
    words = ("credit", "top-up", "main", "--brand", brand.name, "--", amount)

    said = run(*words, TELLAL_DATABASE_URL=database_url)

    assert said.code != 0
