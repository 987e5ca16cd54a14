"""Cases: the transition table behind every command, and notices exactly once."""

import pytest
from sqlalchemy import func, select

from tellal.domain.cases import CallOutcome, CaseCommand, CaseState, VerifiedAs
from tellal.domain.channels import Channel
from tellal.domain.customers import Brand
from tellal.domain.errors import InvalidInputError, RefusedTransitionError
from tellal.domain.messages import OutcomeState
from tellal.domain.tracking import grouped
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow, OutcomeRow
from tellal.persistence.tables.operations import CaseEntryRow
from tellal.services.case_views import CaseView, view
from tellal.services.cases import CaseInput
from tellal.services.house import House
from tests.support.builders import a_brand, a_customer

_messages = table(MessageRow).c
_outcomes = table(OutcomeRow).c


@pytest.fixture
async def brand(house: House) -> Brand:
    async with house.sessions() as tx, tx.begin():
        brand = await a_brand(tx, "porsuk-edas")
        await a_customer(tx, brand, "halil")
        await a_customer(tx, brand, "kadir", contacts={Channel.EMAIL: "kadir@example.com"})
        await a_customer(tx, brand, "nobody", contacts={Channel.PUSH: "token"})
        return brand


async def opened(house: House, brand: Brand, customer: str = "halil") -> CaseView:
    async with house.sessions() as tx, tx.begin():
        return await house.cases.open(
            tx, brand=brand, customer_ref=customer, channel="web", subject="meter", by="officer"
        )


async def given(
    house: House, brand: Brand, case: CaseView, command: CaseCommand, body: CaseInput
) -> CaseView:
    async with house.sessions() as tx, tx.begin():
        return await house.cases.command(
            tx, brand_id=brand.id, number=case.number, command=command, body=body, by="officer"
        )


async def answered(house: House, brand: Brand) -> CaseView:
    case = await opened(house, brand)
    await given(house, brand, case, CaseCommand.ROUTE, CaseInput(team="metering"))
    return await given(house, brand, case, CaseCommand.ANSWER, CaseInput(answer="replaced"))


async def test_record_numbers_run_through_the_year(house: House, brand: Brand) -> None:
    first, second = await opened(house, brand), await opened(house, brand)

    assert (first.number, second.number) == ("2026-000001", "2026-000002")


@pytest.mark.req("E03", "blocks")
async def test_a_routed_case_is_not_resolved_before_the_call(house: House, brand: Brand) -> None:
    case = await answered(house, brand)

    with pytest.raises(RefusedTransitionError) as refused:
        await given(house, brand, case, CaseCommand.RESOLVE, CaseInput(result="done"))

    assert refused.value.code == "call_missing"
    async with house.sessions() as tx:
        assert (await view(tx, brand.id, case.number)).state == CaseState.ANSWERED


@pytest.mark.req("E43", "blocks")
async def test_a_call_that_nobody_answered_does_not_count(house: House, brand: Brand) -> None:
    case = await answered(house, brand)

    tried = await given(
        house, brand, case, CaseCommand.CALL, CaseInput(outcome=CallOutcome.NO_ANSWER)
    )

    assert (tried.state, tried.calls) == (CaseState.ANSWERED, 1)
    with pytest.raises(RefusedTransitionError):
        await given(house, brand, case, CaseCommand.RESOLVE, CaseInput(result="done"))


@pytest.mark.req("E38", "allows")
async def test_after_the_call_the_case_is_resolved(house: House, brand: Brand) -> None:
    case = await answered(house, brand)
    await given(house, brand, case, CaseCommand.CALL, CaseInput(verified_as=VerifiedAs.APPLICANT))

    resolved = await given(house, brand, case, CaseCommand.RESOLVE, CaseInput(result="done"))

    assert resolved.state == CaseState.RESOLVED
    assert [entry.command for entry in resolved.entries] == [
        "open", "route", "answer", "call", "resolve",
    ]  # fmt: skip


async def test_a_refused_command_leaves_no_trace(house: House, brand: Brand) -> None:
    case = await opened(house, brand)

    with pytest.raises(InvalidInputError):
        await given(house, brand, case, CaseCommand.ROUTE, CaseInput(team=" "))

    async with house.sessions() as tx:
        entries = select(func.count()).select_from(table(CaseEntryRow))
        assert (await tx.execute(entries)).scalar_one() == 1


@pytest.mark.req("E37")
async def test_a_notice_is_decided_once_however_often_it_is_asked_for(
    house: House, brand: Brand
) -> None:
    case = await opened(house, brand)

    first = await house.case_notices.notice(case.id, CaseState.OPENED)
    second = await house.case_notices.notice(case.id, CaseState.OPENED)

    assert [step.outcome_id for step in first.steps] == [step.outcome_id for step in second.steps]
    async with house.sessions() as tx:
        sent = (await tx.execute(select(table(MessageRow)))).all()
        assert [(m.topic, m.channel) for m in sent] == [("case_opened", "sms")]
        assert sent[0].variables == {
            "case": {
                "number": case.number,
                "result": "",
                "tracking_code": grouped(case.tracking_code or ""),
            }
        }


@pytest.mark.req("E43", "allows")
async def test_without_a_mobile_the_notice_takes_the_next_channel(
    house: House, brand: Brand
) -> None:
    case = await opened(house, brand, "kadir")

    await house.case_notices.notice(case.id, CaseState.OPENED)

    async with house.sessions() as tx:
        assert (await tx.execute(select(_messages.channel))).scalars().all() == ["email"]


async def test_who_cannot_be_reached_stands_in_the_ledger_as_suppressed(
    house: House, brand: Brand
) -> None:
    case = await opened(house, brand, "nobody")

    notice = await house.case_notices.notice(case.id, CaseState.OPENED)

    assert [step.state for step in notice.steps] == [OutcomeState.SUPPRESSED]
    async with house.sessions() as tx:
        assert (await tx.execute(select(_outcomes.reason))).scalars().all() == ["no_address"]


async def test_a_reminder_is_written_only_while_the_case_waits(house: House, brand: Brand) -> None:
    case = await opened(house, brand)
    await given(house, brand, case, CaseCommand.ROUTE, CaseInput(team="metering"))

    in_time = await house.case_notices.remind(case.id, CaseState.ROUTED)
    too_late = await house.case_notices.remind(case.id, CaseState.ANSWERED)

    assert (in_time, too_late) == (True, False)
    async with house.sessions() as tx:
        assert (await view(tx, brand.id, case.number)).reminders == 1


async def test_an_intake_channel_that_is_not_known_is_named(house: House, brand: Brand) -> None:
    async with house.sessions() as tx, tx.begin():
        with pytest.raises(InvalidInputError) as refused:
            await house.cases.open(
                tx, brand=brand, customer_ref="halil", channel="fax", subject="x", by="officer"
            )

    assert "web" in refused.value.hint
