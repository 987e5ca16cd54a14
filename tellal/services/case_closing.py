"""After a case was concluded: what its applicant thought of it, and the checklist (E20)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, exists, insert, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from rules.profiles import CheckItem, IntakeProfile
from tellal.clock import Clock
from tellal.domain.case_checks import Records, check
from tellal.domain.cases import ENDED, CaseCommand, CaseState, Closure, next_state, workflow_of
from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import OutcomeRow
from tellal.persistence.tables.operations import (
    CaseAssessmentRow,
    CaseEntryRow,
    CaseRow,
    CaseSurveyRow,
)
from tellal.persistence.tables.privacy import ExplicitConsentRow, ShownNoticeRow
from tellal.services.case_duties import chosen_way, informing
from tellal.services.case_views import CaseView
from tellal.services.cases import Cases

_cases = table(CaseRow)
_entries = table(CaseEntryRow)
_outcomes = table(OutcomeRow)
_surveys = table(CaseSurveyRow)
_assessments = table(CaseAssessmentRow)
_shown = table(ShownNoticeRow)
_consents = table(ExplicitConsentRow)
_WITHOUT_WORD = frozenset({Closure.WITHDRAWN, Closure.MERGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What an applicant thought of how his case was dealt with."""

    score: int
    comment: str
    recorded_by: str
    answered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedItem:
    """A question of the checklist; `answer` is null if it does not arise or has no answer yet."""

    id: str
    asks: str
    computed: bool
    answer: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The checklist of a case, and what came of it; `assessed_at` is null until it is filled in."""

    case: str
    closure: str
    items: tuple[CheckedItem, ...]
    fulfilled: bool | None
    note: str
    assessed_by: str
    assessed_at: datetime | None
    survey: Survey | None


class CaseClosing:
    """Records surveys and assessments; what can be computed is read from the records."""

    def __init__(self, cases: Cases, clock: Clock) -> None:
        self._cases = cases
        self._clock = clock

    async def survey(
        self, tx: AsyncSession, brand_id: str, number: str, *, score: int, comment: str, by: str
    ) -> Survey:
        """Record what an applicant answered; a second answer replaces the first.

        Raises:
            NotFoundError: The brand has no such case.
            ConflictError: It is still being worked on, or was withdrawn or merged.
        """
        case = await self._cases.locked(tx, brand_id, number)
        if case.state not in ENDED or Closure(case.closure) in _WITHOUT_WORD:
            raise ConflictError("a survey follows a case that was concluded", code="not_concluded")
        said = {
            "score": score,
            "comment": comment,
            "recorded_by": by,
            "answered_at": self._clock.now(),
        }
        statement = pg_insert(_surveys).values(
            id=new_id(), case_id=case.id, round=case.round, **said
        )
        await tx.execute(
            statement.on_conflict_do_update(index_elements=["case_id", "round"], set_=said)
        )
        await tx.execute(
            insert(_entries).values(
                id=new_id(),
                case_id=case.id,
                command="survey",
                by=by,
                body={"score": score},
                at=said["answered_at"],
            )
        )
        return Survey(score=score, comment=comment, recorded_by=by, answered_at=self._clock.now())

    async def assess(
        self,
        tx: AsyncSession,
        brand_id: str,
        number: str,
        *,
        answers: Mapping[str, bool],
        note: str,
        by: str,
    ) -> CaseView:
        """Fill in the checklist: computed where it can be, answered by an officer where not.

        Raises:
            NotFoundError: The brand has no such case.
            RefusedTransitionError: It has not been concluded, or was assessed before.
            InvalidInputError: A question has no answer, or one is answered that is not asked.
        """
        case = await self._cases.locked(tx, brand_id, number)
        next_state(CaseState(case.state), CaseCommand.ASSESS)
        profile = self._profile(case)
        own = [item.id for item in profile.checklist if item.computed is None]
        for name in answers:
            if name not in own:
                raise InvalidInputError(
                    f"no officer answers {name!r}",
                    field=f"answers.{name}",
                    hint=f"one of: {', '.join(own)}" if own else "this checklist asks nobody",
                )
        missing = [name for name in own if name not in answers]
        if missing:
            raise InvalidInputError(
                f"{missing[0]!r} has no answer",
                field="answers",
                hint=f"answer {', '.join(missing)}",
            )
        items = await self._items(tx, case, profile, answers)
        fulfilled = all(item.answer is not False for item in items)
        await tx.execute(
            insert(_assessments).values(
                id=new_id(),
                case_id=case.id,
                round=case.round,
                items={item.id: item.answer for item in items},
                fulfilled=fulfilled,
                note=note,
                assessed_by=by,
                assessed_at=self._clock.now(),
            )
        )
        said = {"fulfilled": fulfilled, "failed": [i.id for i in items if i.answer is False]}
        return await self._cases.conclude_assessment(tx, case, said, by=by)

    async def view(self, tx: AsyncSession, brand_id: str, number: str) -> Assessment:
        """Show the checklist of a case: as it was filled in, else as far as it is computed now.

        Raises:
            NotFoundError: The brand has no such case.
            ConflictError: It has not been concluded yet.
        """
        query = select(_cases).where(_cases.c.brand_id == brand_id, _cases.c.number == number)
        case = (await tx.execute(query)).one_or_none()
        if case is None:
            raise NotFoundError(f"no case {number!r}")
        if case.state not in ENDED:
            raise ConflictError("a case is assessed after it was concluded", code="not_resolved")
        profile = self._profile(case)
        found = await _of_round(tx, _assessments, case)
        items = (
            await self._items(tx, case, profile, {})
            if found is None
            else _as_filled_in(profile, found.items)
        )
        survey = await _of_round(tx, _surveys, case)
        return Assessment(
            case=number,
            closure=case.closure,
            items=items,
            fulfilled=found.fulfilled if found else None,
            note=found.note if found else "",
            assessed_by=found.assessed_by if found else "",
            assessed_at=found.assessed_at if found else None,
            survey=None
            if survey is None
            else Survey(
                score=survey.score,
                comment=survey.comment,
                recorded_by=survey.recorded_by,
                answered_at=survey.answered_at,
            ),
        )

    def _profile(self, case: Row[Any]) -> IntakeProfile:
        profile = self._cases.profile(case.channel)
        if profile is None:
            raise ConflictError(
                f"the profile of {case.channel!r} was removed", code="profile_missing"
            )
        return profile

    async def _items(
        self,
        tx: AsyncSession,
        case: Row[Any],
        profile: IntakeProfile,
        answers: Mapping[str, bool],
    ) -> tuple[CheckedItem, ...]:
        records = await _records(tx, case, profile)
        return tuple(
            _item(
                one, answers.get(one.id) if one.computed is None else check(one.computed, records)
            )
            for one in profile.checklist
        )


async def _records(tx: AsyncSession, case: Row[Any], profile: IntakeProfile) -> Records:
    states = select(_outcomes.c.state).where(
        _outcomes.c.workflow_id == workflow_of(case.id, case.round),
        _outcomes.c.customer_id == case.customer_id,
    )
    replies = (
        select(_entries.c.body["way"].astext)
        .where(_entries.c.case_id == case.id, _entries.c.command == "reply")
        .order_by(_entries.c.id.desc())
        .limit(1)
    )
    closure = Closure(case.closure) if case.closure else Closure.RESOLVED
    way = chosen_way(profile, case.reply_by)
    done = closure in _WITHOUT_WORD or closure is Closure.ACTION_TAKEN
    return Records(
        due_at=case.due_at,
        resolved_at=case.resolved_at,
        notices=tuple((await tx.execute(states)).scalars()),
        informing=informing(
            profile, case, Closure.ACTION_TAKEN if closure in _WITHOUT_WORD else closure
        ),
        called=case.told_at is not None,
        replied_by=(await tx.execute(replies)).scalar_one_or_none() or "",
        asked_for="" if way is None or done else way.value,
        notice_owed=profile.privacy_notice is not None,
        notice_shown=await _notice_shown(tx, case, profile),
        special=bool(case.special_category),
        consented=await _consented(tx, case),
    )


async def _notice_shown(tx: AsyncSession, case: Row[Any], profile: IntakeProfile) -> bool:
    if profile.privacy_notice is None:
        return False
    query = exists().where(
        _shown.c.customer_id == case.customer_id,
        _shown.c.notice == profile.privacy_notice.notice,
        _shown.c.shown_at >= case.opened_at,
    )
    return bool((await tx.execute(select(query))).scalar_one())


async def _consented(tx: AsyncSession, case: Row[Any]) -> bool:
    """Say whether a signed consent was in force when the case was concluded."""
    if not case.special_category:
        return False
    query = (
        select(_consents.c.state)
        .where(
            _consents.c.customer_id == case.customer_id,
            _consents.c.category == case.special_category,
            _consents.c.given_at <= case.resolved_at,
        )
        .order_by(_consents.c.given_at.desc(), _consents.c.id.desc())
        .limit(1)
    )
    return (await tx.execute(query)).scalar_one_or_none() == "granted"


async def _of_round(tx: AsyncSession, of: Any, case: Row[Any]) -> Row[Any] | None:  # noqa: ANN401 - a table
    query = select(of).where(of.c.case_id == case.id, of.c.round == case.round)
    return (await tx.execute(query)).one_or_none()


def _item(item: CheckItem, answer: bool | None) -> CheckedItem:  # noqa: FBT001 - it is the answer
    return CheckedItem(
        id=item.id, asks=item.asks, computed=item.computed is not None, answer=answer
    )


def _as_filled_in(
    profile: IntakeProfile, answers: Mapping[str, bool | None]
) -> tuple[CheckedItem, ...]:
    """Show what was answered, also to questions that the profile asks no more."""
    asked = {item.id: item for item in profile.checklist}
    return tuple(
        _item(asked.get(name, CheckItem(id=name, asks=name)), answer)
        for name, answer in answers.items()
    )
