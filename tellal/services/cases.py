"""Cases: officers' commands against the transition table, and the notices that a case owes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from rules.profiles import CallBeforeClose, IntakeProfile
from tellal.clock import Clock
from tellal.domain.cases import CaseCommand, CaseState, next_state
from tellal.domain.customers import Brand
from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.domain.outbox import OutboxKind
from tellal.ids import new_id, new_tracking_code
from tellal.persistence.people import find_customer_id
from tellal.services.case_news import case_changed
from tellal.services.case_views import CaseView, about, to_view
from tellal.services.case_writing import (
    CHANGE,
    CHANGE_AND_TELL,
    LOCK,
    NUMBER,
    OPEN,
    kept,
    new,
)
from tellal.services.outbox import item


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseInput:
    """What an officer says with a command; each command reads its own part."""

    team: str = ""
    answer: str = ""
    result: str = ""
    reached: bool = True
    note: str = ""


class Cases:
    """Opens cases and applies commands; waiting and telling are the workflow's."""

    def __init__(self, profiles: Mapping[str, IntakeProfile], clock: Clock) -> None:
        self._profiles = profiles
        self._clock = clock

    async def open(
        self,
        tx: AsyncSession,
        *,
        brand: Brand,
        customer_ref: str,
        channel: str,
        subject: str,
        by: str,
        source_system: str = "",
        simulated: bool = False,
    ) -> CaseView:
        """Open a case, give it a record number, and start its workflow.

        What the customer is told of a simulated case never reaches a provider.

        Raises:
            InvalidInputError: There is no such intake channel.
            ConflictError: The intake channel is switched off.
            NotFoundError: The brand has no such customer.
        """
        profile = self._profile(channel)
        customer_id = await find_customer_id(tx, brand.id, customer_ref)
        now = self._clock.now()
        case_id = new_id()
        number = await tx.execute(NUMBER, {"brand": brand.id, "of_year": now.year})
        opened = {
            "brand_id": brand.id,
            "customer_id": customer_id,
            "number": f"{now.year}-{number.scalar_one():06d}",
            "channel": channel,
            "tracking_code": new_tracking_code(),
            "source_system": source_system or profile.source_system,
            "subject": subject,
            "state": CaseState.OPENED,
            "routed": False,
            "team": "",
            "answer": "",
            "result": "",
            "calls": 0,
            "reminders": 0,
            "simulated": simulated,
            "opened_at": now,
            "state_at": now,
            "resolved_at": None,
        }
        start = item(
            brand_id=brand.id,
            kind=OutboxKind.CASE_OPENED,
            workflow_id=f"case/{case_id}",
            body={"case_id": case_id, "brand": brand.name, "channel": channel},
            now=now,
        )
        written = await tx.execute(
            OPEN,
            {
                **about(case_id),
                **new(opened),
                **_entry("open", by, {"channel": channel}, now),
                **start,
            },
        )
        row = written.one()
        await case_changed(tx, row, "open", now)
        return to_view(row)

    async def command(
        self,
        tx: AsyncSession,
        *,
        brand_id: str,
        number: str,
        command: CaseCommand,
        body: CaseInput,
        by: str,
    ) -> CaseView:
        """Apply a command: validated, recorded, told to the workflow, answered at once.

        Raises:
            NotFoundError: The brand has no such case.
            RefusedTransitionError: The case is in a state in which this cannot be done.
            InvalidInputError: The command lacks what it must say.
        """
        case = await self._locked(tx, brand_id, number)
        changes = _changes(command, body)
        duty = self._profile_of(case).call_before_close
        needed = duty is CallBeforeClose.ALWAYS or (
            duty is CallBeforeClose.WHEN_ROUTED and case.routed
        )
        state = next_state(CaseState(case.state), command, reached=body.reached, call_needed=needed)
        now = self._clock.now()
        if command is CaseCommand.CALL:
            changes["calls"] = case.calls + 1
        if state is CaseState.RESOLVED:
            changes["resolved_at"] = now
        said = {"reached": body.reached, "note": body.note} if command is CaseCommand.CALL else {}
        values = {
            **about(case.id),
            **new({**kept(case), "state": state, "state_at": now, **changes}),
            **_entry(command.value, by, {**_said(changes), **said}, now),
        }
        if state.value == case.state:
            row = (await tx.execute(CHANGE, values)).one()
            await case_changed(tx, row, command.value, now)
            return to_view(row)
        news = item(
            brand_id=brand_id,
            kind=OutboxKind.CASE_CHANGED,
            workflow_id=f"case/{case.id}",
            body={"case_id": case.id, "state": state.value},
            now=now,
        )
        row = (await tx.execute(CHANGE_AND_TELL, {**values, **news})).one()
        await case_changed(tx, row, command.value, now)
        return to_view(row)

    def _profile(self, channel: str) -> IntakeProfile:
        profile = self._profiles.get(channel)
        if profile is None:
            known = ", ".join(sorted(self._profiles))
            raise InvalidInputError(
                f"no intake channel {channel!r}", field="channel", hint=f"one of: {known}"
            )
        if not profile.enabled:
            raise ConflictError(
                f"the intake channel {profile.name} is not open yet", code="channel_disabled"
            )
        return profile

    def _profile_of(self, case: Row[Any]) -> IntakeProfile:
        profile = self._profiles.get(case.channel)
        if profile is None:
            raise ConflictError(
                f"the profile of {case.channel!r} was removed", code="profile_missing"
            )
        return profile

    async def _locked(self, tx: AsyncSession, brand_id: str, number: str) -> Row[Any]:
        found = await tx.execute(LOCK, {"brand": brand_id, "of_number": number})
        case = found.one_or_none()
        if case is None:
            raise NotFoundError(f"no case {number!r}")
        return case


def _entry(command: str, by: str, body: Mapping[str, object], now: datetime) -> dict[str, object]:
    """Return the values of a line of the history."""
    return {
        "entry_id": new_id(),
        "entry_command": command,
        "entry_by": by,
        "entry_body": dict(body),
        "entry_at": now,
    }


def _changes(command: CaseCommand, body: CaseInput) -> dict[str, object]:
    match command:
        case CaseCommand.ROUTE:
            return {"team": _required("team", body.team), "routed": True}
        case CaseCommand.ANSWER:
            return {"answer": _required("answer", body.answer)}
        case CaseCommand.RESOLVE:
            return {"result": _required("result", body.result)}
        case CaseCommand.CALL:
            return {}


def _required(field: str, value: str) -> str:
    if not value.strip():
        raise InvalidInputError(f"{field} is empty", field=field, hint="say it in a few words")
    return value


def _said(changes: Mapping[str, object]) -> dict[str, object]:
    return {name: changes[name] for name in ("team", "answer", "result") if name in changes}
