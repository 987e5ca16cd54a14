"""Reads customers with their addresses and facts from a table; every bad line says why.

The columns are those in which `customer_table` writes them; a spreadsheet of one's own may call the
reference, the number and the mail as people do.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field as default

from rules.names import CUSTOMER
from rules.vocabulary import Field, FieldType, Vocabulary, did_you_mean
from tellal.addresses import country_of, normalise
from tellal.domain.channels import BY_NUMBER, Channel
from tellal.domain.customers import Brand, CustomerKind
from tellal.domain.errors import InvalidInputError
from tellal.domain.groups import slug
from tellal.services import places
from tellal.services.block_lists import BadLine
from tellal.services.customer_columns import BAD, CHANNELS, FIXED, OTHERS, REF, fact_columns
from tellal.services.formulas import went_wrong
from tellal.services.member_files import EMAIL, PHONE, REF as REFERENCE, ROLES
from tellal.services.sheets import Cell, Line, as_number, as_text, code_pages, open_sheet

_YES, _NO = {"true", "yes", "1", "evet", "tak"}, {"false", "no", "0", "hayır", "hayir", "nie", ""}
_BY_ROLE = {REFERENCE: REF, PHONE: Channel.SMS.value, EMAIL: Channel.EMAIL.value}
_OURS = {
    **{name: column for role, column in _BY_ROLE.items() for name in ROLES[role]},
    **dict.fromkeys(("first_name", "ad", "adi", "isim", "imie"), "first_name"),
    **dict.fromkeys(("sehir", "il", "miasto"), "city"),
}
"""What people call our columns."""
_LIMITS = {REF: 200, "locale": 20, "first_name": 100}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address of a customer; `bad_reason` says why it is unusable."""

    channel: Channel
    address: str
    bad_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerLine:
    """A good line; None is what the file does not say, which stays as it is."""

    line: int
    ref: str = ""
    kind: str | None = None
    locale: str | None = None
    timezone: str | None = None
    country: str | None = None
    first_name: str | None = None
    service_only: bool | None = None
    topics_off: tuple[str, ...] | None = None
    addresses: tuple[Address, ...] = ()
    facts: Mapping[str, object] = default(default_factory=dict)

    def first(self, channel: Channel) -> str:
        """Return the address on a channel by which he may be known; empty if there is none."""
        return next((one.address for one in self.addresses if one.channel is channel), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFile:
    """What a file says; `lines` are the good ones, `empty` counts those that say nothing."""

    lines: tuple[CustomerLine, ...] = ()
    bad: tuple[BadLine, ...] = ()
    empty: int = 0


def read_customers_of(content: bytes, brand: Brand, vocabulary: Vocabulary) -> CustomerFile:
    """Read a file: CSV, XLS or XLSX, with a header.

    A file that cannot be read at all has one bad line and no good one.
    """
    good: list[CustomerLine] = []
    bad: list[BadLine] = []
    empty = 0
    try:
        lines = open_sheet(content, code_pages(brand.country)).lines
        reader = _Reader(_first(lines), brand, vocabulary)
        for line in lines:
            if not line.cells:
                empty += 1
                continue
            try:
                good.append(reader.read(line))
            except InvalidInputError as error:
                bad.append(_bad(line.number, error))
    except InvalidInputError as error:
        return CustomerFile(bad=(_bad(1, error),))
    return CustomerFile(lines=tuple(good), bad=tuple(bad), empty=empty)


class _Reader:
    """Reads lines by their header."""

    def __init__(self, header: Line, brand: Brand, vocabulary: Vocabulary) -> None:
        self._brand = brand
        self._vocabulary = vocabulary
        self._fields = fact_columns(vocabulary)
        self._names = self._columns(header.cells)

    def _columns(self, cells: Sequence[Cell]) -> list[str]:
        known = {*FIXED, *self._fields}
        names = []
        for heading in map(as_text, cells):
            name = slug(heading)
            name = name if name in known else _OURS.get(name, name)
            if heading and name not in known:
                raise InvalidInputError(
                    f"nobody knows the column {heading!r}",
                    hint=did_you_mean(name, known) or f"known are {', '.join(sorted(known))}",
                )
            names.append(name)
        if not {REF, Channel.SMS.value, Channel.EMAIL.value}.intersection(names):
            raise InvalidInputError(
                "no column says who is meant", hint="call one customer, phone or email"
            )
        named = [name for name in names if name]
        if len(set(named)) < len(named):
            raise InvalidInputError("a column is named twice", hint="leave one of them out")
        return names

    def read(self, line: Line) -> CustomerLine:
        """Read a line.

        Raises:
            InvalidInputError: Something in it cannot be.
        """
        said = self._said(line)
        for name, limit in _LIMITS.items():
            if len(said.get(name, "")) > limit:
                raise InvalidInputError(f"it has more than {limit} characters", field=name)
        addresses = tuple(self._addresses(said))
        ref = said.get(REF, "")
        if not ref and not any(one.channel in (Channel.SMS, Channel.EMAIL) for one in addresses):
            raise InvalidInputError(
                "it does not say who is meant", hint="give a reference, a number or a mail"
            )
        return CustomerLine(
            line=line.number,
            ref=ref,
            kind=_kind(said),
            locale=said.get("locale") or None,
            timezone=places.timezone(said["timezone"]) if said.get("timezone") else None,
            country=self._country(said, addresses),
            first_name=said.get("first_name"),
            service_only=_flag(said["service_only"], "service_only")
            if "service_only" in said
            else None,
            topics_off=tuple(said["topics_off"].split()) if "topics_off" in said else None,
            addresses=addresses,
            facts=self._facts(said),
        )

    def _said(self, line: Line) -> dict[str, str]:
        beyond = [cell for cell in line.cells[len(self._names) :] if as_text(cell)]
        if len(line.cells) < len(self._names) or beyond:
            raise InvalidInputError(
                f"it has {len(line.cells)} fields, and the header {len(self._names)}",
                hint="put a field that holds the separator between quotation marks",
            )
        said = {}
        for name, cell in zip(self._names, line.cells, strict=False):
            text = as_text(cell)
            if text[:1] == "#" and went_wrong(text):
                raise InvalidInputError(
                    f"its formula has no result: {text}", field=name, hint="write the value itself"
                )
            if "\x00" in text:
                raise InvalidInputError("it holds a NUL", field=name, hint="take it out")
            if name:
                said[name] = text
        return said

    def _addresses(self, said: Mapping[str, str]) -> Iterator[Address]:
        bad = dict(one.rpartition("=")[::2] for one in said.get(BAD, "").split())
        seen: set[tuple[Channel, str]] = set()
        for channel in CHANNELS:
            text = said.get(channel.value, "")
            by_number = channel in BY_NUMBER
            for one in _numbers(text) if by_number else text.split():
                try:
                    raw = as_number(one, channel.value) if by_number else one
                    address = normalise(channel, raw, region=self._brand.country)
                except InvalidInputError as error:
                    raise InvalidInputError(
                        str(error), field=channel.value, hint=error.hint
                    ) from error
                if (channel, address) not in seen:
                    seen.add((channel, address))
                    yield Address(
                        channel=channel,
                        address=address,
                        bad_reason=bad.get(f"{channel}:{address}", ""),
                    )

    def _country(self, said: Mapping[str, str], addresses: Sequence[Address]) -> str | None:
        if said.get("country"):
            return places.country(said["country"])
        numbers = (one.address for one in addresses if one.channel is Channel.SMS)
        return next((country_of(number) for number in numbers), "") or None

    def _facts(self, said: Mapping[str, str]) -> dict[str, object]:
        facts: dict[str, object] = {}
        for name, known in self._fields.items():
            if said.get(name):
                value = self._vocabulary.value(known.path, _typed(said[name], known), field=name)
                if value is not None:
                    facts[known.path] = list(value) if isinstance(value, tuple) else value
        return facts | _others(said.get(OTHERS, ""))


def _first(lines: Iterator[Line]) -> Line:
    found = next((line for line in lines if line.cells), None)
    if found is None:
        raise InvalidInputError("the file is empty", hint="its first line names the columns")
    return found


def _numbers(text: str) -> list[str]:
    """Part numbers; people write one in blanks, we write several with a blank between."""
    parts = text.split()
    whole = all(part.startswith("+") and len(part) > len("+90532000") for part in parts)
    return parts if whole else [text]


def _kind(said: Mapping[str, str]) -> str | None:
    text = said.get("kind", "").lower()
    if not text:
        return None
    if text not in set(CustomerKind):
        raise InvalidInputError(
            f"no kind {text!r}", field="kind", hint=f"one of: {', '.join(CustomerKind)}"
        )
    return text


def _flag(text: str, name: str) -> bool:
    folded = text.lower()
    if folded not in _YES | _NO:
        raise InvalidInputError(f"{text!r} is neither yes nor no", field=name, hint="yes or no")
    return folded in _YES


def _typed(text: str, known: Field) -> object:
    """Read a cell as what its field holds; what it cannot be, the vocabulary refuses."""
    if known.type is FieldType.BOOL:
        return _flag(text, known.column or known.path)
    if known.type is FieldType.INT:
        try:
            return int(text)
        except ValueError:
            return text
    if known.type is FieldType.LIST:
        if text.startswith("["):
            return _json(text, known.path)
        return [one.strip() for one in text.split("|") if one.strip()]
    return text


def _others(text: str) -> dict[str, object]:
    """Read facts of which this rulebook knows nothing; no rule reads them until one does."""
    found = _json(text, OTHERS) if text else {}
    fits = isinstance(found, dict) and all(
        path.startswith(CUSTOMER) and _plain(value) for path, value in found.items()
    )
    if not isinstance(found, dict) or not fits:
        raise InvalidInputError(
            "it is no object of facts", field=OTHERS, hint='as in {"customer.tariff": "green"}'
        )
    return found


def _plain(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    return isinstance(value, str | bool | int | float)


def _json(text: str, name: str) -> object:
    try:
        found: object = json.loads(text)
    except ValueError as error:
        raise InvalidInputError("it is no JSON", field=name, hint='as in ["a", "b"]') from error
    return found


def _bad(line: int, error: InvalidInputError) -> BadLine:
    named = f"{error.field}: {error}" if error.field else str(error)
    return BadLine(line=line, message=named, hint=error.hint)
