"""What a change of the rules would do to everybody, before it does."""

from pathlib import Path

import pytest

from rules.rulebook import Rulebook, load_rulebook
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError
from tellal.services.differences import Differences, PopulationImpact, TopicChange, changed_topics
from tellal.services.editions import pack
from tellal.services.house import House
from tests.rules.writing import HEAD
from tests.support.builders import a_brand, a_customer
from tests.support.desk import ROUTES

FIELDS = "version: 1\nfields:\n  customer.city: {type: text}\n"
BOOK = f"""{HEAD}
topics:
  - {{id: offer, means: An offer, class: service, expires: 1d}}
  - {{id: news, means: News, class: service, expires: 1d}}
channels:
  - {{id: offers, when: {{topic: offer}}, send: [sms, email]}}
  - {{id: news, when: {{topic: news}}, send: [email]}}
suppress:
  - {{id: far, when: {{topic: offer, customer.city: Konya}}, reason: far, text: Too far}}
"""


def a_book(folder: Path, name: str, text: str) -> Rulebook:
    there = folder / name
    there.mkdir()
    (there / "fields.yaml").write_text(FIELDS, encoding="utf-8")
    (there / "shop.yaml").write_text(text, encoding="utf-8")
    return load_rulebook(there)


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        for ref, city, contacts in (
            ("ayse", "Konya", {Channel.SMS: "+905320000101"}),
            ("bora", "Ankara", {Channel.SMS: "+905320000102"}),
            ("can", "İzmir", {Channel.SMS: "+905320000103", Channel.EMAIL: "can@example.com"}),
        ):
            await a_customer(tx, brand, ref, contacts=contacts, facts={"customer.city": city})
        return brand


async def compared(
    house: House, brand: Brand, old: Rulebook, new: Rulebook, *topics: str
) -> dict[str, TopicChange]:
    async with house.sessions() as tx, tx.begin():
        found = await Differences(ROUTES).compare(
            tx, brand.id, old, new, house.clock.now(), topics=topics
        )
    return {change.topic: change for change in found}


async def test_it_is_said_who_gains_and_who_loses_a_message(
    house: House, brand: Brand, tmp_path: Path
) -> None:
    old = a_book(tmp_path, "old", BOOK)
    new = a_book(tmp_path, "new", BOOK.replace("Konya", "Ankara"))

    [change] = (await compared(house, brand, old, new)).values()

    shifts = {one.kind: one for one in change.shifts}
    assert change.topic == "offer"
    assert {kind: one.customers for kind, one in shifts.items()} == {
        "gain": 1,
        "lose": 1,
        "same": 1,
    }
    assert (shifts["gain"].sample, shifts["lose"].sample) == (["ayse"], ["bora"])
    assert (shifts["gain"].before, shifts["gain"].after) == ("suppress far", "send sms")
    assert (shifts["lose"].before, shifts["lose"].after) == ("send sms", "suppress far")


async def test_another_channel_is_told(house: House, brand: Brand, tmp_path: Path) -> None:
    old = a_book(tmp_path, "old", BOOK)
    new = a_book(tmp_path, "new", BOOK.replace("send: [sms, email]", "send: [email, sms]"))

    [change] = (await compared(house, brand, old, new)).values()

    assert [(one.sample, one.before, one.after) for one in change.shifts if one.kind != "same"] == [
        (["can"], "send sms", "send email")
    ]
    assert change.number("channel") == 1


async def test_words_and_places_are_no_change(house: House, brand: Brand, tmp_path: Path) -> None:
    old = a_book(tmp_path, "old", BOOK)
    new = a_book(tmp_path, "new", "# Moved down\n\n" + BOOK.replace("Too far", "It is too far"))

    assert changed_topics(old, new) == []
    assert await compared(house, brand, old, new) == {}
    [asked] = (await compared(house, brand, old, new, "offer")).values()
    assert asked.number("same") == 3


async def test_a_new_topic_and_one_that_goes_are_counted_whole(
    house: House, brand: Brand, tmp_path: Path
) -> None:
    old = a_book(tmp_path, "old", BOOK)
    renamed = BOOK.replace("id: news", "id: post").replace("topic: news", "topic: post")
    new = a_book(tmp_path, "new", renamed)

    changes = await compared(house, brand, old, new)

    assert (changes["news"].number("lose"), changes["news"].number("gain")) == (1, 0)
    assert (changes["post"].number("gain"), changes["post"].number("lose")) == (1, 0)


async def test_an_unknown_topic_is_refused(house: House, brand: Brand, tmp_path: Path) -> None:
    book = a_book(tmp_path, "old", BOOK)

    with pytest.raises(InvalidInputError, match="neither rulebook has a topic 'ofer'"):
        await compared(house, brand, book, book, "ofer")


@pytest.mark.usefixtures("brand")
async def test_approval_is_asked_for_by_the_number_of_those_concerned(house: House) -> None:
    files = {"fields.yaml": FIELDS, "shop.yaml": BOOK}
    before = pack(files, {})
    nobody = pack(
        {**files, "shop.yaml": BOOK.replace("Konya", "Kars").replace("Kars", "Konya")}, {}
    )
    one = pack({**files, "shop.yaml": BOOK.replace("[email]", "[sms]")}, {})
    texts = pack(files, {"offer/sms.tr.j2": "Merhaba"})
    impact = PopulationImpact(Differences(ROUTES), house.clock)

    async with house.sessions() as tx, tx.begin():
        counts = [await impact.count(tx, before, after) for after in (nobody, one, texts)]
        everybody = await impact.count(tx, pack(files, {}), texts)

    assert counts[:2] == [0, 3]
    assert counts[2] == everybody
