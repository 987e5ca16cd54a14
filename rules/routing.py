"""Reads the table of routes: which provider may carry what, where to, and for how much."""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from rules.entries import Entry, read_entry
from rules.source import Report
from tellal.addresses import is_country
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.errors import RulebookError
from tellal.domain.push import PushKind
from tellal.domain.routes import Carriage, Price, Route, RouteTable
from tellal.domain.sms.alphabets import EVERYWHERE, Alphabet

SHIPPED = Path(__file__).parent / "routes.yaml"

_VERSION = 1
_SHAPE = "a table of routes is a mapping with 'version' and 'routes'"
_MEANT = {"UK": "the United Kingdom is GB", "EL": "Greece is GR"}
"""Codes that are often written for countries and are not theirs (ISO 3166-1)."""
_COMPONENT = re.compile(r"[a-z][a-z0-9_]{0,79}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_AMOUNT = re.compile(r"\d{1,6}(\.\d{1,6})?")
_MOST_PER_SECOND = 1_000_000


def load_routes(path: Path | None = None) -> RouteTable:
    """Read a file of routes, by default the one that ships with Tellal.

    Raises:
        RulebookError: It is not a table of routes; all mistakes are listed with their places.
    """
    chosen = path or SHIPPED
    report = Report()
    head = read_entry(chosen, "the table of routes", _SHAPE, report)
    if head is None:
        raise RulebookError(report.in_order())
    _check_head(head)
    entries = head.entries("routes")
    routes = [_route(entry) for entry in entries]
    needs = _needs(head)
    _refuse_twins(entries, report)
    if report.findings:
        raise RulebookError(report.in_order())
    return RouteTable(routes=tuple(routes), needs=needs)


def _check_head(head: Entry) -> None:
    head.only(("version", "routes", "channel_needs"), required=("version", "routes"))
    if "version" in head.raw and head.raw["version"] != _VERSION:
        head.wrong("version", f"a table of routes says 'version: {_VERSION}'")
    if head.raw.get("routes", "") in (None, []):
        head.wrong("routes", "there is no route, so nothing would ever leave")


def _needs(head: Entry) -> Mapping[Channel, frozenset[str]]:
    """Read which components each channel depends on."""
    section = head.within("channel_needs")
    section.only([channel.value for channel in Channel])
    needs = {}
    for channel in Channel:
        named = section.texts(channel.value)
        for place, name in named:
            if not _COMPONENT.fullmatch(name):
                message = f"{name!r} is no component's name"
                head.report.add(place, message, "small letters, digits and _, as in app_backend")
        if named:
            needs[channel] = frozenset(name for _, name in named)
    return needs


def _route(entry: Entry) -> Route:
    entry.only(
        (
            "id", "provider", "channel", "carries", "weight", "rate", "alphabets", "two_way",
            "price", "longest_validity", "addresses",
        ),
        required=("id", "provider", "channel", "carries"),
    )  # fmt: skip
    carries = entry.entries("carries")
    if entry.raw.get("carries", "") in (None, []):
        entry.wrong("carries", f"{entry.raw.get('id')!s} carries nothing", "name the classes")
    _refuse_unreached(carries)
    return Route(
        name=entry.id(),
        provider=entry.id("provider"),
        channel=entry.choice("channel", Channel, Channel.SMS),
        carries=tuple(_carriage(one) for one in carries),
        weight=entry.number("weight", 100, most=10_000),
        rate=_rate(entry),
        alphabets=frozenset(entry.choices("alphabets", Alphabet)) or EVERYWHERE,
        two_way=entry.flag("two_way"),
        price=_price(entry),
        longest_validity=_validity(entry),
        addresses=_addresses(entry),
    )


def _carriage(entry: Entry) -> Carriage:
    entry.only(("countries", "classes", "urls", "reserved", "names"), required=("classes",))
    countries = entry.texts("countries")
    for place, code in countries:
        if not is_country(code):
            hint = _MEANT.get(code, "two capital letters, as in TR")
            entry.report.add(place, f"{code!r} is no country", hint)
    if "countries" in entry.raw and entry.raw["countries"] in (None, []):
        entry.wrong("countries", "'countries' names none", "leave it out to mean all others")
    return Carriage(
        countries=frozenset(code for _, code in countries),
        classes=frozenset(entry.choices("classes", MessageClass)),
        urls=entry.flag("urls"),
        reserved=entry.number("reserved", 0, least=0, most=100),
        names="names" not in entry.raw or entry.flag("names"),
    )


def _refuse_unreached(carries: list[Entry]) -> None:
    """Report what no message comes to, because an entry before it takes its countries."""
    taken: set[object] = set()
    all_taken = False
    for entry in carries:
        countries = entry.raw.get("countries")
        if all_taken:
            message = "this is never reached: the entry before it is for all countries"
            entry.report.add(entry.start, message, "put the entry without countries last")
        elif isinstance(countries, list):
            for place, code in entry.items("countries"):
                if code in taken:
                    entry.report.add(place, f"{code!r} has its entry already")
                taken.add(str(code))
        all_taken = all_taken or "countries" not in entry.raw


def _rate(entry: Entry) -> float | None:
    if "rate" not in entry.raw:
        return None
    return float(entry.number("rate", 1, most=_MOST_PER_SECOND))


def _price(entry: Entry) -> Price | None:
    if "price" not in entry.raw:
        return None
    price = entry.within("price")
    price.only(("amount", "currency"), required=("amount", "currency"))
    amount, currency = (str(price.raw.get(key, "")) for key in ("amount", "currency"))
    is_sum = isinstance(price.raw.get("amount"), str) and _AMOUNT.fullmatch(amount)
    if "amount" in price.raw and not is_sum:
        price.wrong("amount", f"'amount' is a sum, found {amount}", "write '0.0500', in quotes")
    if "currency" in price.raw and not _CURRENCY.fullmatch(currency):
        price.wrong("currency", f"{currency!r} is no currency", "three capital letters, as in TRY")
    return Price(amount=Decimal(amount) if is_sum else Decimal(0), currency=currency)


def _validity(entry: Entry) -> timedelta | None:
    if "longest_validity" not in entry.raw:
        return None
    return entry.duration("longest_validity", timedelta(days=1))


def _addresses(entry: Entry) -> frozenset[PushKind]:
    if "addresses" in entry.raw and entry.raw.get("channel") != Channel.PUSH.value:
        entry.wrong("addresses", "only addresses of pushes are of kinds", "leave it out")
    return frozenset(entry.choices("addresses", PushKind))


def _refuse_twins(entries: list[Entry], report: Report) -> None:
    seen: set[str] = set()
    for entry in entries:
        name = str(entry.raw.get("id", ""))
        if name and name in seen:
            report.add(entry.place, f"a second route is called {name!r}")
        seen.add(name)
