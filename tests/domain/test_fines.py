"""What breaking the law of messages costs, by the amounts that ship."""

import pytest

from rules.law_texts import load_text_laws
from tellal.domain.errors import InvalidInputError
from tellal.domain.fines import Gravity, fine_of

ROWS = load_text_laws().of("TR").fines
GRAVITIES = {row.id: row.gravity for row in ROWS}


@pytest.mark.parametrize(
    ("offence", "most"),
    [
        pytest.param("without_consent", 5000, marks=pytest.mark.req("D56", "blocks")),
        pytest.param("content_beyond_consent", 5000, marks=pytest.mark.req("D56", "blocks")),
        pytest.param("documents_withheld", 5000, marks=pytest.mark.req("D56", "blocks")),
        pytest.param("identity_missing", 10_000, marks=pytest.mark.req("D57", "blocks")),
        pytest.param("contact_missing", 10_000, marks=pytest.mark.req("D57", "blocks")),
        pytest.param("no_refusal", 15_000, marks=pytest.mark.req("D58", "blocks")),
        pytest.param("conditions_unclear", 15_000, marks=pytest.mark.req("D58", "blocks")),
    ],
)
def test_an_offence_against_one_person_costs_what_the_law_said_in_2015(
    offence: str, most: int
) -> None:
    fine = fine_of(ROWS, [offence], 1, year=2015)

    assert fine is not None
    assert (fine.most, fine.currency) == (most, "TRY")


@pytest.mark.parametrize(
    "offence",
    [
        pytest.param("without_consent", marks=pytest.mark.req("D56", "allows")),
        pytest.param("documents_withheld", marks=pytest.mark.req("D56", "allows")),
        pytest.param("identity_missing", marks=pytest.mark.req("D57", "allows")),
        pytest.param("contact_missing", marks=pytest.mark.req("D57", "allows")),
        pytest.param("no_refusal", marks=pytest.mark.req("D58", "allows")),
        pytest.param("conditions_unclear", marks=pytest.mark.req("D58", "allows")),
    ],
)
def test_what_the_law_did_not_forbid_yet_or_reached_nobody_costs_nothing(offence: str) -> None:
    assert fine_of(ROWS, [offence], 1, year=2014) is None
    assert fine_of(ROWS, [offence], 0, year=2015) is None


@pytest.mark.req("D59", "blocks")
@pytest.mark.req("D59", "allows")
@pytest.mark.parametrize(("recipients", "most"), [(1, 5000), (2, 50_000), (900_000, 50_000)])
def test_without_consent_it_is_tenfold_from_the_second_recipient_on(
    recipients: int, most: int
) -> None:
    fine = fine_of(ROWS, ["without_consent"], recipients, year=2015)

    assert fine is not None
    assert fine.most == most


@pytest.mark.req("D59", "allows")
def test_other_offences_do_not_grow_with_their_recipients() -> None:
    assert fine_of(ROWS, ["no_refusal"], 1, year=2015) == fine_of(
        ROWS, ["no_refusal"], 5000, year=2015
    )


@pytest.mark.req("C09", "blocks")
def test_offences_add_up_and_the_gravest_comes_first() -> None:
    fine = fine_of(ROWS, ["identity_missing", "no_refusal", "no_refusal"], 2, year=2026)

    assert fine is not None
    assert [part.offence for part in fine.parts] == ["no_refusal", "identity_missing"]
    assert (fine.least, fine.most) == (5723 + 2859, 42_930 + 28_620)
    assert fine.gravity is Gravity.GRAVE
    assert str(fine) == "up to 71550 TRY (2026)"


@pytest.mark.req("C09", "blocks")
@pytest.mark.req("C09", "allows")
def test_a_year_without_an_amount_is_reckoned_with_the_last_one_before() -> None:
    later = fine_of(ROWS, ["no_refusal"], 1, year=2031)

    assert later is not None
    assert later.parts[0].year == 2026
    assert fine_of(ROWS, ["no_refusal"], 1, year=2014) is None


@pytest.mark.req("C09")
def test_a_firm_that_hides_is_graver_than_a_paper_that_is_missing() -> None:
    order = ["documents_withheld", "identity_missing", "no_refusal"]

    assert sorted(order, key=lambda one: GRAVITIES[one].rank) == order
    assert len({GRAVITIES[one] for one in order}) == 3


@pytest.mark.req("C09", "allows")
def test_what_no_row_knows_or_nobody_got_costs_nothing() -> None:
    assert fine_of(ROWS, ["jaywalking"], 1, year=2026) is None
    assert fine_of(ROWS, ["no_refusal"], 0, year=2026) is None
    with pytest.raises(InvalidInputError, match="nobody is the least"):
        fine_of(ROWS, ["no_refusal"], -1, year=2026)
