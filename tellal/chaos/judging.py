"""Judges a run: what was asked for, against the ledger and the providers' book; pure functions."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tellal.chaos.errands import Errand
from tellal.domain.channels import MessageClass
from tellal.domain.messages import HANDED_OVER, Answer, MessageState, OutcomeState

_TAKEN = frozenset(state.value for state in HANDED_OVER)
_AS_WISHED = frozenset({OutcomeState.TOLD, OutcomeState.UNKNOWN, OutcomeState.OPEN})
"""How an errand may stand as far as `spoilt` goes; the open ones are lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call to a provider, as the ledger has it."""

    n: int
    answer: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of the ledger, with its attempts in their order."""

    id: str
    message_class: str
    channel: str
    state: str
    code: str
    attempts: Sequence[Attempt] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a customer stands with a cause in the ledger, with the messages of it."""

    cause: str
    customer: str
    topic: str
    state: str
    reason: str
    messages: Sequence[Message] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message that a provider took; `attempt` is 0 where the provider is not told of it."""

    message_id: str
    channel: str
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that is judged.

    `audiences` says how many people each cause that concerns many was asked to reach; every other
    cause is one event's and reaches one. `reported` holds the counts that the API gives of a cause.
    """

    errands: Sequence[Errand]
    outcomes: Sequence[Outcome]
    book: Sequence[Entry]
    audiences: Mapping[str, int]
    reported: Mapping[str, Mapping[str, int]]
    most_unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something to be told of one message or one errand, and why."""

    subject: str
    channel: str
    message_class: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Decision 1 for one cause: the audience is the sum of all outcomes, and none is open."""

    cause: str
    audience: int
    counts: Mapping[str, int]
    reported: Mapping[str, int] | None = None

    @property
    def holds(self) -> bool:
        """Say whether it holds, in the ledger's rows and in what the API makes of them."""
        counts = {state.value: self.counts.get(state.value, 0) for state in OutcomeState}
        right = {**counts, "audience": self.audience}
        return (
            sum(counts.values()) == self.audience
            and counts[OutcomeState.OPEN] == 0
            and self.reported in (None, right)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found; `ok` if nothing is wrong."""

    lost: Sequence[Finding]
    duplicates: Sequence[Finding]
    resent: Sequence[Finding]
    spoilt: Sequence[Finding]
    unknown: Sequence[Finding]
    most_unknown: int
    identities: Sequence[Identity]

    @property
    def ok(self) -> bool:
        """Say whether the run was good."""
        return (
            not (self.lost or self.duplicates or self.spoilt)
            and len(self.unknown) <= self.most_unknown
            and all(finding.reason for finding in self.unknown)
            and bool(self.identities)
            and all(identity.holds for identity in self.identities)
        )


def judge(evidence: Evidence) -> Verdict:
    """Judge a run."""
    taken = Counter(entry.message_id for entry in evidence.book)
    repeated = list(_repeated(evidence, taken))
    return Verdict(
        lost=[*_without_end(evidence), *_absent(evidence, taken)],
        duplicates=[
            *(finding for finding, confessed in repeated if not confessed),
            *_told_twice(evidence, taken),
        ],
        resent=[finding for finding, confessed in repeated if confessed],
        spoilt=[*_spoilt(evidence), *_strays(evidence)],
        unknown=list(_unknown(evidence)),
        most_unknown=evidence.most_unknown,
        identities=list(_identities(evidence)),
    )


def _without_end(evidence: Evidence) -> Iterator[Finding]:
    """Find errands that came to no final outcome."""
    found = _by_errand(evidence)
    for errand in evidence.errands:
        outcomes = found.get(errand, [])
        if not outcomes:
            yield _of_errand(errand, "asked for, and there is no outcome")
        for outcome in outcomes:
            if outcome.state == OutcomeState.OPEN:
                states = ", ".join(_standing(message) for message in outcome.messages)
                yield _of_outcome(outcome, f"no final outcome ({states or 'no message'})")


def _absent(evidence: Evidence, taken: Mapping[str, int]) -> Iterator[Finding]:
    """Find messages that a provider took by our ledger, and that it does not have."""
    for _, message in _messages(evidence):
        accepted = message.state in _TAKEN or any(
            attempt.answer == Answer.ACCEPTED for attempt in message.attempts
        )
        if accepted and not taken.get(message.id):
            yield _of_message(message, "accepted in the ledger, absent from the book")


def _repeated(evidence: Evidence, taken: Mapping[str, int]) -> Iterator[tuple[Finding, bool]]:
    """Find messages of which a provider has several, and whether the ledger stands by it.

    Only a mandatory message may be sent again in doubt, and then each time is an attempt in the
    ledger.
    """
    attempts_of: dict[str, list[int]] = defaultdict(list)
    for entry in evidence.book:
        attempts_of[entry.message_id].append(entry.attempt)
    for _, message in _messages(evidence):
        times = taken.get(message.id, 0)
        if times <= 1:
            continue
        listed = {attempt.n for attempt in message.attempts}
        named = [n for n in attempts_of[message.id] if n]
        confessed = (
            message.message_class == MessageClass.MANDATORY
            and times <= len(listed)
            and len(set(named)) == len(named)
            and set(named) <= listed
        )
        reason = f"{times} times in the book, attempts {_attempts(message)}"
        yield _of_message(message, reason), confessed


def _told_twice(evidence: Evidence, taken: Mapping[str, int]) -> Iterator[Finding]:
    """Find errands for which several messages left."""
    for errand, outcomes in _by_errand(evidence).items():
        left = [m.id for outcome in outcomes for m in outcome.messages if taken.get(m.id)]
        if len(left) > 1:
            yield _of_errand(errand, f"asked for once, left as {', '.join(left)}")


def _spoilt(evidence: Evidence) -> Iterator[Finding]:
    """Find errands that ended as nobody wished: in a run nothing is stopped, refused or late."""
    for outcome in evidence.outcomes:
        if outcome.state not in _AS_WISHED:
            codes = ", ".join(_standing(message) for message in outcome.messages)
            yield _of_outcome(
                outcome, f"{outcome.state}: {outcome.reason or 'no reason'} ({codes})"
            )


def _strays(evidence: Evidence) -> Iterator[Finding]:
    """Find what a provider has and the ledger or the errands do not know."""
    known = {message.id for _, message in _messages(evidence)}
    for entry in evidence.book:
        if entry.message_id not in known:
            yield Finding(
                subject=entry.message_id or "(unnamed)",
                channel=entry.channel,
                message_class="",
                reason="in the book, unknown to the ledger",
            )
    errands = set(evidence.errands)
    for outcome in evidence.outcomes:
        if Errand(customer=outcome.customer, topic=outcome.topic) not in errands:
            yield _of_outcome(outcome, "in the ledger, and nobody asked for it")


def _unknown(evidence: Evidence) -> Iterator[Finding]:
    """List what nobody knows the end of, with the reason that the ledger gives."""
    for outcome, message in _messages(evidence):
        if outcome.state == OutcomeState.UNKNOWN or message.state == MessageState.UNKNOWN:
            yield _of_message(message, _why(outcome, message))
    for outcome in evidence.outcomes:
        if outcome.state == OutcomeState.UNKNOWN and not outcome.messages:
            yield _of_outcome(outcome, outcome.reason)


def _why(outcome: Outcome, message: Message) -> str:
    last = message.attempts[-1] if message.attempts else None
    code = (last.code if last else "") or message.code
    return ", ".join(word for word in (code, outcome.reason) if word)


def _identities(evidence: Evidence) -> Iterator[Identity]:
    """State the identity of every cause, those without an outcome too."""
    counts: dict[str, Counter[str]] = {cause: Counter() for cause in evidence.audiences}
    for outcome in evidence.outcomes:
        counts.setdefault(outcome.cause, Counter())[outcome.state] += 1
    for cause, states in counts.items():
        yield Identity(
            cause=cause,
            audience=evidence.audiences.get(cause, 1),
            counts=states,
            reported=evidence.reported.get(cause),
        )


def _by_errand(evidence: Evidence) -> Mapping[Errand, Sequence[Outcome]]:
    found: dict[Errand, list[Outcome]] = defaultdict(list)
    for outcome in evidence.outcomes:
        found[Errand(customer=outcome.customer, topic=outcome.topic)].append(outcome)
    return found


def _messages(evidence: Evidence) -> Iterator[tuple[Outcome, Message]]:
    for outcome in evidence.outcomes:
        for message in outcome.messages:
            yield outcome, message


def _standing(message: Message) -> str:
    code = f" {message.code}" if message.code else ""
    return f"{message.channel} {message.state}{code}, attempts {_attempts(message)}"


def _attempts(message: Message) -> str:
    return " ".join(f"{a.n}:{a.answer or '-'}:{a.code or '-'}" for a in message.attempts) or "none"


def _of_errand(errand: Errand, reason: str) -> Finding:
    return Finding(
        subject=f"{errand.customer}/{errand.topic}", channel="", message_class="", reason=reason
    )


def _of_outcome(outcome: Outcome, reason: str) -> Finding:
    first = outcome.messages[0] if outcome.messages else None
    return Finding(
        subject=f"{outcome.customer}/{outcome.topic}",
        channel=first.channel if first else "",
        message_class=first.message_class if first else "",
        reason=reason,
    )


def _of_message(message: Message, reason: str) -> Finding:
    return Finding(
        subject=message.id,
        channel=message.channel,
        message_class=message.message_class,
        reason=reason,
    )
