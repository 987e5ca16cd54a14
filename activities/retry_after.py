"""Reads the pause that a provider asks for over HTTP."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def pause_of(retry_after: str, now: datetime) -> float | None:
    """Return the seconds that a `Retry-After` asks for, never less than 0; None if it is none.

    It gives seconds or an instant (RFC 9110, section 10.2.3); one without a zone is in UTC.
    """
    try:
        seconds = float(retry_after)
    except ValueError:
        pass
    else:
        return max(seconds, 0.0) if math.isfinite(seconds) else None
    try:
        instant = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return max((aware - now).total_seconds(), 0.0)
