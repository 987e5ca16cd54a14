"""What is held about a person, table by table: what is handed out to him, and what is erased.

Every table of the database is either here or in `NOT_HELD` with a reason, and every text of a table
here is either emptied or named as one that tells nothing of anybody: tests walk the tables.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, case, exists, func, literal, null, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

from tellal.domain.channels import Channel
from tellal.persistence.columns import table
from tellal.persistence.tables.campaigns import GroupMemberRow
from tellal.persistence.tables.customers import (
    ComplaintRow,
    ConsentChainRow,
    ConsentRow,
    ContactPointRow,
    CustomerRow,
    EventRow,
)
from tellal.persistence.tables.delivery import BlockRow
from tellal.persistence.tables.digests import DigestItemRow, DigestRow
from tellal.persistence.tables.intake import ApplicationRow
from tellal.persistence.tables.ledger import (
    AttemptRow,
    CapUseRow,
    DecisionRow,
    MessageRow,
    OutcomeRow,
    ReceiptRow,
)
from tellal.persistence.tables.operations import (
    AgentCallRow,
    CallTaskRow,
    CaseAssessmentRow,
    CaseEntryRow,
    CaseRow,
    CaseSurveyRow,
)
from tellal.persistence.tables.outages import OutageSignalRow
from tellal.persistence.tables.privacy import ErasureRow, ExplicitConsentRow, ShownNoticeRow
from tellal.persistence.tables.refusing import (
    ConfirmationRow,
    FirstSendRow,
    InboundEffectRow,
    InboundRow,
)

Whose = Callable[[str], ColumnElement[bool]]

_points = table(ContactPointRow)
_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_decisions = table(DecisionRow)
_cases = table(CaseRow)
_applications = table(ApplicationRow)
_tasks = table(CallTaskRow)
_agent_calls = table(AgentCallRow)
_blocks = table(BlockRow)
_consents = table(ConsentRow)
_customers = table(CustomerRow)
_signals = table(OutageSignalRow)
_inbound = table(InboundRow)
_effects = table(InboundEffectRow)
_confirmations = table(ConfirmationRow)
_digests = table(DigestRow)

ERASED = "erased:"
"""What a name or an address begins with that was erased; our own id of the row follows."""

WHEN_ERASED = "when erased"
"""Stands for the moment of the erasure, in a column that has none yet."""

NOTHING_LEFT: ColumnElement[Any] = literal({}, JSONB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One kind of thing that is held: where, which rows are whose, what an erasure does to them.

    `emptied` says what stands in a column afterwards; `harmless` names the texts that stay, because
    they are codes, versions and names of ours. `staff` are columns that name officers: third
    persons, of whom an export tells nothing (E19). What `removes_rows` keeps none; what is erased
    `elsewhere` has a service of its own for it. `emptied_of` says which rows are emptied, if not
    all of his: what is somebody else's, too, stays.
    """

    name: str
    row: type[SQLModel]
    whose: Whose
    emptied_of: Whose | None = None
    emptied: Mapping[str, object] = field(default_factory=dict)
    harmless: frozenset[str] = frozenset()
    staff: frozenset[str] = frozenset()
    removes_rows: bool = False
    elsewhere: bool = False

    @property
    def table(self) -> Table:
        """The table in which it is."""
        return table(self.row)


def _of(row: type[SQLModel]) -> Whose:
    column = table(row).c.customer_id
    return lambda customer_id: column == customer_id


def _by_message(row: type[SQLModel]) -> Whose:
    column = table(row).c.message_id
    return lambda customer_id: column.in_(
        select(_messages.c.id).where(_messages.c.customer_id == customer_id)
    )


def _of_his_case(row: type[SQLModel]) -> Whose:
    column = table(row).c.case_id
    return lambda customer_id: column.in_(
        select(_cases.c.id).where(_cases.c.customer_id == customer_id)
    )


def _links_of_his(customer_id: str) -> ColumnElement[bool]:
    his = select(_consents.c.id).where(_consents.c.customer_id == customer_id)
    return table(ConsentChainRow).c.consent_id.in_(his)


def on_his_addresses(customer_id: str) -> ColumnElement[bool]:
    """Say which blocks are on a customer's addresses; see `tellal.addresses.folded`."""
    folded = case(
        (_points.c.channel == Channel.EMAIL.value, func.lower(_points.c.address)),
        else_=_points.c.address,
    )
    his = _points.c.customer_id == customer_id
    return exists().where(
        his, _points.c.brand_id == _blocks.c.brand_id, folded == _blocks.c.address
    )


def _on_his_alone(customer_id: str) -> ColumnElement[bool]:
    others = exists().where(
        _points.c.customer_id != customer_id,
        _points.c.brand_id == _blocks.c.brand_id,
        func.lower(_points.c.address) == func.lower(_blocks.c.address),
    )
    return and_(on_his_addresses(customer_id), ~others)


def _written_by_him(customer_id: str) -> ColumnElement[bool]:
    """Say which words came from him, also those that did nothing."""
    did = select(_effects.c.inbound_id).where(_effects.c.customer_id == customer_id)
    his = select(_points.c.address).where(_points.c.customer_id == customer_id)
    return _inbound.c.id.in_(did) | _inbound.c.sender.in_(his)


def _written_by_him_alone(customer_id: str) -> ColumnElement[bool]:
    others = exists().where(
        _effects.c.inbound_id == _inbound.c.id, _effects.c.customer_id != customer_id
    )
    return and_(_written_by_him(customer_id), ~others)


def _erased(id_column: ColumnElement[str]) -> ColumnElement[str]:
    return literal(ERASED) + id_column


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


_OUR_IDS = _names("id", "brand_id", "customer_id")

HOLDINGS: tuple[Holding, ...] = (
    Holding(
        name="events",
        row=EventRow,
        whose=_of(EventRow),
        emptied={"payload": NOTHING_LEFT},
        harmless=_OUR_IDS | _names("type"),
    ),
    Holding(
        name="consents",
        row=ConsentRow,
        whose=_of(ConsentRow),
        harmless=_OUR_IDS
        | _names("channel", "state", "recipient_type", "source", "purposes", "delegation"),
        staff=_names("recorded_by", "erased_by"),
        elsewhere=True,
    ),
    Holding(
        name="consent_seals",
        row=ConsentChainRow,
        whose=_links_of_his,
        harmless=_names("brand_id", "action", "consent_id", "core", "digest", "previous", "hash"),
        staff=_names("who"),
        elsewhere=True,
    ),
    Holding(
        name="decisions",
        row=DecisionRow,
        whose=_of(DecisionRow),
        emptied={
            "asked": null(),
            "body": case(
                (
                    _decisions.c.body.has_key("read"),
                    _decisions.c.body.op("||")(
                        literal({"read": {}, "facts": [], "trace": []}, JSONB)
                    ),
                ),
                else_=_decisions.c.body,
            ),
        },
        harmless=_OUR_IDS
        | _names("event_id", "outcome_id", "topic", "verdict", "reason", "revision", "executor"),
    ),
    Holding(
        name="journeys",
        row=OutcomeRow,
        whose=_of(OutcomeRow),
        emptied={
            "plan": case(
                (
                    _outcomes.c.plan.has_key("variables"),
                    _outcomes.c.plan.op("||")(literal({"variables": {}}, JSONB)),
                ),
                else_=_outcomes.c.plan,
            )
        },
        harmless=_OUR_IDS | _names("cause_id", "topic", "state", "reason", "workflow_id"),
    ),
    Holding(
        name="messages",
        row=MessageRow,
        whose=_of(MessageRow),
        emptied={
            "variables": NOTHING_LEFT,
            "subject": "",
            "text": "",
            "contact_point_id": null(),
        },
        harmless=_OUR_IDS
        | _names(
            "cause_id",
            "outcome_id",
            "topic",
            "message_class",
            "channel",
            "lane",
            "language",
            "state",
            "held_by",
            "displaced_by",
            "route",
            "routes_out",
            "currency",
            "provider",
            "reference",
            "receipts",
            "code",
        ),
    ),
    Holding(
        name="attempts",
        row=AttemptRow,
        whose=_by_message(AttemptRow),
        harmless=_names("id", "message_id", "route", "provider", "answer", "code", "reference"),
    ),
    Holding(
        name="receipts",
        row=ReceiptRow,
        whose=_by_message(ReceiptRow),
        harmless=_names("id", "message_id", "provider", "reference", "state", "code"),
    ),
    Holding(
        name="cap_uses",
        row=CapUseRow,
        whose=_of(CapUseRow),
        harmless=_names("id", "customer_id", "cap", "message_id"),
    ),
    Holding(
        name="complaints",
        row=ComplaintRow,
        whose=_of(ComplaintRow),
        emptied={
            "text": "",
            "answer": "",
            "file_number": "",
            "erased_at": WHEN_ERASED,
        },
        harmless=_OUR_IDS | _names("topic", "message_id", "source", "authority"),
        staff=_names("filed_by", "closed_by", "resumed_by", "erased_by"),
    ),
    Holding(
        name="cases",
        row=CaseRow,
        whose=_of(CaseRow),
        emptied={
            "subject": "",
            "answer": "",
            "result": "",
            "tracking_code": null(),
            "form_reference": "",
            "queue_ticket": "",
            "special_category": "",
        },
        harmless=_OUR_IDS
        | _names(
            "number",
            "channel",
            "source_system",
            "state",
            "team",
            "closure",
            "reply_by",
            "verified_as",
            "merged_into",
        ),
    ),
    Holding(
        name="case_entries",
        row=CaseEntryRow,
        whose=_of_his_case(CaseEntryRow),
        emptied={"body": NOTHING_LEFT},
        harmless=_names("id", "case_id", "command"),
        staff=_names("by"),
    ),
    Holding(
        name="applications",
        row=ApplicationRow,
        whose=_of(ApplicationRow),
        emptied={
            "reference": _erased(_applications.c.id),
            "text": "",
            "attachments": literal([], JSONB),
        },
        harmless=_OUR_IDS | _names("case_id", "channel"),
    ),
    Holding(
        name="call_tasks",
        row=CallTaskRow,
        whose=_of_his_case(CallTaskRow),
        emptied={
            # There is nobody left who could be called.
            "state": case(
                (_tasks.c.ended_at.is_(None), "cancelled"),
                else_=_tasks.c.state,
            ),
            "ended_at": func.coalesce(_tasks.c.ended_at, func.now()),
        },
        harmless=_names("id", "brand_id", "case_id", "purpose", "last_outcome"),
        staff=_names("claimed_by"),
    ),
    Holding(
        name="agent_calls",
        row=AgentCallRow,
        whose=_of(AgentCallRow),
        emptied={
            "script": "",
            "state": case(
                (_agent_calls.c.ended_at.is_(None), "cancelled"),
                else_=_agent_calls.c.state,
            ),
            "ended_at": func.coalesce(_agent_calls.c.ended_at, func.now()),
        },
        harmless=_OUR_IDS | _names("message_id", "reason", "language", "last_outcome"),
        staff=_names("claimed_by"),
    ),
    Holding(
        name="case_surveys",
        row=CaseSurveyRow,
        whose=_of_his_case(CaseSurveyRow),
        emptied={"comment": ""},
        harmless=_names("id", "case_id"),
        staff=_names("recorded_by"),
    ),
    Holding(
        name="case_assessments",
        row=CaseAssessmentRow,
        whose=_of_his_case(CaseAssessmentRow),
        emptied={"note": ""},
        harmless=_names("id", "case_id", "items"),
        staff=_names("assessed_by"),
    ),
    Holding(
        name="signals",
        row=OutageSignalRow,
        whose=_of(OutageSignalRow),
        emptied={
            "reference": _erased(_signals.c.id),
            # What was answered needs no answer; where it was out stays, and says not for whom.
            "answered_at": WHEN_ERASED,
            "customer_id": null(),
        },
        harmless=_names("id", "brand_id", "outage_id", "incident", "source", "area"),
    ),
    Holding(
        name="notices",
        row=ShownNoticeRow,
        whose=_of(ShownNoticeRow),
        emptied={"details": NOTHING_LEFT},
        harmless=_OUR_IDS | _names("notice", "version", "language", "way"),
        staff=_names("recorded_by"),
    ),
    Holding(
        name="explicit_consents",
        row=ExplicitConsentRow,
        whose=_of(ExplicitConsentRow),
        emptied={"signature": NOTHING_LEFT},
        harmless=_OUR_IDS | _names("category", "state", "document", "version", "language"),
        staff=_names("recorded_by"),
    ),
    Holding(
        name="group_members",
        row=GroupMemberRow,
        whose=_of(GroupMemberRow),
        emptied={"variables": NOTHING_LEFT},
        harmless=_names("group_id", "customer_id"),
    ),
    Holding(
        name="digests",
        row=DigestRow,
        whose=_of(DigestRow),
        emptied={
            # Nothing is told of what has not been told yet.
            "state": case(
                (_digests.c.state.in_(["open", "full"]), "erased"), else_=_digests.c.state
            ),
            "check_at": null(),
        },
        harmless=_OUR_IDS | _names("topic", "decision_id", "reason"),
    ),
    Holding(
        name="digest_items",
        row=DigestItemRow,
        whose=_of(DigestItemRow),
        emptied={"variables": NOTHING_LEFT},
        harmless=_OUR_IDS | _names("digest_id", "event_id", "type"),
    ),
    Holding(
        name="inbound",
        row=InboundRow,
        whose=_written_by_him,
        emptied_of=_written_by_him_alone,
        emptied={"sender": _erased(_inbound.c.id), "text": ""},
        harmless=_names(
            "id", "provider", "reference", "channel", "recipient", "does", "keyword", "answer"
        ),
    ),
    Holding(
        name="inbound_effects",
        row=InboundEffectRow,
        whose=_of(InboundEffectRow),
        harmless=_OUR_IDS | _names("inbound_id", "did", "consent_id", "message_id"),
    ),
    Holding(
        name="confirmations",
        row=ConfirmationRow,
        whose=_of(ConfirmationRow),
        emptied={
            # There is nobody left to whom it could be confirmed.
            "state": case(
                (_confirmations.c.state.in_(["due", "posted"]), "taken_back"),
                else_=_confirmations.c.state,
            )
        },
        harmless=_names("consent_id", "brand_id", "customer_id", "channel", "reason", "message_id"),
    ),
    Holding(
        name="first_sends",
        row=FirstSendRow,
        whose=_of(FirstSendRow),
        harmless=_names("customer_id", "channel", "message_id"),
    ),
    Holding(
        name="erasures",
        row=ErasureRow,
        whose=_of(ErasureRow),
        harmless=_OUR_IDS | _names("ref_digest", "counts"),
        staff=_names("by"),
    ),
    # In this order at the end: messages name addresses, and blocks are found by them.
    Holding(
        name="blocks",
        row=BlockRow,
        whose=on_his_addresses,
        emptied_of=_on_his_alone,
        emptied={"address": _erased(_blocks.c.id), "reason": "", "lifted_at": WHEN_ERASED},
        harmless=_names("id", "brand_id", "origin"),
        staff=_names("placed_by", "lifted_by"),
    ),
    Holding(
        name="contact_points",
        row=ContactPointRow,
        whose=_of(ContactPointRow),
        harmless=_OUR_IDS,
        removes_rows=True,
    ),
    Holding(
        name="customer",
        row=CustomerRow,
        whose=lambda customer_id: _customers.c.id == customer_id,
        emptied={
            "ref": _erased(_customers.c.id),
            "first_name": "",
            "facts": NOTHING_LEFT,
            "topics_off": literal([], JSONB),
            "complained": literal([], JSONB),
            "erased_at": WHEN_ERASED,
        },
        harmless=_names("id", "brand_id", "kind", "locale", "timezone", "country"),
    ),
)

NOT_HELD: Mapping[str, str] = {
    "brands": "a sender's own profile, which the law has him show to everybody",
    "short_codes": "numbers of brands",
    "api_keys": "keys of the brand's systems and staff",
    "idempotency_keys": "repeats of answers about what is exported; an erasure removes his",
    "route_states": "how providers are doing",
    "route_movements": "how shares of providers moved, and which of the staff moved them",
    "console_sessions": "which keys are signed in to the console",
    "holds": "what staff has stopped, of topics and channels",
    "receipt_inbox": "receipts on their way to `receipts`, by our own id of the message",
    "leases": "which process does what",
    "message_parts": "segments of texts, by our own ids of the messages",
    "test_sends": "texts sent to colleagues, their addresses masked",
    "cause_counts": "numbers",
    "causes": "why many or one are spoken to, by our own ids",
    "outbox": "news for workflows: our own ids",
    "case_numbers": "numbers",
    "credit_accounts": "what a brand has paid beforehand, and which of its people is told",
    "credit_entries": "amounts, by our own ids of messages",
    "credit_reservations": "amounts, by our own ids of messages",
    "credit_alerts": "amounts, and whether the brand's own people were told",
    "groups": "names of groups, and conditions",
    "campaigns": "what many are told",
    "campaign_entries": "what staff did with campaigns",
    "campaign_runs": "when campaigns ran",
    "campaign_rounds": "what many were told",
    "outages": "places and components",
    "outage_entries": "what operators did, and what everybody was shown",
    "outage_notices": "what many were told",
    "outage_reviews": "what operators learnt",
    "webhooks": "addresses of systems",
    "webhook_calls": "what is told of outages, and of cases by our own ids and their numbers",
    "mailbox_mails": "which mails were read, by the mailbox's own numbers",
    "rate_buckets": "numbers, by sixteen bits of a hash",
    "rulebook_revisions": "rules and texts",
    "rulebook_proposals": "who wants which rules",
    "rulebook_active": "which rules are in force",
    "rulebook_log": "who changed the rules",
    "audit_seals": "our own ids, and salts, of which none is left of what was emptied",
    "audit_chain": "hashes of what staff did",
    "address_salts": "salts",
    "kept_refusals": "salted hashes, which are all that is to be left of somebody",
    "provider_copies": "providers' names of messages that are to be deleted there",
    "purges": "numbers",
    "registry_accounts": "a brand's codes at the registry",
    "registry_pushes": "whether the registry knows of a consent, by our own ids and its own",
    "registry_changes": "which movements of the registry were read, by its own ids",
}
"""Tables that hold nothing of any customer, and why."""
