"""Reads intake profiles: one YAML file per channel over which cases come in."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from enum import StrEnum
from pathlib import Path

from rules.entries import Entry, read_entry
from rules.source import Place, Report
from rules.vocabulary import did_you_mean
from tellal.domain.case_checks import Computed
from tellal.domain.cases import CaseState, Moment, ReplyWay
from tellal.domain.errors import RulebookError

SHIPPED = Path(__file__).parent / "intake"

_SHAPE = "a profile is a mapping with 'id', 'name' and 'notices'"
_REQUIRED = ("id", "name", "notices")
_ALLOWED = (
    *_REQUIRED,
    "enabled",
    "source_system",
    "call_before_close",
    "first_contact",
    "reply",
    "requires",
    "privacy_notice",
    "deadline",
    "remind_after",
    "calls",
    "survey_after",
    "checklist",
)
REMINDED = (CaseState.OPENED, CaseState.ROUTED, CaseState.ANSWERED, CaseState.CALLED)
"""The states of which a profile may say how long they last before somebody is reminded."""


class CallBeforeClose(StrEnum):
    """Whether the customer must have been called before the case may be resolved."""

    ALWAYS = "always"
    WHEN_ROUTED = "when_routed"
    NEVER = "never"


class FirstContact(StrEnum):
    """How the applicant first hears of his case: by a notice, or an officer calls him (E40)."""

    NOTICE = "notice"
    CALL = "call"


class ReplyBy(StrEnum):
    """Who says by which way the result is told: the channel's own duty, or the applicant (E16)."""

    CALL = "call"
    CHOSEN = "chosen"


class Required(StrEnum):
    """What an officer must say when he opens a case over a channel."""

    FORM_REFERENCE = "form_reference"
    QUEUE_TICKET = "queue_ticket"
    REPLY_BY = "reply_by"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyNotice:
    """The information notice that is always shown over a channel, and the way in which it is."""

    notice: str
    version: str
    way: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Business days until a case must be concluded, until it is warned of, and who then has it."""

    days: int
    warn_before: int = 2
    escalate_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """How an applicant is called: in which hours of a business day, how often, over how long.

    After `attempts` calls over at least `over` he counts as unreachable, and is written to (E43).
    """

    begin: time = time(9)
    end: time = time(18)
    attempts: int = 3
    over: timedelta = timedelta(days=2)
    retry: timedelta = timedelta(hours=4)
    due: timedelta = timedelta(days=1)
    lease: timedelta = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckItem:
    """A question of the checklist after closing; `computed` says how, None that an officer does."""

    id: str
    asks: str
    computed: Computed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeProfile:
    """One intake channel: its notices per moment, its duties, its deadlines, its checklist."""

    id: str
    name: str
    enabled: bool = True
    source_system: str = ""
    notices: Mapping[Moment, tuple[str, ...]] = field(default_factory=dict)
    call_before_close: CallBeforeClose = CallBeforeClose.WHEN_ROUTED
    first_contact: FirstContact = FirstContact.NOTICE
    reply: ReplyBy = ReplyBy.CALL
    reply_unsaid: ReplyWay = ReplyWay.LETTER
    requires: tuple[Required, ...] = ()
    privacy_notice: PrivacyNotice | None = None
    deadline: Deadline | None = None
    remind_after: Mapping[CaseState, timedelta] = field(default_factory=dict)
    calls: CallPlan = CallPlan()
    survey_after: timedelta | None = None
    checklist: tuple[CheckItem, ...] = ()

    @property
    def informs_at_once(self) -> bool:
        """Whether a case may be opened and closed in one: information was all that was asked."""
        return Moment.INFORMATION in self.notices


def load_profiles(
    folder: Path | None = None, *, topics: Collection[str] | None = None
) -> Mapping[str, IntakeProfile]:
    """Read every profile of a folder, by default those that ship with Tellal.

    If the `topics` of a rulebook are given, notices must be among them.

    Raises:
        RulebookError: A file is not a valid profile; all mistakes are listed with their places.
    """
    chosen = folder or SHIPPED
    profiles: dict[str, IntakeProfile] = {}
    report = Report()
    if not chosen.is_dir():
        report.add(Place(file=str(chosen)), "there is no such folder of intake profiles")
    for path in sorted(chosen.glob("*.yaml")):
        entry = read_entry(path, "the profile", _SHAPE, report)
        if entry is None:
            continue
        profile = _profile(entry)
        _check_topics(entry.within("notices"), topics)
        if profile.id and profile.id in profiles:
            entry.wrong("id", f"a second profile is called {profile.id!r}")
        profiles.setdefault(profile.id, profile)
    if report.findings:
        raise RulebookError(report.in_order())
    return profiles


def _profile(entry: Entry) -> IntakeProfile:
    entry.only(_ALLOWED, required=_REQUIRED)
    reply, unsaid = _reply(entry)
    return IntakeProfile(
        id=entry.id(),
        name=entry.text("name"),
        enabled=entry.flag("enabled", default=True),
        source_system=entry.text("source_system"),
        notices=_notices(entry.within("notices")),
        call_before_close=entry.choice(
            "call_before_close", CallBeforeClose, CallBeforeClose.WHEN_ROUTED
        ),
        first_contact=entry.choice("first_contact", FirstContact, FirstContact.NOTICE),
        reply=reply,
        reply_unsaid=unsaid,
        requires=entry.choices("requires", Required),
        privacy_notice=_privacy_notice(entry),
        deadline=_deadline(entry),
        remind_after=_reminders(entry),
        calls=_calls(entry.within("calls")),
        survey_after=_survey(entry),
        checklist=tuple(_item(one) for one in entry.entries("checklist")),
    )


def _notices(entry: Entry) -> Mapping[Moment, tuple[str, ...]]:
    entry.only([moment.value for moment in Moment])
    return {
        moment: tuple(topic for _, topic in entry.texts(moment.value))
        for moment in Moment
        if moment.value in entry.raw
    }


def _check_topics(entry: Entry, topics: Collection[str] | None) -> None:
    for moment in Moment:
        if topics is None or moment.value not in entry.raw:
            continue
        for place, topic in entry.texts(moment.value):
            if topic not in topics:
                near = did_you_mean(topic, topics)
                entry.report.add(place, f"no rule file declares the topic {topic!r}", near)


def _reply(entry: Entry) -> tuple[ReplyBy, ReplyWay]:
    """Read `reply: call`, or `reply: {by: chosen, otherwise: letter}`."""
    if not isinstance(entry.raw.get("reply"), Mapping):
        return entry.choice("reply", ReplyBy, ReplyBy.CALL), ReplyWay.LETTER
    said = entry.within("reply")
    said.only(("by", "otherwise"), required=("by",))
    return (
        said.choice("by", ReplyBy, ReplyBy.CHOSEN),
        said.choice("otherwise", ReplyWay, ReplyWay.LETTER),
    )


def _privacy_notice(entry: Entry) -> PrivacyNotice | None:
    if "privacy_notice" not in entry.raw:
        return None
    said = entry.within("privacy_notice")
    said.only(("notice", "version", "way"), required=("notice", "version", "way"))
    return PrivacyNotice(
        notice=said.text("notice"), version=said.text("version"), way=said.text("way")
    )


def _deadline(entry: Entry) -> Deadline | None:
    if "deadline" not in entry.raw:
        return None
    said = entry.within("deadline")
    said.only(("business_days", "warn_before", "escalate_to"), required=("business_days",))
    days = said.number("business_days", 15, most=365)
    warn = said.number("warn_before", 2, least=0, most=364)
    if warn >= days:
        said.wrong("warn_before", f"'warn_before' is less than {days}, or all of it is a warning")
    return Deadline(days=days, warn_before=warn, escalate_to=said.text("escalate_to"))


def _reminders(entry: Entry) -> Mapping[CaseState, timedelta]:
    spans = entry.durations("remind_after", CaseState)
    for state in spans:
        if state not in REMINDED:
            known = ", ".join(REMINDED)
            entry.within("remind_after").wrong(
                state, f"nobody is reminded when a case is {state}", known
            )
    return spans


def _calls(entry: Entry) -> CallPlan:
    usual = CallPlan()
    entry.only(("hours", "attempts", "over", "retry", "due", "lease"))
    begin, end = entry.hours("hours") if "hours" in entry.raw else (usual.begin, usual.end)
    if end <= begin:
        entry.wrong("hours", "'hours' end on the day on which they begin, as in [09:00, 18:00]")
    return CallPlan(
        begin=begin,
        end=end,
        attempts=entry.number("attempts", usual.attempts, most=20),
        over=entry.duration("over", usual.over),
        retry=entry.duration("retry", usual.retry),
        due=entry.duration("due", usual.due),
        lease=entry.duration("lease", usual.lease),
    )


def _survey(entry: Entry) -> timedelta | None:
    if "survey_after" not in entry.raw:
        return None
    after = entry.duration("survey_after", timedelta(days=1))
    notices = entry.raw.get("notices")
    if isinstance(notices, Mapping) and Moment.SURVEY.value not in notices:
        entry.wrong("survey_after", "no notice is named for the survey", "notices: {survey: [...]}")
    return after


def _item(entry: Entry) -> CheckItem:
    entry.only(("id", "asks", "computed"), required=("id", "asks"))
    computed = None
    if "computed" in entry.raw:
        computed = entry.choice("computed", Computed, Computed.DEADLINE_KEPT)
    return CheckItem(id=entry.id(), asks=entry.text("asks"), computed=computed)
