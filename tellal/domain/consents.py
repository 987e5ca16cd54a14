"""Consents and refusals as the ledger holds them: what was said, by which way, and what it covers.

The words are those of the Turkish registry of consents (İYS), so that a record can be told to it as
it stands. What a record must prove, by where it comes from, is in `tellal.domain.consent_rules`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from tellal.domain.channels import RecipientType
from tellal.domain.customers import ConsentState


class ConsentChannel(StrEnum):
    """What consent is asked for: messages by their channel, and calls (İYS: ARAMA)."""

    SMS = "sms"
    EMAIL = "email"
    PUSH = "push"
    WHATSAPP = "whatsapp"
    CALL = "call"


class Source(StrEnum):
    """Where a consent or a refusal comes from.

    `HS_…` are İYS' names for what a sender took itself, `IYS_…` for what was said to İYS, which we
    only learn. The lower-case ones are our own; `kept` is a refusal of
    somebody who was erased, whose address came back.
    """

    HS_FIZIKSEL_ORTAM = "HS_FIZIKSEL_ORTAM"
    HS_ISLAK_IMZA = "HS_ISLAK_IMZA"
    HS_WEB = "HS_WEB"
    HS_CAGRI_MERKEZI = "HS_CAGRI_MERKEZI"
    HS_SOSYAL_MEDYA = "HS_SOSYAL_MEDYA"
    HS_EPOSTA = "HS_EPOSTA"
    HS_MESAJ = "HS_MESAJ"
    HS_MOBIL = "HS_MOBIL"
    HS_EORTAM = "HS_EORTAM"
    HS_ETKINLIK = "HS_ETKINLIK"
    HS_2015 = "HS_2015"
    HS_ATM = "HS_ATM"
    HS_KARAR = "HS_KARAR"
    IYS_WEB = "IYS_WEB"
    IYS_MOBIL = "IYS_MOBIL"
    IYS_CM = "IYS_CM"
    IYS_3338 = "IYS_3338"
    IYS_KISA_LINK = "IYS_KISA_LINK"
    IYS_KISAMESAJ = "IYS_KISAMESAJ"
    CARRIER = "carrier"
    ONE_CLICK = "one_click"
    FEEDBACK_LOOP = "feedback_loop"
    REPLY = "reply"
    KEPT = "kept"
    PREFERENCES = "preferences"
    AGENT = "agent"
    IMPORT = "import"
    BRANCH = "branch"
    WEB = "web"
    APP = "app"
    CALL_CENTRE = "call_centre"


PHYSICAL = frozenset({Source.HS_ISLAK_IMZA, Source.HS_FIZIKSEL_ORTAM})
"""Given on paper: they need a signature."""

ELECTRONIC = frozenset(
    {
        Source.HS_WEB,
        Source.HS_MOBIL,
        Source.HS_EORTAM,
        Source.HS_SOSYAL_MEDYA,
        Source.HS_EPOSTA,
        Source.HS_MESAJ,
        Source.HS_ATM,
        Source.WEB,
        Source.APP,
        Source.PREFERENCES,
    }
)
"""Given by electronic means: they are to be confirmed to the person."""

WITH_A_BOX = PHYSICAL | {
    Source.HS_WEB,
    Source.HS_MOBIL,
    Source.HS_EORTAM,
    Source.HS_SOSYAL_MEDYA,
    Source.HS_ETKINLIK,
    Source.HS_ATM,
}
"""Given on a form, whose box must have been empty."""

TAKEN_BY_SENDER = frozenset(source for source in Source if source.startswith("HS_"))
SAID_TO_REGISTRY = frozenset(source for source in Source if source.startswith("IYS_"))
REFUSALS_ONLY = frozenset(
    {Source.HS_KARAR, Source.CARRIER, Source.ONE_CLICK, Source.FEEDBACK_LOOP, Source.KEPT}
)
WRITTEN_BY_TELLAL = SAID_TO_REGISTRY | {
    Source.CARRIER,
    Source.ONE_CLICK,
    Source.FEEDBACK_LOOP,
    Source.REPLY,
    Source.KEPT,
}
"""Sources that no caller names: what they stand for reaches us by itself."""

CONFIRMED_WITHIN = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """A consent that a dealer took: it holds for his contract's goods and services only.

    `retailer` is the dealer's code (İYS: retailerCode), `contract` names the contract between him
    and the brand, `goods` are the goods, services or marks that it is about.
    """

    retailer: str
    contract: str
    goods: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRecord:
    """One row of the ledger.

    Without `purposes` it is about everything that the brand says on the channel. `seq` is its place
    in the brand's chain, None while it waits to be sealed. `evidence`, `address` and `salt` are
    empty once it was erased.
    """

    id: str
    brand_id: str
    customer_id: str
    channel: ConsentChannel
    state: ConsentState
    recipient_type: RecipientType
    source: str
    given_at: datetime
    recorded_at: datetime
    recorded_by: str = ""
    valid_until: datetime | None = None
    purposes: tuple[str, ...] = ()
    delegation: Delegation | None = None
    address: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)
    seq: int | None = None
    salt: str = ""
    erased_at: datetime | None = None
    erased_by: str = ""

    def lapsed(self, at: datetime) -> bool:
        """Say whether it was given for a time that is over."""
        return self.valid_until is not None and self.valid_until <= at

    def speaks_of(self, use: "Use") -> bool:
        """Say whether it settles a use.

        A grant is limited to what it names. A refusal goes as far as it can: whoever refuses one
        purpose is asked about a message that names none, and has refused it.
        """
        purposes = not self.purposes or use.purpose in self.purposes
        if self.state is ConsentState.REFUSED:
            of_dealer = self.delegation is None or _of_contract(self.delegation, use)
            return (purposes or not use.purpose) and (of_dealer or not use.contract)
        same_type = self.recipient_type is use.recipient_type
        delegated = self.delegation is None or _covers(self.delegation, use)
        return same_type and purposes and delegated


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What somebody wants to write or call for; `contract` and `goods` if it is for a dealer."""

    recipient_type: RecipientType
    purpose: str = ""
    contract: str = ""
    goods: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a use stands: granted, refused, or neither; `record` is what settles it.

    A grant that has lapsed is shown, and settles nothing.
    """

    state: ConsentState | None
    record: ConsentRecord | None

    @property
    def deemed(self) -> bool:
        """Whether nobody said yes: the law takes a customer of before May 2015 for one who did.

        The first message to him must say that he is in the database and how to refuse
        (requirement of the provisional article 1 of law 6563).
        """
        granted = self.state is ConsentState.GRANTED and self.record is not None
        return granted and self.record is not None and self.record.source == Source.HS_2015


NO_STANDING = Standing(state=None, record=None)


def standing(newest_first: Iterable[ConsentRecord], use: Use, at: datetime) -> Standing:
    """Return how a use stands by the records of one customer and channel."""
    found = next((one for one in newest_first if one.speaks_of(use)), None)
    if found is None:
        return NO_STANDING
    lapsed = found.state is ConsentState.GRANTED and found.lapsed(at)
    return Standing(state=None if lapsed else found.state, record=found)


def confirm_by(given_at: datetime, timezone: str) -> datetime:
    """Return when a consent by electronic means must have been confirmed to the person.

    The law's guide says the same day, the regulation (15.07.2015/29417, article 7) says within 24
    hours: whichever ends first.
    """
    local = given_at.astimezone(ZoneInfo(timezone))
    midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), local.tzinfo)
    return min(midnight.astimezone(given_at.tzinfo), given_at + CONFIRMED_WITHIN)


def is_whole(
    state: ConsentState,
    recipient_type: RecipientType,
    kind: str,
    purposes: Iterable[str],
    delegation: Delegation | None,
) -> bool:
    """Say whether a record settles the channel for a customer of a kind, whatever is written.

    A grant does if it names neither purpose nor dealer, in the role that he has; a refusal does.
    """
    limited = bool(tuple(purposes)) or delegation is not None or recipient_type != kind
    return state is ConsentState.REFUSED or not limited


def _of_contract(delegation: Delegation, use: Use) -> bool:
    return delegation.contract == use.contract


def _covers(delegation: Delegation, use: Use) -> bool:
    return delegation.contract == use.contract and use.goods in delegation.goods
