"""Who a sender is in law, and the short numbers on which it hears and speaks.

Regulation on commercial electronic messages (15.07.2015/29417), article 8: a message says who sends
it. A company gives its MERSIS number (and its trade name), a sole trader his name, surname and
Turkish identity number; each adds a way to reach him.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from tellal.domain.errors import InvalidInputError

_MERSIS = re.compile(r"[0-9]{16}")
_TCKN = re.compile(r"[1-9][0-9]{10}")
_TAX_NUMBER = 10
_SHORT_CODE = re.compile(r"[0-9]{3,8}")
_KEYWORD = re.compile(r"[^\W_]{2,20}")
_FULL_NAME = 2


class SenderKind(StrEnum):
    """A company, or a person who trades in his own name (esnaf)."""

    COMPANY = "company"
    SOLE_TRADER = "sole_trader"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortCode:
    """A short number: the brand's own, or a shared one, on which a keyword means the brand."""

    code: str
    keyword: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderProfile:
    """What the law wants a brand's messages to say of it.

    `phone`, `email` and `short_number` are ways to reach it, of which one is needed. `owner` is the
    name and surname of a sole trader, `tckn` his identity number.

    `exemption`, `licence` and `sector` are what a country's law knows it as: `telecom_operator`,
    `capital_market_intermediary`, `banking`; empty if it is no such sender.
    """

    kind: SenderKind = SenderKind.COMPANY
    trade_name: str
    mersis: str = ""
    owner: str = ""
    tckn: str = ""
    phone: str = ""
    email: str = ""
    short_number: str = ""
    exemption: str = ""
    licence: str = ""
    sector: str = ""
    short_codes: tuple[ShortCode, ...] = ()

    @property
    def heard_at(self) -> ShortCode | None:
        """The short code to which people are asked to write: its own before a shared one."""
        return min(self.short_codes, key=lambda one: (one.keyword, one.code), default=None)


def check_profile(profile: SenderProfile) -> None:
    """See that a profile holds what the law wants a message to say.

    Raises:
        InvalidInputError: Something is missing, or cannot be.
    """
    match profile.kind:
        case SenderKind.COMPANY:
            _check_company(profile)
        case SenderKind.SOLE_TRADER:
            _check_trader(profile)
        case _:
            assert_never(profile.kind)
    if not (profile.phone or profile.email or profile.short_number):
        raise _wrong(
            "phone", "readers must be able to reach the sender", "a phone, a mail or a short number"
        )
    if profile.short_number and not _SHORT_CODE.fullmatch(profile.short_number):
        raise _wrong("short_number", "this is no short number", "three to eight digits")
    for one in profile.short_codes:
        _check_short_code(one)
    if len(set(profile.short_codes)) < len(profile.short_codes):
        raise _wrong("short_codes", "a short code is there twice", "name each once")


def doubts_of(profile: SenderProfile) -> tuple[str, ...]:
    """Say what may be a slip of the pen in a profile that is valid.

    MERSIS numbers have no check digit of their own, but begin with a zero and the company's tax
    number, or with its owner's identity number, which have.
    """
    number = profile.mersis
    if not number or is_tckn(number[:11]) or (number[0] == "0" and is_tax_number(number[1:11])):
        return ()
    return ("the MERSIS number holds neither a tax number nor an identity number; look again",)


def is_tckn(number: str) -> bool:
    """Say whether a text is a Turkish identity number: eleven digits, of which two are checks."""
    if not _TCKN.fullmatch(number):
        return False
    digits = [int(digit) for digit in number]
    odd, even = sum(digits[0:9:2]), sum(digits[1:8:2])
    return digits[9] == (7 * odd - even) % 10 and digits[10] == sum(digits[:10]) % 10


def is_tax_number(number: str) -> bool:
    """Say whether a text is a Turkish tax number (VKN): ten digits, the last one a check."""
    if len(number) != _TAX_NUMBER or not (number.isascii() and number.isdigit()):
        return False
    total = 0
    for place, digit in enumerate(number[:9]):
        shifted = (int(digit) + 9 - place) % 10
        weighed = shifted * 2 ** (9 - place) % 9
        total += 9 if shifted and not weighed else weighed
    return int(number[9]) == -total % 10


def _check_company(profile: SenderProfile) -> None:
    if not profile.trade_name.strip():
        raise _wrong("trade_name", "a company's messages name it", "as in the trade register")
    if not _MERSIS.fullmatch(profile.mersis):
        raise _wrong(
            "mersis",
            "a MERSIS number has 16 digits",
            "the trade register shows it: log in to MERSİS, the central registry system",
        )
    if profile.tckn or profile.owner:
        raise _wrong(
            "tckn", "a company gives its MERSIS number instead", "leave owner and tckn out"
        )


def _check_trader(profile: SenderProfile) -> None:
    if len(profile.owner.split()) < _FULL_NAME:
        raise _wrong("owner", "a sole trader's messages say who he is", "name and surname")
    if not is_tckn(profile.tckn):
        raise _wrong(
            "tckn", "this is no Turkish identity number", "eleven digits; one of them is wrong"
        )
    if profile.mersis and not _MERSIS.fullmatch(profile.mersis):
        raise _wrong("mersis", "a MERSIS number has 16 digits", "leave it out if he has none")


def _check_short_code(one: ShortCode) -> None:
    if not _SHORT_CODE.fullmatch(one.code):
        raise _wrong("short_codes", f"{one.code!r} is no short code", "three to eight digits")
    if one.keyword and not _KEYWORD.fullmatch(one.keyword):
        raise _wrong(
            "short_codes", f"{one.keyword!r} is no keyword", "one word of 2 to 20 letters or digits"
        )


def _wrong(field: str, message: str, hint: str) -> InvalidInputError:
    return InvalidInputError(message, field=field, hint=hint)
