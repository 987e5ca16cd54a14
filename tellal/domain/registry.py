"""What İYS, the Turkish registry of commercial messages, may be told, and in what words.

The rules are those of its page "İzin Doğrulama Kuralları" (dev.iys.org.tr), in its order; a record
is checked before it leaves, because a refused one is a day lost of the three that the law gives.
İYS' clock is Turkey's, its dates end at the second.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from tellal.domain.channels import RecipientType
from tellal.domain.consent_rules import LAW_IN_FORCE, REGISTRY_TIME
from tellal.domain.consents import TAKEN_BY_SENDER, ConsentChannel, Source
from tellal.domain.customers import ConsentState

_PHONE = re.compile(r"\+[1-9]\d{6,14}")
_EMAIL = re.compile(r"[\x21-\x7e]+@[\x21-\x7e]+\.[\x21-\x7e]+")
_SHORTEST_EMAIL, _LONGEST_EMAIL = 6, 265
_DATE = "%Y-%m-%d %H:%M:%S"
_SECOND = timedelta(seconds=1)


class Kind(StrEnum):
    """What a record is about (`type`)."""

    CALL = "ARAMA"
    TEXT = "MESAJ"
    MAIL = "EPOSTA"


class Party(StrEnum):
    """In which role somebody is written to (`recipientType`)."""

    INDIVIDUAL = "BIREYSEL"
    MERCHANT = "TACIR"


class Status(StrEnum):
    """What he said (`status`)."""

    GRANTED = "ONAY"
    REFUSED = "RET"


KINDS: Mapping[ConsentChannel, Kind] = {
    ConsentChannel.CALL: Kind.CALL,
    ConsentChannel.SMS: Kind.TEXT,
    ConsentChannel.EMAIL: Kind.MAIL,
}
"""The channels of which İYS keeps a record; it knows neither push nor WhatsApp."""

CHANNELS: Mapping[Kind, ConsentChannel] = {kind: channel for channel, kind in KINDS.items()}
PARTIES: Mapping[RecipientType, Party] = {
    RecipientType.INDIVIDUAL: Party.INDIVIDUAL,
    RecipientType.MERCHANT: Party.MERCHANT,
}
ROLES: Mapping[Party, RecipientType] = {party: role for role, party in PARTIES.items()}
STATUSES: Mapping[ConsentState, Status] = {
    ConsentState.GRANTED: Status.GRANTED,
    ConsentState.REFUSED: Status.REFUSED,
}
STATES: Mapping[Status, ConsentState] = {status: state for state, status in STATUSES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryKey:
    """What İYS keeps one record of for a brand: an address, in a role, for a way to be reached."""

    recipient: str
    party: Party
    kind: Kind

    def folded(self) -> "RegistryKey":
        """Return the key as keys are compared: the case of a mail's letters tells nothing."""
        return RegistryKey(recipient=self.recipient.lower(), party=self.party, kind=self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryRecord:
    """A grant or a refusal as İYS is told of it.

    `given_at` is to the second (`in_registry_time`); only a merchant's may lack it, and `source`.
    """

    key: RegistryKey
    status: Status
    source: str
    given_at: datetime | None
    retailer: str = ""

    def as_document(self) -> dict[str, object]:
        """Write it as İYS' API takes it."""
        said: dict[str, object] = {
            "recipient": self.key.recipient,
            "recipientType": self.key.party.value,
            "type": self.key.kind.value,
            "status": self.status.value,
        }
        if self.source:
            said["source"] = self.source
        if self.given_at is not None:
            said["consentDate"] = written(self.given_at)
        if self.retailer.isdecimal():
            said["retailerCode"] = int(self.retailer)
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What İYS has for a key."""

    status: Status
    given_at: datetime | None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a record is weighed against.

    `known` is what İYS has for the address and way, by role. `oldest` is the earliest moment of
    which it still takes a record; None before the brand's activation there, when history may come.
    """

    now: datetime
    known: Mapping[Party, Known] = field(default_factory=dict)
    oldest: datetime | None = None


class Broken(StrEnum):
    """Which rule a record breaks, in words of our own."""

    NOT_LATER = "not_later"
    FOREIGN_SOURCE = "foreign_source"
    NEVER_GRANTED = "never_granted"
    BEFORE_THE_LAW = "before_the_law"
    IN_THE_FUTURE = "in_the_future"
    DEEMED_ON_ANOTHER_DAY = "deemed_on_another_day"
    UNDATED = "undated"
    SAID_ALREADY = "said_already"
    TOO_OLD = "too_old"
    NO_SUCH_RECIPIENT = "no_such_recipient"
    DECISION_GRANTS = "decision_grants"


NEEDLESS = frozenset({Broken.NOT_LATER, Broken.NEVER_GRANTED, Broken.SAID_ALREADY})
"""Rules after which İYS need not be told: it has the same or something newer, or there was never a
grant to take back (absence means refusal). The others are a breach that somebody must look at."""


def later_than_known(record: RegistryRecord, around: Circumstances) -> bool:
    """Rule 1: a new record was given after the one that is there."""
    known = around.known.get(record.key.party)
    if known is None or known.given_at is None or record.given_at is None:
        return True
    return record.given_at > known.given_at


def source_is_the_senders(record: RegistryRecord, around: Circumstances) -> bool:
    """Rule 2: a sender never names one of İYS' own ways, nor one that İYS does not know."""
    del around
    return record.source in TAKEN_BY_SENDER or not record.source


def refusal_after_a_grant(record: RegistryRecord, around: Circumstances) -> bool:
    """Rule 3: the first record of an address is no refusal; there must have been a grant."""
    return record.status is Status.GRANTED or record.key.party in around.known


def since_the_law(record: RegistryRecord, around: Circumstances) -> bool:
    """Rule 4: nothing is dated before 2015-05-01 00:00:00."""
    del around
    return record.given_at is None or record.given_at >= LAW_IN_FORCE


def not_in_the_future(record: RegistryRecord, around: Circumstances) -> bool:
    """Rule 5: nothing is dated after now."""
    return record.given_at is None or record.given_at <= around.now


def deemed_at_the_law(record: RegistryRecord, around: Circumstances) -> bool:
    """Rule 6: HS_2015 is dated 2015-05-01 00:00:00 sharp, and is a grant."""
    del around
    if record.source != Source.HS_2015:
        return True
    return record.given_at == LAW_IN_FORCE and record.status is Status.GRANTED


def dated_and_sourced(record: RegistryRecord, around: Circumstances) -> bool:
    """Rule 8: only a merchant's first record may leave out when and how it was given."""
    whole = record.given_at is not None and bool(record.source)
    merchant = record.key.party is Party.MERCHANT and Party.MERCHANT not in around.known
    return whole or merchant


def another_status(record: RegistryRecord, around: Circumstances) -> bool:
    """Rule 9: no grant on a grant, no refusal on a refusal."""
    known = around.known.get(record.key.party)
    return known is None or known.status is not record.status


def young_enough(record: RegistryRecord, around: Circumstances) -> bool:
    """Rule 10: after activation nothing is older than three business days."""
    if record.given_at is None or around.oldest is None:
        return True
    return record.given_at >= around.oldest


def recipient_fits(record: RegistryRecord, around: Circumstances) -> bool:
    """Say whether the address is one for its way: E.164 for calls and texts, or a mail's.

    A mail's has 6 to 265 characters, none of them a blank or a Turkish letter.
    """
    del around
    address = record.key.recipient
    if record.key.kind is Kind.MAIL:
        long_enough = _SHORTEST_EMAIL <= len(address) <= _LONGEST_EMAIL
        return long_enough and _EMAIL.fullmatch(address) is not None
    return _PHONE.fullmatch(address) is not None


def decision_refuses(record: RegistryRecord, around: Circumstances) -> bool:
    """Say whether HS_KARAR, a sender's own decision, is a refusal."""
    del around
    return record.source != Source.HS_KARAR or record.status is Status.REFUSED


Rule = Callable[[RegistryRecord, Circumstances], bool]

RULES: tuple[tuple[Broken, Rule], ...] = (
    (Broken.NO_SUCH_RECIPIENT, recipient_fits),
    (Broken.FOREIGN_SOURCE, source_is_the_senders),
    (Broken.UNDATED, dated_and_sourced),
    (Broken.BEFORE_THE_LAW, since_the_law),
    (Broken.IN_THE_FUTURE, not_in_the_future),
    (Broken.DEEMED_ON_ANOTHER_DAY, deemed_at_the_law),
    (Broken.DECISION_GRANTS, decision_refuses),
    (Broken.NOT_LATER, later_than_known),
    (Broken.SAID_ALREADY, another_status),
    (Broken.NEVER_GRANTED, refusal_after_a_grant),
    (Broken.TOO_OLD, young_enough),
)
"""Every rule that one record can break. Rule 7, that roles stand side by side, is how `known` is
kept, and `first_twin` for a batch."""


def broken_by(record: RegistryRecord, around: Circumstances) -> Broken | None:
    """Return the first rule that a record breaks, None if İYS will take it."""
    return next((code for code, rule in RULES if not rule(record, around)), None)


def first_twin(records: Iterable[RegistryRecord]) -> RegistryKey | None:
    """Rule 7: return the first key that stands twice in a batch; the roles of one address may."""
    seen: set[RegistryKey] = set()
    for record in records:
        key = record.key.folded()
        if key in seen:
            return record.key
        seen.add(key)
    return None


def in_registry_time(given_at: datetime, after: Known | None = None) -> datetime:
    """Return a moment as İYS keeps it, to the second.

    Two things said within a second must keep their order there: the later one is dated one second
    after what İYS has, which is still the moment at which it was said, rounded up.
    """
    whole = given_at.astimezone(REGISTRY_TIME).replace(microsecond=0)
    before = None if after is None else after.given_at
    return whole + _SECOND if before is not None and whole == before < given_at else whole


def written(moment: datetime) -> str:
    """Write a moment as İYS does."""
    return moment.astimezone(REGISTRY_TIME).strftime(_DATE)


def read_moment(text: str) -> datetime:
    """Read a moment as İYS writes it.

    Raises:
        ValueError: It is written otherwise.
    """
    return datetime.strptime(text, _DATE).replace(tzinfo=REGISTRY_TIME)
