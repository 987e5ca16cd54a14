"""Countries and time zones, checked where they come in."""

from functools import cache
from zoneinfo import available_timezones

from tellal.addresses import is_country
from tellal.domain.errors import InvalidInputError


@cache
def _zones() -> frozenset[str]:
    # Listing them reads a folder tree, which takes some ten milliseconds.
    return frozenset(available_timezones())


def timezone(name: str) -> str:
    """Return the name of a time zone.

    Raises:
        InvalidInputError: There is no such zone.
    """
    if name not in _zones():
        raise InvalidInputError(
            f"no time zone {name!r}", field="timezone", hint="an IANA name, as in Europe/Istanbul"
        )
    return name


def country(code: str) -> str:
    """Return the code of a country.

    Raises:
        InvalidInputError: There is no such country.
    """
    if not is_country(code):
        raise InvalidInputError(
            f"no country {code!r}", field="country", hint="two capital letters, as in TR"
        )
    return code
