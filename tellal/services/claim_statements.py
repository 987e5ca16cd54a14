"""The claim's statements, each built and compiled once.

None of them waits for a row: what somebody else has locked is left for the next round.
"""

from sqlalchemy import Integer, Numeric, String, bindparam, insert, literal, select, text, update

from tellal.domain.messages import MessageState
from tellal.persistence.bulk import given
from tellal.persistence.columns import Instant, table
from tellal.persistence.tables.customers import CustomerRow
from tellal.persistence.tables.ledger import AttemptRow, CauseRow, MessageRow, OutcomeRow
from tellal.services.gate import open_gate

_messages = table(MessageRow)
_outcomes = table(OutcomeRow)
_causes = table(CauseRow)
_customers = table(CustomerRow)
_attempts = table(AttemptRow)

DUE = (
    select(
        _messages,
        _outcomes.c.plan["fold"].as_string().label("fold"),
        _outcomes.c.plan["revision"].as_string().label("revision"),
        _outcomes.c.plan["purposes"].label("purposes"),
        _outcomes.c.plan["without_consent"].label("without_consent"),
    )
    .join(_outcomes, _outcomes.c.id == _messages.c.outcome_id)
    .join(_causes, _causes.c.id == _messages.c.cause_id)
    .join(_customers, _customers.c.id == _messages.c.customer_id)
    .where(
        open_gate(),
        _messages.c.lane == bindparam("of_lane"),
        _messages.c.state == MessageState.QUEUED.value,
        _messages.c.held_by.is_(None),
        _messages.c.not_before <= bindparam("now", type_=Instant()),
        _messages.c.channel.not_in(bindparam("resting", expanding=True)),
        _causes.c.state == "running",
    )
    .order_by(_messages.c.priority, _messages.c.id)
    .limit(bindparam("most", type_=Integer()))
    .suffix_with(
        text(
            "FOR UPDATE OF messages, outcomes SKIP LOCKED "
            "FOR SHARE OF causes, customers SKIP LOCKED"
        )
    )
)
"""A lane's most urgent due messages whose causes run; with what their plans say.

While a stop goes on there are none: it must not wait for one share of a cause after another."""

_DEFERRED = (
    select(_messages.c.id)
    .where(
        _messages.c.state == MessageState.DEFERRED.value,
        _messages.c.lane == bindparam("of_lane"),
        _messages.c.not_before <= bindparam("now", type_=Instant()),
    )
    .order_by(_messages.c.not_before)
    .limit(1000)
    .with_for_update(skip_locked=True, key_share=True)
)
PROMOTE = (
    update(_messages)
    .where(_messages.c.id.in_(_DEFERRED))
    .values(state=MessageState.QUEUED.value, state_at=bindparam("now", type_=Instant()))
)
"""Queues what was deferred until now, a portion of it."""

_INTENT = given(
    attempt_id=String(),
    message=String(),
    attempt=Integer(),
    route=String(),
    provider=String(),
    receipts=String(),
    subject=String(),
    text=String(),
    segments=Integer(),
    cost=Numeric(12, 6),
    currency=String(),
)
_HAND_OVER = (
    update(_messages)
    .where(_messages.c.id == _INTENT.c.message)
    .values(
        state=MessageState.HANDING_OVER.value,
        state_at=bindparam("now", type_=Instant()),
        lease_until=bindparam("until", type_=Instant()),
        attempt=_INTENT.c.attempt,
        route=_INTENT.c.route,
        provider=_INTENT.c.provider,
        receipts=_INTENT.c.receipts,
        subject=_INTENT.c.subject,
        text=_INTENT.c.text,
        segments=_INTENT.c.segments,
        cost=_INTENT.c.cost,
        currency=_INTENT.c.currency,
        code="",
    )
)
"""Writes intents into their messages; who hands them over has them until the lease ends."""

COMMIT = (
    insert(_attempts)
    .from_select(
        [
            "id",
            "message_id",
            "n",
            "route",
            "provider",
            "intended_at",
            "answer",
            "code",
            "reference",
        ],
        select(
            _INTENT.c.attempt_id,
            _INTENT.c.message,
            _INTENT.c.attempt,
            _INTENT.c.route,
            _INTENT.c.provider,
            bindparam("now", type_=Instant()),
            literal(""),
            literal(""),
            literal(""),
        ),
    )
    .add_cte(_HAND_OVER.cte("handed_over"))
)
"""Commits intents, and opens the attempt of each, in one statement: texts go over the wire once."""
