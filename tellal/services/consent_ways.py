"""The ways of asking for consent that a country's law allows on some days only."""

from datetime import UTC

from rules.law_rows import Way, load_law
from rules.situations import zone_of
from tellal.domain.consent_rules import Claim
from tellal.domain.customers import ConsentState
from tellal.domain.errors import InvalidInputError


def check_way(claim: Claim, timezone: str, country: str) -> None:
    """See that nobody was called to be asked on a day on which his country's law forbids it.

    Raises:
        InvalidInputError: It was forbidden; the row of the law is named.
    """
    if claim.state is ConsentState.REFUSED or claim.evidence.get("call") != "outbound":
        return
    given_at = claim.given_at if claim.given_at.tzinfo else claim.given_at.replace(tzinfo=UTC)
    day = given_at.astimezone(zone_of(timezone)).date()
    row = load_law().forbids(Way.OUTBOUND_CALL, day, country)
    if row is not None:
        raise InvalidInputError(
            f"{row.text} (law: {row.id}, {row.source})",
            field="evidence.call",
            hint="ask in a branch, in the app, on the web, or when he calls",
        )
