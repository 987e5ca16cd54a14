"""Magic addresses: nobody owns them, and each says by itself what becomes of a message to it.

They end at the simulated provider whoever asks, and so does everything that a rehearsal key sets
off. The numbers belong to nobody: Ofcom keeps the British ones for drama (07700 900000 to 900999);
no operator in Turkey has +90 599, none in Poland +48 99. A test asks the numbering plans anew.
"""

from dataclasses import dataclass
from enum import StrEnum

from tellal.domain.channels import BY_NUMBER, Channel, MessageClass
from tellal.domain.routes import Carriage, Route

SIMULATED = "simulated"
"""The simulated provider, as the ledger records it; its routes have the same name."""


class Fate(StrEnum):
    """What becomes of a message; the value is the word by which an address asks for it."""

    DELIVERED = "delivered"
    """Taken, and delivered a moment later."""
    UNDELIVERED = "undelivered"
    """Taken, and a moment later given up for good; the address stays good."""
    LATER = "later"
    """Not taken at the first attempt, taken at the second, and delivered."""
    OPTED_OUT = "opted-out"
    """Not taken: the person refused at the carrier."""
    SILENT = "silent"
    """Taken, and nothing is ever heard of it again."""
    REFUSED = "refused"
    """Not taken: there is no such address."""
    SLOW = "slow"
    """Taken, and delivered so late that an impatient journey has gone on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRange:
    """Numbers that nobody has: `stem` and as many further digits as `digits` says."""

    country: str
    stem: str
    digits: int
    why: str

    def __contains__(self, number: str) -> bool:
        rest = number.removeprefix(self.stem)
        return rest != number and len(rest) == self.digits and rest.isdecimal()

    @property
    def first(self) -> str:
        """The first number of the range."""
        return self.stem + "0" * self.digits

    @property
    def last(self) -> str:
        """The last number of the range."""
        return self.stem + "9" * self.digits


NUMBERS = (
    NumberRange(country="TR", stem="+905990000", digits=3, why="+90 599 is no operator's"),
    NumberRange(country="PL", stem="+48999000", digits=3, why="+48 99 is no operator's"),
    NumberRange(country="GB", stem="+447700900", digits=3, why="Ofcom keeps them for drama"),
)

BY_LAST_DIGIT = (
    Fate.DELIVERED,
    Fate.UNDELIVERED,
    Fate.LATER,
    Fate.OPTED_OUT,
    Fate.SILENT,
    Fate.REFUSED,
    Fate.SLOW,
    Fate.DELIVERED,
    Fate.DELIVERED,
    Fate.DELIVERED,
)
"""The fate of a magic number, by the digit that it ends with."""

MAIL_DOMAIN = "simulator.example"
"""No mail can go there: `example` is kept from the world (RFC 2606)."""

PUSH_STEM = "simulator-"
"""How magic push tokens begin; Firebase's own have a colon and are far longer."""


def number_range(number: str) -> NumberRange | None:
    """Return the magic range that a number in E.164 is in."""
    return next((numbers for numbers in NUMBERS if number in numbers), None)


def is_magic(channel: Channel, address: str) -> bool:
    """Say whether an address is the simulator's, so that no provider may ever hear of it."""
    if channel in BY_NUMBER:
        return number_range(address) is not None
    if channel is Channel.EMAIL:
        return address.rpartition("@")[2].lower() == MAIL_DOMAIN
    return channel is Channel.PUSH and address.startswith(PUSH_STEM)


def fate_of(channel: Channel, address: str) -> Fate:
    """Return what becomes of a message; what goes to an address of somebody's is delivered.

    A word that is no fate is refused, as a mail server refuses a mailbox that it does not have:
    a slip of the pen must not look like a success.
    """
    if not is_magic(channel, address):
        return Fate.DELIVERED
    if channel in BY_NUMBER:
        return BY_LAST_DIGIT[int(address[-1])]
    if channel is Channel.EMAIL:
        word = address.rpartition("@")[0].partition("+")[0].lower()
    else:
        word = address.removeprefix(PUSH_STEM).partition(".")[0].lower()
    return Fate(word) if word in set(Fate) else Fate.REFUSED


def simulated_route(channel: Channel) -> Route:
    """Return the way to the simulated provider: everything may take it, at any rate."""
    everything = Carriage(countries=frozenset(), classes=frozenset(MessageClass), urls=True)
    return Route(name=SIMULATED, provider=SIMULATED, channel=channel, carries=(everything,))
