"""Addresses: checked and written in one way, so that the same address is always the same text."""

import json
import re
from dataclasses import dataclass
from functools import cache

import phonenumbers
from cryptography.hazmat.primitives.asymmetric import ec
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumber, PhoneNumberType

from tellal.domain.channels import Channel
from tellal.domain.errors import InvalidInputError
from tellal.domain.open_internet import check_url
from tellal.domain.push import (
    APPLE,
    WEB,
    PushKind,
    Subscription,
    device_of,
    kind_of,
    octets_of,
    subscription_of,
)
from tellal.domain.simulation import number_range

_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_TOKEN = re.compile(r"[\x21-\x7e]{8,4096}")
_SHORTEST_TOKEN, _SHORTEST_HEX_TOKEN = 16, 32
"""Tokens have more than a hundred characters, Apple's 64 hexadecimal digits: mostly digits, too."""
_LIKE_A_NUMBER = re.compile(r"[\s\d+()/.-]+")
_BLANKS = str.maketrans("", "", " ()-")
_OTHER_KINDS = (
    "premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager", "uan",
    "voicemail",
)  # fmt: skip
_LOCAL_LIMIT = 64
_LONGEST_SUBSCRIPTION = 1024
_SECRET_OCTETS = 16
_LONGEST_CODE = 3
_COUNTRIES = {str(code): of for code, of in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()}
_EMAIL_LIMIT = 254
_CARRIES_TEXTS = frozenset(
    {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE, PhoneNumberType.PAGER}
)
_UNREADABLE = {
    NumberParseException.INVALID_COUNTRY_CODE: "its country code does not exist",
    NumberParseException.NOT_A_NUMBER: "it is no phone number",
    NumberParseException.TOO_SHORT_AFTER_IDD: "it is too short",
    NumberParseException.TOO_SHORT_NSN: "it is too short",
    NumberParseException.TOO_LONG: "it is too long",
}


def normalise(channel: Channel, raw: str, *, region: str) -> str:
    """Return an address as it is stored; `region` is the country of numbers written without one.

    Raises:
        InvalidInputError: It cannot be an address on the channel; the message says why.
    """
    match channel:
        case Channel.SMS | Channel.WHATSAPP:
            return mobile_number(raw, region=region)
        case Channel.CALL:
            return phone_number(raw, region=region)
        case Channel.EMAIL:
            return email_address(raw)
        case Channel.PUSH:
            return push_token(raw)
        case Channel.BANNER:
            raise InvalidInputError(
                "a banner has no address; the surface that the customer is on shows it",
                field="channel",
                hint="say can_show_banner in the event instead",
            )


def channel_of(raw: str) -> Channel:
    """Tell by its form what kind of address this is; whether it is one, `normalise` says.

    A number with a slip of the pen must not pass for the token of an app, which takes any letters.
    """
    if raw.startswith(("{", WEB)):
        return Channel.PUSH
    if "@" in raw:
        return Channel.EMAIL
    digits = sum(character.isdigit() for character in raw)
    slipped = len(raw) < _SHORTEST_TOKEN or (
        len(raw) < _SHORTEST_HEX_TOKEN and 2 * digits > len(raw)
    )
    return Channel.SMS if slipped or _LIKE_A_NUMBER.fullmatch(raw) else Channel.PUSH


def folded(channel: Channel, address: str) -> str:
    """Return a normalised address in the one form in which addresses are compared for blocks.

    A mail server may tell `Ayse@` from `ayse@`; whoever refuses the one means the other, too.
    """
    return address.lower() if channel is Channel.EMAIL else address


def mobile_number(raw: str, *, region: str) -> str:
    """Return a mobile number in E.164 (`+905321234567`).

    The simulator's numbers are in no operator's plan, and pass all the same.

    Raises:
        InvalidInputError: It is not a number to which a text message can go.
    """
    plain = _plain_mobile(raw, region)
    if plain:
        return plain
    try:
        number = phonenumbers.parse(raw, region)
    except NumberParseException as error:
        raise _no_mobile(_UNREADABLE[error.error_type]) from error
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if number_range(written) is not None:
        return written
    if not phonenumbers.is_valid_number(number):
        raise _no_mobile(f"no number like it is in use in {_country(number, region)}")
    if phonenumbers.number_type(number) not in _CARRIES_TEXTS:
        raise _no_mobile("it is not a mobile number, so no text message reaches it")
    return written


def _plain_mobile(raw: str, region: str) -> str:
    """Return a mobile number of the region that is written as most are; empty if it is not.

    Files have them by the hundred thousand, and asking for every kind of number there is takes ten
    times as long.
    """
    plan = _mobiles_of(region)
    found = None if plan is None else plan.form.fullmatch(raw.translate(_BLANKS))
    if plan is None or found is None:
        return ""
    number = found[1]
    other = any(one.fullmatch(number) for one in plan.others)
    return "" if other else f"+{plan.code}{number}"


@dataclass(frozen=True, slots=True)
class _Mobiles:
    """The mobile numbers of a country: how they are written, and what else a number may be."""

    code: int
    form: re.Pattern[str]
    others: tuple[re.Pattern[str], ...]


@cache
def _mobiles_of(region: str) -> _Mobiles | None:
    """Return a country's plan of numbers, None if its prefixes cannot be told by their form."""
    plan = PhoneMetadata.metadata_for_region(region)
    simple = plan is not None and plan.national_prefix_transform_rule is None
    if plan is None or not simple or plan.mobile is None or plan.country_code is None:
        return None
    prefix = plan.national_prefix or ""
    mobile = plan.mobile.national_number_pattern
    if not mobile or (plan.national_prefix_for_parsing or "") != prefix:
        return None
    kinds = (plan.fixed_line, *(getattr(plan, name) for name in _OTHER_KINDS))
    patterns = {kind.national_number_pattern for kind in kinds if kind is not None} - {None}
    return _Mobiles(
        code=plan.country_code,
        form=re.compile(rf"(?:\+{plan.country_code}|{prefix})?((?:{mobile}))", re.ASCII),
        others=tuple(re.compile(one, re.ASCII) for one in sorted(patterns)),
    )


def phone_number(raw: str, *, region: str) -> str:
    """Return a number that can be called, mobile or not, in E.164.

    Raises:
        InvalidInputError: It is not a number that is in use.
    """
    try:
        number = phonenumbers.parse(raw, region)
    except NumberParseException as error:
        raise _no_phone(_UNREADABLE[error.error_type]) from error
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if number_range(written) is None and not phonenumbers.is_valid_number(number):
        raise _no_phone(f"no number like it is in use in {_country(number, region)}")
    return written


def country_of(number: str) -> str:
    """Return the ISO country of a number in E.164, empty when it belongs to none."""
    alone = _sole_country(number)
    if alone:
        return alone
    simulated = number_range(number)
    if simulated is not None:
        return simulated.country
    return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""


def _sole_country(number: str) -> str:
    """Return the country whose calling code a number begins with, empty if several share it.

    No code is the beginning of another, and a code of one country says everything: a broadcast
    need not have every number taken apart.
    """
    for end in range(2, min(len(number), _LONGEST_CODE + 1) + 1):
        countries = _COUNTRIES.get(number[1:end])
        if countries:
            return countries[0] if len(countries) == 1 else ""
    return ""


def is_country(code: str) -> bool:
    """Say whether a code names a country that has phone numbers, as `TR` does."""
    return code in phonenumbers.SUPPORTED_REGIONS


def email_address(raw: str) -> str:
    """Return an e-mail address with its domain in lower case and in ASCII.

    The part before the @ is left as it is: only its own server knows whether case matters.

    Raises:
        InvalidInputError: It does not have the form of an address.
    """
    local, at, domain = raw.strip().rpartition("@")
    if not at or not local or not domain:
        raise _no_email("it has no @ between a name and a domain")
    if len(local) > _LOCAL_LIMIT or not _LOCAL_PART.fullmatch(local):
        raise _no_email("the part before the @ has a character that mail servers refuse")
    ascii_domain = _ascii_domain(domain)
    address = f"{local}@{ascii_domain}"
    if len(address) > _EMAIL_LIMIT:
        raise _no_email("it is too long")
    return address


def push_token(raw: str) -> str:
    """Return a push token; only its maker can read it, so only its form is checked.

    Raises:
        InvalidInputError: It holds a blank or a letter that no token has, or its length is wrong.
    """
    token = raw.strip()
    if token.startswith("{") or kind_of(token) is PushKind.WEB:
        return _browser(token)
    if kind_of(token) is PushKind.APNS:
        return _apple_token(token)
    if not _TOKEN.fullmatch(token):
        raise InvalidInputError(
            "this is no push token",
            field="address",
            hint="send the registration token exactly as the app got it",
        )
    return token


def _apple_token(token: str) -> str:
    device = device_of(token)
    if not device:
        raise InvalidInputError(
            "this is no device token of Apple's",
            field="address",
            hint=f"write {APPLE} and the token in hexadecimal digits, 64 or more of them",
        )
    return APPLE + device


def _browser(given: str) -> str:
    """Return a browser's subscription as an address: from that form, or as browsers write it."""
    found = _subscribed(given) if given.startswith("{") else subscription_of(given)
    if found is None:
        raise _no_browser("it is not what PushSubscription.toJSON() gives")
    check_url(found.endpoint, private=True, setting="")
    if len(found.address) > _LONGEST_SUBSCRIPTION:
        raise _no_browser(f"it has more than {_LONGEST_SUBSCRIPTION} characters")
    if len(found.secret) != _SECRET_OCTETS:
        raise _no_browser(f"keys.auth has {_SECRET_OCTETS} octets in base64url")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), found.key)
    except ValueError as error:
        raise _no_browser("keys.p256dh is no point of the curve P-256") from error
    return found.address


def _subscribed(given: str) -> Subscription | None:
    try:
        document = json.loads(given)
        keys = document["keys"]
        return Subscription(
            endpoint=str(document["endpoint"]),
            key=octets_of(str(keys["p256dh"])),
            secret=octets_of(str(keys["auth"])),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _no_browser(reason: str) -> InvalidInputError:
    return InvalidInputError(
        f"this is no subscription of a browser: {reason}",
        field="address",
        hint="send JSON.stringify(subscription) as the browser gives it",
    )


def _ascii_domain(domain: str) -> str:
    try:
        written = domain.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise _no_email("the domain is not written as domains are") from error
    labels = written.split(".")
    if len(labels) == 1 or not all(_DOMAIN_LABEL.fullmatch(label) for label in labels):
        raise _no_email("the domain is not written as domains are")
    return written


def _country(number: PhoneNumber, region: str) -> str:
    return phonenumbers.region_code_for_country_code(number.country_code or 0) or region


def _no_mobile(reason: str) -> InvalidInputError:
    # The number itself stays out: error texts end in logs.
    return InvalidInputError(
        f"this number cannot be texted: {reason}",
        field="address",
        hint="write a mobile number with its country, as in +905321234567",
    )


def _no_phone(reason: str) -> InvalidInputError:
    return InvalidInputError(
        f"this number cannot be called: {reason}",
        field="address",
        hint="write a number with its country, as in +902120000000",
    )


def _no_email(reason: str) -> InvalidInputError:
    return InvalidInputError(
        f"this is no e-mail address: {reason}",
        field="address",
        hint="write it as in ayse@example.com",
    )
