"""The table of routes: the one that ships keeps to the law, and a broken one says where."""

from pathlib import Path

import pytest

from rules.routing import load_routes
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.errors import RulebookError
from tellal.domain.routes import Load, RouteTable
from tellal.domain.sms.alphabets import Alphabet

GOOD = """\
version: 1
routes:
  - id: text
    provider: twilio
    channel: sms
    weight: 7
    rate: 50
    alphabets: [gsm7, turkish_single]
    two_way: true
    price: {amount: '0.0500', currency: USD}
    longest_validity: 10h
    carries:
      - {countries: [TR, AZ], classes: [service], reserved: 5}
      - {classes: [commercial, service], urls: true}
"""


def over(table: RouteTable, load: Load) -> set[str]:
    return {route.provider for route in table.carrying(load)}


def to(country: str, message_class: MessageClass, *, link: bool = False) -> Load:
    return Load(channel=Channel.SMS, country=country, message_class=message_class, has_link=link)


def test_the_table_that_ships_reaches_every_channel_but_the_banner() -> None:
    assert load_routes().channels == set(Channel) - {Channel.BANNER}


def test_no_promotion_to_turkey_goes_over_twilio() -> None:
    table = load_routes()

    assert over(table, to("TR", MessageClass.COMMERCIAL)) == {"netgsm"}
    assert over(table, to("PL", MessageClass.COMMERCIAL)) == {"twilio"}
    assert "twilio" in over(table, to("TR", MessageClass.SERVICE))


@pytest.mark.parametrize("message_class", MessageClass)
def test_no_link_to_turkey_goes_over_twilio(message_class: MessageClass) -> None:
    table = load_routes()

    assert over(table, to("TR", message_class, link=True)) == {"netgsm"}
    assert over(table, to("PL", message_class, link=True)) == {"twilio"}


def write(folder: Path, text: str) -> Path:
    path = folder / "routes.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_says_what_is_written_in_it(tmp_path: Path) -> None:
    [route] = load_routes(write(tmp_path, GOOD)).routes

    turkey, others = route.carries
    assert (route.name, route.provider, route.channel) == ("text", "twilio", Channel.SMS)
    assert (route.weight, route.rate, route.two_way) == (7, 50, True)
    assert route.alphabets == {Alphabet.GSM7, Alphabet.TURKISH_SINGLE}
    assert route.price is not None
    assert (str(route.price.amount), route.price.currency) == ("0.0500", "USD")
    assert route.longest_validity is not None
    assert route.longest_validity.total_seconds() == 36_000
    assert (turkey.countries, turkey.urls, turkey.reserved) == (frozenset({"TR", "AZ"}), False, 5)
    assert (others.countries, others.urls, others.reserved) == (frozenset(), True, 0)


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        pytest.param(
            "version: 1", "version: 2", "routes.yaml:1:1: a table of routes says 'version: 1'",
            id="version",
        ),
        pytest.param(
            "routes:", "rotes:", "routes.yaml:2:1: unknown key 'rotes' (did you mean 'routes'?)",
            id="section",
        ),
        pytest.param(
            "    weight: 7", "    wieght: 7",
            "routes.yaml:6:5: unknown key 'wieght' (did you mean 'weight'?)",
            id="key",
        ),
        pytest.param(
            "    provider: twilio\n", "", "routes.yaml:3:5: 'provider' is missing", id="missing"
        ),
        pytest.param(
            "sms", "smss", "routes.yaml:5:5: 'channel': 'smss' is not one of", id="channel"
        ),
        pytest.param(
            "weight: 7", "weight: 0",
            "routes.yaml:6:5: 'weight' is a whole number from 1 to 10000, found 0",
            id="weight",
        ),
        pytest.param(
            "rate: 50", "rate: fast",
            "routes.yaml:7:5: 'rate' is a whole number from 1 to 1000000, found 'fast'",
            id="rate",
        ),
        pytest.param(
            "turkish_single", "turkish", "routes.yaml:8:23: 'alphabets': 'turkish' is not one of",
            id="alphabet",
        ),
        pytest.param(
            "two_way: true", "two_way: 1",
            "routes.yaml:9:5: 'two_way' is true or false, found 1",
            id="flag",
        ),
        pytest.param(
            "'0.0500'", "0.05",
            "routes.yaml:10:13: 'amount' is a sum, found 0.05 (write '0.0500', in quotes)",
            id="amount",
        ),
        pytest.param(
            "currency: USD", "currency: $",
            "'$' is no currency (three capital letters, as in TRY)",
            id="currency",
        ),
        pytest.param(
            ", currency: USD", "", "routes.yaml:10:5: 'currency' is missing", id="no currency"
        ),
        pytest.param(
            "10h", "10 hours",
            "routes.yaml:11:5: 'longest_validity' is a time span, found '10 hours' "
            "(write 30m, 8h or 7d)",
            id="validity",
        ),
        pytest.param(
            "[TR, AZ]", "[Turkey, AZ]",
            "routes.yaml:13:22: 'Turkey' is no country (two capital letters, as in TR)",
            id="country",
        ),
        pytest.param(
            "[TR, AZ]", "[UK]",
            "routes.yaml:13:22: 'UK' is no country (the United Kingdom is GB)",
            id="a code that is none",
        ),
        pytest.param(
            "[TR, AZ]", "[]",
            "routes.yaml:13:10: 'countries' names none (leave it out to mean all others)",
            id="no country",
        ),
        pytest.param(
            "[TR, AZ]", "TR", "routes.yaml:13:10: 'countries' is a list, as in [TR]", id="no list"
        ),
        pytest.param(
            "countries: [TR, AZ], ", "",
            "routes.yaml:14:9: this is never reached: the entry before it is for all countries "
            "(put the entry without countries last)",
            id="never reached",
        ),
        pytest.param(
            "- {classes: [commercial", "- {countries: [DE, AZ], classes: [commercial",
            "routes.yaml:14:26: 'AZ' has its entry already",
            id="a country twice",
        ),
        pytest.param(
            "[commercial, service]", "[commercial, servce]",
            "'servce' is not one of commercial, service, mandatory (did you mean 'service'?)",
            id="class",
        ),
        pytest.param("reserved: 5", "reserved: 101", "'reserved' is a whole number", id="reserved"),
        pytest.param("id: text", "id: Text", "routes.yaml:3:5: 'id' is a name of", id="id"),
        pytest.param("rate: 50", "weight: 7", "every name may stand once", id="a key twice"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(tmp_path: Path, good: str, bad: str, told: str) -> None:
    assert good in GOOD

    with pytest.raises(RulebookError) as caught:
        load_routes(write(tmp_path, GOOD.replace(good, bad, 1)))

    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "routes.yaml:1:1", id="empty"),
        pytest.param("version: 1\nroutes: []\n", "2:1: there is no route", id="no route"),
        pytest.param("version: 1\nroutes: text\n", "'routes' is a list", id="no list"),
        pytest.param("version: 1\nroutes: [text]\n", "is a mapping", id="no mapping"),
        pytest.param("version: [\n", "routes.yaml:2:1", id="no yaml"),
        pytest.param(
            "version: 1\nroutes:\n  - {id: a, provider: b, channel: sms, carries: []}\n",
            "3:40: a carries nothing (name the classes)",
            id="carries nothing",
        ),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(RulebookError) as caught:
        load_routes(write(tmp_path, text))

    assert told in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("weight: 7", "weight: no").replace("[TR, AZ]", "[XX]")

    with pytest.raises(RulebookError) as caught:
        load_routes(write(tmp_path, text))

    assert [finding.line for finding in caught.value.findings] == [6, 13]


def test_two_routes_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = GOOD + GOOD.split("routes:\n")[1]

    with pytest.raises(RulebookError, match=r"15:5: a second route is called 'text'"):
        load_routes(write(tmp_path, twice))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RulebookError, match="cannot be read: No such file"):
        load_routes(tmp_path / "nowhere.yaml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_bytes(b"version: \xff\xfe")

    with pytest.raises(RulebookError, match="not written in UTF-8"):
        load_routes(path)


@pytest.mark.req("B18")
def test_a_table_says_what_its_channels_need(tmp_path: Path) -> None:
    needs = "channel_needs:\n  push: [app_backend]\n  banner: [app_backend, website]\n"

    table = load_routes(write(tmp_path, f"{GOOD}{needs}")).with_providers({"nobody"})

    assert table.needs == {
        Channel.PUSH: {"app_backend"},
        Channel.BANNER: {"app_backend", "website"},
    }
    assert load_routes().needs[Channel.PUSH] == {"app_backend"}
    assert load_routes(write(tmp_path, GOOD)).needs == {}


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        pytest.param("{pusch: [app]}", "unknown key 'pusch' (did you mean 'push'?)", id="channel"),
        pytest.param("{push: [App]}", "'App' is no component's name", id="name"),
        pytest.param("{push: app}", "'push' is a list", id="no list"),
        pytest.param("[push]", "'channel_needs' is a mapping", id="no mapping"),
    ],
)
def test_broken_needs_say_where_they_are(tmp_path: Path, needs: str, message: str) -> None:
    with pytest.raises(RulebookError) as refused:
        load_routes(write(tmp_path, f"{GOOD}channel_needs: {needs}\n"))

    assert message in str(refused.value)
    assert str(refused.value).startswith("routes.yaml:15:")
