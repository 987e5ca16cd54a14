"""Groups on a real database: who is in them, by name, by condition and as it once was."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text

from rules.holder import RulebookHolder
from rules.routing import load_routes
from rules.standing import belongs, parse_segment
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.domain.groups import Group, GroupKind, missing_variable, variable_name
from tellal.persistence.columns import table
from tellal.persistence.people import page_of_customers
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import CustomerRow
from tellal.services.asking import document, situation
from tellal.services.consents import Consents
from tellal.services.groups import Groups, NewGroup, in_groups, resolve, variables_among
from tellal.services.person_erasure import Persons
from tellal.services.progress import Progress
from tests.rules.writing import write
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
CITY = {"customer.city": "Ankara"}
_customers = table(CustomerRow).c

BOOK = """
facts:
  - {id: modern, when: {customer.app.push_token: true}}
topics:
  - {id: offer, means: An offer, class: commercial, expires: 1d}
channels:
  - {id: d, when: {topic: offer}, send: [sms]}
law:
  - {id: iys, when: {class: commercial}, channels: [sms, email, whatsapp], requires: consent,
     reason: no_consent, text: No consent}
"""


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


@pytest.fixture
def groups(tmp_path: Path) -> Groups:
    clock = SetClock()
    clock.at = NOW
    return Groups(RulebookHolder(write(tmp_path, BOOK)), load_routes(), clock)


async def populate(sessions: Sessions, brand: Brand) -> None:
    """Six people who differ in what segments ask."""
    async with sessions() as tx, tx.begin():
        for n in range(6):
            contacts = {Channel.SMS: f"+9053200001{n:02}"}
            if n % 2:
                contacts[Channel.PUSH] = f"token-of-a-phone-{n:030}"
            await a_customer(
                tx,
                brand,
                f"c{n}",
                contacts=contacts,
                facts={
                    "customer.city": "Ankara" if n < 4 else "Bursa",
                    "customer.birth_date": f"{2012 - 3 * n}-03-02",
                },
                consents={Channel.SMS: "granted" if n % 3 else "refused"},
            )


async def make(
    sessions: Sessions,
    groups: Groups,
    brand: Brand,
    name: str = "gold",
    *,
    segment: Mapping[str, object] | None = None,
    kind: GroupKind = GroupKind.LIST,
) -> Group:
    async with sessions() as tx, tx.begin():
        said = NewGroup(name=name, kind=kind, segment=segment)
        return await groups.make(tx, brand, said, by="crm")


async def refs(sessions: Sessions, groups: Groups, group: Group, limit: int = 50) -> list[str]:
    """Walk all pages."""
    found: list[str] = []
    after: str | None = ""
    async with sessions() as tx:
        while after is not None:
            page, after = await groups.members.page(tx, group, after=after, limit=limit)
            found += [one.ref for one in page]
    return found


@pytest.mark.req("D65")
async def test_a_list_holds_whom_one_puts_in_with_what_is_said_of_each(
    sessions: Sessions, groups: Groups, brand: Brand
) -> None:
    await populate(sessions, brand)
    gold = await make(sessions, groups, brand)

    async with sessions() as tx, tx.begin():
        first = await groups.members.add(tx, gold, {"c1": {"debt": "10"}, "c2": {}})
        again = await groups.members.add(tx, gold, {"c1": {"debt": "20"}, "c3": {}})
        gone = await groups.members.remove(tx, gold, ["c2", "nobody"])

    async with sessions() as tx:
        page, after = await groups.members.page(tx, gold, after="", limit=1)
        rest, end = await groups.members.page(tx, gold, after=str(after), limit=5)
        number = await groups.members.count(tx, gold)
    assert (first.added, first.changed, again.added, again.changed, gone) == (2, 0, 1, 1, 1)
    assert [(one.ref, one.variables) for one in (*page, *rest)] == [
        ("c1", {"debt": "20"}),
        ("c3", {}),
    ]
    assert (number, end) == (2, None)


@pytest.mark.req("D65", "allows")
async def test_there_are_as_many_groups_as_one_wants_each_by_its_name(
    sessions: Sessions, groups: Groups, brand: Brand
) -> None:
    for n in range(60):
        await make(sessions, groups, brand, f"g{n}")

    async with sessions() as tx:
        page = await groups.page(tx, brand.id, after="", limit=50)
        rest = await groups.page(tx, brand.id, after=page[-1].id, limit=50)
        found = await resolve(tx, brand.id, ["g7", "g3", "g7"])

    assert len({one.name for one in (*page, *rest)}) == 60
    assert [one.name for one in found] == ["g7", "g3"]


@pytest.mark.req("D65", "blocks")
async def test_a_name_is_taken_once_and_free_again_when_the_group_is_gone(
    sessions: Sessions, groups: Groups, brand: Brand
) -> None:
    old = await make(sessions, groups, brand)
    with pytest.raises(ConflictError, match="gold"):
        await make(sessions, groups, brand, " gold ")

    async with sessions() as tx, tx.begin():
        await groups.delete(tx, brand, "gold")
    new = await make(sessions, groups, brand)
    silver = await make(sessions, groups, brand, "silver")
    async with sessions() as tx, tx.begin():
        with pytest.raises(ConflictError, match="gold"):
            await groups.rename(tx, brand, "silver", "gold")
        renamed = await groups.rename(tx, brand, "silver", "bronze")

    async with sessions() as tx:
        assert (await groups.find(tx, brand.id, "gold")).id == new.id != old.id
        with pytest.raises(NotFoundError, match="silver"):
            await resolve(tx, brand.id, ["gold", "silver"])
    assert (renamed.id, renamed.name) == (silver.id, "bronze")


@pytest.mark.parametrize("name", ["", "  ", "a/b", "x" * 101, "a\x07b"])
async def test_what_cannot_be_a_name_is_refused(
    sessions: Sessions, groups: Groups, brand: Brand, name: str
) -> None:
    with pytest.raises(InvalidInputError, match="1 to 100"):
        await make(sessions, groups, brand, name)


SEGMENTS = [
    pytest.param(CITY, id="stored"),
    pytest.param({"customer.locale": "tr-TR", "customer.city": ["Bursa", "İzmir"]}, id="in"),
    pytest.param({"fact.modern": True}, id="derived"),
    pytest.param({"customer.birth_date": {"years": {"gte": 18}}}, id="age"),
    pytest.param({"consent.sms": "granted", **CITY}, id="consent"),
    pytest.param({"any": [{"fact.modern": True}, {"customer.city": "Bursa"}]}, id="either"),
    pytest.param({"not": {"consent.sms": "granted"}}, id="not"),
]


@pytest.mark.parametrize("segment", SEGMENTS)
async def test_the_set_in_sql_is_whoever_belongs_one_by_one(
    sessions: Sessions, groups: Groups, brand: Brand, segment: dict[str, object], tmp_path: Path
) -> None:
    await populate(sessions, brand)
    book = RulebookHolder(write(tmp_path, BOOK)).current
    condition = parse_segment(book, segment)
    async with sessions() as tx:
        people = await page_of_customers(tx, brand.id, after="", limit=50)
    expected = [
        one.ref
        for one in people
        if belongs(book, condition, document(one, {}), situation(one, NOW))
    ]
    asked = await make(sessions, groups, brand, kind=GroupKind.SEGMENT, segment=segment)
    kept = await make(sessions, groups, brand, "then", kind=GroupKind.SNAPSHOT, segment=segment)

    async with sessions() as tx:
        found = await groups.members.audience(tx, brand.id, segment)

    assert 0 < len(expected) < 6
    assert (found.number, list(found.first)) == (len(expected), expected)
    assert await refs(sessions, groups, asked, limit=2) == expected
    assert await refs(sessions, groups, kept) == expected


async def test_a_condition_that_there_is_not_is_refused_with_what_was_meant(
    sessions: Sessions, groups: Groups, brand: Brand
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await make(
            sessions, groups, brand, kind=GroupKind.SEGMENT, segment={"customer.citty": "Ankara"}
        )

    assert "customer.city" in refused.value.hint
    with pytest.raises(InvalidInputError, match="condition"):
        await make(sessions, groups, brand, kind=GroupKind.SEGMENT)
    with pytest.raises(InvalidInputError, match="condition"):
        await make(sessions, groups, brand, segment=CITY)


async def test_a_snapshot_stays_as_it_was(sessions: Sessions, groups: Groups, brand: Brand) -> None:
    await populate(sessions, brand)
    live = await make(sessions, groups, brand, "ankara", kind=GroupKind.SEGMENT, segment=CITY)
    gold = await make(sessions, groups, brand)
    async with sessions() as tx, tx.begin():
        await groups.members.add(tx, gold, {"c5": {"debt": "7"}})
        then, number = await groups.snapshot(tx, brand, "ankara", "then", by="crm")
        copied, _ = await groups.snapshot(tx, brand, "gold", "gold-then", by="crm")
        await groups.members.remove(tx, gold, ["c5"])
        await tx.execute(text("UPDATE customers SET facts = '{}' WHERE ref = 'c0'"))

    assert number == 4
    assert await refs(sessions, groups, live) == ["c1", "c2", "c3"]
    assert await refs(sessions, groups, then) == ["c0", "c1", "c2", "c3"]
    assert await refs(sessions, groups, gold) == []
    async with sessions() as tx:
        [member], _ = await groups.members.page(tx, copied, after="", limit=5)
    assert (member.ref, member.variables, copied.source) == ("c5", {"debt": "7"}, "gold")
    async with sessions() as tx, tx.begin():
        with pytest.raises(ConflictError, match="snapshot"):
            await groups.members.add(tx, then, {"c5": {}})


async def test_who_is_in_some_groups_is_asked_by_a_query(
    sessions: Sessions, groups: Groups, brand: Brand
) -> None:
    await populate(sessions, brand)
    one, two = [await make(sessions, groups, brand, name) for name in ("one", "two")]
    async with sessions() as tx, tx.begin():
        await groups.members.add(tx, one, {"c1": {"a": "1"}, "c2": {"a": "1"}})
        await groups.members.add(tx, two, {"c2": {"a": "2", "b": "2"}, "c4": {}})

        query = select(_customers.ref).where(in_groups(_customers.id, [one.id, two.id]))
        found = (await tx.execute(query.order_by(_customers.ref))).scalars().all()
        nobody = (await tx.execute(select(_customers.id).where(in_groups(_customers.id, [])))).all()
        ids = (await tx.execute(select(_customers.id).where(_customers.ref == "c2"))).scalars()
        said = await variables_among(tx, [one.id, two.id], ids.all())

    assert (list(found), nobody) == (["c1", "c2", "c4"], [])
    assert list(said.values()) == [{"a": "1", "b": "2"}]


async def test_another_brands_customer_and_group_are_not_found(
    sessions: Sessions, groups: Groups, brand: Brand
) -> None:
    gold = await make(sessions, groups, brand)
    async with sessions() as tx, tx.begin():
        other = await a_brand(tx, "other")
        await a_customer(tx, other, "theirs")
        with pytest.raises(InvalidInputError, match="theirs"):
            await groups.members.add(tx, gold, {"theirs": {}})
        with pytest.raises(NotFoundError):
            await groups.find(tx, other.id, "gold")


async def test_who_is_erased_is_in_no_group_and_nothing_is_said_of_him(
    sessions: Sessions, groups: Groups, brand: Brand
) -> None:
    await populate(sessions, brand)
    gold = await make(sessions, groups, brand)
    clock = SetClock()
    async with sessions() as tx, tx.begin():
        await groups.members.add(tx, gold, {"c1": {"debt": "10"}, "c2": {}})
    async with sessions() as tx, tx.begin():
        await Persons(Consents(clock), Progress(clock), clock).erase(tx, brand, "c1", by="officer")

    assert await refs(sessions, groups, gold) == ["c2"]
    async with sessions() as tx:
        left = await tx.execute(text("SELECT variables FROM group_members"))
        assert {str(row.variables) for row in left} == {"{}"}
        assert await groups.members.count(tx, gold) == 1


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("Borç Tutarı", "borc_tutari"),
        ("İL / İLÇE", "il_ilce"),
        ("Łączna kwota (zł)", "laczna_kwota_zl"),
        ("first name", "first_name"),
    ],
)
def test_a_heading_becomes_a_name_that_texts_can_say(heading: str, name: str) -> None:
    assert variable_name(heading) == name


@pytest.mark.parametrize("heading", ["Brand", "Customer", "2027", "!!!"])
def test_a_column_may_not_speak_in_anothers_name(heading: str) -> None:
    with pytest.raises(InvalidInputError):
        variable_name(heading)


@pytest.mark.req("D71")
def test_the_variable_that_a_member_lacks_is_named() -> None:
    needs = ("borc_tutari", "brand.phone", "son_gun")
    brand = {"phone": "0850"}

    assert missing_variable(needs, {"brand": brand, "borc_tutari": "5", "son_gun": "1"}) == ""
    assert (
        missing_variable(needs, {"brand": brand, "borc_tutari": "5", "son_gun": " "}) == "son_gun"
    )
    assert missing_variable(needs, {"brand": {}, "borc_tutari": 0, "son_gun": "1"}) == "brand.phone"
