"""Writes down what came of a chaos run: as lines for people, as an object for programs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from tellal.chaos.judging import Finding, Identity, Outcome, Verdict
from tellal.chaos.killing import Kill


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run with its verdict; `faults` are counted by channel and kind, `book` is what was taken.

    `settled_s` is how long after the last kill something still moved, `seconds` the whole.
    """

    order: Mapping[str, int]
    kills: Sequence[Kill]
    faults: Mapping[tuple[str, str], int]
    outcomes: Sequence[Outcome]
    book: int
    repeated_calls: int
    verdict: Verdict
    settled_s: float
    seconds: float

    @property
    def ok(self) -> bool:
        """Say whether the run was good."""
        return self.verdict.ok

    def as_json(self) -> dict[str, object]:
        """Write it for programs."""
        verdict = self.verdict
        return {
            "ok": self.ok,
            **self.order,
            "kills": dict(Counter(kill.part for kill in self.kills)),
            "faults": {f"{channel}: {kind}": n for (channel, kind), n in self.faults.items()},
            "messages_by_state": {" ".join(key): n for key, n in self._states().items()},
            "taken": self.book,
            "lost": [asdict(finding) for finding in verdict.lost],
            "duplicates": [asdict(finding) for finding in verdict.duplicates],
            "resent": [asdict(finding) for finding in verdict.resent],
            "spoilt": [asdict(finding) for finding in verdict.spoilt],
            "unknown": [asdict(finding) for finding in verdict.unknown],
            "most_unknown": verdict.most_unknown,
            "causes": len(verdict.identities),
            "identities_broken": [one.cause for one in verdict.identities if not one.holds],
            "settled_s": round(self.settled_s, 1),
            "seconds": round(self.seconds, 1),
        }

    def lines(self) -> Iterator[str]:
        """Write it for people."""
        verdict = self.verdict
        yield ""
        yield from _table("killed", _kills(self.kills))
        yield from _table("faults", {f"{c}: {k}": n for (c, k), n in sorted(self.faults.items())})
        yield from _table("messages", {" ".join(key): n for key, n in self._states().items()})
        yield from _table("taken by the providers", {"in all": self.book})
        yield from _table("calls repeated by the asking systems", {"in all": self.repeated_calls})
        yield from _findings("lost", verdict.lost)
        yield from _findings("duplicates", verdict.duplicates)
        yield from _findings("mandatory, sent again as the ledger says", verdict.resent)
        yield from _findings("spoilt", verdict.spoilt)
        yield from _findings(f"unknown (at most {verdict.most_unknown})", verdict.unknown)
        yield from _table("unknown by reason", _reasons(verdict.unknown))
        yield from _identities(verdict.identities)
        yield f"settled {self.settled_s:.0f} s after the last kill; {self.seconds:.0f} s in all"
        yield "good" if self.ok else "bad"

    def _states(self) -> Mapping[tuple[str, str, str], int]:
        """Count messages by class, channel and state."""
        counts = Counter(
            (message.message_class, message.channel, message.state)
            for outcome in self.outcomes
            for message in outcome.messages
        )
        return dict(sorted(counts.items()))


def _kills(kills: Sequence[Kill]) -> Mapping[str, str]:
    by_part: dict[str, list[Kill]] = {}
    for kill in sorted(kills, key=lambda kill: kill.at_s):
        by_part.setdefault(kill.part, []).append(kill)
    return {
        part: f"{len(of_part)} times, at "
        + ", ".join(
            f"{kill.at_s:.1f} s (back after {kill.back_s - kill.at_s:.1f})" for kill in of_part
        )
        for part, of_part in sorted(by_part.items())
    }


def _reasons(findings: Sequence[Finding]) -> Mapping[str, int]:
    counts = Counter(f"{f.message_class} {f.channel} {f.reason}" for f in findings)
    return dict(sorted(counts.items()))


def _table(title: str, rows: Mapping[str, object]) -> Iterator[str]:
    yield title
    width = max((len(name) for name in rows), default=0)
    for name, value in rows.items():
        yield f"  {name:<{width}}  {value}"


def _findings(title: str, findings: Sequence[Finding]) -> Iterator[str]:
    yield f"{title}: {len(findings)}"
    for one in findings:
        place = f"{one.message_class} {one.channel}".strip()
        yield f"  {one.subject}  {place}  {one.reason}"


def _identities(identities: Sequence[Identity]) -> Iterator[str]:
    held = sum(one.holds for one in identities)
    yield f"audience = the sum of all outcomes, none open: {held} of {len(identities)} causes"
    for one in identities:
        if one.audience > 1 or not one.holds:
            states = " + ".join(f"{n} {state}" for state, n in sorted(one.counts.items()))
            mark = "" if one.holds else f"  DOES NOT HOLD (the API says {one.reported})"
            yield f"  {one.cause}  {one.audience} = {states or '0'}{mark}"
