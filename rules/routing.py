"""Reads the table of routes: which provider may carry what, where to, and for how much."""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from rules.entries import Entry, entries_of
from rules.source import Report, SourceFile, parse
from tellal.domain.channels import Channel, MessageClass
from tellal.domain.errors import RulebookError
from tellal.domain.routes import Carriage, Price, Route, RouteTable
from tellal.domain.sms.alphabets import EVERYWHERE, Alphabet

SHIPPED = Path(__file__).parent / "routes.yaml"

_COUNTRY = re.compile(r"[A-Z]{2}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_AMOUNT = re.compile(r"\d{1,6}(\.\d{1,6})?")
_MOST_PER_SECOND = 1_000_000


def load_routes(path: Path | None = None) -> RouteTable:
    """Read a file of routes, by default the one that ships with Tellal.

    Raises:
        RulebookError: It is not a table of routes; all mistakes are listed with their places.
    """
    chosen = path or SHIPPED
    file = SourceFile(name=chosen.name, text=chosen.read_text(encoding="utf-8-sig"))
    report = Report()
    root: Mapping[object, object] = parse(file, report) or {}
    entries = entries_of(root, "routes", file.name, report)
    routes = [_route(entry) for entry in entries]
    _refuse_twins(entries, report)
    if report.findings:
        raise RulebookError(report.in_order())
    return RouteTable(routes=tuple(routes))


def _route(entry: Entry) -> Route:
    entry.only(
        (
            "id", "provider", "channel", "carries", "weight", "rate", "alphabets", "two_way",
            "price", "longest_validity",
        ),
        required=("id", "provider", "channel", "carries"),
    )  # fmt: skip
    alphabets = frozenset(entry.choices("alphabets", Alphabet)) | EVERYWHERE
    return Route(
        name=entry.id(),
        provider=entry.id("provider"),
        channel=entry.choice("channel", Channel, Channel.SMS),
        carries=tuple(_carriage(one) for one in _listed(entry, "carries")),
        weight=entry.number("weight", 100, most=10_000),
        rate=_rate(entry),
        alphabets=alphabets,
        two_way=_flag(entry, "two_way"),
        price=_price(entry),
        longest_validity=_validity(entry),
    )


def _carriage(entry: Entry) -> Carriage:
    entry.only(("countries", "classes", "urls", "reserved"), required=("classes",))
    countries = entry.texts("countries")
    for place, code in countries:
        if not _COUNTRY.fullmatch(code):
            entry.report.add(place, f"{code!r} is no country", "two capital letters, as in TR")
    return Carriage(
        countries=frozenset(code for _, code in countries),
        classes=frozenset(entry.choices("classes", MessageClass)),
        urls=_flag(entry, "urls"),
        reserved=entry.number("reserved", 0, least=0, most=100),
    )


def _listed(entry: Entry, key: str) -> list[Entry]:
    return entries_of(entry.raw, key, entry.file, entry.report)


def _rate(entry: Entry) -> float | None:
    if "rate" not in entry.raw:
        return None
    return float(entry.number("rate", 1, most=_MOST_PER_SECOND))


def _flag(entry: Entry, key: str) -> bool:
    value = entry.raw.get(key, False)
    if isinstance(value, bool):
        return value
    entry.wrong(key, f"'{key}' is true or false, found {value!r}")
    return False


def _price(entry: Entry) -> Price | None:
    if "price" not in entry.raw:
        return None
    price = entry.within("price")
    price.only(("amount", "currency"), required=("amount", "currency"))
    amount, currency = price.text("amount"), price.text("currency")
    if not _AMOUNT.fullmatch(amount):
        price.wrong("amount", f"'amount' is a sum, found {amount!r}", "write '0.0500' in quotes")
        amount = "0"
    if not _CURRENCY.fullmatch(currency):
        price.wrong("currency", f"{currency!r} is no currency", "three capital letters, as in TRY")
    return Price(amount=Decimal(amount), currency=currency)


def _validity(entry: Entry) -> timedelta | None:
    if "longest_validity" not in entry.raw:
        return None
    return entry.duration("longest_validity", timedelta(days=1))


def _refuse_twins(entries: list[Entry], report: Report) -> None:
    seen: set[str] = set()
    for entry in entries:
        name = str(entry.raw.get("id", ""))
        if name in seen:
            report.add(entry.place, f"a second route is called {name!r}")
        seen.add(name)
