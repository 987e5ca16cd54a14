"""Writes small rulebooks for tests."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from rules.decide import Question
from rules.rulebook import Rulebook, load_rulebook
from tellal.domain.channels import Channel
from tellal.domain.decisions import Decision, Value

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday at noon, three in the afternoon in Istanbul."""

HEAD = "version: 1\npackage: shop\n"

TOPIC = """
topics:
  - {id: offer, means: An offer, class: commercial, expires: 1d}
"""

CHANNELS = """
channels:
  - {id: any, when: {topic: offer}, send: [sms, email, push]}
"""


def write(folder: Path, text: str, **files: str) -> Path:
    """Write a rule file, and others by name, into a folder; return the folder."""
    (folder / "shop.yaml").write_text(HEAD + text, encoding="utf-8")
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content, encoding="utf-8")
    return folder


def a_book(folder: Path, text: str = "", topic: str = TOPIC, channels: str = CHANNELS) -> Rulebook:
    """Load a rulebook about offers with some more sections."""
    return load_rulebook(write(folder, f"{topic}{channels}{text}"))


def a_question(document: Mapping[str, Value] | None = None, **other: object) -> Question:
    """Ask about an offer to somebody who can be reached anywhere and has agreed to everything."""
    everywhere = (Channel.SMS, Channel.EMAIL, Channel.PUSH)
    asked: dict[str, object] = {
        "topic": "offer",
        "at": AT,
        "timezone": "Europe/Istanbul",
        "document": document or {},
        "consents": dict.fromkeys(everywhere, True),
        "reachable": frozenset(everywhere),
        "country": "TR",
        **other,
    }
    return Question(**asked)  # type: ignore[arg-type]  # a test names what it changes


def codes_of(decision: Decision) -> list[str]:
    """Return the codes of the reasons."""
    return [reason.code for reason in decision.reasons]


def channels_of(decision: Decision) -> list[Channel]:
    """Return the channels of the plan."""
    return [step.channel for step in decision.steps]


def fired_of(decision: Decision) -> list[str]:
    """Return the names of the rules that held."""
    return [fired.rule for fired in decision.fired]
