"""What Tellal counts and times, by name: every instrument, and one function for each place.

A label is a word of a closed set, or a code of a rule or provider, and codes are kept in bounds
here. Never an id, an address or free text: each new value is a new series in Prometheus, and what
is there can be read by whoever may look at a graph.
"""

import re
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

EVENTS = CollectorRegistry()
"""What a process has seen happen; the API and the worker each show their own."""
LEDGER = CollectorRegistry()
"""What stands in the ledger; a worker reads it, so only workers show it."""

OTHER = "other"
"""What stands for a code that is none."""

_CODE = re.compile(r"(?!.*\d{7})[A-Za-z0-9_.:-]{1,64}")
"""Seven digits in a row are no code of anybody, but may be somebody's number."""
_MOST_CODES = 300
_WITHIN_MINUTES = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600)
_WITHIN_A_DAY = (1, 5, 15, 60, 300, 600, 1800, 3600, 14400, 86400)

DECISIONS = Counter(
    "tellal_decisions",
    "Decisions written into the ledger, by the reason that tells most and by who answered; "
    "`simulated` is `yes` for what a rehearsal key asked.",
    ["verdict", "reason", "executor", "simulated"],
    registry=EVENTS,
)
ENGINE_ANSWERS = Counter(
    "tellal_engine_answers",
    "Questions to the rule engine; all but `answered` were left to the reference.",
    ["result"],
    registry=EVENTS,
)
ENGINE_DIFFERENCES = Counter(
    "tellal_engine_differences",
    "Answers of the rule engine that were not the reference's; the reference won.",
    registry=EVENTS,
)
ENGINE_REPLACEMENTS = Counter(
    "tellal_engine_replacements",
    "Rule engine processes that died or fell silent and were replaced.",
    registry=EVENTS,
)
HANDOVERS = Counter(
    "tellal_handovers",
    "Answers of providers to hand-overs, with the provider's own code.",
    ["provider", "channel", "answer", "code"],
    registry=EVENTS,
)
HANDOVER_DURATION = Histogram(
    "tellal_handover_duration_seconds",
    "How long a provider took to answer a hand-over.",
    ["provider", "channel"],
    registry=EVENTS,
)
RECEIPTS = Counter(
    "tellal_receipts",
    "Receipts taken in, by what they say; `unplaced` speaks of no message of ours.",
    ["provider", "state"],
    registry=EVENTS,
)
RECEIPT_DELAY = Histogram(
    "tellal_receipt_delay_seconds",
    "How long after its hand-over a message's receipt arrived.",
    ["provider"],
    buckets=_WITHIN_A_DAY,
    registry=EVENTS,
)
SWEEPER_ADVANCES = Counter(
    "tellal_sweeper_advances",
    "Outcomes without a workflow that the sweeper brought forward.",
    ["result"],
    registry=EVENTS,
)
LANE_STUMBLES = Counter(
    "tellal_lane_stumbles",
    "Rounds of a lane that an error ended; the lane went on.",
    ["lane"],
    registry=EVENTS,
)
SCHEDULE_LAG = Histogram(
    "tellal_schedule_lag_seconds",
    "How long after its time a piece of work was begun: a lane's messages, or activities.",
    ["work"],
    buckets=_WITHIN_MINUTES,
    registry=EVENTS,
)
HTTP_REQUESTS = Counter(
    "tellal_http_requests",
    "Requests to the API, by the route's template.",
    ["method", "route", "status"],
    registry=EVENTS,
)
HTTP_DURATION = Histogram(
    "tellal_http_request_duration_seconds",
    "How long the API took to answer.",
    ["method", "route"],
    registry=EVENTS,
)
ROUTE_OPEN = Gauge(
    "tellal_route_open",
    "1 while a route's breaker is open and nothing goes over it, 0 while it is closed.",
    ["route"],
    registry=EVENTS,
)
ROUTE_SHARE = Gauge(
    "tellal_route_share",
    "Which part of its weight a route has by what its answers and receipts taught, 0.02 to 1.",
    ["route"],
    registry=EVENTS,
)
ROUTE_MODE = Gauge(
    "tellal_route_mode",
    "1 for the mode in which a route is: auto, drained or pinned by somebody.",
    ["route", "mode"],
    registry=EVENTS,
)
ROUTE_PAUSED_UNTIL = Gauge(
    "tellal_route_paused_until_seconds",
    "Until when a route rests, in seconds since 1970; 0 when it does not.",
    ["route"],
    registry=EVENTS,
)

LANE_OLDEST_DUE = Gauge(
    "tellal_lane_oldest_due_seconds",
    "For how long the oldest message that a lane could hand over has been due.",
    ["lane"],
    registry=LEDGER,
)
LANE_WAITING = Gauge(
    "tellal_lane_waiting_messages",
    "Messages that wait in a lane, due `now` or `later`; counted up to 10000 for each priority.",
    ["lane", "due"],
    registry=LEDGER,
)
UNKNOWN = Gauge(
    "tellal_unknown_messages",
    "Messages of which nobody knows what became, `looked_up` still or `given_up`; each to 10000.",
    ["provider", "stage"],
    registry=LEDGER,
)
LEASES_EXPIRED = Gauge(
    "tellal_expired_leases",
    "Hand-overs whose lane died or hangs, and which none has taken over yet; up to 10000.",
    registry=LEDGER,
)
OUTBOX_ITEMS = Gauge(
    "tellal_outbox_items",
    "News that workflows have not been told yet; counted up to 10000.",
    registry=LEDGER,
)
OUTBOX_AGE = Gauge(
    "tellal_outbox_oldest_seconds",
    "How long ago the oldest news was written that its workflow has not been told.",
    registry=LEDGER,
)
DISPATCHER_LAG = Gauge(
    "tellal_dispatcher_lag_seconds",
    "For how long the next news has been due that no dispatcher has taken up.",
    registry=LEDGER,
)
COMPLAINTS_DUE = Gauge(
    "tellal_complaints_to_answer",
    "Complaints whose answer is due: `close` by now, or `late`; counted up to 10000.",
    ["stage"],
    registry=LEDGER,
)
SWEEPER_LAG = Gauge(
    "tellal_sweeper_lag_seconds",
    "For how long the next outcome without a workflow has been due.",
    registry=LEDGER,
)
CONFIRMATIONS_LATE = Gauge(
    "tellal_consent_confirmations_late",
    "Electronic consents that were not confirmed to the person in time; counted up to 10000.",
    registry=LEDGER,
)
REGISTRY_RECORDS = Gauge(
    "tellal_registry_records",
    "Consents that İYS must know of and does not: `waiting` in time, `soon` due, `late`; "
    "`refused` ones, late or not, somebody must look at.",
    ["state"],
    registry=LEDGER,
)
REGISTRY_PULL_AGE = Gauge(
    "tellal_registry_pull_age_seconds",
    "How long ago the movements of the brand that was asked for least lately were read from İYS.",
    registry=LEDGER,
)
LEDGER_READ = Gauge(
    "tellal_ledger_read_timestamp_seconds",
    "When this worker last read these gauges from the ledger, in seconds since 1970.",
    registry=LEDGER,
)


class _Codes:
    """Lets a bounded number of well-formed codes through; all others are one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()
        self._lock = Lock()

    def label(self, code: str) -> str:
        if not code or code in self._known:
            return code
        with self._lock:
            if _CODE.fullmatch(code) is None or len(self._known) >= self._most:
                return OTHER
            self._known.add(code)
        return code


_reasons = _Codes(_MOST_CODES)
_codes = _Codes(_MOST_CODES)


PAGES = Counter(
    "tellal_outage_pages",
    "Calls for the person on call: a suspicion that stands too long, news that are overdue.",
    ["why"],
    registry=EVENTS,
)


MAILS = Counter(
    "tellal_mails",
    "Mails that were read: a `case`, a `repeat`, a `bounce`, `ignored`, or set `aside`.",
    ["became"],
    registry=EVENTS,
)
BOUNCES = Counter(
    "tellal_bounces",
    "Mails that came back, by what they said and whose fault it was; `unplaced`: of none of ours.",
    ["said", "fault"],
    registry=EVENTS,
)
MAILBOX_FAILURES = Counter(
    "tellal_mailbox_failures",
    "Times that a mailbox could not be read.",
    registry=EVENTS,
)


def mail_read(became: str) -> None:
    """Count a mail that was read."""
    MAILS.labels(became).inc()


def bounce_read(said: str, fault: str) -> None:
    """Count a mail that came back: what it said, `unplaced` if of none of ours; whose fault."""
    BOUNCES.labels(said, fault).inc()


def mailbox_failed() -> None:
    """Count a time that a mailbox could not be read."""
    MAILBOX_FAILURES.inc()


def paged(why: str) -> None:
    """Count a call for the person on call."""
    PAGES.labels(why).inc()


def decided(verdict: str, reason: str, executor: str, *, simulated: bool = False) -> None:
    """Count a decision; `reason` is empty when nothing speaks against it."""
    asked = "yes" if simulated else "no"
    DECISIONS.labels(verdict, _reasons.label(reason), executor, asked).inc()


def engine_asked(result: str) -> None:
    """Count a question: `answered`, `late`, `crashed`, `skipped` or `unready`."""
    ENGINE_ANSWERS.labels(result).inc()


def engine_differed() -> None:
    """Count an answer of the engine that was not the reference's."""
    ENGINE_DIFFERENCES.inc()


def engine_replaced() -> None:
    """Count a process of the engine that had to be replaced."""
    ENGINE_REPLACEMENTS.inc()


def handed_over(provider: str, channel: str, answer: str, code: str, seconds: float) -> None:
    """Count a provider's answer and how long it took."""
    HANDOVERS.labels(provider, channel, answer, _codes.label(code)).inc()
    HANDOVER_DURATION.labels(provider, channel).observe(seconds)


def receipt_taken(provider: str, state: str, seconds: float | None) -> None:
    """Count a receipt; `seconds` have passed since the hand-over, None if that is not known."""
    RECEIPTS.labels(provider, state).inc()
    if seconds is not None:
        RECEIPT_DELAY.labels(provider).observe(max(0.0, seconds))


def receipt_unplaced(provider: str) -> None:
    """Count a receipt that speaks of no message of ours."""
    RECEIPTS.labels(provider, "unplaced").inc()


def swept(*, done: bool) -> None:
    """Count an outcome that the sweeper took up."""
    SWEEPER_ADVANCES.labels("done" if done else "failed").inc()


def lane_stumbled(lane: str) -> None:
    """Count a round of a lane that an error ended."""
    LANE_STUMBLES.labels(lane).inc()


def begun_late(work: str, seconds: float) -> None:
    """Time how late work was begun; `work` is a lane, `sweeper` or `activities`."""
    SCHEDULE_LAG.labels(work).observe(max(0.0, seconds))


def served(method: str, route: str, status: int, seconds: float) -> None:
    """Count an answer of the API; `route` is a template, never an address."""
    HTTP_REQUESTS.labels(method, route, str(status)).inc()
    HTTP_DURATION.labels(method, route).observe(seconds)


def route_is_open(route: str, *, is_open: bool, paused_until: float = 0.0) -> None:
    """Say how a route's breaker stands, and until when it rests (seconds since 1970)."""
    ROUTE_OPEN.labels(route).set(is_open)
    ROUTE_PAUSED_UNTIL.labels(route).set(paused_until)


def share_of_route(route: str, factor: float, mode: str) -> None:
    """Say which part of its weight a route has, and who decided so (`auto`, or by hand)."""
    ROUTE_SHARE.labels(route).set(factor)
    for one in ("auto", "drained", "pinned"):
        ROUTE_MODE.labels(route, one).set(one == mode)
