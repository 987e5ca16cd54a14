"""Customers, consents and groups as files: out of one brand, into another, and nothing is lost."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, text, update

from rules.rulebook import load_rulebook
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import find_customer
from tellal.persistence.session import Sessions
from tellal.persistence.tables.campaigns import GroupMemberRow, GroupRow
from tellal.persistence.tables.customers import ConsentRow, ContactPointRow, CustomerRow
from tellal.services.customer_files import read_customers_of
from tellal.services.formulas import meant, neutral
from tellal.services.sheets import as_text, read_lines
from tellal.services.table_writing import table_to
from tests.support.builders import LONG_AGO, a_brand, a_customer
from tests.support.sheets import as_csv
from tests.support.terminal import Said, run

THEN = datetime(2026, 1, 5, 9, tzinfo=UTC)
DANGEROUS = '=HYPERLINK("http://x.example","Ayşe")'
_customers = table(CustomerRow)


async def settle(sessions: Sessions) -> tuple[Brand, Brand]:
    """A brand of which much is known, and one of which nothing is."""
    async with sessions() as tx, tx.begin():
        old, new = await a_brand(tx, "old"), await a_brand(tx, "new")
        ayse = await a_customer(
            tx,
            old,
            "ayse",
            contacts={Channel.SMS: "+905320000101", Channel.EMAIL: "Ayse@example.com"},
            facts={
                "customer.city": "Eskişehir",
                "customer.products": ["fund", "a|b"],
                "customer.app.installed": True,
                "customer.age": 34,
                "customer.district": " Tepebaşı",
                "customer.of_old": "what no rule reads",
            },
        )
        await a_customer(
            tx, old, "0042", contacts={Channel.SMS: "+48601234567"}, timezone="Europe/Warsaw",
            locale="pl-PL", kind="merchant",
        )  # fmt: skip
        changed = update(_customers).where(_customers.c.id == ayse)
        await tx.execute(
            changed.values(first_name=DANGEROUS, service_only=True, topics_off=["iscep_promo"])
        )
        await tx.execute(
            insert(table(ContactPointRow)).values(
                id=new_id(), brand_id=old.id, customer_id=ayse, channel="sms",
                address="+905320000102", bad_reason="unreachable", created_at=LONG_AGO,
            )
        )  # fmt: skip
        for n, state in enumerate(("granted", "refused", "granted")):
            await tx.execute(
                insert(table(ConsentRow)).values(
                    id=new_id(), brand_id=old.id, customer_id=ayse, channel="sms", state=state,
                    source="branch", address="+905320000101", evidence={"name": "-Ayşe"},
                    given_at=THEN.replace(day=n + 1), recorded_at=THEN,
                )
            )  # fmt: skip
        await tx.execute(
            insert(table(GroupRow)).values(
                id="G", brand_id=old.id, name="gold", kind="list", made_by="x",
                created_at=THEN, changed_at=THEN,
            )
        )  # fmt: skip
        await tx.execute(
            insert(table(GroupMemberRow)).values(
                group_id="G", customer_id=ayse, variables={"borc": "+5", "ad": "@x"}, added_at=THEN
            )
        )
    return old, new


def tellal(database_url: str, *words: str) -> Said:
    said = run(*words, TELLAL_DATABASE_URL=database_url)
    assert said.code == 0, said.err
    return said


@pytest.mark.req("D60")
@pytest.mark.req("D64")
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_whoever_moves_takes_everything_along(
    sessions: Sessions, database_url: str, tmp_path: Path, kind: str
) -> None:
    old, new = await settle(sessions)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()

    def out(brand: Brand, folder: Path) -> list[list[list[str]]]:
        names = ["customers", "consents"]
        for name in names:
            tellal(
                database_url, "export", name, str(folder / f"{name}.{kind}"), "--brand", brand.name
            )
        group = folder / f"gold.{kind}"
        tellal(database_url, "groups", "export", "gold", str(group), "--brand", brand.name)
        files = [*(folder / f"{name}.{kind}" for name in names), group]
        return [
            sorted([as_text(cell) for cell in line.cells] for line in read_lines(file.read_bytes()))
            for file in files
        ]

    before = out(old, first)
    for what in ("customers", "consents"):
        tellal(database_url, "import", what, str(first / f"{what}.{kind}"), "--brand", "new")
    tellal(database_url, "groups", "import", "gold", str(first / f"gold.{kind}"), "--brand", "new")
    after = out(new, second)

    assert [len(lines) for lines in before] == [3, 4, 2]
    assert after == before
    async with sessions() as tx:
        was = await find_customer(tx, old.id, "ayse")
        now = await find_customer(tx, new.id, "ayse")
    assert now.facts == was.facts
    assert now.first_name == DANGEROUS
    for channel in (Channel.SMS, Channel.EMAIL):
        then, today = (
            [(p.address, p.bad_reason) for p in one.contact_points if p.channel is channel]
            for one in (was, now)
        )
        assert today == then != []
    assert now.consents[Channel.SMS].state == was.consents[Channel.SMS].state
    assert now.wishes == was.wishes


@pytest.mark.req("D60")
async def test_the_same_file_may_come_again(
    sessions: Sessions, database_url: str, tmp_path: Path
) -> None:
    await settle(sessions)
    file = tmp_path / "all.csv"
    tellal(database_url, "export", "customers", str(file), "--brand", "old")

    first = tellal(database_url, "import", "customers", str(file), "--brand", "new")
    again = tellal(database_url, "import", "customers", str(file), "--brand", "new")

    assert first.out.startswith("New customers: 2. Changed: 0.")
    assert again.out.startswith("New customers: 0. Changed: 2.")
    async with sessions() as tx:
        number = await tx.execute(text("SELECT count(*) FROM contact_points"))
        assert number.scalar_one() == 8


@pytest.mark.req("D64")
async def test_contacts_of_another_platform_come_in_as_it_wrote_them(
    sessions: Sessions, database_url: str, tmp_path: Path
) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx, "new")
        await a_customer(tx, brand, "ayse", contacts={Channel.SMS: "+905320000101"})
    file = tmp_path / "rehber.csv"
    rows = [
        ["Ad", "Cep Telefonu", "E-posta", "Şehir"],
        ["Ayşe", "5320000101.0", "ayse@example.com", "Bursa"],
        ["Ali", "0532 000 01 02", "", ""],
        ["Ali", "+905320000102", "", ""],
    ]
    file.write_bytes("\n".join(";".join(row) for row in rows).encode("cp1254"))

    done = tellal(database_url, "import", "customers", str(file), "--brand", "new")

    assert done.out == "New customers: 1. Changed: 1. Repeated lines: 1. Bad lines: 0.\n"
    assert "rehber.csv, line 4: it names the person of line 3 again" in done.err
    async with sessions() as tx:
        ayse = await find_customer(tx, brand.id, "ayse")
    assert (ayse.first_name, ayse.facts) == ("Ayşe", {"customer.city": "Bursa"})
    assert {point.address for point in ayse.contact_points} == {
        "+905320000101",
        "ayse@example.com",
    }


async def test_bad_lines_are_named_and_nothing_is_half_done(
    sessions: Sessions, database_url: str, tmp_path: Path
) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx, "new")
    file = tmp_path / "all.csv"
    rows = [
        ["customer", "sms", "timezone", "age"],
        ["a", "12", "", ""],
        ["b", "", "Europe/Atlantis", ""],
        ["c", "", "", "old"],
        ["", "", "", ""],
        ["d", "5,32E+09", "", ""],
        ["e", "05320000101", "", "40"],
    ]
    file.write_bytes(as_csv(rows, ";"))
    words = ("import", "customers", str(file), "--brand", "new")

    refused = run(*words, TELLAL_DATABASE_URL=database_url)
    taken = run(*words, "--skip-bad", TELLAL_DATABASE_URL=database_url)

    assert refused.code == 1
    told = [line.partition(": ")[0] for line in refused.err.splitlines()]
    assert told == [f"all.csv, line {n}" for n in (2, 3, 4, 6)]
    assert "no time zone 'Europe/Atlantis'" in refused.err
    assert taken.out.startswith("New customers: 1.")
    async with sessions() as tx:
        assert (await find_customer(tx, brand.id, "e")).facts == {"customer.age": 40}


@pytest.mark.req("D65")
async def test_groups_at_the_command_line(
    sessions: Sessions, database_url: str, tmp_path: Path
) -> None:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx, "new")
        await a_customer(tx, brand, "ayse", facts={"customer.city": "Ankara"})
    file = tmp_path / "gold.csv"
    file.write_bytes(as_csv([["GSM", "Borç"], ["05320000101", "5"], ["12", "6"]], ";"))

    def groups(*words: str) -> Said:
        return run("groups", *words, "--brand", "new", TELLAL_DATABASE_URL=database_url)

    refused = groups("import", "gold", str(file))
    none = groups("list")
    taken = groups("import", "gold", str(file), "--skip-bad")
    groups("make", "ankara", "--segment", '{"customer.city": "Ankara"}')
    groups("snapshot", "ankara", "then")
    listed = groups("list")
    groups("delete", "gold")

    assert (refused.code, none.out) == (1, "")
    assert "gold.csv, line 3: GSM: " in refused.err
    assert taken.out.startswith("Added: 1.")
    assert listed.out.splitlines() == ["gold\tlist\t1", "ankara\tsegment\t1", "then\tsnapshot\t1"]
    assert "gold" not in groups("list").out
    assert groups("make", "x", "--segment", "{").code == 1


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("-cmd", "'-cmd"),
        ("\tx", "'\tx"),
        ("+905320000101", "+905320000101"),
        ("-12.5", "-12.5"),
        ("'=x", "''=x"),
        ("'quoted", "'quoted"),
        ("plain", "plain"),
    ],
)
def test_no_spreadsheet_computes_what_we_write_and_it_comes_back(
    words: str, written: str, tmp_path: Path
) -> None:
    assert neutral(words) == written
    assert meant(written) == words
    for kind in ("csv", "xlsx"):
        file = tmp_path / f"x.{kind}"
        with table_to(file) as write:
            write([words, "end"])
        [line] = read_lines(file.read_bytes())
        assert line.cells[0] == words


def test_an_unknown_column_is_refused_with_what_was_meant() -> None:
    brand = Brand(
        id="b", name="b", trade_name="b", country="TR", timezone="Europe/Istanbul", phone="",
        email="", mersis="", sms_sender="", email_sender="",
    )  # fmt: skip

    read = read_customers_of(b"customer,citty\nx,y\n", brand, load_rulebook().vocabulary)

    assert "citty" in str(read.bad[0])
    assert "city" in read.bad[0].hint
