"""The matrix of the intake channels: what each applicant gets, and what he does not, line by line.

Each line goes the whole way through the services, and what the lane would have sent is held against
the words of this page; nothing here is read from a profile.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import select

from tellal.domain.cases import CaseState, ReplyWay
from tellal.domain.channels import Lane, Receipts
from tellal.domain.errors import ConflictError, RefusedTransitionError
from tellal.domain.handover import Carrier
from tellal.domain.messages import OutgoingMessage
from tellal.domain.tracking import grouped
from tellal.ids import new_tracking_code
from tellal.persistence.columns import table
from tellal.persistence.tables.privacy import ShownNoticeRow
from tellal.services.case_views import CaseView
from tellal.services.house import House
from tellal.services.tracking import find_tracked
from templates.environment import JinjaRenderer
from tests.support.cases import Office, an_office
from tests.support.desk import a_desk
from tests.support.house import ROUTES, SetClock

RESULT = "Sayaç değiştirildi."
OPENED = ("sms", "Başvurunuz alındı. Kayıt no: {number}. Sonucunu bildireceğiz.")
TRACKED = ("sms", "Başvurunuz alındı. Kayıt no: {number} Takip kodu: {code}")
CLOSED = ("sms", "{number} no.lu başvurunuz sonuçlandı. Bilgi: 08500000001")
RESULTED = ("sms", "{number} no.lu başvurunuz sonuçlandı: " + RESULT)
AT_ONCE = ("sms", "{number} no.lu kaydınız açıldı ve sonuçlandı. Bilgi: 08500000001")
INSTANT = ("email", "Görüşmeniz kaydedildi")
REPLIED = ("email", "Başvurunuzun cevabı: {number}")
"""How a message leaves, and its words, or the subject of an e-mail."""


CARRIERS = {
    name: Carrier(provider=name, receipts=Receipts.DELIVERY, looks_up=False)
    for name in ("twilio", "smtp", "fcm")
}

UNHURRIED = replace(ROUTES, routes=tuple(replace(one, rate=None) for one in ROUTES.routes))
"""The routes that ship; with a clock that stands still a rate would let nothing out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the matrix. `early` is what refuses to conclude before he is informed."""

    channel: str
    opening: Sequence[tuple[str, str]] = ()
    reply: Sequence[tuple[str, str]] = ()
    closing: Sequence[tuple[str, str]] = ()
    early: str = ""
    coded: bool = False
    called_first: bool = False
    notice: bool = False
    says: dict[str, Any] = field(default_factory=dict)


def line(rows: str, name: str, **said: object) -> object:
    """Make a line that shows its rows from both sides."""
    marks = [pytest.mark.req(row, side) for row in rows.split() for side in ("blocks", "allows")]
    channel = name.partition(",")[0]
    return pytest.param(Line(channel=channel, **said), id=name, marks=marks)  # type: ignore[arg-type]  # its fields


_ON_PAPER: dict[str, object] = {
    "opening": [TRACKED], "closing": [CLOSED], "early": "reply_missing", "coded": True,
    "notice": True,
}  # fmt: skip
_CALLED: dict[str, object] = {"opening": [OPENED], "closing": [CLOSED], "early": "call_missing"}
ROUTED = [
    line("E01 E02 E03 E04", "solution_point", **_CALLED),
    line("E08", "online", opening=[INSTANT]),
    line("E09 E10 E11 E12", "app", **_CALLED),
    line(
        "E14 E16 E17 E18", "written, by letter", **_ON_PAPER,
        says={"form_reference": "F-118", "reply_by": ReplyWay.LETTER},
    ),
    line(
        "E16 E17", "written, by e-mail", **_ON_PAPER, reply=[REPLIED],
        says={"form_reference": "F-119", "reply_by": ReplyWay.EMAIL},
    ),
    line("E26 E27", "switchboard", **_CALLED),
    line(
        "E33 E35 E36", "info_email", **_ON_PAPER, reply=[REPLIED],
        says={"reply_by": ReplyWay.EMAIL},
    ),
    line(
        "E37 E38 E39", "web", opening=[OPENED], closing=[RESULTED], early="call_missing",
    ),
    line(
        "E40 E41 E42", "social_media", closing=[CLOSED], early="call_missing", called_first=True,
    ),
]  # fmt: skip
"""Every line over which a case can go to a team; that of WhatsApp is below."""
INFORMED = [
    line("E22", "face_to_face", notice=True),
    line("E28", "switchboard", closing=[AT_ONCE]),
]
"""Where what he wanted to know was all."""
CHANNELS = {
    "solution_point", "online", "app", "written", "face_to_face", "switchboard", "whatsapp",
    "info_email", "web", "social_media",
}  # fmt: skip


@dataclass(kw_only=True)
class Told:
    """What has left to one applicant so far."""

    office: Office
    messages: list[OutgoingMessage] = field(default_factory=list)

    async def after(self, case: CaseView, *states: CaseState) -> list[tuple[str, str]]:
        """Have the notices of states decided, twice each; return what leaves because of it."""
        for state in (*states, *states):
            await self.office.house.case_notices.notice(case.id, state)
        desk = a_desk(
            self.office.house.sessions,
            self.office.clock,
            renderer=JinjaRenderer(),
            carriers=CARRIERS,
            routes=UNHURRIED,
        )
        news = [one for lane in Lane for one in await desk.claim(lane, 10)]
        self.messages += news
        return [
            (one.channel.value, one.subject if one.channel == "email" else one.text) for one in news
        ]


def worded(case: CaseView, said: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what a line says in the words of one case."""
    words = {"number": case.number, "code": grouped(case.tracking_code or "")}
    return [(way, text.format(**words)) for way, text in said]


@pytest.fixture
async def office(house: House, clock: SetClock) -> Office:
    return await an_office(house, clock)


async def informed(office: Office, case: CaseView, way: Line) -> None:
    """Inform an applicant as his channel asks; whoever would conclude before is refused."""
    if way.early:
        with pytest.raises(RefusedTransitionError) as early:
            await office.resolve(case, RESULT)
        assert early.value.code == way.early
    if way.early == "call_missing":
        with pytest.raises(RefusedTransitionError):
            await office.reply(case, ReplyWay.EMAIL)
        await office.call(case)
    if way.early == "reply_missing":
        asked = ReplyWay(str(way.says["reply_by"]))
        other = ReplyWay.LETTER if asked is ReplyWay.EMAIL else ReplyWay.EMAIL
        with pytest.raises(ConflictError) as elsewhere:
            await office.reply(case, other)
        assert elsewhere.value.code == "other_way_asked"
        await office.reply(case, asked)


async def begun(office: Office, case: CaseView, way: Line) -> None:
    """Call first whom the channel has called first; nothing is concluded or written before."""
    first = [task.purpose for task in await office.tasks()]
    assert first == (["first_contact"] if way.called_first else [])
    if way.called_first:
        for early in (office.resolve(case), office.reply(case, ReplyWay.EMAIL)):
            with pytest.raises(RefusedTransitionError) as refused:
                await early
            assert refused.value.code == "first_contact_missing"
        await office.call(case, told_result=False)


@pytest.mark.parametrize("way", ROUTED)
async def test_a_case_that_concerns_a_team_is_told_as_the_matrix_says(
    office: Office, way: Line
) -> None:
    told = Told(office=office)

    case = await office.open(way.channel, **way.says)
    opening = await told.after(case, CaseState.OPENED)
    await begun(office, case, way)
    routed = await office.route(case)
    with pytest.raises(RefusedTransitionError) as unanswered:
        await office.resolve(case, RESULT)
    await office.answer(case)
    between = await told.after(case, CaseState.ROUTED, CaseState.ANSWERED)
    await informed(office, case, way)
    replied = await told.after(case, CaseState.RESOLVED)
    await office.resolve(case, RESULT)
    closing = await told.after(case, CaseState.OPENED, CaseState.RESOLVED)

    assert (routed.state, routed.team) == (CaseState.ROUTED, "metering")
    assert unanswered.value.code == "answer_missing"
    assert opening == worded(case, way.opening)
    assert between == []
    assert replied == worded(case, way.reply)
    assert closing == worded(case, way.closing)
    assert await told.after(case, CaseState.OPENED, CaseState.RESOLVED) == []
    assert {one.address for one in told.messages} <= {"+905330000201", "halil@example.com"}
    said = "".join(one.subject + one.text + one.html for one in told.messages)
    code = case.tracking_code or ""
    assert (code in said.replace("-", "")) is way.coded
    assert (RESULT in said) is (RESULTED in way.closing)
    assert await noticed(office) == ([case.number] if way.notice else [])
    if way.coded:
        assert await followed(office, case) == CaseState.RESOLVED
    assert (await office.assess(case, **officers(way))).state == CaseState.ASSESSED


async def noticed(office: Office) -> list[str]:
    """Return the cases with which the privacy notice was shown."""
    async with office.house.sessions() as tx:
        shown = (await tx.execute(select(table(ShownNoticeRow)))).all()
    return [str(one.details["case"]) for one in shown]


async def followed(office: Office, case: CaseView) -> str:
    """Return where the web site shows a case to be whose code somebody types."""
    async with office.house.sessions() as tx:
        assert await find_tracked(tx, new_tracking_code()) is None
        found = await find_tracked(tx, grouped(case.tracking_code or ""))
    assert found is not None
    assert "halil" not in repr(found)
    return found.state


def officers(way: Line) -> dict[str, bool]:
    """Answer what only an officer can say of a case."""
    return {"no_third_person": True} | ({"answer_complete": True} if way.coded else {})


@pytest.mark.parametrize("way", INFORMED)
async def test_what_was_only_information_is_told_at_most_once(office: Office, way: Line) -> None:
    told = Told(office=office)

    case = await office.open(way.channel, information="Fatura anlatıldı")
    all_told = await told.after(case, CaseState.OPENED, CaseState.RESOLVED)

    assert (case.state, case.closure) == (CaseState.RESOLVED, "information_given")
    assert all_told == worded(case, way.closing)
    assert await noticed(office) == ([case.number] if way.notice else [])
    assert await office.tasks() == ()
    with pytest.raises(RefusedTransitionError):
        await office.resolve(case, RESULT)
    with pytest.raises(ConflictError) as elsewhere:
        await office.open("web", information="Fatura anlatıldı")
    assert elsewhere.value.code == "not_informed_at_once"


def test_the_matrix_has_every_channel() -> None:
    lines = [one.values[0].channel for one in (*ROUTED, *INFORMED)]  # type: ignore[attr-defined]  # pytest's

    assert {*lines, "whatsapp"} == CHANNELS
