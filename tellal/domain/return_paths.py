"""Return addresses: each attempt's mail leaves with one of its own (VERP), which we have signed.

Whatever comes back to it speaks of that attempt, however the mail system words it. Nobody can make
one for a mail that he has not got: a token ends with an HMAC over message and attempt. Mail systems
may write a mailbox's name in other letters than we did, so tokens are read in either.
"""

import hmac
import re
from base64 import b32encode
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

_PURPOSE = "return-path:"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_MAC = 20
"""Letters of base 32, which are 100 bits."""
_MOST_ATTEMPTS = len(_ALPHABET) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One hand-over of one message."""

    message_id: str
    number: int


@dataclass(frozen=True, kw_only=True)
class ReturnPaths:
    """Makes and reads the return addresses of an installation; `address` is the mailbox's own."""

    address: str
    secret: str = field(repr=False)

    def of(self, attempt: Attempt) -> str | None:
        """Return the address to which a mail comes back; None if the message's id is not ours."""
        if not _ID.fullmatch(attempt.message_id) or not 0 < attempt.number < _MOST_ATTEMPTS:
            return None
        number = divmod(attempt.number, len(_ALPHABET))
        told = attempt.message_id.lower() + "".join(_ALPHABET[digit] for digit in number)
        local, _, domain = self.address.partition("@")
        return f"{local}+{told}{self._mac(told)}@{domain}"

    def find(self, text: str) -> Attempt | None:
        """Return the attempt of the first address of ours in a text; None if there is none."""
        for found in self._pattern.finditer(text):
            told, mac = found[1].lower(), found[2].lower()
            if hmac.compare_digest(mac, self._mac(told)):
                tens, ones = (_ALPHABET.index(digit) for digit in told[26:])
                return Attempt(message_id=told[:26].upper(), number=tens * len(_ALPHABET) + ones)
        return None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        local, _, domain = self.address.partition("@")
        token = rf"([0-9a-hjkmnp-tv-z]{{28}})([a-z2-7]{{{_MAC}}})"
        return re.compile(
            rf"{re.escape(local)}\+{token}@{re.escape(domain)}(?![\w.-])", re.IGNORECASE
        )

    def _mac(self, told: str) -> str:
        digest = hmac.new(self.secret.encode(), (_PURPOSE + told).encode(), sha256).digest()
        return b32encode(digest).decode()[:_MAC].lower()
