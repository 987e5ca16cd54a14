"""Reads what a test expects, and says where a decision differs from it."""

from collections.abc import Collection, Iterator, Mapping

from rules.entries import Entry
from rules.trials.definitions import Expected
from rules.trials.layers import instant
from rules.vocabulary import did_you_mean
from tellal.domain.channels import Channel
from tellal.domain.decisions import Decision, Verdict

KEYS = (
    "outcome", "reason", "reasons", "channels", "not_before", "fired", "fired_exactly",
    "not_fired", "facts", "not_facts", "shadow", "removed",
)  # fmt: skip


def read_expected(entry: Entry, rules: Collection[str], facts: Collection[str]) -> Expected:
    """Read the `expect` of a test."""
    said = entry.within("expect")
    said.only(KEYS)
    raw = said.raw
    not_before = instant(raw["not_before"]) if "not_before" in raw else None
    if "not_before" in raw and not_before is None:
        said.wrong("not_before", "this is an instant", "write 2026-03-03T09:00+03:00")
    channels = said.choices("channels", Channel) if "channels" in raw else None
    return Expected(
        outcome=said.choice("outcome", Verdict, Verdict.SEND) if "outcome" in raw else None,
        reason=said.text("reason") if "reason" in raw else None,
        reasons=frozenset(t for _, t in said.texts("reasons")) if "reasons" in raw else None,
        channels=channels,
        not_before=not_before,
        fired=_known(said, "fired", rules, "rule"),
        fired_exactly=(
            _known(said, "fired_exactly", rules, "rule") if "fired_exactly" in raw else None
        ),
        not_fired=_known(said, "not_fired", rules, "rule"),
        facts=_known(said, "facts", facts, "fact"),
        not_facts=_known(said, "not_facts", facts, "fact"),
        shadow=_known(said, "shadow", rules, "rule"),
        removed=_removed(said) if "removed" in raw else None,
    )


def differences(expected: Expected, decision: Decision) -> tuple[str, ...]:
    """Say what of a decision is not as expected; nothing if all is."""
    return tuple(_differences(expected, decision))


def _known(entry: Entry, key: str, known: Collection[str], what: str) -> frozenset[str]:
    for place, name in entry.texts(key):
        if name not in known:
            entry.report.add(place, f"unknown {what} '{name}'", did_you_mean(name, known))
    return frozenset(name for _, name in entry.texts(key))


def _removed(entry: Entry) -> Mapping[Channel, str]:
    said = entry.within("removed")
    said.only([channel.value for channel in Channel])
    return {channel: said.text(channel) for channel in Channel if channel.value in said.raw}


def _differences(expected: Expected, got: Decision) -> Iterator[str]:
    if expected.outcome is not None and expected.outcome is not got.verdict:
        yield f"outcome: expected {expected.outcome}, got {got.verdict}"
    codes = [reason.code for reason in got.reasons]
    if expected.reason is not None and expected.reason != "".join(codes[:1]):
        yield f"reason: expected {expected.reason}, got {_listed(codes)}"
    if expected.reasons is not None and expected.reasons != frozenset(codes):
        yield f"reasons: expected {_listed(sorted(expected.reasons))}, got {_listed(codes)}"
    plan = tuple(step.channel for step in got.steps)
    if expected.channels is not None and expected.channels != plan:
        yield f"channels: expected {_listed(expected.channels)}, got {_listed(plan)}"
    begins = got.steps[0].not_before if got.steps else None
    if expected.not_before is not None and expected.not_before != begins:
        shown = "nothing" if begins is None else f"{begins:%Y-%m-%dT%H:%M:%S%z}"
        yield f"not_before: expected {expected.not_before:%Y-%m-%dT%H:%M:%S%z}, got {shown}"
    yield from _sets(expected, got)
    yield from _channels_removed(expected, got)


def _sets(expected: Expected, got: Decision) -> Iterator[str]:
    fired = frozenset(one.rule for one in got.fired)
    shadow = frozenset(one.rule for one in got.shadow)
    exactly = fired if expected.fired_exactly is None else expected.fired_exactly
    parts = (
        ("fired", "was expected and did not hold", (expected.fired | exactly) - fired),
        ("fired_exactly", "held and was not expected", fired - exactly),
        ("not_fired", "held and should not", expected.not_fired & fired),
        ("facts", "was expected and is not so", expected.facts.difference(got.facts)),
        ("not_facts", "is so and should not be", expected.not_facts.intersection(got.facts)),
        ("shadow", "was expected and did not hold", expected.shadow - shadow),
    )
    for key, words, names in parts:
        yield from (f"{key}: {name} {words}" for name in sorted(names))


def _channels_removed(expected: Expected, got: Decision) -> Iterator[str]:
    for channel, code in (expected.removed or {}).items():
        found = got.removed.get(channel)
        if found is None:
            yield f"removed: expected {channel} to be removed by {code}, it was not"
        elif found.code != code:
            yield f"removed: expected {channel} to be removed by {code}, got {found.code}"


def _listed(items: Collection[str]) -> str:
    return ", ".join(items) or "nothing"
