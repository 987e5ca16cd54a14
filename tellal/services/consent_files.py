"""Reads consents with their history from a table; every line that cannot be taken says why.

The columns are ours or İYS' own, so that its files can be read as they come.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from tellal.addresses import country_of
from tellal.domain.channels import RecipientType
from tellal.domain.consent_rules import LAW_IN_FORCE, REGISTRY_TIME, Claim, check, source_named
from tellal.domain.consents import (
    TAKEN_BY_SENDER,
    WRITTEN_BY_TELLAL,
    ConsentChannel,
    Delegation,
    Source,
)
from tellal.domain.customers import Brand, ConsentState
from tellal.domain.errors import InvalidInputError
from tellal.services.block_lists import BadLine
from tellal.services.consent_ways import check_way
from tellal.services.consents import consent_address
from tellal.services.sheets import Cell, Line, as_number, as_text, read_lines

T = TypeVar("T")

REQUIRED = ("address", "channel", "state")
_PROOF = (
    "text", "name", "preselected", "precondition", "signature", "recording", "call", "ip",
    "contract", "font_pt", "at_end", "refusal_option", "direct_sale", "reference",
)  # fmt: skip
_DEALER = ("retailer", "retailer_contract", "goods")
OPTIONAL = (
    "customer", "first_name", "recipient_type", "source", "given_at", "valid_until", "purposes",
    *_DEALER, *_PROOF,
)  # fmt: skip
_THEIR_NAMES = {
    "recipient": "address",
    "type": "channel",
    "status": "state",
    "recipienttype": "recipient_type",
    "consentdate": "given_at",
    "retailercode": "retailer",
}
"""İYS' names of columns."""

_CHANNELS: Mapping[str, ConsentChannel] = {
    **{one.value: one for one in ConsentChannel},
    "arama": ConsentChannel.CALL,
    "mesaj": ConsentChannel.SMS,
    "eposta": ConsentChannel.EMAIL,
}
_STATES: Mapping[str, ConsentState] = {
    **{one.value: one for one in ConsentState},
    "onay": ConsentState.GRANTED,
    "ret": ConsentState.REFUSED,
}
_TYPES: Mapping[str, RecipientType] = {
    **{one.value: one for one in RecipientType},
    "": RecipientType.INDIVIDUAL,
    "bireysel": RecipientType.INDIVIDUAL,
    "tacir": RecipientType.MERCHANT,
}
_BY_NUMBER = frozenset({ConsentChannel.SMS, ConsentChannel.WHATSAPP, ConsentChannel.CALL})
_FLAGS = frozenset({"preselected", "precondition", "at_end", "refusal_option", "direct_sale"})
_YES, _NO = {"true", "yes", "1", "evet", "doğru"}, {"false", "no", "0", "hayır", "yanlış"}
_TURKISH_DAY = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ T](\d{1,2}:\d{2}(?::\d{2})?))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentLine:
    """A good line: whose consent it is, by the brand's name for him or by the address alone."""

    line: int
    customer: str
    first_name: str
    claim: Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentFile:
    """What a file says; `lines` are the good ones, `repeated` counts lines that repeat another."""

    lines: tuple[ConsentLine, ...]
    bad: tuple[BadLine, ...]
    repeated: int = 0


def read_consents(
    content: bytes, brand: Brand, *, at: datetime, direct_sale_attested_by: str = ""
) -> ConsentFile:
    """Read a file: CSV (UTF-8), XLS or XLSX, with a header.

    `direct_sale_attested_by` is who vouches that the brand itself sold to everybody whom the file
    names as HS_2015. A file that cannot be read at all has one bad line and no good one.
    """
    try:
        lines = read_lines(content)
        names = _names(next(lines, Line(1, [])).cells)
        return _read(lines, names, brand, at, direct_sale_attested_by)
    except InvalidInputError as error:
        return ConsentFile(lines=(), bad=(_bad(1, error),))


def _read(
    lines: Iterator[Line], names: Sequence[str], brand: Brand, at: datetime, attested_by: str
) -> ConsentFile:
    good: list[ConsentLine] = []
    bad: list[BadLine] = []
    seen: set[object] = set()
    repeated = 0
    for line in lines:
        try:
            one = _line(line, names, brand, at, attested_by)
        except InvalidInputError as error:
            bad.append(_bad(line.number, error))
            continue
        claim = one.claim
        same = (
            one.customer, claim.address, claim.channel, claim.state, claim.recipient_type,
            claim.source, claim.given_at, claim.purposes, claim.delegation,
        )  # fmt: skip
        if same in seen:
            repeated += 1
        else:
            seen.add(same)
            good.append(one)
    return ConsentFile(lines=tuple(good), bad=tuple(bad), repeated=repeated)


def _bad(line: int, error: InvalidInputError) -> BadLine:
    named = f"{error.field}: {error}" if error.field else str(error)
    return BadLine(line=line, message=named, hint=error.hint)


def _names(cells: Sequence[Cell]) -> list[str]:
    """Read the header; a column that nobody knows is refused, or proof would be lost unseen."""
    said = [as_text(cell).lower().replace(" ", "_") for cell in cells]
    names = [_THEIR_NAMES.get(name, name) for name in said]
    hint = f"needed: {', '.join(REQUIRED)}; known besides: {', '.join(OPTIONAL)}"
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise InvalidInputError(f"there is no column {', '.join(missing)}", hint=hint)
    unknown = [name for name in names if name not in REQUIRED + OPTIONAL]
    if unknown:
        raise InvalidInputError(f"nobody knows the column {', '.join(unknown)}", hint=hint)
    if len(set(names)) < len(names):
        raise InvalidInputError("a column is named twice", hint=hint)
    return names


def _line(
    line: Line, names: Sequence[str], brand: Brand, at: datetime, attested_by: str
) -> ConsentLine:
    if len(line.cells) != len(names):
        raise InvalidInputError(
            f"it has {len(line.cells)} fields, and the header {len(names)}",
            hint="put a field that holds the separator between quotation marks",
        )
    said = dict(zip(names, line.cells, strict=True))
    words = {name: as_text(cell) for name, cell in said.items()}
    channel = _one_of(_CHANNELS, "channel", words)
    source = _source(words.get("source", ""))
    evidence = _evidence(words)
    if source is Source.HS_2015 and attested_by and "direct_sale" not in evidence:
        evidence |= {"direct_sale": True, "attested_by": attested_by}
    claim = Claim(
        channel=channel,
        state=_one_of(_STATES, "state", words),
        source=source,
        recipient_type=_one_of(_TYPES, "recipient_type", words),
        given_at=_given_at(said, source, brand),
        address=_address(channel, words["address"], brand),
        purposes=tuple(sorted(_several(words.get("purposes", "")))),
        valid_until=_instant(said, "valid_until", source, brand),
        delegation=_delegation(words),
        evidence=evidence,
    )
    country = country_of(claim.address) if channel in _BY_NUMBER else ""
    check_way(claim, brand.timezone, country or brand.country)
    check(claim, now=at)
    return ConsentLine(
        line=line.number,
        customer=words.get("customer", ""),
        first_name=words.get("first_name", ""),
        claim=claim,
    )


def _address(channel: ConsentChannel, text: str, brand: Brand) -> str:
    """Read an address as spreadsheets mangle it: 5321234567.0, without its zero, in blanks."""
    if not text:
        raise InvalidInputError("there is no address", field="address", hint="number or mail")
    if channel is not ConsentChannel.EMAIL and channel is not ConsentChannel.PUSH:
        text = as_number(text, "address")
    return consent_address(channel, text, region=brand.country)


def _source(text: str) -> Source:
    source = source_named(text) if text else Source.IMPORT
    if source in WRITTEN_BY_TELLAL and not text.startswith("IYS_"):
        raise InvalidInputError(
            f"{text} is recorded by Tellal itself", field="source", hint="as in HS_WEB, or import"
        )
    return source


def _given_at(said: Mapping[str, Cell], source: Source, brand: Brand) -> datetime:
    found = _instant(said, "given_at", source, brand)
    if found is not None:
        return found
    if source is Source.HS_2015:
        return LAW_IN_FORCE
    raise InvalidInputError(
        "it does not say when it was given", field="given_at", hint="as in 2026-03-02 10:00:00"
    )


def _instant(said: Mapping[str, Cell], name: str, source: Source, brand: Brand) -> datetime | None:
    """Read a time; without a zone it is İYS' for its sources, and the brand's for others."""
    cell = said.get(name, "")
    if cell == "":
        return None
    if isinstance(cell, datetime):
        found = cell
    elif isinstance(cell, date):
        found = datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001 the zone comes below
    else:
        found = _read_instant(as_text(cell), name)
    if found.tzinfo is not None:
        return found
    registered = source in TAKEN_BY_SENDER or source.startswith("IYS_")
    return found.replace(tzinfo=REGISTRY_TIME if registered else _zone(brand.timezone))


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _read_instant(text: str, name: str) -> datetime:
    turkish = _TURKISH_DAY.fullmatch(text)
    if turkish:
        day, month, year, clock = turkish.groups()
        text = f"{year}-{month:0>2}-{day:0>2} {(clock or '0:00').rjust(5, '0')}"
        if clock and clock.count(":") > 1:
            text = f"{text[:10]} {clock.rjust(8, '0')}"
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(
            f"{text!r} is no time", field=name, hint="as in 2026-03-02 10:00:00, or 02.03.2026"
        ) from error


def _evidence(words: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in _PROOF:
        text = words.get(name, "")
        if not text:
            continue
        if name in _FLAGS:
            found[name] = _flag(text, name)
        elif name == "font_pt":
            found[name] = _points(text)
        else:
            found[name] = text
    return found


def _flag(text: str, name: str) -> bool:
    folded = text.lower()
    if folded not in _YES | _NO:
        raise InvalidInputError(f"{text!r} is neither yes nor no", field=name, hint="yes or no")
    return folded in _YES


def _points(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise InvalidInputError(
            f"{text!r} is no number of points", field="font_pt", hint="as in 12"
        ) from error


def _several(text: str) -> list[str]:
    return [one.strip() for one in text.split("|") if one.strip()]


def _delegation(words: Mapping[str, str]) -> Delegation | None:
    if not any(words.get(name) for name in _DEALER):
        return None
    return Delegation(
        retailer=words.get("retailer", ""),
        contract=words.get("retailer_contract", ""),
        goods=tuple(_several(words.get("goods", ""))),
    )


def _one_of(known: Mapping[str, T], name: str, words: Mapping[str, str]) -> T:
    text = words.get(name, "")
    found = known.get(text.lower())
    if found is None:
        raise InvalidInputError(
            f"no {name} {text!r}",
            field=name,
            hint=f"one of: {', '.join(one for one in known if one)}",
        )
    return found
