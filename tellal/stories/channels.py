"""One distributor, ten intake channels: what each applicant gets, line by line of one table.

The switchboard is in it twice: for a fault, and for a question that is answered on the spot. Every
call of the officers is said twice, and the worker is killed while all cases are on their way.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast as typed

from tellal.domain.tracking import grouped
from tellal.stories.cast import DISTRIBUTOR, Ensemble
from tellal.stories.client import Caller, Carrier, Json, Mailbox
from tellal.stories.scene import Scene

_REPEATS = 2
RESULT = "Sayacınız değiştirildi."
REPLY = "Sayacınız incelendi ve doğru ölçtüğü görüldü."

_WORDS: Mapping[str, str] = {
    "opened": "Başvurunuz alındı. Kayıt no: {number}. Sonucunu bildireceğiz.",
    "opened, with the code": "Başvurunuz alındı. Kayıt no: {number} Takip kodu: {code}",
    "resolved": "{number} no.lu başvurunuz sonuçlandı. Bilgi: 186",
    "resolved, with the result": "{number} no.lu başvurunuz sonuçlandı: " + RESULT,
    "opened and resolved": "{number} no.lu kaydınız açıldı ve sonuçlandı. Bilgi: 186",
}
"""Text messages by what they are; whatever else comes is shown as it is."""
_SUBJECTS: Mapping[str, str] = {
    "instant, by mail": "Görüşmeniz kaydedildi",
    "reply, by mail": "Başvurunuzun cevabı: {number}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the matrix: what an applicant gets, and what must come before the end.

    `too_early` is the answer to who would conclude a routed case before the applicant was informed;
    `refused` the answer to who opens one. `informed_by` is the command that informs him.
    """

    applicant: str
    channel: str
    gets: tuple[str, ...] = ()
    informed_by: str = ""
    too_early: str = ""
    notice_shown: bool = False
    refused: str = ""
    called_first: bool = False
    says: Mapping[str, object] = field(default_factory=dict)

    @property
    def phone(self) -> str:
        """The applicant's number; he has one of his own."""
        return f"+9053300003{_PLACES[self.applicant]:02}"

    @property
    def mail(self) -> str:
        """His address."""
        return f"{self.applicant}@basvuru.example"


_CALLED: dict[str, Any] = {"informed_by": "call", "too_early": "call_missing"}
_TWICE = ("opened", "resolved")
_WRITTEN: dict[str, Any] = {
    "informed_by": "reply",
    "too_early": "reply_missing",
    "notice_shown": True,
}
MATRIX = (
    Row(applicant="nazan", channel="solution_point", gets=_TWICE, **_CALLED),
    Row(applicant="orhan", channel="online", gets=("instant, by mail",)),
    Row(applicant="pelin", channel="app", gets=_TWICE, **_CALLED),
    Row(
        applicant="recep",
        channel="written",
        gets=("opened, with the code", "resolved"),
        says={"form_reference": "F-118", "reply_by": "letter", "special_category": "health"},
        **_WRITTEN,
    ),
    Row(
        applicant="selin",
        channel="face_to_face",
        notice_shown=True,
        says={"information": "Fatura okumayı anlattık", "queue_ticket": "B017"},
    ),
    Row(applicant="tamer", channel="switchboard", gets=_TWICE, **_CALLED),
    Row(
        applicant="umut",
        channel="switchboard",
        gets=("opened and resolved",),
        says={"information": "Çalışma saatleri söylendi"},
    ),
    Row(applicant="vildan", channel="whatsapp", refused="channel_disabled"),
    Row(
        applicant="yasin",
        channel="info_email",
        gets=("opened, with the code", "reply, by mail", "resolved"),
        says={"reply_by": "email"},
        **_WRITTEN,
    ),
    Row(
        applicant="zuhal",
        channel="web",
        gets=("opened", "resolved, with the result"),
        **_CALLED,
    ),
    Row(applicant="adem", channel="social_media", gets=("resolved",), called_first=True, **_CALLED),
)
"""The matrix, from which everything is expected that this story expects of messages."""
_IN_VAIN = MATRIX[0]
"""Who is called in vain first."""
_PLACES = {row.applicant: place for place, row in enumerate(MATRIX)}


@dataclass(kw_only=True)
class _Office:
    scene: Scene
    utility: Caller
    carrier: Carrier
    mailbox: Mailbox
    cases: dict[str, Json] = field(default_factory=dict)

    def case(self, row: Row) -> Json:
        return self.cases[row.applicant]

    async def do(self, row: Row, command: str, **body: object) -> Json:
        path = f"/cases/{self.case(row)['number']}/{command}"
        return await self.utility.write(path, body, times=_REPEATS)

    async def refused(self, row: Row, command: str, **body: object) -> str:
        path = f"/cases/{self.case(row)['number']}/{command}"
        answer = await self.utility.attempt(path, body, times=_REPEATS)
        return typed(str, answer.json().get("code", f"{answer.status_code}"))

    async def got(self, row: Row) -> list[str]:
        """Return what an applicant got, in the words of the table."""
        texts = [one["text"] for one in await self.carrier.book(to=row.phone, limit=50)]
        subjects = [one["subject"] for one in await self.mailbox.letters(row.mail)]
        case = self.cases.get(row.applicant, {})
        words = {
            "number": case.get("number", ""),
            "code": grouped(str(case.get("tracking_code", ""))),
        }
        names = {form.format(**words): name for name, form in _WORDS.items()}
        names |= {form.format(**words): name for name, form in _SUBJECTS.items()}
        return sorted(names.get(one, one) for one in (*texts, *subjects))


async def play(scene: Scene, ensemble: Ensemble) -> None:
    """Play the story of the channels."""
    stage = scene.stage
    async with (
        Caller(stage.api_url, ensemble.keys[DISTRIBUTOR]) as utility,
        Carrier(stage.carrier_url) as carrier,
        Mailbox(stage.mailbox_url) as mailbox,
    ):
        office = _Office(scene=scene, utility=utility, carrier=carrier, mailbox=mailbox)
        scene.say("Eleven people apply over ten channels; every call of the officers comes twice.")
        await asyncio.gather(*(_apply(office, row) for row in MATRIX))
        await asyncio.gather(*(_opening(office, row) for row in _working()))
        await asyncio.gather(*(_route(office, row) for row in _working()))
        scene.say("The worker is killed while all of them wait, and started again.")
        await asyncio.to_thread(stage.worker.kill)
        await asyncio.gather(*(_answer(office, row) for row in _working()))
        await asyncio.to_thread(stage.worker.start)
        await _no_answer(office)
        await asyncio.gather(*(_inform(office, row) for row in _working()))
        await asyncio.gather(*(_conclude(office, row) for row in _working()))
        await _compare(office)
        await _after(office)


def _working() -> list[Row]:
    """Return those whose case is to be worked on: open, and with more than an answer at once."""
    return [row for row in MATRIX if not row.refused and "information" not in row.says]


async def _apply(office: _Office, row: Row) -> None:
    await office.utility.customer(row.applicant, contacts={"sms": row.phone, "email": row.mail})
    said = {"customer": row.applicant, "channel": row.channel, "subject": "Sayaç", **row.says}
    answer = await office.utility.attempt("/cases", said, times=_REPEATS)
    if row.refused:
        office.scene.expect(
            f"{row.channel} is not open yet, and says so (E31)",
            (409, row.refused),
            (answer.status_code, answer.json().get("code")),
        )
        return
    answer.raise_for_status()
    office.cases[row.applicant] = answer.json()


async def _opening(office: _Office, row: Row) -> None:
    """Wait for what comes at the opening, so that the order of messages is seen, too."""
    first = [name for name in row.gets if name.startswith(("opened", "instant"))]
    seen = await office.scene.until(lambda: office.got(row), lambda got: len(got) >= len(first))
    office.scene.expect(f"{row.channel}: at the opening", first, seen)


async def _route(office: _Office, row: Row) -> None:
    if "special_category" in row.says:
        office.scene.expect(
            "data on health are worked on only with a signed consent; the SMS did not wait (E15)",
            "explicit_consent_missing",
            await office.refused(row, "route", team="metering"),
        )
        signed = {"kind": "wet", "file": "KVK-17"}
        said = {
            "category": "health",
            "state": "granted",
            "document": "acik-riza",
            "version": "1",
            "language": "tr",
            "signature": signed,
        }
        path = f"/customers/{row.applicant}/explicit-consents"
        await office.utility.write(path, said, times=_REPEATS)
    if row.called_first:
        office.scene.expect(
            f"{row.channel}: nothing is concluded before the first call (E40)",
            "first_contact_missing",
            await office.refused(row, "resolve", result=RESULT),
        )
        await _call_task(office, row, "first_contact", told_result=False)
    await office.do(row, "route", team="metering")


async def _answer(office: _Office, row: Row) -> None:
    await office.do(row, "answer", answer="The meter was replaced.")


async def _no_answer(office: _Office) -> None:
    """Somebody does not pick up, and a stranger does: neither call lets the case be concluded."""
    row = _IN_VAIN
    await office.do(row, "call", outcome="no_answer")
    after_silence = await office.refused(row, "resolve", result=RESULT)
    await office.do(row, "call", outcome="reached", verified_as="unverified")
    after_stranger = await office.refused(row, "resolve", result=RESULT)
    office.scene.expect(
        "neither silence nor a stranger on the line counts as the call (E19, E43)",
        ("call_missing", "not_verified"),
        (after_silence, after_stranger),
    )


async def _inform(office: _Office, row: Row) -> None:
    if row.too_early and row is not _IN_VAIN:
        office.scene.expect(
            f"{row.channel}: not before he is informed",
            row.too_early,
            await office.refused(row, "resolve", result=RESULT),
        )
    if row.informed_by == "call":
        await _call_task(office, row, "inform", told_result=True)
    if row.informed_by == "reply":
        way = row.says["reply_by"]
        await office.do(row, "reply", way=way, text=REPLY)
        if way == "email":
            await office.scene.until(lambda: office.got(row), lambda got: "reply, by mail" in got)


async def _call_task(office: _Office, row: Row, purpose: str, *, told_result: bool) -> None:
    """Take the task, call, and tell how it went."""
    number = office.case(row)["number"]
    page = await office.utility.get("/call-tasks", limit=200)
    [task] = [
        one
        for one in typed(list[Json], page["items"])
        if one["case"] == number and one["purpose"] == purpose and one["ended_at"] is None
    ]
    path = f"/call-tasks/{task['id']}"
    desk = {"officer": f"desk-{row.applicant}"}
    if not task["attempts"]:
        await office.utility.write(f"{path}/claim", desk, times=_REPEATS)
    said = {"outcome": "reached", "verified_as": "applicant", "told_result": told_result}
    await office.utility.write(f"{path}/outcome", {**desk, **said}, times=_REPEATS)


async def _conclude(office: _Office, row: Row) -> None:
    await office.do(row, "resolve", result=RESULT)


async def _compare(office: _Office) -> None:
    """Hold what everybody got against the table, when nothing more comes."""
    scene = office.scene

    async def everybody() -> list[list[str]]:
        return [await office.got(row) for row in MATRIX]

    wanted = sum(len(row.gets) for row in MATRIX)
    await scene.until(everybody, lambda got: sum(map(len, got)) >= wanted)
    got = await scene.settled(everybody)
    for row, messages in zip(MATRIX, got, strict=True):
        again = " (information only)" if "information" in row.says else ""
        scene.expect(f"{row.channel}{again}: as the matrix says", sorted(row.gets), messages)
    for row in MATRIX:
        shown = await office.utility.get(f"/customers/{row.applicant}/notices")
        scene.expect(
            f"{row.applicant}: the privacy notice (E15, E34)",
            row.notice_shown,
            bool(shown["items"]),
        )


async def _after(office: _Office) -> None:
    """Assess a case, and print the letter of another."""
    scene = office.scene
    row = next(one for one in MATRIX if one.says.get("reply_by") == "letter")
    number = office.case(row)["number"]
    answers = {"no_third_person": True, "answer_complete": True}
    await office.do(row, "survey", score=5, comment="")
    done = await office.do(row, "assess", answers=answers)
    sheet = await office.utility.get(f"/cases/{number}/assessment")
    computed = {one["id"]: one["answer"] for one in sheet["items"] if one["computed"]}
    scene.expect(
        "its checklist is computed from the records (E20)",
        (
            "assessed",
            {
                "deadline_kept": True,
                "notices_sent": True,
                "replied": True,
                "privacy_notice": True,
                "consent": True,
            },
            True,
        ),
        (done["state"], computed, sheet["fulfilled"]),
    )
    scene.expect("and what he thought of it is kept", 5, sheet["survey"]["score"])
    letter = await office.utility.file(f"/cases/{number}/letter")
    scene.expect("the reply on paper is a PDF (E16)", True, letter.startswith(b"%PDF-"))
