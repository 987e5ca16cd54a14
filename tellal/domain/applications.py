"""What an applicant writes himself: words as they are kept, whichever way they came."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tellal.domain.channels import Channel

LONGEST_SUBJECT = 200
LONGEST_TEXT = 10_000
"""Characters; what is longer is cut, and ends with `CUT`."""
CUT = " […]"

_KEPT = frozenset("\n\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An application as it came: who writes, from which address, and what.

    `reference` is its name where it came from, by which a repeat is known. Of what was attached
    only names and media types are kept.
    """

    channel: Channel
    address: str
    subject: str
    text: str
    language: str
    reference: str
    attachments: Sequence[Mapping[str, str]] = ()


def one_line(words: str, longest: int = LONGEST_SUBJECT) -> str:
    """Return words as one line without control characters, cut if they are too long."""
    return _cut(" ".join(_plain(words).split()), longest)


def paragraphs(words: str, longest: int = LONGEST_TEXT) -> str:
    """Return words with their lines, without control characters, cut if they are too long."""
    lines = [line.rstrip() for line in _plain(words).split("\n")]
    kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return _cut("\n".join(kept).strip(), longest)


def _plain(words: str) -> str:
    made_equal = words.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(one for one in made_equal if one in _KEPT or unicodedata.category(one)[0] != "C")


def _cut(words: str, longest: int) -> str:
    return words if len(words) <= longest else words[: longest - len(CUT)].rstrip() + CUT
