"""Texts as octets of `short_message`: one for each septet, and headers before the text.

7-bit texts go out unpacked, which is what message centres expect of SMPP; they pack them. Headers:
3GPP TS 23.040, 9.2.3.24 (concatenation 9.2.3.24.1, national tables 9.2.3.24.15 and .16). Alphabets
are written by `gsmcodecs`, from the tables of TS 23.038.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import gsmcodecs

from tellal.domain.sms.alphabets import Alphabet
from tellal.domain.sms.packing import packed
from tellal.smpp.pdus import UnreadableError

HAS_HEADER = 0x40
"""The bit of `esm_class` that says that the text begins with a header (5.2.12)."""

DEFAULT_CODING, LATIN_1, UCS2 = 0x00, 0x03, 0x08
"""Values of `data_coding` (5.2.19)."""
_ASCII, _BINARY = 0x01, frozenset({0x02, 0x04})

_CONCATENATED, _CONCATENATED_WIDE = 0x00, 0x08
_SINGLE_SHIFT, _LOCKING_SHIFT = 0x24, 0x25
_TURKISH = 1
_TABLES: Mapping[Alphabet, tuple[int, int]] = {
    Alphabet.GSM7: (0, 0),
    Alphabet.TURKISH_SINGLE: (0, _TURKISH),
    Alphabet.TURKISH_LOCKING: (_TURKISH, 0),
    Alphabet.TURKISH_BOTH: (_TURKISH, _TURKISH),
}
"""Which locking table and which single shift table an alphabet is of; 0 is the default one."""
_LANGUAGES = gsmcodecs.GSMCHARMAPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which part of a long text this is: the `number`-th (from 1) of `total`, under a `key`."""

    key: int
    number: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Octets:
    """A segment as it goes into a unit."""

    octets: bytes
    esm_class: int
    data_coding: int


def segments_of(text: str, alphabet: Alphabet, *, name: str) -> tuple[Octets, ...]:
    """Write a text in an alphabet, in as many segments as it takes.

    The key under which phones put them together is drawn from the message's name: who gets a
    segment of it a second time has one text all the same.
    """
    pieces = packed(text, alphabet).segments
    key = zlib.crc32(name.encode()) & 0xFF
    return tuple(
        _segment(piece, alphabet, Place(key=key, number=number, total=len(pieces)))
        for number, piece in enumerate(pieces, start=1)
    )


def _segment(piece: str, alphabet: Alphabet, place: Place) -> Octets:
    elements = b""
    if place.total > 1:
        elements += bytes([_CONCATENATED, 3, place.key, place.total, place.number])
    locking, single = _TABLES.get(alphabet, (0, 0))
    if single:
        elements += bytes([_SINGLE_SHIFT, 1, single])
    if locking:
        elements += bytes([_LOCKING_SHIFT, 1, locking])
    header = bytes([len(elements)]) + elements if elements else b""
    return Octets(
        octets=header + _encoded(piece, alphabet),
        esm_class=HAS_HEADER if header else 0,
        data_coding=UCS2 if alphabet is Alphabet.UCS2 else DEFAULT_CODING,
    )


def _encoded(piece: str, alphabet: Alphabet) -> bytes:
    if alphabet is Alphabet.UCS2:
        return piece.encode("utf-16-be")
    locking, single = _TABLES[alphabet]
    return piece.encode(f"gsm23.038-{locking}-{single}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What somebody wrote; `place` is None for a text that is whole."""

    text: str
    place: Place | None = None


def written_in(octets: bytes, *, esm_class: int, data_coding: int) -> Written:
    """Read the text of a unit.

    Raises:
        UnreadableError: It is no text, or its header goes beyond its end.
    """
    elements: dict[int, bytes] = {}
    if esm_class & HAS_HEADER:
        length = octets[0] if octets else 0
        if len(octets) < length + 1:
            raise UnreadableError("a header goes beyond the end of its text")
        elements = dict(_elements(octets[1 : length + 1]))
        octets = octets[length + 1 :]
    return Written(text=_decoded(octets, data_coding, elements), place=_place(elements))


def _elements(header: bytes) -> Iterator[tuple[int, bytes]]:
    while len(header) > 1:
        kind, length = header[0], header[1]
        yield kind, header[2 : length + 2]
        header = header[length + 2 :]


def _place(elements: Mapping[int, bytes]) -> Place | None:
    narrow, wide = elements.get(_CONCATENATED, b""), elements.get(_CONCATENATED_WIDE, b"")
    numbers: Sequence[int] = ()
    if len(narrow) == 3:  # noqa: PLR2004 - a key, a total, a number
        numbers = narrow
    elif len(wide) == 4:  # noqa: PLR2004 - the same with a key of two octets
        numbers = (int.from_bytes(wide[:2], "big"), wide[2], wide[3])
    if not numbers:
        return None
    key, total, number = numbers
    # Whatever does not count as it should is to be taken for a text of its own.
    return Place(key=key, number=number, total=total) if 1 <= number <= total > 1 else None


def _decoded(octets: bytes, data_coding: int, elements: Mapping[int, bytes]) -> str:
    if data_coding in _BINARY:
        raise UnreadableError("it holds no text")
    if data_coding == UCS2:
        return octets.decode("utf-16-be", errors="replace")
    if data_coding in {_ASCII, LATIN_1}:
        return octets.decode("latin-1")
    locking = _language(elements.get(_LOCKING_SHIFT, b""))
    single = _language(elements.get(_SINGLE_SHIFT, b""))
    return octets.decode(f"gsm23.038-{locking}-{single}", errors="replace")


def _language(value: bytes) -> int:
    """Return a national table that there is, else the default one, as phones do."""
    language = value[0] if len(value) == 1 else 0
    return language if language < len(_LANGUAGES) else 0
