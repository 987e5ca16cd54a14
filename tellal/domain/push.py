"""Push addresses: whose each is, by its form, so that a route of pushes is asked for its own."""

import base64
import binascii
import re
from dataclasses import dataclass
from enum import StrEnum

APPLE = "apns:"
"""How an address at Apple begins; the device's token follows, in hexadecimal digits."""
WEB = "web:"
"""How the address of a browser begins; its endpoint follows, and behind a # its two keys."""
_DEVICE = re.compile(r"[0-9a-f]{64,200}")


class PushKind(StrEnum):
    """Who brings a push to an address."""

    FCM = "fcm"
    APNS = "apns"
    WEB = "web"


def kind_of(address: str) -> PushKind:
    """Return whose a push address is; one without a mark is Firebase's."""
    if address.startswith(WEB):
        return PushKind.WEB
    return PushKind.APNS if address.startswith(APPLE) else PushKind.FCM


def device_of(address: str) -> str:
    """Return the device's token of an address at Apple; empty if there is none."""
    token = address.removeprefix(APPLE).lower()
    return token if _DEVICE.fullmatch(token) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A browser that may be pushed to (RFC 8291): where, its public key and its secret."""

    endpoint: str
    key: bytes
    secret: bytes

    @property
    def address(self) -> str:
        """Write it as an address."""
        return f"{WEB}{self.endpoint}#{unpadded(self.key)}.{unpadded(self.secret)}"


def subscription_of(address: str) -> Subscription | None:
    """Read an address of a browser; None if it is none."""
    endpoint, mark, keys = address.removeprefix(WEB).partition("#")
    key, dot, secret = keys.partition(".")
    if not (address.startswith(WEB) and endpoint and mark and dot):
        return None
    try:
        return Subscription(endpoint=endpoint, key=octets_of(key), secret=octets_of(secret))
    except ValueError:
        return None


def octets_of(text: str) -> bytes:
    """Read base64url as browsers write it, without padding.

    Raises:
        ValueError: It is none.
    """
    try:
        given = text.rstrip("=").encode("ascii")
        return base64.b64decode(given + b"=" * (-len(given) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("no base64url") from error


def unpadded(octets: bytes) -> str:
    """Write octets in base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
