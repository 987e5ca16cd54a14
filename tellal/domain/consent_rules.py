"""What a consent must prove, by where it comes from.

The law is the Turkish law 6563 with its regulation on commercial electronic messages (Official
Gazette 15.07.2015/29417, amended 04.01.2020/30998); article 7 says how consent is taken. The burden
of proof is on the sender, so what is not proved is not taken down. The dates are İYS' own rules for
records. A refusal needs no form.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from difflib import get_close_matches

from tellal.domain.channels import RecipientType
from tellal.domain.consents import (
    PHYSICAL,
    REFUSALS_ONLY,
    TAKEN_BY_SENDER,
    WITH_A_BOX,
    ConsentChannel,
    Delegation,
    Source,
)
from tellal.domain.customers import ConsentState
from tellal.domain.errors import InvalidInputError

REGISTRY_TIME = timezone(timedelta(hours=3))
"""The clock of İYS, in winter, too."""

LAW_IN_FORCE = datetime(2015, 5, 1, tzinfo=REGISTRY_TIME)
"""Law 6563: who has no consent may not write or call from this day on."""

SMALLEST_POINTS = 12
"""Regulation, article 7: a consent within a contract is printed at least this large."""

_MOST_PURPOSES, _LONGEST = 50, 100
_UNPROVED = frozenset({Source.HS_2015, Source.HS_KARAR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A consent or a refusal as somebody reports it, before it is believed."""

    channel: ConsentChannel
    state: ConsentState
    source: Source
    recipient_type: RecipientType
    given_at: datetime
    address: str = ""
    purposes: tuple[str, ...] = ()
    valid_until: datetime | None = None
    delegation: Delegation | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)


def source_named(name: str) -> Source:
    """Return the source of a name.

    Raises:
        InvalidInputError: There is none; the hint names the nearest.
    """
    try:
        return Source(name)
    except ValueError as error:
        near = get_close_matches(name, list(Source), n=1)
        raise InvalidInputError(
            f"no source {name!r}",
            field="source",
            hint=f"did you mean {near[0]}?" if near else "as in HS_WEB or HS_ISLAK_IMZA",
        ) from error


def check(claim: Claim, *, now: datetime) -> None:
    """See that a claim can be so, and that a grant proves what the law asks for.

    Raises:
        InvalidInputError: It cannot, or it does not.
    """
    _check_times(claim, now)
    _check_purposes(claim.purposes)
    _check_box(claim)
    if claim.state is ConsentState.REFUSED:
        if claim.source is Source.HS_2015:
            raise _wrong("source", "HS_2015 is a consent, never a refusal", "HS_KARAR, for example")
        return
    if claim.source in REFUSALS_ONLY:
        raise _wrong("source", f"{claim.source} is a refusal, never a consent", "")
    _check_delegation(claim.delegation)
    for ask in _ASKED:
        ask(claim)


def _check_times(claim: Claim, now: datetime) -> None:
    """İYS' rules 4 and 5, and the span for which a consent is given."""
    if claim.given_at.tzinfo is None:
        raise _wrong("given_at", "the time has no zone", "write it as in 2026-03-02T10:00:00+03:00")
    if claim.given_at > now:
        raise _wrong("given_at", "it lies in the future", "when it was given, not when it begins")
    if claim.source in TAKEN_BY_SENDER and claim.given_at < LAW_IN_FORCE:
        raise _wrong(
            "given_at",
            "no consent is older than the law of 2015-05-01",
            "what you knew before is HS_2015, given at 2015-05-01T00:00:00+03:00",
        )
    until = claim.valid_until
    if until is None:
        return
    if until.tzinfo is None:
        raise _wrong("valid_until", "the time has no zone", "as in 2027-03-02T10:00:00+03:00")
    if claim.state is ConsentState.REFUSED:
        raise _wrong("valid_until", "a refusal holds until consent is given", "leave it out")
    if until <= claim.given_at:
        raise _wrong("valid_until", "it ends before it begins", "leave it out if it has no end")


def _check_purposes(purposes: tuple[str, ...]) -> None:
    if len(purposes) > _MOST_PURPOSES or len(set(purposes)) < len(purposes):
        raise _wrong("purposes", "too many purposes, or one twice", "name each once, 50 at most")
    if any(not one.strip() or len(one) > _LONGEST for one in purposes):
        raise _wrong("purposes", "a purpose is empty or too long", "100 characters at most")


def _check_box(claim: Claim) -> None:
    """Article 7: no box that is ticked beforehand; it need not be asked of a refusal."""
    if claim.evidence.get("preselected") is True:
        raise _wrong(
            "evidence.preselected",
            "a box that was ticked beforehand gives no consent",
            "record consents that the customer gave himself",
        )
    if claim.state is ConsentState.GRANTED and claim.source in WITH_A_BOX:
        _must_be(claim, "preselected", wanted=False, why="the box must have been empty")


def _check_delegation(delegation: Delegation | None) -> None:
    """A consent to a dealer counts for the brand within the contract between them, no further."""
    if delegation is None:
        return
    for name in ("retailer", "contract"):
        if not getattr(delegation, name).strip():
            raise _wrong(f"delegation.{name}", "a dealer's consent names it", "his code, and which")
    if not delegation.goods or any(not one.strip() for one in delegation.goods):
        raise _wrong(
            "delegation.goods",
            "a dealer's consent is limited to the goods, services and marks of his contract",
            "name them",
        )


def _ask_statement(claim: Claim) -> None:
    """Article 7: that he agrees, his name and surname, and the address that he agrees to."""
    if claim.source not in TAKEN_BY_SENDER - _UNPROVED:
        return
    _must_say(claim, "text", "the words that he agreed to")
    if claim.source is Source.HS_MESAJ and claim.evidence.get("message"):
        # He wrote himself, and a number knows no name: it is the one that he agrees to.
        if not claim.address or claim.evidence.get("number") != claim.address:
            raise _wrong("evidence.number", "it is not the number that wrote", "as in address")
        return
    _must_say(claim, "name", "his name and surname")
    if len(str(claim.evidence["name"]).split()) < 2:  # noqa: PLR2004 a name and a surname
        raise _wrong("evidence.name", "it has no surname", "name and surname, as in Ayşe Yılmaz")
    if not claim.address:
        raise _wrong(
            "address", "a consent names the address that it is for", "the number, the mail"
        )


def _ask_signature(claim: Claim) -> None:
    """Article 7: on paper it is signed."""
    if claim.source in PHYSICAL:
        _must_say(claim, "signature", "where the signed sheet is kept")


def _ask_recording(claim: Claim) -> None:
    """Since 2015-05-01 nobody may be called to be asked; in his own call he may."""
    if claim.source is not Source.HS_CAGRI_MERKEZI:
        return
    if claim.evidence.get("call") == "outbound":
        raise _wrong(
            "evidence.call",
            "since 2015-05-01 nobody may be called, or written to, to be asked for consent",
            "ask in a branch, in the app, on the web, or when he calls",
        )
    if claim.evidence.get("call") != "inbound":
        raise _wrong("evidence.call", "it must say that he called", "inbound")
    _must_say(claim, "recording", "where the recording of the call is kept")


def _ask_contract(claim: Claim) -> None:
    """Article 7: within a contract at its end, in 12 points, to be refused; never a condition."""
    if claim.evidence.get("precondition") is True:
        raise _wrong(
            "evidence.precondition",
            "consent may not be a condition for goods or services",
            "ask again, apart from what he buys",
        )
    contract = claim.evidence.get("contract")
    if contract is None or contract == "":
        return
    points = claim.evidence.get("font_pt")
    if isinstance(points, bool) or not isinstance(points, int | float) or points < SMALLEST_POINTS:
        raise _wrong(
            "evidence.font_pt",
            f"within a contract it is printed in at least {SMALLEST_POINTS} points",
            "how large it was printed",
        )
    _must_be(claim, "at_end", wanted=True, why="it stands at the end of the contract")
    _must_be(claim, "refusal_option", wanted=True, why="he must have been able to refuse it")
    _must_be(claim, "precondition", wanted=False, why="the contract may not depend on it")


def _ask_deemed(claim: Claim) -> None:
    """Law 6563, provisional article 1: customers from before it, if the brand itself sold to them.

    İYS' rule 6: such a record was given at 2015-05-01 00:00:00 sharp, and no other was.
    """
    if claim.source is not Source.HS_2015:
        return
    if claim.given_at != LAW_IN_FORCE:
        raise _wrong(
            "given_at",
            "HS_2015 was given at 2015-05-01 00:00:00 sharp",
            "2015-05-01T00:00:00+03:00",
        )
    _must_be(claim, "direct_sale", wanted=True, why="only whom the brand itself sold to counts")


def _ask_ip(claim: Claim) -> None:
    said = claim.evidence.get("ip")
    if said is None or said == "":
        return
    try:
        ipaddress.ip_address(str(said))
    except ValueError as error:
        raise _wrong("evidence.ip", "this is no IP address", "as in 198.51.100.7") from error


_ASKED: tuple[Callable[[Claim], None], ...] = (
    _ask_deemed,
    _ask_statement,
    _ask_signature,
    _ask_recording,
    _ask_contract,
    _ask_ip,
)


def _must_say(claim: Claim, name: str, what: str) -> None:
    said = claim.evidence.get(name)
    if not isinstance(said, str) or not said.strip():
        raise _wrong(f"evidence.{name}", f"{claim.source} needs proof: {what}", what)


def _must_be(claim: Claim, name: str, *, wanted: bool, why: str) -> None:
    if claim.evidence.get(name) is not wanted:
        word = "true" if wanted else "false"
        raise _wrong(f"evidence.{name}", f"{why}: it must be {word}", f"say {name}: {word}")


def _wrong(field: str, message: str, hint: str) -> InvalidInputError:
    return InvalidInputError(message, field=field, hint=hint)
