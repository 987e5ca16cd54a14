"""What a consent must prove, by where it comes from: what passes each duty and what does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tellal.domain.channels import RecipientType
from tellal.domain.consent_rules import LAW_IN_FORCE, Claim, check, source_named
from tellal.domain.consents import ConsentChannel, Delegation, Source, confirm_by
from tellal.domain.customers import ConsentState
from tellal.domain.errors import InvalidInputError

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
PROOF: dict[str, object] = {
    "text": "Kampanyalardan haberdar olmak istiyorum.",
    "name": "Ayşe Yılmaz",
    "preselected": False,
}
SHEET = PROOF | {"signature": "archive/2026/17"}
CALLED = {k: v for k, v in PROOF.items() if k != "preselected"} | {
    "call": "inbound",
    "recording": "calls/17.ogg",
}
PRINTED = SHEET | {
    "contract": "K-17",
    "font_pt": 12,
    "at_end": True,
    "refusal_option": True,
    "precondition": False,
}
DEEMED = {"direct_sale": True}


def a_claim(source: Source = Source.HS_WEB, **said: object) -> Claim:
    claim = Claim(
        channel=ConsentChannel.SMS,
        state=ConsentState.GRANTED,
        source=source,
        recipient_type=RecipientType.INDIVIDUAL,
        given_at=NOW - timedelta(hours=1),
        address="+905320000101",
        evidence=PROOF,
    )
    return replace(claim, **said)  # type: ignore[arg-type]


def refused(claim: Claim) -> str:
    with pytest.raises(InvalidInputError) as caught:
        check(claim, now=NOW)
    assert caught.value.hint
    return caught.value.field


def without(name: str, proof: dict[str, object] = PROOF) -> dict[str, object]:
    return {key: value for key, value in proof.items() if key != name}


@pytest.mark.req("D29", "blocks")
@pytest.mark.req("D29", "allows")
def test_a_source_is_one_of_those_that_the_registry_knows_or_ours() -> None:
    assert source_named("HS_WEB") is Source.HS_WEB
    with pytest.raises(InvalidInputError) as caught:
        source_named("HS_WEP")
    assert (caught.value.field, caught.value.hint) == ("source", "did you mean HS_WEB?")


def allows(*rows: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.req(row, "allows") for row in rows]


@pytest.mark.parametrize(
    ("source", "proof"),
    [
        pytest.param(Source.HS_WEB, PROOF, id="web", marks=allows("D29", "D30", "D31")),
        pytest.param(Source.HS_ISLAK_IMZA, SHEET, id="signed", marks=allows("D32")),
        pytest.param(Source.HS_FIZIKSEL_ORTAM, SHEET, id="paper", marks=allows("D32")),
        pytest.param(Source.HS_CAGRI_MERKEZI, CALLED, id="he called", marks=allows("C03", "D37")),
        pytest.param(Source.HS_ISLAK_IMZA, PRINTED, id="contract", marks=allows("D35", "D36")),
        pytest.param(Source.HS_MESAJ, without("preselected"), id="by text"),
        pytest.param(Source.BRANCH, {}, id="the old body"),
    ],
)
def test_what_is_proved_is_taken_down(source: Source, proof: dict[str, object]) -> None:
    check(a_claim(source, evidence=proof), now=NOW)


@pytest.mark.parametrize(
    ("source", "proof", "field"),
    [
        pytest.param(
            Source.HS_WEB,
            without("text"),
            "text",
            id="no statement",
            marks=pytest.mark.req("D30", "blocks"),
        ),
        pytest.param(
            Source.HS_WEB,
            without("name"),
            "name",
            id="no name",
            marks=pytest.mark.req("D30", "blocks"),
        ),
        pytest.param(
            Source.HS_WEB,
            PROOF | {"name": "Ayşe"},
            "name",
            id="no surname",
            marks=pytest.mark.req("D30", "blocks"),
        ),
        pytest.param(
            Source.HS_WEB,
            PROOF | {"preselected": True},
            "preselected",
            id="ticked",
            marks=pytest.mark.req("D31", "blocks"),
        ),
        pytest.param(
            Source.HS_MOBIL,
            without("preselected"),
            "preselected",
            id="box not told of",
            marks=pytest.mark.req("D31", "blocks"),
        ),
        pytest.param(
            Source.BRANCH, {"preselected": True}, "preselected", id="ticked in the old body"
        ),
        pytest.param(
            Source.HS_ISLAK_IMZA,
            PROOF,
            "signature",
            id="not signed",
            marks=pytest.mark.req("D32", "blocks"),
        ),
        pytest.param(
            Source.HS_ISLAK_IMZA,
            PRINTED | {"font_pt": 11.5},
            "font_pt",
            id="small print",
            marks=pytest.mark.req("D35", "blocks"),
        ),
        pytest.param(
            Source.HS_ISLAK_IMZA,
            PRINTED | {"at_end": False},
            "at_end",
            id="in the middle",
            marks=pytest.mark.req("D35", "blocks"),
        ),
        pytest.param(
            Source.HS_ISLAK_IMZA,
            without("refusal_option", PRINTED),
            "refusal_option",
            id="not to be refused",
            marks=pytest.mark.req("D35", "blocks"),
        ),
        pytest.param(
            Source.HS_ISLAK_IMZA,
            without("precondition", PRINTED),
            "precondition",
            id="perhaps a condition",
            marks=pytest.mark.req("D36", "blocks"),
        ),
        pytest.param(
            Source.HS_WEB,
            PROOF | {"precondition": True},
            "precondition",
            id="a condition",
            marks=pytest.mark.req("D36", "blocks"),
        ),
        pytest.param(
            Source.HS_CAGRI_MERKEZI,
            CALLED | {"call": "outbound"},
            "call",
            id="he was called",
            marks=[pytest.mark.req("C02", "blocks"), pytest.mark.req("C03", "blocks")],
        ),
        pytest.param(
            Source.HS_CAGRI_MERKEZI,
            without("recording", CALLED),
            "recording",
            id="not recorded",
            marks=pytest.mark.req("D37", "blocks"),
        ),
        pytest.param(Source.HS_WEB, PROOF | {"ip": "here"}, "ip", id="no IP address"),
    ],
)
def test_what_is_not_proved_is_refused_with_its_field(
    source: Source, proof: dict[str, object], field: str
) -> None:
    assert refused(a_claim(source, evidence=proof)) == f"evidence.{field}"


@pytest.mark.req("D30", "blocks")
def test_a_consent_names_the_address_that_it_is_for() -> None:
    assert refused(a_claim(address="")) == "address"


def test_a_refusal_needs_no_form() -> None:
    check(a_claim(state=ConsentState.REFUSED, address="", evidence={}), now=NOW)


@pytest.mark.parametrize("source", [Source.HS_KARAR, Source.ONE_CLICK, Source.CARRIER])
def test_what_can_only_be_a_refusal_is_no_consent(source: Source) -> None:
    with pytest.raises(InvalidInputError, match="never a consent"):
        check(a_claim(source), now=NOW)


@pytest.mark.req("D51", "blocks")
@pytest.mark.req("D51", "allows")
def test_who_bought_before_the_law_is_deemed_to_have_agreed_at_one_instant_only() -> None:
    deemed = a_claim(Source.HS_2015, given_at=LAW_IN_FORCE, evidence=DEEMED)

    check(deemed, now=NOW)
    late = replace(deemed, given_at=LAW_IN_FORCE + timedelta(seconds=1))

    assert refused(late) == "given_at"
    assert refused(replace(deemed, state=ConsentState.REFUSED)) == "source"


@pytest.mark.req("D52", "blocks")
@pytest.mark.req("D52", "allows")
@pytest.mark.parametrize("proof", [{}, {"direct_sale": False}])
def test_only_whom_the_brand_itself_sold_to_is_deemed_to_have_agreed(
    proof: dict[str, object],
) -> None:
    check(a_claim(Source.HS_2015, given_at=LAW_IN_FORCE, evidence=DEEMED), now=NOW)
    claim = a_claim(Source.HS_2015, given_at=LAW_IN_FORCE, evidence=proof)

    assert refused(claim) == "evidence.direct_sale"


@pytest.mark.req("D51", "blocks")
def test_no_other_consent_is_older_than_the_law() -> None:
    check(a_claim(given_at=LAW_IN_FORCE), now=NOW)

    assert refused(a_claim(given_at=LAW_IN_FORCE - timedelta(seconds=1))) == "given_at"


def test_nothing_is_given_in_the_future_and_nothing_ends_before_it_begins() -> None:
    check(a_claim(given_at=NOW, valid_until=NOW + timedelta(days=1)), now=NOW)

    assert refused(a_claim(given_at=NOW + timedelta(microseconds=1))) == "given_at"
    assert refused(a_claim(given_at=NOW, valid_until=NOW)) == "valid_until"
    assert refused(a_claim(given_at=NOW.replace(tzinfo=None))) == "given_at"
    refusal = a_claim(state=ConsentState.REFUSED, valid_until=NOW + timedelta(days=1))
    assert refused(refusal) == "valid_until"


@pytest.mark.req("C04", "blocks")
@pytest.mark.req("C04", "allows")
def test_purposes_are_named_once_each() -> None:
    check(a_claim(purposes=("campaigns", "terms")), now=NOW)

    assert refused(a_claim(purposes=("campaigns", "campaigns"))) == "purposes"
    assert refused(a_claim(purposes=(" ",))) == "purposes"


@pytest.mark.req("D38", "blocks")
@pytest.mark.req("D38", "allows")
@pytest.mark.parametrize(
    ("delegation", "field"),
    [
        pytest.param(
            Delegation(retailer="", contract="D-1", goods=("fridges",)), "retailer", id="1"
        ),
        pytest.param(
            Delegation(retailer="7", contract=" ", goods=("fridges",)), "contract", id="2"
        ),
        pytest.param(Delegation(retailer="7", contract="D-1", goods=()), "goods", id="3"),
    ],
)
def test_a_dealers_consent_says_what_it_is_limited_to(delegation: Delegation, field: str) -> None:
    check(a_claim(delegation=Delegation(retailer="7", contract="D-1", goods=("fridges",))), now=NOW)

    assert refused(a_claim(delegation=delegation)) == f"delegation.{field}"


@pytest.mark.req("D33", "allows")
@pytest.mark.parametrize(
    ("given", "due"),
    [
        pytest.param("2026-03-02T09:00:00+03:00", "2026-03-03T00:00:00+03:00", id="same day"),
        pytest.param("2026-03-02T23:59:00+03:00", "2026-03-03T00:00:00+03:00", id="a minute"),
        pytest.param("2026-03-03T00:00:00+03:00", "2026-03-04T00:00:00+03:00", id="midnight"),
    ],
)
def test_a_consent_is_to_be_confirmed_before_the_day_is_over(given: str, due: str) -> None:
    found = confirm_by(datetime.fromisoformat(given), "Europe/Istanbul")

    assert found == datetime.fromisoformat(due)


@pytest.mark.req("D33", "allows")
def test_a_day_of_25_hours_does_not_make_it_later_than_24() -> None:
    given = datetime.fromisoformat("2026-10-25T00:00:00+02:00")

    assert confirm_by(given, "Europe/Warsaw") == given + timedelta(hours=24)


@pytest.mark.req("D08", "blocks")
@pytest.mark.req("D08", "allows")
@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"message": "SM1", "number": "+905320000101"}, ""),
        ({"message": "SM1", "number": "+905320000102"}, "evidence.number"),
        ({"number": "+905320000101"}, "evidence.name"),
    ],
)
def test_whoever_writes_himself_is_known_by_his_number(more: dict[str, object], field: str) -> None:
    claim = Claim(
        channel=ConsentChannel.SMS,
        state=ConsentState.GRANTED,
        source=Source.HS_MESAJ,
        recipient_type=RecipientType.INDIVIDUAL,
        given_at=LAW_IN_FORCE,
        address="+905320000101",
        evidence={"text": "MARKA", **more},
    )

    if not field:
        check(claim, now=LAW_IN_FORCE)
        return
    with pytest.raises(InvalidInputError) as refused:
        check(claim, now=LAW_IN_FORCE)
    assert refused.value.field == field
