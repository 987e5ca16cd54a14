"""The pause that a provider asks for, as HTTP writes it."""

from datetime import UTC, datetime

import pytest

from activities.retry_after import pause_of

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        pytest.param("7", 7.0, id="seconds"),
        pytest.param("0.5", 0.5, id="part of a second"),
        pytest.param("-3", 0.0, id="less than none"),
        pytest.param("Mon, 02 Mar 2026 07:01:30 GMT", 90.0, id="an instant"),
        pytest.param("Mon, 02 Mar 2026 07:01:30 -0000", 90.0, id="an instant without a zone"),
        pytest.param("Mon, 02 Mar 2026 10:01:30 +0300", 90.0, id="an instant elsewhere"),
        pytest.param("Mon, 02 Mar 2026 06:00:00 GMT", 0.0, id="an instant that has passed"),
        pytest.param("", None, id="nothing"),
        pytest.param("soon", None, id="a word"),
        pytest.param("nan", None, id="no number"),
        pytest.param("inf", None, id="for ever"),
    ],
)
def test_a_pause_is_seconds_or_an_instant(written: str, seconds: float | None) -> None:
    assert pause_of(written, NOW) == seconds
