"""A person whose every value is marked, in every table that can hold something of him."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.blocks import BlockOrigin
from tellal.domain.channels import Channel
from tellal.domain.consents import ConsentChannel
from tellal.domain.customers import Brand, ConsentState
from tellal.domain.messages import MessageState
from tellal.ids import new_id, new_tracking_code
from tellal.persistence.columns import table
from tellal.persistence.tables.brands import IdempotencyRow
from tellal.persistence.tables.campaigns import GroupMemberRow, GroupRow
from tellal.persistence.tables.customers import ComplaintRow, CustomerRow, EventRow
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
from tellal.persistence.tables.refusing import FirstSendRow, InboundEffectRow, InboundRow
from tellal.services.consents import ConsentInput, Consents
from tellal.services.explicit_consents import ExplicitConsents, ExplicitInput
from tellal.services.shown_notices import NoticeInput, ShownNotices
from tests.support.builders import a_customer
from tests.support.house import SetClock
from tests.support.ledger import a_cause, a_message

MARK = "zeynep-marked"
"""Stands in every value of hers; numbers, which cannot hold it, are `NUMBER`."""
NUMBER = "+905320000177"
MAIL = f"{MARK}@example.com"
REF = f"{MARK}-ref"


@dataclass(frozen=True, slots=True)
class Marked:
    """Who she is, and some of what is hers."""

    customer_id: str
    told: str
    waiting: str
    outcome: str
    case: str
    code: str


async def a_marked_person(
    tx: AsyncSession,
    brand: Brand,
    clock: SetClock,
    *,
    provider: str = "twilio",
    reference: str = "SM1",
) -> Marked:
    """Write a person with something of hers in every table that holds any."""
    now = clock.now()
    customer_id = await a_customer(
        tx,
        brand,
        REF,
        contacts={Channel.SMS: NUMBER, Channel.EMAIL: MAIL},
        facts={"customer.city": MARK},
    )
    customers = table(CustomerRow)
    await tx.execute(
        update(customers)
        .where(customers.c.id == customer_id)
        .values(first_name=MARK, complained=["phishing"])
    )
    consents = Consents(clock)
    proof = {"text": MARK, "name": f"{MARK} Yılmaz", "preselected": False}
    for state in (ConsentState.GRANTED, ConsentState.REFUSED):
        said = ConsentInput(
            channel=ConsentChannel.SMS, state=state, source="HS_WEB", evidence=proof
        )
        await consents.record(tx, brand=brand, ref=REF, said=said, by="crm")
    told = await a_message(
        tx,
        brand,
        customer_id=customer_id,
        state=MessageState.DELIVERED,
        variables={"name": MARK},
    )
    cause = await a_cause(tx, brand)
    await tx.execute(text("UPDATE causes SET counted = true WHERE id = :id"), {"id": cause})
    waiting = await a_message(
        tx, brand, customer_id=customer_id, cause_id=cause, workflow_id="nudge/marked"
    )
    messages, outcomes = table(MessageRow), table(OutcomeRow)
    row = (
        await tx.execute(
            update(messages)
            .where(messages.c.id == told)
            .values(text=f"Merhaba {MARK}", subject=MARK, provider=provider, reference=reference)
            .returning(messages.c.outcome_id)
        )
    ).scalar_one()
    await tx.execute(
        update(outcomes)
        .where(outcomes.c.id == row)
        .values(
            state="told",
            closed_at=now,
            plan=outcomes.c.plan.op("||")({"variables": {"name": MARK}}),
        )
    )
    running = (
        await tx.execute(text("SELECT outcome_id FROM messages WHERE id = :id"), {"id": waiting})
    ).scalar_one()
    await _of_ledger(tx, brand, customer_id, told, now)
    await _handed(tx, told, provider, reference, now)
    case, code = await _of_desks(tx, brand, customer_id, told, now)
    notice = NoticeInput(
        notice="aydinlatma", version="3", language="tr", way="web", details={"ip": MARK}
    )
    await ShownNotices(clock).record(tx, brand.id, REF, notice, by="crm")
    signed = ExplicitInput(
        category="health",
        state=ConsentState.GRANTED,
        document="acik-riza",
        version="2",
        language="tr",
        signature={"kind": "wet", "file": MARK},
    )
    await ExplicitConsents(clock).record(tx, brand.id, REF, signed, by="crm")
    return Marked(customer_id, told, waiting, running, case, code)


async def _of_ledger(
    tx: AsyncSession, brand: Brand, customer_id: str, message: str, now: datetime
) -> None:
    event_id = new_id()
    await tx.execute(
        insert(table(EventRow)).values(
            id=event_id,
            brand_id=brand.id,
            customer_id=customer_id,
            type="login",
            payload={"method": MARK},
            occurred_at=now,
            received_at=now,
        )
    )
    await _gathered(tx, brand, customer_id, event_id, now)
    await tx.execute(
        insert(table(DecisionRow)).values(
            id=new_id(),
            brand_id=brand.id,
            customer_id=customer_id,
            event_id=event_id,
            topic="phishing",
            verdict="send",
            reason="",
            revision="1",
            executor="reference",
            body={"read": {"customer.city": MARK}, "facts": [MARK], "trace": [{"said": MARK}]},
            asked={"document": {"customer.city": MARK}},
            at=now,
        )
    )
    await tx.execute(
        insert(table(CapUseRow)).values(
            id=new_id(), customer_id=customer_id, cap="day", message_id=message, used_at=now
        )
    )


async def _gathered(
    tx: AsyncSession, brand: Brand, customer_id: str, event_id: str, now: datetime
) -> None:
    digest_id, hers = new_id(), {"brand_id": brand.id, "customer_id": customer_id}
    await tx.execute(
        insert(table(DigestRow)).values(
            id=digest_id,
            **hers,
            topic="account_movements",
            state="open",
            events=1,
            opened_at=now,
            due_at=now + timedelta(hours=1),
            check_at=now + timedelta(hours=1),
        )
    )
    await tx.execute(
        insert(table(DigestItemRow)).values(
            id=new_id(),
            **hers,
            digest_id=digest_id,
            event_id=event_id,
            type="account_movement",
            variables={"amount": MARK},
            at=now,
            joined_at=now,
        )
    )


async def _handed(
    tx: AsyncSession, message: str, provider: str, reference: str, now: datetime
) -> None:
    await tx.execute(
        insert(table(AttemptRow)).values(
            id=new_id(),
            message_id=message,
            n=1,
            provider=provider,
            reference=reference,
            answer="accepted",
            intended_at=now,
        )
    )
    await tx.execute(
        insert(table(ReceiptRow)).values(
            id=new_id(),
            message_id=message,
            provider=provider,
            reference=reference,
            state="delivered",
            code="",
            received_at=now,
        )
    )


async def _of_desks(
    tx: AsyncSession, brand: Brand, customer_id: str, message: str, now: datetime
) -> tuple[str, str]:
    await tx.execute(
        insert(table(AgentCallRow)).values(
            id=new_id(),
            brand_id=brand.id,
            customer_id=customer_id,
            message_id=message,
            attempt=1,
            state="open",
            reason="",
            script=MARK,
            language="tr",
            last_outcome="",
            claimed_by="",
            tries=0,
            not_before=now,
            created_at=now,
        )
    )
    await tx.execute(
        insert(table(ComplaintRow)).values(
            id=new_id(),
            brand_id=brand.id,
            customer_id=customer_id,
            topic="phishing",
            message_id=message,
            source="e-devlet",
            text=MARK,
            answer=MARK,
            file_number=MARK,
            filed_by="crm",
            filed_at=now,
        )
    )
    case_id, code = new_id(), new_tracking_code()
    await tx.execute(
        insert(table(CaseRow)).values(
            id=case_id,
            brand_id=brand.id,
            customer_id=customer_id,
            number="2026-000177",
            tracking_code=code,
            channel="web",
            source_system="crm",
            subject=MARK,
            state="routed",
            routed=True,
            team="meters",
            answer=MARK,
            result=MARK,
            calls=0,
            reminders=0,
            form_reference=MARK,
            queue_ticket=MARK,
            special_category=MARK,
            opened_at=now,
            state_at=now,
        )
    )
    await _of_case(tx, brand, case_id, now)
    await tx.execute(
        insert(table(CaseEntryRow)).values(
            id=new_id(), case_id=case_id, command="call", by="officer", body={"note": MARK}, at=now
        )
    )
    await tx.execute(
        insert(table(ApplicationRow)).values(
            id=new_id(),
            brand_id=brand.id,
            customer_id=customer_id,
            case_id=case_id,
            channel="web",
            reference=f"<{MARK}@mail.example>",
            text=MARK,
            attachments=[{"name": f"{MARK}.pdf", "type": "application/pdf"}],
            received_at=now,
        )
    )
    await tx.execute(
        insert(table(OutageSignalRow)).values(
            id=new_id(),
            brand_id=brand.id,
            incident="power",
            area={"district": "tepebasi"},
            source="social",
            reference=MARK,
            customer_id=customer_id,
            at=now,
        )
    )
    await _written(tx, brand, customer_id, message, now)
    await _grouped(tx, brand, customer_id, now)
    for address in (NUMBER, MAIL):
        await tx.execute(
            insert(table(BlockRow)).values(
                id=new_id(),
                brand_id=brand.id,
                address=address,
                origin=BlockOrigin.INSTITUTION.value,
                reason=MARK,
                until=now + timedelta(days=30),
                placed_by="crm",
                placed_at=now,
            )
        )
    await tx.execute(
        insert(table(IdempotencyRow)).values(
            id=new_id(),
            caller_id=f"{brand.id}/crm",
            route=f"PUT /v1/customers/{REF}",
            key="1",
            digest="",
            status=200,
            body={"text": f'{{"ref": "{REF}", "first_name": "{MARK}"}}'},
            created_at=now,
        )
    )
    return case_id, code


async def _of_case(tx: AsyncSession, brand: Brand, case_id: str, now: datetime) -> None:
    await tx.execute(
        insert(table(CallTaskRow)).values(
            id=new_id(),
            brand_id=brand.id,
            case_id=case_id,
            round=0,
            purpose="inform",
            state="open",
            attempts=0,
            last_outcome="",
            claimed_by="",
            not_before=now,
            due_at=now,
            created_at=now,
        )
    )
    await tx.execute(
        insert(table(CaseSurveyRow)).values(
            id=new_id(),
            case_id=case_id,
            round=0,
            score=5,
            comment=MARK,
            recorded_by="crm",
            answered_at=now,
        )
    )
    await tx.execute(
        insert(table(CaseAssessmentRow)).values(
            id=new_id(),
            case_id=case_id,
            round=0,
            items={"no_third_person": True},
            fulfilled=True,
            note=MARK,
            assessed_by="crm",
            assessed_at=now,
        )
    )


async def _grouped(tx: AsyncSession, brand: Brand, customer_id: str, now: datetime) -> None:
    group_id = new_id()
    await tx.execute(
        insert(table(GroupRow)).values(
            id=group_id,
            brand_id=brand.id,
            name="spring",
            kind="list",
            made_by="marketing",
            created_at=now,
            changed_at=now,
        )
    )
    await tx.execute(
        insert(table(GroupMemberRow)).values(
            group_id=group_id, customer_id=customer_id, variables={"nick": MARK}, added_at=now
        )
    )


async def _written(
    tx: AsyncSession, brand: Brand, customer_id: str, message: str, now: datetime
) -> None:
    inbound_id = new_id()
    await tx.execute(
        insert(table(InboundRow)).values(
            id=inbound_id,
            provider="twilio",
            reference=new_id(),
            channel="sms",
            sender=NUMBER,
            recipient="4605",
            text=f"RET {MARK}",
            does="stop",
            received_at=now,
        )
    )
    await tx.execute(
        insert(table(InboundEffectRow)).values(
            id=new_id(),
            inbound_id=inbound_id,
            brand_id=brand.id,
            customer_id=customer_id,
            did="refused",
            received_at=now,
        )
    )
    await tx.execute(
        insert(table(FirstSendRow)).values(
            customer_id=customer_id, channel="sms", message_id=message, at=now
        )
    )


async def where_named(tx: AsyncSession, words: Collection[str]) -> dict[str, int]:
    """Search every table for words, whatever the column; say in which they stand, and how often."""
    names = (
        await tx.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        )
    ).scalars()
    found = {}
    for name in names.all():
        query = text(
            f"SELECT count(*) FROM {name} AS held "
            "WHERE EXISTS (SELECT FROM unnest(CAST(:words AS text[])) AS w "
            "WHERE strpos(held::text, w) > 0)"
        )
        number = (await tx.execute(query, {"words": list(words)})).scalar_one()
        if number:
            found[name] = number
    return found
