"""What a journey began with, pinned in its outcome: a later rulebook does not change it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from tellal.domain.channels import Channel, Lane, MessageClass
from tellal.domain.sms.folding import Folding


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One channel of a pinned plan, and how long its silence is borne."""

    channel: Channel
    patience: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The channels in their order, how often to try, and how long each message keeps its use.

    `variables` are the topic's own (a record number, a hotline), never the customer's. A plan that
    is `simulated` was rehearsed: whatever follows from it never reaches a provider.

    Of a commercial one, `purposes` are those for which consent must stand when a message leaves;
    over the channels of `without_consent` the law let it go without, so that only a refusal stops
    it.
    """

    steps: tuple[Step, ...]
    attempts: int
    every: timedelta
    expires: timedelta
    lane: Lane
    message_class: MessageClass
    priority: int
    rule: str
    revision: str
    language: str
    variables: Mapping[str, object]
    fold: Folding = Folding.NEVER
    simulated: bool = False
    purposes: tuple[str, ...] = ()
    without_consent: frozenset[Channel] = frozenset()

    def to_json(self) -> dict[str, object]:
        """Write the plan as the ledger keeps it; durations in seconds."""
        return {
            "steps": [
                {"channel": step.channel.value, "patience_s": step.patience.total_seconds()}
                for step in self.steps
            ],
            "attempts": self.attempts,
            "every_s": self.every.total_seconds(),
            "expires_s": self.expires.total_seconds(),
            "lane": self.lane.value,
            "class": self.message_class.value,
            "priority": self.priority,
            "rule": self.rule,
            "revision": self.revision,
            "language": self.language,
            "variables": dict(self.variables),
            "fold": self.fold.value,
            "simulated": self.simulated,
            # Most name neither, and there is a plan for each outcome.
            **({"purposes": list(self.purposes)} if self.purposes else {}),
            **({"without_consent": sorted(self.without_consent)} if self.without_consent else {}),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> "Plan":
        """Read a plan from the ledger."""
        steps = stored["steps"]
        variables = stored["variables"]
        if not isinstance(steps, list) or not isinstance(variables, Mapping):
            raise TypeError("a stored plan has a list of steps and a mapping of variables")
        return cls(
            steps=tuple(
                Step(
                    channel=Channel(step["channel"]),
                    patience=timedelta(seconds=step["patience_s"]),
                )
                for step in steps
            ),
            attempts=int(str(stored["attempts"])),
            every=timedelta(seconds=float(str(stored["every_s"]))),
            expires=timedelta(seconds=float(str(stored["expires_s"]))),
            lane=Lane(str(stored["lane"])),
            message_class=MessageClass(str(stored["class"])),
            priority=int(str(stored["priority"])),
            rule=str(stored["rule"]),
            revision=str(stored["revision"]),
            language=str(stored["language"]),
            variables=variables,
            fold=Folding(str(stored.get("fold", Folding.NEVER.value))),
            # Older plans do not say these.
            simulated=stored.get("simulated") is True,
            purposes=tuple(_texts(stored.get("purposes"))),
            without_consent=frozenset(map(Channel, _texts(stored.get("without_consent")))),
        )


def _texts(stored: object) -> list[str]:
    return [str(one) for one in stored] if isinstance(stored, list) else []
