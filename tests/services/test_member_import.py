"""Groups from files: whom each line means, why not, and all of it at once or nothing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import openpyxl
import pytest
from sqlalchemy import select, text

from rules.holder import RulebookHolder
from rules.routing import load_routes
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError
from tellal.domain.groups import Group, GroupKind
from tellal.persistence.columns import table
from tellal.persistence.people import find_customer
from tellal.persistence.session import Sessions
from tellal.persistence.tables.campaigns import GroupMemberRow
from tellal.persistence.tables.customers import CustomerRow
from tellal.services.consents import Consents
from tellal.services.groups import Groups, NewGroup
from tellal.services.member_files import Columns, MemberFile, read_members
from tellal.services.member_import import MemberImport, Report, Wanted
from tellal.services.person_erasure import Persons
from tellal.services.progress import Progress
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock
from tests.support.sheets import as_csv, as_xls, as_xlsx

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
Rows = Iterable[Sequence[object]]
_members = table(GroupMemberRow).c
_customers = table(CustomerRow).c

AYSE, ALI = "+905320000101", "+905320000102"


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(tx, brand, "ayse", contacts={Channel.SMS: AYSE})
        await a_customer(
            tx, brand, "ali", contacts={Channel.SMS: ALI, Channel.EMAIL: "Ali@example.com"}
        )
    return brand


@pytest.fixture
async def gold(sessions: Sessions, brand: Brand) -> Group:
    groups = Groups(RulebookHolder(None), load_routes(), SetClock())
    async with sessions() as tx, tx.begin():
        return await groups.make(tx, brand, NewGroup(name="gold"), by="crm")


async def take(
    sessions: Sessions, brand: Brand, group: Group, content: bytes | Rows, **wanted: bool
) -> Report:
    said = content if isinstance(content, bytes) else as_csv(content, ";")
    async with sessions() as tx, tx.begin():
        read = read_members(said, brand)
        return await MemberImport(SetClock()).take(tx, brand, group, read, Wanted(**wanted))  # type: ignore[arg-type]  # all but the name are flags


async def inside(sessions: Sessions, group: Group) -> dict[str, object]:
    query = (
        select(_customers.ref, _members.variables)
        .join(table(CustomerRow), _customers.id == _members.customer_id)
        .where(_members.group_id == group.id)
    )
    async with sessions() as tx:
        return {row.ref: row.variables for row in await tx.execute(query)}


def said(bad: Iterable[object]) -> list[str]:
    return [str(one) for one in bad]


@pytest.mark.req("D64")
@pytest.mark.parametrize("write", [as_csv, as_xls, as_xlsx], ids=["csv", "xls", "xlsx"])
async def test_a_spreadsheet_of_any_kind_becomes_members_with_variables(
    sessions: Sessions, brand: Brand, gold: Group, write: Callable[[Rows], bytes]
) -> None:
    rows: Rows = [
        ["Borç Tutarı", "Cep Telefonu", "Son Gün"],
        [1250.5, 5320000101.0, "15.03.2026"],
        ["", "0532 000 01 02", "16.03.2026"],
    ]

    done = await take(sessions, brand, gold, write(rows))

    assert (done.done, done.added, done.bad) == (True, 2, ())
    assert await inside(sessions, gold) == {
        "ayse": {"borc_tutari": "1250.5", "son_gun": "15.03.2026"},
        "ali": {"son_gun": "16.03.2026"},
    }


@pytest.mark.req("D64")
@pytest.mark.parametrize(
    ("heading", "cell"),
    [
        ("Müşteri No", "ayse"),
        ("MÜŞTERİ NUMARASI", " ayse "),
        ("Nr klienta", "ayse"),
        ("customer", "ayse"),
        ("GSM", "05320000101"),
        ("Cep tel.", "(532) 000-01-01"),
        ("Telefon", "5320000101"),
        ("Telefon", "5320000101.0"),
        ("Telefon", "5,320000101E+09"),
        ("Phone number", "+90 532 000 01 01"),
        ("Numer telefonu", "0090 532 000 01 01"),
        ("phone", "905320000101"),
        ("phone", "'05320000101"),
    ],
)
async def test_a_column_names_the_person_in_three_languages(
    sessions: Sessions, brand: Brand, gold: Group, heading: str, cell: str
) -> None:
    done = await take(sessions, brand, gold, [["il", heading], ["Bursa", cell]])

    assert said(done.bad) == []
    assert await inside(sessions, gold) == {"ayse": {"il": "Bursa"}}


async def test_a_mail_is_known_whatever_its_case_and_columns_may_be_named(
    sessions: Sessions, brand: Brand, gold: Group
) -> None:
    await take(sessions, brand, gold, [["E-posta"], ["ali@EXAMPLE.com"]])
    read = read_members(b"wer;was\n05320000101;x\n", brand, Columns(phone="Wer"))
    unnamed = read_members(b"wer;was\n05320000101;x\n", brand)
    wrong = read_members(b"wer;was\n05320000101;x\n", brand, Columns(phone="Tel"))

    assert await inside(sessions, gold) == {"ali": {}}
    assert (read.bad, read.lines[0].phone, dict(read.lines[0].variables)) == (
        (),
        AYSE,
        {"was": "x"},
    )
    assert "no column says who is meant" in str(unnamed.bad[0])
    assert "wer, was" in str(wrong.bad[0])


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("601 234 567", "+48601234567"),
        (601234567.0, "+48601234567"),
        ("0048601234567", "+48601234567"),
    ],
)
async def test_a_number_without_a_country_is_of_the_brands(
    brand: Brand, cell: object, number: str
) -> None:
    polish = replace(brand, country="PL")

    read = read_members(as_xlsx([["Telefon"], [cell]]), polish)

    assert [one.phone for one in read.lines] == [number]


@pytest.mark.req("D64")
async def test_every_line_that_cannot_be_taken_says_why_and_how_to_mend_it(
    sessions: Sessions, brand: Brand, gold: Group
) -> None:
    rows = [
        ["telefon", "borç"],
        ["05320000101", "1"],
        ["5,32E+09", "2"],
        ["0212 555 01 01", "3"],
        ["", "4"],
        ["05320000102", "#SAYI/0!"],
        ["05320000102", "x" * 501],
        ["0532 999 99 99", "7"],
        ["05320000102", "8", "9"],
        ["+90 532 000 01 01", "9"],
    ]

    refused = await take(sessions, brand, gold, rows)
    taken = await take(sessions, brand, gold, rows, skip_bad=True)

    assert said(refused.bad) == [
        (
            "line 3: telefon: the spreadsheet has cut the number off: 5,32E+09 "
            "(format the column as text, and export it again)"
        ),
        (
            "line 4: telefon: this number cannot be texted: it is not a mobile number, so no text "
            "message reaches it (write a mobile number with its country, as in +905321234567)"
        ),
        "line 5: it does not say who is meant (give a reference, a number or a mail)",
        (
            "line 6: borç: its formula has no result: #SAYI/0! "
            "(mend the formula, or write the value itself)"
        ),
        (
            "line 7: borç: it has 501 characters, and at most 500 are taken "
            "(shorten it: a text message has 160)"
        ),
        (
            "line 8: nobody is known by this number "
            "(make him known first, or have those made known whom nobody knows (create))"
        ),
        (
            "line 9: it has 3 fields, and the header 2 "
            "(put a field that holds the separator between quotation marks, name every column)"
        ),
    ]
    assert (refused.done, refused.added) == (False, 0)
    assert (taken.done, taken.added, len(taken.bad), taken.lines) == (True, 1, 7, 9)
    assert said(taken.repeated) == [
        "line 10: it names the person of line 2 again (what line 2 says of him was kept)"
    ]
    assert await inside(sessions, gold) == {"ayse": {"borc": "1"}}


async def test_a_person_named_in_two_ways_is_one(
    sessions: Sessions, brand: Brand, gold: Group
) -> None:
    rows = [["ref", "phone", "mail"], ["ali", "", ""], ["", ALI, ""], ["", "", "ALI@example.com"]]

    done = await take(sessions, brand, gold, rows)

    assert (done.added, [one.line for one in done.repeated]) == (1, [3, 4])


async def test_an_address_of_several_customers_names_nobody(
    sessions: Sessions, brand: Brand, gold: Group
) -> None:
    async with sessions() as tx, tx.begin():
        await a_customer(tx, brand, "her-husband", contacts={Channel.SMS: AYSE})

    done = await take(sessions, brand, gold, [["phone", "ref"], [AYSE, ""], [AYSE, "ayse"]])

    assert said(done.bad) == [
        "line 2: several customers have this address (say which by his reference)"
    ]


async def test_whom_nobody_knows_is_made_known_once_without_any_consent(
    sessions: Sessions, brand: Brand, gold: Group
) -> None:
    rows = [
        ["phone", "mail", "ad", "ref"],
        ["0532 000 02 01", "", "Elif", ""],
        ["", "can@example.com", "", ""],
        ["+905320000201", "", "", ""],
        ["0532 000 02 02", "", "", "K-7"],
        ["", "", "", "K-8"],
    ]

    done = await take(sessions, brand, gold, rows, create=True, skip_bad=True)

    assert (done.created, done.added, [one.line for one in done.repeated]) == (3, 3, [4])
    assert said(done.bad) == [
        (
            "line 6: nobody is known by this reference, and there is no address to reach him "
            "(give a number or a mail besides)"
        )
    ]
    async with sessions() as tx:
        made = await find_customer(tx, brand.id, "K-7")
        names = [ref for ref in await inside(sessions, gold) if ref != "K-7"]
        others = [await find_customer(tx, brand.id, ref) for ref in names]
    assert [(one.channel, one.address) for one in made.contact_points] == [
        (Channel.SMS, "+905320000202")
    ]
    assert made.consents == {}
    assert (made.locale, made.country) == ("tr-TR", "TR")
    assert sorted(one.first_name for one in others) == ["", "Elif"]
    assert not any("0532" in ref or "can" in ref for ref in names)


async def test_a_refusal_outlives_an_erasure_and_comes_back_with_the_address(
    sessions: Sessions, brand: Brand, gold: Group
) -> None:
    clock = SetClock()
    async with sessions() as tx, tx.begin():
        await tx.execute(
            text(
                "INSERT INTO consents (id, brand_id, customer_id, channel, state, source, address, "
                "evidence, given_at, recorded_at) SELECT 'c1', :brand, id, 'sms', 'refused', "
                "'branch', :phone, '{}', :now, :now FROM customers WHERE ref = 'ayse'"
            ),
            {"brand": brand.id, "phone": AYSE, "now": NOW},
        )
    async with sessions() as tx, tx.begin():
        await Persons(Consents(clock), Progress(clock), clock).erase(tx, brand, "ayse", by="o")

    await take(sessions, brand, gold, [["phone"], [AYSE]], create=True)

    [ref] = await inside(sessions, gold)
    async with sessions() as tx:
        again = await find_customer(tx, brand.id, ref)
    assert again.consents[Channel.SMS].granted(NOW) is False


async def test_a_file_may_replace_whom_the_list_held(
    sessions: Sessions, brand: Brand, gold: Group
) -> None:
    await take(sessions, brand, gold, [["ref", "a"], ["ayse", "1"], ["ali", "1"]])

    done = await take(sessions, brand, gold, [["ref", "a"], ["ali", "2"]], replace=True)

    assert (done.added, done.changed, done.removed) == (0, 1, 1)
    assert await inside(sessions, gold) == {"ali": {"a": "2"}}


async def test_only_lists_take_files(sessions: Sessions, brand: Brand) -> None:
    groups = Groups(RulebookHolder(None), load_routes(), SetClock())
    segment = NewGroup(name="live", kind=GroupKind.SEGMENT, segment={"customer.city": "Ankara"})
    async with sessions() as tx, tx.begin():
        group = await groups.make(tx, brand, segment, by="crm")
    with pytest.raises(ConflictError, match="segment"):
        await take(sessions, brand, group, [["ref"], ["ayse"]])


def one(read: MemberFile) -> dict[str, str]:
    assert said(read.bad) == []
    return dict(read.lines[0].variables)


@pytest.mark.req("D64")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1254"])
@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_a_csv_is_read_as_spreadsheets_write_it(
    brand: Brand, encoding: str, separator: str
) -> None:
    rows = [["Müşteri no", "Şehir"], ["ayse", "İğdır çöl"]]
    content = "\r\n".join(separator.join(row) for row in rows).encode(encoding)

    read = read_members(content, brand)

    assert one(read) == {"sehir": "İğdır çöl"}
    old = [note for note in read.notes if encoding in note]
    assert len(old) == (1 if encoding in ("cp1254", "utf-16") else 0)


def test_polish_letters_of_an_old_page_are_told_from_turkish_ones(brand: Brand) -> None:
    polish = replace(brand, country="PL")
    content = "nr klienta;miasto\nx;Łódź, Gdańsk\n".encode("cp1250")

    assert one(read_members(content, polish)) == {"miasto": "Łódź, Gdańsk"}
    assert one(read_members(content, brand)) == {"miasto": "Łódź, Gdańsk"}


def test_letters_of_no_language_that_we_know_are_refused(brand: Brand) -> None:
    read = read_members("ref;il\nx;Ωμέγα\n".encode("cp1253"), brand)

    assert said(read.bad) == [
        "line 1: line 2 is not UTF-8 (save the file as CSV UTF-8, or as XLSX)"
    ]


def test_formulas_without_a_result_are_found_in_a_workbook(brand: Brand) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["ref", "x", "y"], ["ayse", "1", "#DIV/0!"], ["ali", "#N/A", "2"]):
        sheet.append(row)
    for place in ("C2", "B3"):
        sheet[place].data_type = "e"
    out = BytesIO()
    book.save(out)

    read = read_members(out.getvalue(), brand)

    assert [bad.line for bad in read.bad] == [2, 3]
    assert "#DIV/0!" in str(read.bad[0])


def test_empty_lines_are_counted_and_keep_the_numbers_right(brand: Brand) -> None:
    rows: Rows = [["ref", "il"], ["", ""], ["ayse", "x"], ["", ""], ["", "y"]]

    for content in (as_csv(rows), as_xlsx(rows)):
        read = read_members(content, brand)
        assert (read.empty, read.lines[0].line, [bad.line for bad in read.bad]) == (2, 3, [5])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        (b"ref;a;A\nx;1;2\n", "two columns are called 'a'"),
        (b"ref;brand\nx;1\n", "something else as 'brand'"),
        (b"PK\x03\x04nonsense", "cannot be read"),
        (b"ref;a\nx;1;\ny;2;more\n", "3 fields"),
        (b"ref;;a\nx;what;1\n", "field 2 says something"),
    ],
)
def test_what_is_wrong_with_the_whole_file_is_said(brand: Brand, content: bytes, why: str) -> None:
    read = read_members(content, brand)

    assert why in str(read.bad[0])
