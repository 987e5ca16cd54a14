"""Whom an outage concerns: areas and a segment, as one condition."""

import pytest

from tellal.domain.errors import InvalidInputError
from tellal.domain.scope import both, scope

YOUNG = {"customer.age": {"lt": 30}}


@pytest.mark.req("B11", "allows")
@pytest.mark.parametrize(
    ("areas", "segment", "wanted"),
    [
        ([], None, None),
        ([], {}, None),
        ([], YOUNG, YOUNG),
        ([{"district": "tepebasi"}], None, {"customer.district": "tepebasi"}),
        (
            [{"district": "tepebasi"}, {"district": "odunpazari"}, {"district": "tepebasi"}],
            None,
            {"customer.district": ["tepebasi", "odunpazari"]},
        ),
        (
            [{"province": "eskisehir", "neighbourhood": "camlik"}, {"feeder": "F12"}],
            YOUNG,
            {
                "all": [
                    {
                        "any": [
                            {"customer.city": "eskisehir", "customer.neighbourhood": "camlik"},
                            {"customer.feeder": "F12"},
                        ]
                    },
                    YOUNG,
                ]
            },
        ),
    ],
)
def test_areas_and_a_segment_are_one_condition(
    areas: list[dict[str, str]], segment: dict[str, object] | None, wanted: object
) -> None:
    assert scope(areas, segment) == wanted


def test_many_feeders_are_a_few_tests() -> None:
    found = scope([{"feeder": f"F{n}"} for n in range(250)], None)

    assert found is not None
    parts = found["any"]
    assert isinstance(parts, list)
    assert [len(part["customer.feeder"]) for part in parts] == [100, 100, 50]


def test_a_single_feeder_among_other_places_stands_for_itself() -> None:
    assert scope([{"feeder": "F1"}, {"district": "x"}], None) == {
        "any": [{"customer.feeder": "F1"}, {"customer.district": "x"}]
    }


@pytest.mark.parametrize("area", [{}, {"district": " "}, {"street": "x"}])
def test_an_area_that_is_no_place_is_refused(area: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError) as refused:
        scope([area], None)

    assert refused.value.field == "areas"


def test_nothing_and_nothing_is_everybody() -> None:
    assert both(None, {}) is None
    assert both(YOUNG, None) == YOUNG
