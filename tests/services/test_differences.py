"""What a change of the rules would do to everybody, before it does."""

from pathlib import Path

import pytest

from rules.changes import changed_topics
from rules.rulebook import Rulebook, load_rulebook
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError
from tellal.services.differences import Differences, PopulationImpact, TopicChange
from tellal.services.editions import pack
from tellal.services.house import House
from tellal.services.impact import Everybody
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
        {**files, "shop.yaml": "# Said again\n" + BOOK.replace("Too far", "It is too far")}, {}
    )
    one = pack({**files, "shop.yaml": BOOK.replace("[email]", "[sms]")}, {})
    texts = pack(files, {"offer/sms.tr.j2": "Merhaba"})
    impact = PopulationImpact(Differences(ROUTES), house.clock)

    async with house.sessions() as tx, tx.begin():
        counts = [await impact.count(tx, before, after) for after in (nobody, one, texts)]
        everybody = await impact.count(tx, pack(files, {}), texts)

    assert counts[:2] == [0, 3]
    assert counts[2] == everybody


CITY = "customer.city: Konya}"
UNSEEN = {
    "only from tomorrow": {CITY: CITY + ", from: 2099-01-01"},
    "only until yesterday": {CITY: CITY + ", until: 2020-01-01"},
    "only at an hour": {CITY: "customer.city: Konya, calendar.hour: 3}"},
    "only when something is a while ago": {CITY: "customer.seen: {older_than: 9d}}"},
    "only after an event that carries something": {CITY: "event.method: sms}"},
    "a cap that is not full yet": {
        "suppress:": "caps:\n  - {id: few, count: {class: service}, limit: 5, per: 1d,"
        " on_reach: suppress, reason: few, text: Few}\nsuppress:"
    },
    "quiet hours that are not now": {
        "suppress:": "quiet_hours:\n  - {id: feast, channels: [sms], days: [holiday],"
        " countries: [AQ], action: defer, text: Feast}\nsuppress:"
    },
    "how long silence is borne": {"send: [sms, email]": "send: [sms, email], patience: {sms: 1m}"},
    "the class of a topic": {"News, class: service": "News, class: mandatory"},
    "what an event leaves behind": {
        "channels:": "events:\n  - {type: login, sets: {customer.city: Konya}}\nchannels:"
    },
}


@pytest.mark.usefixtures("brand")
@pytest.mark.parametrize("change", UNSEEN.values(), ids=UNSEEN)
async def test_what_shows_at_another_moment_only_concerns_everybody(
    house: House, change: dict[str, str]
) -> None:
    fields = FIELDS + "  customer.seen: {type: time}\n  event.method: {type: text}\n"
    text = BOOK
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new, 1)
    before = pack({"fields.yaml": fields, "shop.yaml": BOOK}, {})
    after = pack({"fields.yaml": fields, "shop.yaml": text}, {})
    impact = PopulationImpact(Differences(ROUTES), house.clock)

    async with house.sessions() as tx, tx.begin():
        everybody = await Everybody().count(tx, before, after)
        assert await impact.count(tx, before, after) == everybody >= 3


@pytest.mark.usefixtures("brand")
async def test_who_may_see_what_of_a_person_concerns_everybody(house: House) -> None:
    before = pack(
        {"fields.yaml": FIELDS.replace("text}", "text, pii: true}"), "shop.yaml": BOOK}, {}
    )
    after = pack({"fields.yaml": FIELDS, "shop.yaml": BOOK}, {})
    impact = PopulationImpact(Differences(ROUTES), house.clock)

    async with house.sessions() as tx, tx.begin():
        assert await impact.count(tx, before, after) >= 3


@pytest.mark.usefixtures("brand")
async def test_who_is_spared_by_what_is_stored_is_counted(house: House) -> None:
    files = {"fields.yaml": FIELDS}
    before = pack({**files, "shop.yaml": BOOK}, {})
    after = pack({**files, "shop.yaml": BOOK.replace("Konya", "[Konya, Ankara]")}, {})
    impact = PopulationImpact(Differences(ROUTES), house.clock)

    async with house.sessions() as tx, tx.begin():
        assert await impact.count(tx, before, after) == 1
