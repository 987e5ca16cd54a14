"""How an SMS goes on the air: in the fewest segments that its route and its author allow."""

from collections.abc import Iterator, Mapping, Set as AbstractSet
from dataclasses import dataclass

from tellal.domain.errors import InvalidInputError
from tellal.domain.sms.alphabets import EVERYWHERE, Alphabet, missing
from tellal.domain.sms.folding import Change, Folded, Folding, fold
from tellal.domain.sms.packing import Packing, packed

_SEGMENTS_AT_MOST = 255  # the header counts them in one octet


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """How a text goes on the air; units are septets, or UTF-16 units in UCS-2.

    `segments` hold the text only, never the operator's suffix; the last is empty when the suffix
    alone lies in it. `units` and `left` (what is free in the last segment) count the suffix, and
    `suffix_segments` says how many segments it adds. `folding` is how far the text was folded,
    which may be less than was allowed, and `changes` is what that changed.
    """

    alphabet: Alphabet
    segments: tuple[str, ...]
    units: int
    left: int
    suffix_segments: int
    folding: Folding
    changes: tuple[Change, ...]

    @property
    def count(self) -> int:
        """How many segments are paid for."""
        return len(self.segments)

    @property
    def text(self) -> str:
        """The text as it is to be handed to the provider."""
        return "".join(self.segments)


def segmented(
    text: str,
    *,
    alphabets: AbstractSet[Alphabet] = EVERYWHERE,
    reserved: int = 0,
    folding: Folding = Folding.NEVER,
) -> Segmentation:
    """Write a text in the fewest segments.

    Among equals the least folded wins, so no letter is lost for nothing, and then the alphabet
    that `Alphabet` names first.

    Args:
        text: What the customer is to read.
        alphabets: What the route can write; GSM-7 always is.
        reserved: Units that the operator appends (5 for ` B002`, as Turkish operators do).
        folding: How far the text may be folded.

    Raises:
        InvalidInputError: The route cannot write the text, or it is longer than any SMS.
    """
    drafts = _drafts(text, folding)
    best = _cheapest(drafts, alphabets, reserved)
    suffix_segments = 0
    if reserved and best.count > 1:
        suffix_segments = best.count - _cheapest(drafts, alphabets, 0).count
    if best.count > _SEGMENTS_AT_MOST:
        raise InvalidInputError(
            f"the text takes {best.count} segments, and an SMS has at most {_SEGMENTS_AT_MOST}",
            field="text",
            hint="shorten it",
        )
    return Segmentation(
        alphabet=best.alphabet,
        segments=best.packing.segments,
        units=best.packing.units,
        left=best.packing.left,
        suffix_segments=suffix_segments,
        folding=best.folding,
        changes=best.changes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """One way to write a text."""

    folding: Folding
    changes: tuple[Change, ...]
    alphabet: Alphabet
    packing: Packing

    @property
    def count(self) -> int:
        return len(self.packing.segments)


def _drafts(text: str, folding: Folding) -> Mapping[Folding, Folded]:
    """Fold a text step by step, as far as is allowed; a step that changes nothing is left out."""
    drafts: dict[Folding, Folded] = {}
    last = None
    for step in Folding:
        folded = fold(text, step)
        if folded.text != last:
            drafts[step] = folded
        last = folded.text
        if step is folding:
            break
    return drafts


def _cheapest(
    drafts: Mapping[Folding, Folded], alphabets: AbstractSet[Alphabet], reserved: int
) -> _Way:
    best: _Way | None = None
    for way in _ways(drafts, alphabets, reserved):
        if best is None or way.count < best.count:
            best = way
        if best.count == 1:
            break
    if best is None:
        *_, plainest = drafts.values()
        strange = " ".join(sorted(missing(plainest.text, Alphabet.GSM7)))
        raise InvalidInputError(
            f"the route cannot write this text; not in GSM-7: {strange}",
            field="text",
            hint="write it otherwise, or send it by a route with UCS-2",
        )
    return best


def _ways(
    drafts: Mapping[Folding, Folded], alphabets: AbstractSet[Alphabet], reserved: int
) -> Iterator[_Way]:
    """Yield every way to write a text, the one that changes least first."""
    for step, folded in drafts.items():
        for alphabet in Alphabet:
            on_route = alphabet is Alphabet.GSM7 or alphabet in alphabets
            if on_route and not missing(folded.text, alphabet):
                yield _Way(
                    folding=step,
                    changes=folded.changes,
                    alphabet=alphabet,
                    packing=packed(folded.text, alphabet, suffix=reserved),
                )
