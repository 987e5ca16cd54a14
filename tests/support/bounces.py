"""Mails that come back to an installation of the tests."""

from datetime import UTC, datetime

from pydantic import SecretStr

from tellal.carrier.letter import Letter
from tellal.carrier.reports import Kind, written_about
from tellal.domain.return_paths import Attempt, ReturnPaths
from tellal.settings import BounceSettings

SETTINGS = BounceSettings(address="bounce@mail.banka.example", secret=SecretStr("known to us"))
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def paths() -> ReturnPaths:
    """Return what makes the tests' return addresses."""
    made = SETTINGS.paths
    assert made is not None
    return made


def return_address(message_id: str, attempt: int = 1) -> str:
    """Return where the mail of an attempt comes back to."""
    address = paths().of(Attempt(message_id=message_id, number=attempt))
    assert address is not None
    return address


def came_back(
    message_id: str, kind: Kind = Kind.FAILED, code: str = "", *, attempt: int = 1
) -> bytes:
    """Write what comes back about a message's mail."""
    letter = Letter(
        number=1,
        at=AT,
        sender=return_address(message_id, attempt),
        recipients=("ayse@example.com",),
        raw=b"Subject: Selam\r\n\r\nMerhaba\r\n",
    )
    return written_about(letter, kind, code, AT)
