"""What workflows are told, through the outbox: ids and words of ours, never a person's."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tellal.domain.errors import TellalError


class OutboxKind(StrEnum):
    """What happened, as the dispatcher tells it; each kind has a body of its own.

    nudge_started: outcome_id, topic, brand, rule · case_opened: case_id, brand, channel, state,
    look_at · case_changed: case_id, state, look_at · case_surveyed: case_id, brand, channel ·
    outage_declared: outage_id, brand, topic · outage_changed: outage_id, state, brand, topic ·
    campaign_changed: campaign_id, state, brand · progressed: outcome_id, state.
    """

    NUDGE_STARTED = "nudge_started"
    CASE_OPENED = "case_opened"
    CASE_CHANGED = "case_changed"
    CASE_SURVEYED = "case_surveyed"
    OUTAGE_DECLARED = "outage_declared"
    OUTAGE_CHANGED = "outage_changed"
    CAMPAIGN_CHANGED = "campaign_changed"
    PROGRESSED = "progressed"


STARTS = frozenset(
    {
        OutboxKind.NUDGE_STARTED,
        OutboxKind.CASE_OPENED,
        OutboxKind.CASE_SURVEYED,
        OutboxKind.OUTAGE_DECLARED,
    }
)
"""Kinds that start a workflow; the others speak to one that runs. What is said of an outage or of a
campaign begins the workflow that there is not, or not any more."""


class WorkflowGoneError(TellalError):
    """The workflow to be told is not there: it has ended, or was not started yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """One thing to tell one workflow."""

    id: str
    kind: OutboxKind
    workflow_id: str
    body: Mapping[str, object]
