"""Consents as files: read as spreadsheets mangle them, every bad line named, nothing doubled."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tellal.domain.channels import Channel, MessageClass
from tellal.domain.consents import ConsentChannel, Source, confirm_by
from tellal.domain.customers import Brand, ConsentState
from tellal.persistence.columns import table
from tellal.persistence.people import find_customer
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import ConsentRow, CustomerRow
from tellal.persistence.tables.refusing import ConfirmationRow
from tellal.services.consent_files import ConsentFile, read_consents
from tests.support.builders import a_brand, a_customer
from tests.support.ledger import a_message, states as message_states
from tests.support.sheets import as_csv, as_xls, as_xlsx
from tests.support.terminal import Said, run

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
NAME = "anadolu-bank"
HEADER = ["address", "channel", "state", "given_at"]
_consents = table(ConsentRow)
_customers = table(CustomerRow)

Rows = Iterable[Sequence[object]]


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx, NAME)


def read(brand: Brand, rows: Rows, write: Callable[[Rows], bytes] = as_csv) -> ConsentFile:
    return read_consents(write(rows), brand, at=NOW)


@pytest.mark.req("D64", "allows")
@pytest.mark.parametrize("write", [as_csv, as_xls, as_xlsx], ids=["csv", "xls", "xlsx"])
def test_a_list_is_read_from_every_kind_of_file(
    brand: Brand, write: Callable[[Rows], bytes]
) -> None:
    rows = [
        ["Address", "Channel", "State", "Given at"],
        ["0532 000 01 01", "sms", "granted", "2026-01-05 10:00:00"],
        ["ayse@example.com", "email", "refused", "06.01.2026"],
    ]

    found = read(brand, rows, write)

    assert found.bad == ()
    first, second = (one.claim for one in found.lines)
    assert (first.address, first.channel) == ("+905320000101", ConsentChannel.SMS)
    assert (first.state, first.source) == (ConsentState.GRANTED, Source.IMPORT)
    assert first.given_at == datetime(2026, 1, 5, 7, tzinfo=UTC)
    assert (second.state, second.given_at) == (
        ConsentState.REFUSED,
        datetime(2026, 1, 5, 21, tzinfo=UTC),
    )


@pytest.mark.req("D64", "allows")
@pytest.mark.parametrize("write", [as_csv, as_xls, as_xlsx], ids=["csv", "xls", "xlsx"])
@pytest.mark.parametrize(
    "written",
    [
        pytest.param(5320000101, id="lost its zero"),
        pytest.param(5320000101.0, id="became a float"),
        pytest.param("5320000101.0", id="was a float"),
        pytest.param("5320000101,00", id="with a comma"),
        pytest.param(905320000101.0, id="with its country"),
        pytest.param("'05320000101", id="apostrophe"),
        pytest.param(" 0 532 000 01 01 ", id="blanks"),
        pytest.param("0532\u00a0000\u00a001\u00a001", id="hard blanks"),
        pytest.param("(0532) 000-01-01", id="brackets"),
        pytest.param("00905320000101", id="zeros"),
    ],
)
def test_a_number_is_read_as_spreadsheets_mangle_it(
    brand: Brand, write: Callable[[Rows], bytes], written: object
) -> None:
    quoted = f'"{written}"' if write is as_csv else written

    found = read(brand, [HEADER, [quoted, "sms", "granted", "2026-01-05"]], write)

    assert [str(bad) for bad in found.bad] == []
    assert found.lines[0].claim.address == "+905320000101"


@pytest.mark.parametrize("write", [as_xls, as_xlsx], ids=["xls", "xlsx"])
def test_dates_that_a_spreadsheet_knows_as_dates_are_the_brands_own(
    brand: Brand, write: Callable[[Rows], bytes]
) -> None:
    rows: Rows = [HEADER, ["05320000101", "sms", "granted", datetime(2026, 1, 5, 10, 30)]]  # noqa: DTZ001

    found = read(brand, rows, write)

    assert found.lines[0].claim.given_at == datetime(2026, 1, 5, 7, 30, tzinfo=UTC)


@pytest.mark.req("D60", "allows")
def test_the_registrys_own_files_are_read_as_they_come(brand: Brand) -> None:
    rows = [
        ["recipient", "recipientType", "type", "status", "source", "consentDate"],
        ["+905320000101", "BIREYSEL", "MESAJ", "ONAY", "IYS_WEB", "2016-01-15 12:00:00"],
        ["+905320000101", "TACIR", "ARAMA", "RET", "HS_KARAR", "2016-01-15 12:00:00"],
    ]

    found = read(brand, rows)

    assert found.bad == ()
    first, second = (one.claim for one in found.lines)
    # The registry's clock stands at +3 all year round; Istanbul's did not, then.
    assert first.given_at == datetime(2016, 1, 15, 9, tzinfo=UTC)
    assert (second.channel, second.recipient_type) == (ConsentChannel.CALL, "merchant")


@pytest.mark.req("D64", "blocks")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param(["5,32123E+09", "sms", "granted", "2026-01-05"], "cut the number", id="cut"),
        pytest.param(["02122520000", "sms", "granted", "2026-01-05"], "not a mobile", id="desk"),
        pytest.param(["", "sms", "granted", "2026-01-05"], "there is no address", id="empty"),
        pytest.param(["05320000101", "fax", "granted", "2026-01-05"], "no channel", id="fax"),
        pytest.param(["05320000101", "sms", "maybe", "2026-01-05"], "no state", id="state"),
        pytest.param(["05320000101", "sms", "granted", ""], "when it was given", id="no time"),
        pytest.param(["05320000101", "sms", "granted", "46000"], "is no time", id="serial"),
        pytest.param(["05320000101", "sms", "granted", "2031-01-05"], "in the future", id="later"),
        pytest.param(["05320000101", "sms"], "it has 2 fields", id="short"),
    ],
)
def test_a_bad_line_is_named_with_its_number(brand: Brand, line: list[object], words: str) -> None:
    good: list[object] = ["05320000102", "sms", "granted", "2026-01-05"]
    quoted = [f'"{cell}"' for cell in line]

    rows: list[Sequence[object]] = [HEADER, good, quoted, good]
    found = read(brand, rows)

    (bad,) = found.bad
    assert bad.line == 3
    assert words in str(bad)
    assert bad.hint or "future" in str(bad)
    assert (len(found.lines), found.repeated) == (1, 1)


@pytest.mark.req("D64", "blocks")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "no column address", id="empty"),
        pytest.param(b"address,channel,state,colour\n", "the column colour", id="unknown"),
        pytest.param(b"address,channel,state,status\n", "named twice", id="twice"),
        pytest.param(b"address,channel,state\n5\xfe,sms,granted\n", "not UTF-8", id="encoding"),
        pytest.param(b"PK\x03\x04 and no more", "cannot be read", id="no workbook"),
        pytest.param(b"\xd0\xcf\x11\xe0 and no more", "cannot be read", id="no old workbook"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(brand: Brand, content: bytes, words: str) -> None:
    found = read_consents(content, brand, at=NOW)

    assert found.lines == ()
    assert words in str(found.bad[0])


@pytest.mark.req("D52", "blocks")
@pytest.mark.req("D52", "allows")
def test_who_imports_old_customers_vouches_that_the_brand_sold_to_them(brand: Brand) -> None:
    rows = [["address", "channel", "state", "source"], ["05320000101", "sms", "granted", "HS_2015"]]

    silent = read(brand, rows)
    vouched = read_consents(as_csv(rows), brand, at=NOW, direct_sale_attested_by="Legal")

    assert "direct_sale" in str(silent.bad[0])
    claim = vouched.lines[0].claim
    assert claim.evidence == {"direct_sale": True, "attested_by": "Legal"}
    assert claim.given_at == datetime(2015, 4, 30, 21, tzinfo=UTC)


@pytest.mark.req("D30", "blocks")
@pytest.mark.req("D30", "allows")
def test_a_consent_with_a_source_of_law_brings_its_proof_along(brand: Brand) -> None:
    header = [*HEADER, "source", "text", "name", "preselected"]
    line = ["05320000101", "sms", "granted", "2026-01-05", "HS_WEB", "Evet", "Ayşe Yılmaz", "hayır"]

    good = read(brand, [header, line])
    bad = read(brand, [header, [*line[:6], "", "hayır"]])

    assert good.lines[0].claim.evidence["preselected"] is False
    assert "evidence.name" in str(bad.bad[0])


def imported(
    database_url: str, folder: Path, content: bytes, *options: str, name: str = "list.csv"
) -> Said:
    file = folder / name
    file.write_bytes(content)
    words = ("import", "consents", str(file), "--brand", NAME, *options)
    return run(*words, TELLAL_DATABASE_URL=database_url)


async def kept(sessions: Sessions) -> list[tuple[str, str, str]]:
    async with sessions() as tx:
        query = select(_consents.c.address, _consents.c.channel, _consents.c.state)
        rows = await tx.execute(query.order_by(_consents.c.given_at))
        return [tuple(row) for row in rows]


HISTORY = [
    ["customer", *HEADER],
    ["ayse", "0532 000 01 01", "sms", "refused", "2026-02-01 10:00:00"],
    ["ayse", "0532 000 01 01", "sms", "granted", "2026-01-05 10:00:00"],
    ["", "0532 000 01 02", "sms", "granted", "2026-01-06 10:00:00"],
    ["", "0212 252 00 00", "call", "granted", "2026-01-07 10:00:00"],
]


@pytest.mark.req("D60", "blocks")
@pytest.mark.req("D60", "allows")
async def test_history_is_taken_in_whole_and_a_second_time_changes_nothing(
    brand: Brand, database_url: str, sessions: Sessions, tmp_path: Path
) -> None:
    async with sessions() as tx, tx.begin():
        await a_customer(tx, brand, contacts={Channel.EMAIL: "ayse@example.com"})

    first = imported(database_url, tmp_path, as_csv(HISTORY), "--by", "Legal")
    again = imported(database_url, tmp_path, as_xlsx(HISTORY), name="list.xlsx")

    assert (first.code, again.code) == (0, 0), (first.err, again.err)
    assert first.out == (
        "Recorded: 4. There already: 0. Repeated lines: 0. New customers: 2. Bad lines: 0.\n"
    )
    assert again.out == (
        "Recorded: 0. There already: 4. Repeated lines: 0. New customers: 0. Bad lines: 0.\n"
    )
    async with sessions() as tx:
        ayse = await find_customer(tx, brand.id, "ayse")
        number = (await tx.execute(select(func.count()).select_from(_customers))).scalar_one()
    assert ayse.consents[Channel.SMS].state is ConsentState.REFUSED
    assert ayse.usable(Channel.SMS) is not None
    assert number == 3


@pytest.mark.req("D64", "blocks")
@pytest.mark.req("D64", "allows")
@pytest.mark.usefixtures("brand")
async def test_nothing_is_imported_if_a_line_is_bad_unless_that_is_wanted(
    database_url: str, sessions: Sessions, tmp_path: Path
) -> None:
    content = as_csv([*HISTORY, ["", "12", "sms", "granted", "2026-01-07"]])

    refused = imported(database_url, tmp_path, content)
    nothing = await kept(sessions)
    skipped = imported(database_url, tmp_path, content, "--skip-bad")

    assert (refused.code, nothing) == (1, [])
    assert "list.csv, line 6: address:" in refused.err
    assert "--skip-bad" in refused.out
    assert (skipped.code, len(await kept(sessions))) == (0, 4)
    assert "Bad lines: 1" in skipped.out


@pytest.mark.req("D13", "blocks")
@pytest.mark.req("D13", "allows")
async def test_a_refusal_of_a_file_stops_what_waits(
    brand: Brand, database_url: str, sessions: Sessions, tmp_path: Path
) -> None:
    async with sessions() as tx, tx.begin():
        ayse, ali = [
            await a_customer(tx, brand, ref, contacts={Channel.SMS: number})
            for ref, number in (("ayse", "+905320000101"), ("ali", "+905320000102"))
        ]
        kind = MessageClass.COMMERCIAL
        his = await a_message(tx, brand, customer_id=ali, message_class=kind)
        hers = await a_message(tx, brand, customer_id=ayse, message_class=kind)
    rows = [
        HEADER,
        ["0532 000 01 01", "sms", "refused", "2026-01-05"],
        ["0532 000 01 02", "sms", "refused", "2026-01-05"],
        ["0532 000 01 02", "sms", "granted", "2026-01-06"],
    ]

    done = imported(database_url, tmp_path, as_csv(rows))

    assert done.code == 0, done.err
    assert await message_states(sessions) == {hers: "cancelled", his: "queued"}


@pytest.mark.req("D33", "blocks")
@pytest.mark.req("D33", "allows")
@pytest.mark.usefixtures("brand")
async def test_what_a_file_holds_of_today_is_to_be_confirmed(
    database_url: str, sessions: Sessions, tmp_path: Path
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    header = [*HEADER, "source"]
    rows = [
        header,
        ["0532 000 01 01", "sms", "granted", (now - timedelta(seconds=5)).isoformat(), "web"],
        ["0532 000 01 02", "sms", "granted", "2026-01-05", "web"],
        ["0532 000 01 03", "sms", "granted", (now - timedelta(seconds=5)).isoformat(), "branch"],
    ]

    done = imported(database_url, tmp_path, as_csv(rows))

    confirmations = table(ConfirmationRow).c
    query = select(_consents.c.address, confirmations.confirm_by, _consents.c.given_at).join(
        _consents, _consents.c.id == confirmations.consent_id
    )
    async with sessions() as tx:
        (row,) = (await tx.execute(query)).all()
    assert done.code == 0, done.err
    assert row.address == "+905320000101"
    assert row.confirm_by == confirm_by(row.given_at, "Europe/Istanbul")


async def test_an_address_of_two_customers_names_neither(
    brand: Brand, database_url: str, sessions: Sessions, tmp_path: Path
) -> None:
    async with sessions() as tx, tx.begin():
        await a_customer(tx, brand, "ayse")
        await a_customer(tx, brand, "ali")
    line = ["0532 000 01 01", "sms", "granted", "2026-01-05"]

    nameless = imported(database_url, tmp_path, as_csv([HEADER, line]))
    named = imported(database_url, tmp_path, as_csv([["customer", *HEADER], ["ali", *line]]))

    assert nameless.code == 1
    assert "line 2: address: several customers have it" in nameless.err
    assert named.code == 0


async def history_of(sessions: Sessions, brand: Brand) -> set[tuple[object, ...]]:
    said = _consents.c
    query = (
        select(_customers.c.ref, said.address, said.channel, said.state, said.given_at)
        .join(_customers, _customers.c.id == said.customer_id)
        .where(said.brand_id == brand.id)
    )
    async with sessions() as tx:
        return {tuple(row) for row in await tx.execute(query)}


@pytest.mark.req("D60", "allows")
async def test_what_is_exported_can_be_imported_elsewhere(
    brand: Brand, database_url: str, sessions: Sessions, tmp_path: Path
) -> None:
    imported(database_url, tmp_path, as_csv(HISTORY))
    async with sessions() as tx, tx.begin():
        other = await a_brand(tx, "ege-dagitim")
    file = tmp_path / "all.csv"

    out = run("export", "consents", str(file), "--brand", NAME, TELLAL_DATABASE_URL=database_url)
    back = run(
        "import", "consents", str(file), "--brand", other.name, TELLAL_DATABASE_URL=database_url
    )

    assert (out.code, back.code) == (0, 0), (out.err, back.err)
    assert "Recorded: 4." in back.out
    mine, theirs = [await history_of(sessions, one) for one in (brand, other)]
    assert mine == theirs
    assert len(mine) == 4


@pytest.mark.req("D64", "allows")
@pytest.mark.usefixtures("brand")
async def test_fifty_thousand_rows_come_in_with_one_command(
    database_url: str, sessions: Sessions, tmp_path: Path
) -> None:
    rows = [HEADER] + [
        [float(5320000000 + n), "sms", "granted", "2026-01-05 10:00:00"] for n in range(50_000)
    ]
    content = as_xlsx(rows)

    done = imported(database_url, tmp_path, content, name="list.xlsx")

    assert done.code == 0, done.err
    assert "Recorded: 50000." in done.out
    assert len(await kept(sessions)) == 50_000
