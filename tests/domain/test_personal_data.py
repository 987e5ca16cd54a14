"""Numbers of persons are told from other numbers by their check digits."""

import pytest

from tellal.domain.personal_data import DataKind, found_in


@pytest.mark.req("E19", "blocks")
@pytest.mark.req("E19", "allows")
@pytest.mark.parametrize(
    ("kind", "held", "other"),
    [
        (DataKind.TCKN, "no 10000000146.", "no 10000000147."),
        (DataKind.PESEL, "nr 44051401359", "nr 44051401358"),
        (DataKind.IBAN, "TR33 0006 1005 1978 6457 8413 26", "TR34 0006 1005 1978 6457 8413 26"),
        (DataKind.CARD, "card 4111 1111 1111 1111", "card 4111 1111 1111 1112"),
    ],
)
def test_a_number_of_a_person_is_found_and_any_other_is_not(
    kind: DataKind, held: str, other: str
) -> None:
    assert len(found_in(held, kind)) == 1
    assert found_in(other, kind) == ()
