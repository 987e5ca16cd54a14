"""Black lists as files: read as spreadsheets write them, every bad line named."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from tellal.domain.blocks import BlockOrigin
from tellal.domain.customers import Brand
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.delivery import BlockRow
from tellal.services.block_lists import BlockList, read_block_list
from tests.support.builders import a_brand
from tests.support.terminal import Said, run

pytestmark = pytest.mark.req("D63")

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
NAME = "anadolu-bank"
GOOD = "address;reason;origin\n0532 000 01 01;New owner;institution\n"
_blocks = table(BlockRow)


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx, NAME)


def read(brand: Brand, text: str, encoding: str = "utf-8") -> BlockList:
    return read_block_list(text.encode(encoding), brand, at=NOW)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [";", ","])
def test_a_list_is_read_as_spreadsheets_write_it(
    brand: Brand, separator: str, encoding: str
) -> None:
    lines = [
        ["Address", "Channel", "Reason", "Origin", "Until"],
        ["0532 000 01 01", "sms", "Vefat", "Institution", ""],
        ["", "", "", "", ""],
        ["AYSE@example.com", "", '"He wrote:\nno; and, never"', "customer", "2026-04-01"],
    ]

    found = read(brand, "\r\n".join(separator.join(line) for line in lines), encoding)

    assert found.bad == ()
    number, mail = found.blocks
    assert (number.address, number.origin) == ("+905320000101", BlockOrigin.INSTITUTION)
    assert (number.reason, number.until) == ("Vefat", None)
    assert (mail.address, mail.reason) == ("ayse@example.com", "He wrote:\nno; and, never")
    assert mail.until == datetime(2026, 3, 31, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("0212 000 00 00;;x;institution;", "address: this number", id="address"),
        pytest.param("05320000l0l;;x;institution;", "address: this number", id="a slip"),
        pytest.param("+90532000010O-gsm;;x;institution;", "address: this number", id="a note"),
        pytest.param("unknown;;x;institution;", "address: this number", id="a word"),
        pytest.param("0532 000 01 01;fax;x;institution;", "channel: no channel 'fax'", id="fax"),
        pytest.param("0532 000 01 01;;x;nobody;", "origin: no origin 'nobody'", id="origin"),
        pytest.param("0532 000 01 01;;;institution;", "reason: a block needs", id="reason"),
        pytest.param("0532 000 01 01;;x;institution;31.12.", "until: '31.12.' is no", id="day"),
        pytest.param("0532 000 01 01;;x;institution;2020-01-01", "over already", id="over"),
        pytest.param("0532 000 01 01;;x", "it has 3 fields, and the header 5", id="short"),
    ],
)
def test_a_bad_line_is_named_with_its_number(brand: Brand, line: str, words: str) -> None:
    first = '0532 000 01 02;;"two\nlines";customer;'

    found = read(brand, f"address;channel;reason;origin;until\n{first}\n{line}\n")

    [bad] = found.bad
    assert bad.line == 4
    assert words in str(bad)
    assert len(found.blocks) == 1


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        pytest.param(b"", 1, "no column address", id="empty"),
        pytest.param(b"address;reason\n", 1, "no column origin", id="no origin"),
        pytest.param(b"address;reason;origin;colour\n", 1, "column colour", id="unknown"),
        pytest.param(b"address;reason;origin;origin\n", 1, "twice", id="twice"),
        pytest.param(GOOD.encode() + b"5;\xfe;x\n", 3, "not UTF-8", id="another encoding"),
    ],
)
def test_a_file_that_cannot_be_read_says_where_it_breaks(
    brand: Brand, content: bytes, line: int, words: str
) -> None:
    found = read_block_list(content, brand, at=NOW)

    assert found.blocks == ()
    assert found.bad[0].line == line
    assert words in str(found.bad[0])


def imported(database_url: str, folder: Path, text: str, *options: str) -> Said:
    file = folder / "list.csv"
    file.write_text(text, encoding="utf-8")
    words = ("import", "blocks", str(file), "--brand", NAME, *options)
    return run(*words, TELLAL_DATABASE_URL=database_url)


async def kept(sessions: Sessions) -> list[tuple[str, str]]:
    async with sessions() as tx:
        query = select(_blocks.c.address, _blocks.c.placed_by).order_by(_blocks.c.id)
        return [tuple(row) for row in await tx.execute(query)]


@pytest.mark.usefixtures("brand")
async def test_a_list_that_is_imported_again_does_not_double(
    database_url: str, sessions: Sessions, tmp_path: Path
) -> None:
    first = imported(database_url, tmp_path, GOOD, "--by", "Legal")
    again = imported(database_url, tmp_path, GOOD, "--by", "Legal")

    assert (first.code, again.code) == (0, 0)
    assert first.out == "Blocked: 1. In force already: 0. Bad lines: 0.\n"
    assert again.out == "Blocked: 0. In force already: 1. Bad lines: 0.\n"
    assert await kept(sessions) == [("+905320000101", "command line (Legal)")]


@pytest.mark.usefixtures("brand")
async def test_nothing_is_imported_if_a_line_is_bad_unless_that_is_wanted(
    database_url: str, sessions: Sessions, tmp_path: Path
) -> None:
    text = GOOD + "12;x;institution\n"

    refused = imported(database_url, tmp_path, text)
    nothing = await kept(sessions)
    skipped = imported(database_url, tmp_path, text, "--skip-bad")

    assert (refused.code, nothing) == (1, [])
    assert "list.csv, line 3: address:" in refused.err
    assert "--skip-bad" in refused.out
    assert (skipped.code, len(await kept(sessions))) == (0, 1)
    assert "list.csv, line 3" in skipped.err
