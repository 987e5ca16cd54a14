"""Reads who is to be in a group from a table; every line that cannot be taken says why.

A column names the customer: by the brand's reference, his number or his mail, in any order. Every
other column is a variable, by which texts may speak of him alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tellal.addresses import email_address, mobile_number
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError
from tellal.domain.groups import MOST_VARIABLES, checked_value, slug, variable_name
from tellal.services.block_lists import BadLine
from tellal.services.formulas import went_wrong
from tellal.services.sheets import Cell, Line, Sheet, as_number, as_text, code_pages, open_sheet

_LONGEST_REF = 200

REF, PHONE, EMAIL = "customer", "phone", "email"
ROLES: Mapping[str, tuple[str, ...]] = {
    REF: (
        "customer", "ref", "reference", "customer_ref", "customer_id", "customer_no",
        "customer_number", "musteri", "musteri_no", "musteri_numarasi", "musteri_id",
        "musteri_kodu", "abone_no", "klient", "nr_klienta", "numer_klienta", "id_klienta",
        "kod_klienta",
    ),
    PHONE: (
        "sms", "mobile", "mobile_phone", "mobile_number", "msisdn", "gsm", "gsm_no",
        "cep", "cep_no", "cep_tel", "cep_telefonu", "cep_telefon", "cep_numarasi",
        "komorka", "telefon_komorkowy", "tel_kom", "numer_komorkowy", "phone", "phone_number",
        "telephone", "telefon", "telefon_no", "telefon_numarasi", "tel", "tel_no", "numara",
        "numer_telefonu", "nr_telefonu", "nr_tel",
    ),
    EMAIL: (
        "email", "e_mail", "mail", "email_address", "e_mail_address", "eposta", "e_posta",
        "e_posta_adresi", "eposta_adresi", "mail_adresi", "adres_email", "adres_e_mail",
        "poczta", "adres_mailowy",
    ),
}  # fmt: skip
"""The headings by which a column is known, the likelier first; whatever their case and letters."""

_FIRST_NAMES = ("first_name", "ad", "adi", "isim", "imie")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns name the customer, by their headings; found by themselves where empty."""

    customer: str = ""
    phone: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLine:
    """A good line: whom it names, and what texts may say of him.

    `doubt` is what is wrong with an address that is not needed as long as the reference is known.
    """

    line: int
    ref: str = ""
    phone: str = ""
    email: str = ""
    first_name: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    doubt: BadLine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFile:
    """What a file says; `notes` say how it was read, `empty` counts lines that say nothing."""

    lines: tuple[MemberLine, ...] = ()
    bad: tuple[BadLine, ...] = ()
    empty: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """Where in a line what stands: who it is by role, and variables by name."""

    width: int
    roles: Mapping[str, int]
    variables: Mapping[str, int]
    headings: Sequence[str]


def read_members(content: bytes, brand: Brand, columns: Columns | None = None) -> MemberFile:
    """Read a file: CSV, XLS or XLSX, with a header.

    A file that cannot be read at all has one bad line and no good one.
    """
    try:
        sheet = open_sheet(content, code_pages(brand.country))
        first = next((line for line in sheet.lines if line.cells), Line(1, []))
        header = _header(first.cells, columns or Columns())
        return _read(sheet, header, brand)
    except InvalidInputError as error:
        return MemberFile(bad=(_bad(1, error),))


def _read(sheet: Sheet, header: _Header, brand: Brand) -> MemberFile:
    good: list[MemberLine] = []
    bad: list[BadLine] = []
    empty = 0
    for line in sheet.lines:
        if not line.cells:
            empty += 1
            continue
        try:
            good.append(_line(line, header, brand))
        except InvalidInputError as error:
            bad.append(_bad(line.number, error))
    return MemberFile(
        lines=tuple(good),
        bad=tuple(bad),
        empty=empty,
        notes=tuple(_notes(sheet, header)),
    )


def _notes(sheet: Sheet, header: _Header) -> Iterator[str]:
    if sheet.encoding not in ("", "utf-8"):
        yield (
            f"the file is not UTF-8 and was read as {sheet.encoding}: "
            "look whether its letters are right, or save it as CSV UTF-8"
        )
    for role, place in header.roles.items():
        yield f"{role}: the column {header.headings[place]!r}"
    for name, place in header.variables.items():
        yield f"variable {name}: the column {header.headings[place]!r}"


def _header(cells: Sequence[Cell], columns: Columns) -> _Header:
    headings = [as_text(cell) for cell in cells]
    while headings and not headings[-1]:
        headings.pop()
    if not headings:
        raise InvalidInputError("the file is empty", hint="its first line names the columns")
    slugs = [slug(heading) for heading in headings]
    roles = _roles(headings, slugs, columns)
    if not roles:
        raise InvalidInputError(
            "no column says who is meant",
            hint="call one Customer, Phone or E-mail (Müşteri no, Cep, E-posta; Nr klienta, "
            "Telefon), or say which one it is",
        )
    variables: dict[str, int] = {}
    for place, heading in enumerate(headings):
        if place in roles.values() or not heading:
            continue
        name = variable_name(heading)
        if name in variables:
            raise InvalidInputError(
                f"two columns are called {name!r}", field=heading, hint="call one of them another"
            )
        variables[name] = place
    if len(variables) > MOST_VARIABLES:
        raise InvalidInputError(
            f"it has {len(variables)} columns of variables, and at most {MOST_VARIABLES} are taken",
            hint="leave out what no text says",
        )
    return _Header(width=len(headings), roles=roles, variables=variables, headings=headings)


def _roles(headings: Sequence[str], slugs: Sequence[str], columns: Columns) -> dict[str, int]:
    roles: dict[str, int] = {}
    for role, said in ((REF, columns.customer), (PHONE, columns.phone), (EMAIL, columns.email)):
        if said:
            if slug(said) not in slugs:
                raise InvalidInputError(
                    f"there is no column {said!r}",
                    field=role,
                    hint=f"it has {', '.join(heading for heading in headings if heading)}",
                )
            roles[role] = slugs.index(slug(said))
    for role, known in ROLES.items():
        here = [name for name in known if name in slugs and slugs.index(name) not in roles.values()]
        if role not in roles and here:
            roles[role] = slugs.index(here[0])
    return roles


def _line(line: Line, header: _Header, brand: Brand) -> MemberLine:
    cells = _cells(line, header)
    said = {role: _words(cells, place, header) for role, place in header.roles.items()}
    variables = {}
    for name, place in header.variables.items():
        text = _words(cells, place, header)
        if text:
            checked_value(header.headings[place], text)
            variables[name] = text
    ref = said.get(REF, "")
    if len(ref) > _LONGEST_REF:
        raise InvalidInputError(
            f"it has {len(ref)} characters, and at most {_LONGEST_REF} are taken",
            field=header.headings[header.roles[REF]],
        )
    phone, email, doubt = "", "", None
    try:
        phone = _phone(said.get(PHONE, ""), header, brand)
        email = _email(said.get(EMAIL, ""), header)
    except InvalidInputError as error:
        if not ref:
            raise
        doubt = _bad(line.number, error)
    if not (ref or phone or email):
        raise InvalidInputError(
            "it does not say who is meant", hint="give a reference, a number or a mail"
        )
    first = next((variables[name] for name in _FIRST_NAMES if name in variables), "")
    return MemberLine(
        line=line.number,
        ref=ref,
        phone=phone,
        email=email,
        first_name=first[:100],
        variables=variables,
        doubt=doubt,
    )


def _cells(line: Line, header: _Header) -> Sequence[Cell]:
    cells = line.cells
    beyond = [cell for cell in cells[header.width :] if as_text(cell)]
    if len(cells) < header.width or beyond:
        raise InvalidInputError(
            f"it has {len(cells)} fields, and the header {header.width}",
            hint="put a field that holds the separator between quotation marks, name every column",
        )
    for place, heading in enumerate(header.headings):
        if not heading and as_text(cells[place]):
            raise InvalidInputError(
                f"field {place + 1} says something, and its column has no heading",
                hint="name the column, or take it out",
            )
    return cells


def _words(cells: Sequence[Cell], place: int, header: _Header) -> str:
    text = as_text(cells[place])
    if text[:1] == "#" and went_wrong(text):
        raise InvalidInputError(
            f"its formula has no result: {text}",
            field=header.headings[place],
            hint="mend the formula, or write the value itself",
        )
    return text


def _phone(text: str, header: _Header, brand: Brand) -> str:
    if not text:
        return ""
    heading = header.headings[header.roles[PHONE]]
    try:
        return mobile_number(as_number(text, heading), region=brand.country)
    except InvalidInputError as error:
        raise InvalidInputError(str(error), field=heading, hint=error.hint) from error


def _email(text: str, header: _Header) -> str:
    if not text:
        return ""
    try:
        return email_address(text)
    except InvalidInputError as error:
        heading = header.headings[header.roles[EMAIL]]
        raise InvalidInputError(str(error), field=heading, hint=error.hint) from error


def _bad(line: int, error: InvalidInputError) -> BadLine:
    named = f"{error.field}: {error}" if error.field else str(error)
    return BadLine(line=line, message=named, hint=error.hint)
