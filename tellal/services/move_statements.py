"""The statements that move messages, each built and compiled once; the ledger's hottest rows."""

from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Float, String, any_, bindparam, cast, select, update

from tellal.domain.messages import OutcomeState
from tellal.persistence.bulk import among, given
from tellal.persistence.columns import Instant, table
from tellal.persistence.tables.ledger import MessageRow, OutcomeRow

_messages = table(MessageRow)
_outcomes = table(OutcomeRow)

OF_OUTCOMES: tuple[ColumnElement[Any], ...] = (
    _outcomes.c.id,
    _outcomes.c.brand_id,
    _outcomes.c.state,
    _outcomes.c.workflow_id,
    _outcomes.c.check_at,
    _outcomes.c.plan["attempts"].as_integer().label("attempts"),
)
_OF_MESSAGES: tuple[ColumnElement[Any], ...] = (
    _messages.c.id,
    _messages.c.brand_id,
    _messages.c.outcome_id,
    _messages.c.customer_id,
    _messages.c.contact_point_id,
    _messages.c.channel,
    _messages.c.state,
    _messages.c.attempt,
    _messages.c.provider,
    _messages.c.reference,
    _messages.c.receipts,
    _messages.c.not_before,
    _messages.c.handed_at,
    _messages.c.silent_until,
    _messages.c.simulated,
    cast(_outcomes.c.plan["steps"].op("->")(_messages.c.step).op("->>")("patience_s"), Float).label(
        "patience_s"
    ),
)
"""What moving needs; plans and texts stay where they are."""

LOCK_OUTCOMES = (
    select(*OF_OUTCOMES)
    .where(_outcomes.c.id.in_(select(_messages.c.outcome_id).where(among(_messages.c.id))))
    .order_by(_outcomes.c.id)
    .with_for_update(key_share=True)
)
LOCK_MESSAGES = (
    select(*_OF_MESSAGES)
    .join(_outcomes, _outcomes.c.id == _messages.c.outcome_id)
    .where(among(_messages.c.id))
    .order_by(_messages.c.id)
    .with_for_update(key_share=True, of=_messages)
)

_NEW = given(
    id=String(),
    state=String(),
    code=String(),
    reference=String(),
    provider=String(),
    handed_at=Instant(),
    silent_until=Instant(),
    not_before=Instant(),
    check_at=Instant(),
)
WRITE_STATES = (
    update(_messages)
    .where(_messages.c.id == _NEW.c.id)
    .values(
        {
            name: _NEW.c[name]
            for name in (
                "state",
                "code",
                "reference",
                "provider",
                "handed_at",
                "silent_until",
                "not_before",
                "check_at",
            )
        }
        | {"state_at": bindparam("now", type_=Instant()), "lease_until": None}
    )
)

LOOK_WHEN_SILENT = (
    update(_outcomes)
    .where(
        _messages.c.id == any_(bindparam("ids", type_=ARRAY(String))),
        _messages.c.silent_until < _outcomes.c.check_at,
        _outcomes.c.id == _messages.c.outcome_id,
        _outcomes.c.state == OutcomeState.OPEN.value,
    )
    .values(check_at=_messages.c.silent_until)
)
