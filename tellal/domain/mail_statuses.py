"""What the status codes of mail systems mean (RFC 3463 and IANA's registry of its codes).

A code is class, subject and detail (5.1.1). What is not listed is understood by its subject.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tellal.domain.messages import Remedy


class Fault(StrEnum):
    """Whose fault it is that a mail did not arrive."""

    ADDRESS = "address"
    """Nobody reads there: the address is of no use to anybody."""
    TEMPORARY = "temporary"
    """It may work another day: a full mailbox, a system that is away."""
    SENDER = "sender"
    """Ours, or our route's: policy, reputation, authentication, content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailStatus:
    """A code's meaning, in words for those who read reports."""

    fault: Fault
    words: str

    @property
    def remedy(self) -> Remedy:
        """What to do about a mail that came back with it."""
        return Remedy.BAD_ADDRESS if self.fault is Fault.ADDRESS else Remedy.NEXT_CHANNEL


def _address(words: str) -> MailStatus:
    return MailStatus(fault=Fault.ADDRESS, words=words)


def _temporary(words: str) -> MailStatus:
    return MailStatus(fault=Fault.TEMPORARY, words=words)


def _sender(words: str) -> MailStatus:
    return MailStatus(fault=Fault.SENDER, words=words)


STATUSES: Mapping[str, MailStatus] = {
    "5.1.1": _address("no such mailbox"),
    "5.1.2": _address("no such system"),
    "5.1.3": _address("the address cannot be read"),
    "5.1.6": _address("the mailbox has moved, nobody knows where"),
    "5.1.7": _sender("our sender's address cannot be read"),
    "5.1.8": _sender("our sender's domain does not exist"),
    "5.1.10": _address("the domain takes no mail"),
    "5.2.1": _address("the mailbox is disabled"),
    "5.2.2": _temporary("the mailbox is full"),
    "5.2.3": _sender("longer than the mailbox takes"),
    "5.2.4": _temporary("the list behind the address does not work"),
    "5.3.1": _temporary("the mail system is full"),
    "5.3.2": _temporary("the mail system takes nothing at present"),
    "5.3.4": _sender("longer than the mail system takes"),
    "5.4.1": _temporary("nobody answers at the recipient's system"),
    "5.4.4": _temporary("no way to the recipient's system"),
    "5.4.6": _temporary("the mail went in circles"),
    "5.4.7": _temporary("the relay gave it up: its time ran out"),
    "5.6.0": _sender("the mail cannot be read there"),
    "5.6.1": _sender("its media are not taken there"),
    "5.6.7": _sender("the address needs SMTPUTF8, which is not to be had there"),
    "5.7.0": _sender("against the policy of the recipient's system"),
    "5.7.1": _sender("refused by the policy of the recipient's system"),
    "5.7.3": _sender("not authenticated"),
    "5.7.8": _sender("credentials refused"),
    "5.7.9": _sender("authentication too weak"),
    "5.7.11": _sender("encryption needed for it"),
    "5.7.20": _sender("no DKIM signature that holds"),
    "5.7.21": _sender("no DKIM signature that is accepted"),
    "5.7.22": _sender("no DKIM signature of the author's domain"),
    "5.7.23": _sender("SPF does not let our relay send for the domain"),
    "5.7.24": _sender("SPF could not be asked"),
    "5.7.25": _sender("our relay's address has no name"),
    "5.7.26": _sender("neither SPF nor DKIM holds"),
    "5.7.27": _sender("our sender's domain takes no mail"),
    "5.7.28": _sender("too much mail at once, as from a flood"),
}
"""By code; a failure of class 4 is looked up here as if it were of class 5."""

_SUBJECTS: Mapping[str, MailStatus] = {
    "1": _temporary("something about the address"),
    "2": _temporary("something about the mailbox"),
    "3": _temporary("something about the recipient's mail system"),
    "4": _temporary("something about the network or its routing"),
    "5": _sender("something about the dialogue of the mail systems"),
    "6": _sender("something about the content"),
    "7": _sender("something about security or policy"),
}
_ANYTHING = _temporary("it came back, and nobody says why")

BOUNCED = "bounced"
"""The code of a mail that came back without saying why."""


def meaning_of(code: str) -> MailStatus:
    """Say what it means that a mail failed for good with a code; of any text something is said.

    A code of class 4 says that the fault passes, also where the relay gave the mail up: no address
    is given up for it.
    """
    klass, _, rest = code.partition(".")
    listed = STATUSES.get(f"5.{rest}")
    meant = listed or _SUBJECTS.get(rest.partition(".")[0], _ANYTHING)
    if klass == "4" and meant.fault is Fault.ADDRESS:
        return _temporary(meant.words)
    return meant


WORDS: Mapping[str, str] = {
    **{code: status.words for code, status in STATUSES.items()},
    **{
        f"4{code[1:]}": status.words
        for code, status in STATUSES.items()
        if status.fault is not Fault.SENDER
    },
    BOUNCED: _ANYTHING.words,
}
"""Words by code, for reports."""
