"""How long workflows wait, and how their activities are tried: every literal of time."""

from datetime import timedelta

from temporalio.common import RetryPolicy

LEDGER_TIMEOUT = timedelta(seconds=10)
"""For one transaction on the ledger; so long it takes, too, to notice that a worker was killed."""

LEDGER_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=30),
)
"""The ledger may be away for a while; what it does not have at all is not asked for again."""

SHORTEST_SILENCE = timedelta(seconds=1)
LONGEST_SILENCE = timedelta(minutes=5)
"""Bounds between which a journey waits before it looks again at a ledger that is late itself."""

BEFORE_REMINDERS = timedelta(seconds=10)
"""A state that lasts no longer than this asks no profile for its reminders."""

SELDOM = timedelta(hours=24)
"""How often a case of which nothing is heard reads the ledger: news may have been lost."""

LONGEST_QUIET = timedelta(days=7)
"""So often a case reads the ledger that was told by it when to look next: news may be lost."""

LONGEST_HISTORY = 3_000
"""A campaign that looked so often begins its history anew: one has fewer than 4,000 events."""

AUDIENCE_TIMEOUT = timedelta(hours=2)
AUDIENCE_HEARTBEAT = timedelta(seconds=5)

WATCH = timedelta(minutes=5)
WATCH_TIMEOUT = WATCH + timedelta(minutes=1)
WATCH_HEARTBEAT = timedelta(seconds=5)
WATCH_LIMIT = timedelta(hours=48)
"""After an outage's end its outcomes are watched for so long."""

SHIFT = timedelta(minutes=5)
SHIFT_TIMEOUT = SHIFT + timedelta(minutes=2)
LANE_HEARTBEAT = timedelta(seconds=5)
"""So soon another worker takes over the lane of one that was killed."""
LANE_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=5)
)
SHIFTS_PER_RUN = 24
"""After so many shifts a lane's history begins anew."""
