"""The numbers by which a statement says why a channel was removed, or why nothing is said.

A number is a phase and the place of a rule in its section; they never leave this package.
"""

from rules.decide import UNWANTED_WORDS, WITHHELD_WORDS
from rules.definitions import Rule
from rules.phases import ADDRESS_WORDS, NOT_PLANNED
from rules.shards import Shard
from tellal.domain.channels import Channel
from tellal.domain.decisions import Reason

LEFT = 0
"""A channel that no phase has taken away."""
LAW, UNROUTABLE, SILENT, CAP, QUIET, EXPIRES, SUPPRESSED, LEDGER, NO_CHANNEL = (
    phase * 100_000 for phase in range(1, 10)
)
DOWN = UNROUTABLE + 1
BLOCKED, NO_ADDRESS, UNPLANNED = SILENT, SILENT + 1, SILENT + 2
ALREADY_TOLD, CONVERTED, ALREADY_PENDING, ATTEMPTS_EXHAUSTED = (LEDGER + n for n in range(4))
UNWANTED = {name: LEDGER + 10 + n for n, name in enumerate(UNWANTED_WORDS)}
"""What a customer does not want to hear, by the reason's own code."""
WITHHELD = {name: LEDGER + 20 + n for n, name in enumerate(WITHHELD_WORDS)}
"""Why a broadcast leaves somebody out, by the reason's own code."""

_NO_WAY = {
    UNROUTABLE: Reason(code="route_forbidden", text="No route may carry it to his address"),
    DOWN: Reason(code="channel_down", text="The channel depends on what has failed"),
}
_LEDGER_WORDS = {
    ALREADY_TOLD: ("already_told", "He was told of this already"),
    ALREADY_PENDING: ("already_pending", "A message about this is on its way to him"),
    ATTEMPTS_EXHAUSTED: ("attempts_exhausted", "He was asked as often as is allowed"),
    **{number: (name, UNWANTED_WORDS[name]) for name, number in UNWANTED.items()},
    **{number: (name, WITHHELD_WORDS[name]) for name, number in WITHHELD.items()},
}


def reason_of(shard: Shard, code: int, channel: Channel | None = None) -> Reason:  # noqa: PLR0911
    """Return the reason that a number stands for, in words that hold for everybody."""
    phase, place = code // 100_000 * 100_000, code % 100_000
    match phase:
        case _ if phase == LAW:
            law = shard.law[place // 2].rule
            if place % 2 == 0:
                return law.because("refused", "The customer has refused this channel")
            return law.because(law.reason, law.text)
        case _ if phase == UNROUTABLE:
            return _NO_WAY[code]
        case _ if phase == SILENT:
            return _silence(code, channel)
        case _ if phase == EXPIRES:
            text = "It may not go before it has expired"
            return Reason(code="expires_before_allowed", text=text)
        case _ if phase == NO_CHANNEL:
            return Reason(code="no_channel", text="No channels rule holds for him")
        case _ if code == CONVERTED:
            return shard.stop[0].rule.because("converted", "What it asks for has happened")
        case _ if phase == LEDGER:
            word, text = _LEDGER_WORDS[code]
            return Reason(code=word, text=text)
    return _of_rule(shard, phase, place)


def _silence(code: int, channel: Channel | None) -> Reason:
    if code == BLOCKED:
        return Reason(code="blocked", text="The address is blocked")
    if code == UNPLANNED:
        return NOT_PLANNED
    words = ADDRESS_WORDS[channel] if channel else "There is no usable address"
    return Reason(code="no_address", text=words)


def _of_rule(shard: Shard, phase: int, place: int) -> Reason:
    section: dict[int, tuple[Rule, str, str]] = {}
    if phase == CAP:
        cap = shard.caps[place].rule
        section[CAP] = cap, cap.reason, cap.text
    elif phase == QUIET:
        quiet = shard.quiet_hours[place].rule
        section[QUIET] = quiet, quiet.reason, quiet.text
    else:
        stop = shard.suppress[place].rule
        section[phase] = stop, stop.reason, stop.text
    rule, code, text = section[phase]
    return rule.because(code, text)
