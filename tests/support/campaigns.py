"""Campaigns written by hand: runs with rounds, and people in every state that a round leaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.customers import Brand
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.campaigns import CampaignRoundRow, CampaignRow, CampaignRunRow
from tellal.persistence.tables.customers import (
    ComplaintRow,
    ConsentRow,
    CustomerRow,
    EventRow,
)
from tellal.persistence.tables.ledger import (
    AttemptRow,
    CauseRow,
    DecisionRow,
    MessageRow,
    OutcomeRow,
    ReceiptRow,
)

BEGAN = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
"""Ten o'clock in Istanbul, a Monday."""

TOPIC = "iscep_promo"
PRICE = Decimal("0.05")
_TAKEN = {"accepted", "sent", "delivered", "undelivered"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message of a person: over which channel, where it is, and when it left."""

    state: str
    channel: str = "sms"
    route: str = "twilio"
    provider: str = "twilio"
    code: str = ""
    at: datetime = BEGAN + timedelta(minutes=1)
    cost: Decimal | None = PRICE
    currency: str = "TRY"
    segments: int = 1
    held: bool = False


@dataclass(slots=True, kw_only=True)
class Round:
    """A round as it was written."""

    id: str
    cause_id: str
    run_id: str
    step: int
    variant: str


@dataclass(slots=True, kw_only=True)
class Written:
    """A campaign as it was written, with the customers and messages of its people by reference."""

    brand: Brand
    id: str
    runs: dict[int, str] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)
    customers: dict[str, str] = field(default_factory=dict)
    messages: dict[str, list[str]] = field(default_factory=dict)


async def a_campaign(
    tx: AsyncSession,
    brand: Brand,
    name: str = "spring-loan",
    *,
    plan: Mapping[str, object] | None = None,
    state: str = "running",
    simulated: bool = False,
) -> Written:
    campaign_id = new_id()
    await tx.execute(
        insert(table(CampaignRow)).values(
            id=campaign_id,
            brand_id=brand.id,
            name=name,
            state=state,
            plan={"name": name, "topic": TOPIC, **(plan or {})},
            made_by="author",
            simulated=simulated,
            created_at=BEGAN,
            changed_at=BEGAN,
        )
    )
    return Written(brand=brand, id=campaign_id)


async def a_run(tx: AsyncSession, campaign: Written, *, state: str = "running") -> int:
    number = len(campaign.runs) + 1
    campaign.runs[number] = run_id = new_id()
    began = BEGAN + timedelta(days=number - 1)
    await tx.execute(
        insert(table(CampaignRunRow)).values(
            id=run_id,
            campaign_id=campaign.id,
            brand_id=campaign.brand.id,
            number=number,
            planned_for=began,
            state=state,
            started_at=began,
            ended_at=began + timedelta(hours=1) if state == "ended" else None,
        )
    )
    rows = table(CampaignRow)
    await tx.execute(update(rows).where(rows.c.id == campaign.id).values(runs=number))
    return number


async def a_round(
    tx: AsyncSession,
    campaign: Written,
    run: int,
    *,
    step: int = 0,
    variant: str = "",
    state: str = "decided",
) -> Round:
    run_id = campaign.runs[run]
    one = Round(id=new_id(), cause_id=new_id(), run_id=run_id, step=step, variant=variant)
    campaign.rounds.append(one)
    await tx.execute(
        insert(table(CauseRow)).values(
            id=one.cause_id,
            brand_id=campaign.brand.id,
            kind="campaign",
            key=f"campaign:{campaign.id}:{run}:{step}:{variant}",
            topic=TOPIC,
            state="running",
            counted=True,
            created_at=BEGAN,
        )
    )
    await tx.execute(
        insert(table(CampaignRoundRow)).values(
            id=one.id,
            run_id=run_id,
            campaign_id=campaign.id,
            brand_id=campaign.brand.id,
            step=step,
            variant=variant,
            cause_id=one.cause_id,
            topic=TOPIC,
            variables={},
            parts=[{"name": "everybody"}],
            cursor={},
            state=state,
            created_at=BEGAN,
            decided_at=BEGAN if state == "decided" else None,
        )
    )
    return one


async def a_person(
    tx: AsyncSession,
    campaign: Written,
    one: Round,
    ref: str,
    *said: Said,
    outcome: str = "told",
    reason: str = "",
    country: str = "TR",
    locale: str = "tr-TR",
    facts: Mapping[str, object] | None = None,
    decided_at: datetime = BEGAN,
) -> str:
    """Write a person's outcome in a round with his messages; return the customer's id."""
    customer_id = campaign.customers.get(ref)
    if customer_id is None:
        customer_id = campaign.customers[ref] = new_id()
        await tx.execute(
            insert(table(CustomerRow)).values(
                id=customer_id,
                brand_id=campaign.brand.id,
                ref=ref,
                kind="individual",
                locale=locale,
                timezone="Europe/Istanbul",
                country=country,
                first_name="",
                facts=dict(facts or {}),
                created_at=BEGAN,
                updated_at=BEGAN,
            )
        )
    outcome_id = new_id()
    await tx.execute(
        insert(table(OutcomeRow)).values(
            id=outcome_id,
            brand_id=campaign.brand.id,
            cause_id=one.cause_id,
            customer_id=customer_id,
            topic=TOPIC,
            content_version=1,
            state=outcome,
            reason=reason,
            plan={},
            tries=1 if said else 0,
            created_at=decided_at,
            closed_at=None if outcome == "open" else decided_at + timedelta(minutes=5),
        )
    )
    if reason:
        await _decision(tx, campaign, customer_id, outcome_id, reason)
    for place, message in enumerate(said):
        message_id = await _message(
            tx,
            campaign,
            (one.cause_id, outcome_id, customer_id),
            message,
            place=place,
            locale=locale,
        )
        campaign.messages.setdefault(ref, []).append(message_id)
    return customer_id


async def _decision(
    tx: AsyncSession, campaign: Written, customer_id: str, outcome_id: str, reason: str
) -> None:
    await tx.execute(
        insert(table(DecisionRow)).values(
            id=new_id(),
            brand_id=campaign.brand.id,
            customer_id=customer_id,
            outcome_id=outcome_id,
            topic=TOPIC,
            verdict="suppress",
            reason=reason,
            revision="1",
            executor="sql",
            body={"reasons": [{"code": reason, "text": f"Words of {reason}"}]},
            at=BEGAN,
        )
    )


async def _message(
    tx: AsyncSession,
    campaign: Written,
    whose: tuple[str, str, str],
    said: Said,
    *,
    place: int,
    locale: str,
) -> str:
    message_id = new_id()
    cause_id, outcome_id, customer_id = whose
    handed = said.at if said.state in _TAKEN else None
    await tx.execute(
        insert(table(MessageRow)).values(
            id=message_id,
            brand_id=campaign.brand.id,
            cause_id=cause_id,
            outcome_id=outcome_id,
            customer_id=customer_id,
            topic=TOPIC,
            message_class="commercial",
            channel=said.channel,
            lane="bulk",
            priority=0,
            try_no=1,
            step=place,
            language=locale.partition("-")[0],
            variables={},
            state=said.state,
            state_at=said.at + timedelta(minutes=1),
            not_before=BEGAN,
            expires_at=BEGAN + timedelta(hours=6),
            held_by=new_id() if said.held else None,
            attempt=1 if handed or said.code else 0,
            route=said.route if handed or said.code else "",
            segments=said.segments if handed else None,
            cost=said.cost if handed else None,
            currency=said.currency if handed and said.cost is not None else "",
            provider=said.provider if handed or said.code else "",
            reference=message_id if handed else "",
            receipts="delivery",
            code=said.code,
            created_at=BEGAN,
            handed_at=handed,
        )
    )
    if handed is None:
        return message_id
    await tx.execute(
        insert(table(AttemptRow)).values(
            id=new_id(),
            message_id=message_id,
            n=1,
            route=said.route,
            provider=said.provider,
            intended_at=said.at,
            answer="accepted",
            reference=message_id,
            answered_at=said.at,
        )
    )
    if said.state in {"delivered", "undelivered"}:
        await tx.execute(
            insert(table(ReceiptRow)).values(
                id=new_id(),
                message_id=message_id,
                provider=said.provider,
                reference=message_id,
                state=said.state,
                code=said.code,
                received_at=said.at + timedelta(minutes=1),
            )
        )
    return message_id


async def did(tx: AsyncSession, campaign: Written, ref: str, event: str, *, at: datetime) -> None:
    """Have a customer do something."""
    await tx.execute(
        insert(table(EventRow)).values(
            id=new_id(),
            brand_id=campaign.brand.id,
            customer_id=campaign.customers[ref],
            type=event,
            payload={},
            occurred_at=at,
            received_at=at,
        )
    )


async def refused(
    tx: AsyncSession,
    campaign: Written,
    ref: str,
    *,
    message: str = "",
    channel: str = "sms",
    at: datetime = BEGAN + timedelta(hours=2),
) -> None:
    """Have a customer take his consent back, on account of a message or of nothing known."""
    await tx.execute(
        insert(table(ConsentRow)).values(
            id=new_id(),
            brand_id=campaign.brand.id,
            customer_id=campaign.customers[ref],
            channel=channel,
            state="refused",
            source="one_click" if message else "branch",
            evidence={"message": message} if message else {},
            recorded_at=at,
        )
    )


async def complained(tx: AsyncSession, campaign: Written, ref: str, message: str) -> None:
    """Have a customer complain of a message."""
    await tx.execute(
        insert(table(ComplaintRow)).values(
            id=new_id(),
            brand_id=campaign.brand.id,
            customer_id=campaign.customers[ref],
            topic=TOPIC,
            message_id=message,
            source="call_centre",
            text="",
            filed_by="crm",
            filed_at=BEGAN + timedelta(hours=3),
        )
    )


async def a_finished_run(sessions: Sessions, brand: Brand, **how: Any) -> Written:  # noqa: ANN401 - as a_campaign
    """Write a campaign with one run of two variants and a hold-out, and people in every state.

    Variant `a`: ayse (delivered), burak (undelivered by SMS, delivered by e-mail), can (undelivered
    for good), derya (no consent), elif (expired). Variant `b`: firat (delivered, in Poland), gizem
    (unknown), hakan (cancelled), irem (open and held back). Held out: kaan and leyla.
    """
    plan = {
        "variants": [{"name": "a", "share": 50}, {"name": "b", "share": 50}],
        "hold_out": 10,
        "goal": {"event": "loan_applied", "within": "7d"},
        **how.pop("plan", {}),
    }
    later = BEGAN + timedelta(hours=1, minutes=20)
    async with sessions() as tx, tx.begin():
        written = await a_campaign(tx, brand, plan=plan, **how)
        run = await a_run(tx, written, state="ended")
        a = await a_round(tx, written, run, variant="a")
        b = await a_round(tx, written, run, variant="b")
        lost = Said(state="undelivered", code="30003", segments=2, cost=PRICE * 2)
        mail = Said(
            state="delivered", channel="email", route="smtp", provider="smtp", at=later, cost=None
        )
        await a_person(tx, written, a, "ayse", Said(state="delivered"))
        await a_person(tx, written, a, "burak", lost, mail)
        await a_person(tx, written, a, "can", lost, outcome="failed")
        await a_person(tx, written, a, "derya", outcome="suppressed", reason="no_consent")
        gone = Said(state="expired", code="expired")
        await a_person(tx, written, a, "elif", gone, outcome="expired")
        late = Said(state="delivered", at=later)
        await a_person(tx, written, b, "firat", late, country="PL", locale="pl-PL")
        await a_person(tx, written, b, "gizem", Said(state="unknown"), outcome="unknown")
        await a_person(tx, written, b, "hakan", Said(state="cancelled"), outcome="cancelled")
        await a_person(tx, written, b, "irem", Said(state="queued", held=True), outcome="open")
        for ref, one in (("kaan", a), ("leyla", b)):
            await a_person(tx, written, one, ref, outcome="suppressed", reason="hold_out")
    return written


async def many_people(
    sessions: Sessions, campaign: Written, one: Round, number: int, *, stem: str = "p"
) -> None:
    """Write so many delivered people at once, by statements of the database's own.

    Their causes' counts are kept by the trigger as ever.
    """
    values = {
        "brand": campaign.brand.id,
        "cause": one.cause_id,
        "number": number,
        "at": BEGAN,
        "stem": stem,
        "topic": TOPIC,
        "tag": one.id[-10:],
    }
    async with sessions() as tx, tx.begin():
        for statement in _MANY:
            await tx.execute(text(statement), values)


_PEOPLE = """
INSERT INTO customers (id, brand_id, ref, kind, locale, timezone, country, first_name, facts,
    created_at, updated_at)
SELECT 'c' || :tag || lpad(i::text, 12, '0'), :brand, CAST(:stem AS text) || i, 'individual',
    'tr-TR', 'Europe/Istanbul', 'TR', '', '{}', :at, :at
FROM generate_series(1, :number) AS i
"""
_OUTCOMES = """
INSERT INTO outcomes (id, brand_id, cause_id, customer_id, topic, content_version, state, reason,
    plan, tries, created_at, closed_at)
SELECT 'o' || :tag || lpad(i::text, 12, '0'), :brand, :cause, 'c' || :tag || lpad(i::text, 12, '0'),
    :topic, 1, 'told', '', '{}', 1, :at, :at
FROM generate_series(1, :number) AS i
"""
_MESSAGES = """
INSERT INTO messages (id, brand_id, cause_id, outcome_id, customer_id, topic, message_class,
    channel, lane, priority, try_no, step, language, variables, state, state_at, not_before,
    expires_at, attempt, route, segments, cost, currency, provider, reference, receipts, code,
    subject, text, created_at, handed_at)
SELECT 'm' || :tag || lpad(i::text, 12, '0'), :brand, :cause, 'o' || :tag || lpad(i::text, 12, '0'),
    'c' || :tag || lpad(i::text, 12, '0'), :topic, 'commercial', 'sms', 'bulk', 0, 1, 0, 'tr', '{}',
    'delivered', :at, :at, :at, 1, 'twilio', 1, 0.05, 'TRY', 'twilio', '', 'delivery', '', '', '',
    :at, :at
FROM generate_series(1, :number) AS i
"""
_MANY = (_PEOPLE, _OUTCOMES, _MESSAGES)
