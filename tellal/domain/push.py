"""Push addresses: whose each is, by its form, so that a route of pushes is asked for its own."""

import re
from enum import StrEnum

APPLE = "apns:"
"""How an address at Apple begins; the device's token follows, in hexadecimal digits."""
_DEVICE = re.compile(r"[0-9a-f]{64,200}")


class PushKind(StrEnum):
    """Who brings a push to an address."""

    FCM = "fcm"
    APNS = "apns"


def kind_of(address: str) -> PushKind:
    """Return whose a push address is; one without a mark is Firebase's."""
    return PushKind.APNS if address.startswith(APPLE) else PushKind.FCM


def device_of(address: str) -> str:
    """Return the device's token of an address at Apple; empty if there is none."""
    token = address.removeprefix(APPLE).lower()
    return token if _DEVICE.fullmatch(token) else ""
