"""The public channels, judged by others' readers: OASIS' schema, a feed reader, a calendar."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import feedparser
import pytest
import xmlschema
from icalendar import Calendar

from tellal.domain.status import PublicOutage, PublicState, Snapshot, Update
from templates.status import cap
from templates.status.addresses import served
from templates.status.channels import channels
from templates.status.words import LANGUAGES, Words, language_of
from tests.support.public import EXAMPLE, EXERCISE, FAILURE, NOON, OVER, PLANNED, QUIET

SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[1] / "support" / "cap" / "CAP-v1.2.xsd")
CAP = {"cap": "urn:oasis:names:tc:emergency:cap:1.2"}
CHANNELS = channels()


def write(name: str, snapshot: Snapshot, language: str = "tr", *, stale: bool = False) -> str:
    words = Words(language, snapshot.brand.timezone)
    to = served("https://durum.example", snapshot, language)
    return CHANNELS[name].write(snapshot, words, to, stale=stale)


def alerts_of(outage: PublicOutage, snapshot: Snapshot = EXAMPLE) -> list[ET.Element]:
    """Write every alert of an outage, each as the schema wants it."""
    to = served("https://durum.example", snapshot, "tr")
    numbers = range(1, len(cap.messages_of(outage)) + 1)
    written = [cap.cap(snapshot, outage, number, to) for number in numbers]
    for text in written:
        SCHEMA.validate(text)
    return [ET.fromstring(text) for text in written]


def text_of(alert: ET.Element, path: str) -> str:
    found = alert.find(path, CAP)
    assert found is not None, path
    return found.text or ""


@pytest.mark.req("B05", "allows")
def test_json_speaks_as_statuspage_does() -> None:
    document: dict[str, Any] = json.loads(write("status.json", EXAMPLE, "en"))

    assert document["status"] == {"indicator": "major", "description": "Partial outage"}
    assert document["page"]["name"] == "Anadolu Elektrik A.Ş."
    assert [one["status"] for one in document["components"]] == [
        "partial_outage",
        "operational",
        "under_maintenance",
        "degraded_performance",
    ]
    (incident,) = document["incidents"]
    assert (incident["status"], incident["impact"]) == ("identified", "major")
    assert [one["status"] for one in incident["incident_updates"]] == ["identified", "identified"]
    assert incident["incident_updates"][0]["body"].startswith("A new transformer")
    assert incident["incident_updates"][0]["bodies"]["tr"].startswith("Yeni trafo")
    assert incident["expected_ends"][0]["expected_end"] == "2026-03-02T11:00:00.000Z"
    (works,) = document["scheduled_maintenances"]
    assert (works["impact"], works["scheduled_for"]) == ("maintenance", "2026-03-04T09:00:00.000Z")
    assert [one["status"] for one in document["history"]] == ["resolved"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("snapshot", [EXAMPLE, EXERCISE, QUIET], ids=["busy", "exercise", "quiet"])
def test_the_feed_is_read_without_a_complaint(snapshot: Snapshot, language: str) -> None:
    read = feedparser.parse(write("status.atom", snapshot, language))

    assert not read.bozo
    assert read.version == "atom10"
    assert read.feed.updated_parsed
    assert read.feed.language == language
    assert len(read.entries) == sum(len(one.updates) for one in snapshot.all())
    assert all(one.id.startswith("tag:durum.example,2026:outage/") for one in read.entries)
    assert all(one.link and one.title and one.updated_parsed for one in read.entries)


def test_ids_of_the_feed_stay_when_more_is_said() -> None:
    def ids(snapshot: Snapshot) -> list[str]:
        return [one.id for one in feedparser.parse(write("status.atom", snapshot)).entries]

    one = Update(number=3, at=NOON + timedelta(hours=2), state=PublicState.MONITORING, text={})
    more = replace(EXAMPLE, outages=(replace(FAILURE, updates=(one, *FAILURE.updates)),))

    assert ids(more)[1:] == ids(EXAMPLE)
    assert ids(more)[0] == f"tag:durum.example,2026:outage/{FAILURE.id}/3"


def test_what_xml_cannot_write_is_left_out() -> None:
    broken = replace(FAILURE, title="Arıza\x0b <b>&\x00 \ud800")

    (entry, *_) = feedparser.parse(
        write("status.atom", replace(EXAMPLE, outages=(broken,)))
    ).entries
    (alert, *_) = alerts_of(broken)

    assert entry.title.startswith("Arıza")
    assert text_of(alert, "cap:info/cap:headline").startswith("Arıza <b>& ")


def works_of(snapshot: Snapshot) -> list[Any]:
    return list(Calendar.from_ical(write("status.ics", snapshot)).walk("VEVENT"))


def test_planned_works_are_events() -> None:
    (event,) = works_of(EXAMPLE)

    assert event["UID"] == f"{PLANNED.id}@durum.example"
    assert (event["SEQUENCE"], event["STATUS"]) == (0, "CONFIRMED")
    assert (event.start, event.end) == (PLANNED.since, PLANNED.expected_end)
    assert event["SUMMARY"] == PLANNED.title
    assert "Hatların yenilenmesi" in event["DESCRIPTION"]
    assert event["LOCATION"] == "Odunpazarı, Eskişehir"


def test_a_changed_event_has_a_higher_sequence_and_a_cancelled_one_says_so() -> None:
    moved = Update(
        number=2,
        at=NOON,
        state=PublicState.SCHEDULED,
        text={},
        starts_at=PLANNED.since + timedelta(days=1),
    )
    gone = replace(moved, number=3, state=PublicState.COMPLETED, cancelled=True)
    later = replace(PLANNED, updates=(moved, *PLANNED.updates))
    cancelled = replace(
        later,
        state=PublicState.COMPLETED,
        cancelled=True,
        ended=NOON,
        updates=(gone, *later.updates),
    )

    (second,) = works_of(replace(EXAMPLE, planned=(later,)))
    (third,) = works_of(replace(EXAMPLE, planned=(), history=(cancelled,)))

    assert second["SEQUENCE"] == 1
    assert (third["SEQUENCE"], third["STATUS"]) == (2, "CANCELLED")
    assert third.end == PLANNED.expected_end


def test_alerts_follow_each_other_to_the_all_clear() -> None:
    first, second = alerts_of(OVER)

    assert text_of(first, "cap:msgType") == "Alert"
    assert first.find("cap:references", CAP) is None
    assert text_of(first, "cap:status") == "Actual"
    assert text_of(first, "cap:sent").endswith("+03:00")
    assert text_of(first, "cap:info/cap:urgency") == "Immediate"
    assert text_of(first, "cap:info/cap:certainty") == "Observed"
    assert first.find("cap:info/cap:responseType", CAP) is None
    assert text_of(second, "cap:msgType") == "Update"
    assert text_of(second, "cap:info/cap:responseType") == "AllClear"
    assert text_of(second, "cap:info/cap:urgency") == "Past"
    assert text_of(second, "cap:references") == ",".join(
        text_of(first, f"cap:{part}") for part in ("sender", "identifier", "sent")
    )


def test_an_alert_says_what_to_do_in_every_language() -> None:
    first, second = alerts_of(FAILURE)

    assert [one.text for one in first.findall("cap:info/cap:language", CAP)] == ["tr", "en"]
    assert text_of(first, "cap:info/cap:instruction") == FAILURE.workaround
    assert text_of(first, "cap:info/cap:contact") == "186"
    assert text_of(first, "cap:info/cap:area/cap:areaDesc") == "Tepebaşı, Eskişehir"
    assert text_of(first, "cap:info/cap:expires") == "2026-03-02T14:00:00+03:00"
    assert text_of(second, "cap:info/cap:expires") == "2026-03-02T15:00:00+03:00"


def test_cancelled_works_cancel_their_alert() -> None:
    gone = Update(number=2, at=NOON, state=PublicState.COMPLETED, text={}, cancelled=True)
    cancelled = replace(PLANNED, cancelled=True, updates=(gone, *PLANNED.updates))

    first, second = alerts_of(cancelled)

    assert (text_of(first, "cap:msgType"), text_of(second, "cap:msgType")) == ("Alert", "Cancel")
    assert text_of(first, "cap:info/cap:urgency") == "Future"


def test_an_exercise_is_called_one_wherever_it_is_read() -> None:
    (alert, _) = alerts_of(EXERCISE.outages[0], EXERCISE)

    assert text_of(alert, "cap:status") == "Exercise"
    assert text_of(alert, "cap:info/cap:headline").startswith("TATBİKAT")
    for name in CHANNELS.keys() - {"status.json", "banner.json", "status.ics"}:
        assert "EXERCISE" in write(name, EXERCISE, "en"), name
    assert json.loads(write("status.json", EXERCISE))["exercise"] is True
    assert "EXERCISE" in json.loads(write("banner.json", EXERCISE, "en"))["banners"]["app"]["line"]


@pytest.mark.req("B16", "blocks")
@pytest.mark.req("B16", "allows")
def test_of_a_suspicion_there_is_no_alert() -> None:
    said = Update(
        number=1,
        at=NOON,
        state=PublicState.INVESTIGATING,
        text={"tr": "Bakıyoruz."},
        confirmed=False,
    )
    suspicion = replace(
        FAILURE, state=PublicState.INVESTIGATING, title="", confirmed=False, updates=(said,)
    )
    snapshot = replace(EXAMPLE, outages=(suspicion,))

    assert cap.messages_of(suspicion) == ()
    assert json.loads(write("banner.json", snapshot))["banners"]["login"]["line"].startswith(
        "Bakıyoruz."
    )
    (incident,) = json.loads(write("status.json", snapshot))["incidents"]
    assert (incident["impact"], incident["status"]) == ("none", "investigating")


@pytest.mark.req("B05", "blocks")
@pytest.mark.req("B05", "allows")
def test_the_banner_says_it_in_a_line_on_every_surface() -> None:
    long = replace(FAILURE, title="Arıza " * 40)

    banners = json.loads(write("banner.json", EXAMPLE))["banners"]
    cut = json.loads(write("banner.json", replace(EXAMPLE, outages=(long,))))["banners"]["app"]
    quiet = json.loads(write("banner.json", QUIET))["banners"]

    assert banners["login"]["line"] == (
        "Tepebaşı trafo arızası (Tepebaşı, Eskişehir). Beklenen bitiş: 02.03.2026 15:00. "
        "Hassas cihazların fişini çekin."
    )
    assert banners["app"]["line"] == "Tepebaşı trafo arızası (Tepebaşı, Eskişehir)."
    assert len(cut["line"]) == 120
    assert quiet == {"login": None, "app": None}


@pytest.mark.req("B06", "allows")
def test_the_hotline_reads_out_what_is_and_what_is_to_come() -> None:
    failure = replace(FAILURE, hotline_text={"pl": "Pracujemy nad usunięciem awarii."})

    text = write("hotline.txt", replace(EXAMPLE, outages=(failure,)), "pl")

    failure_line, works_line = text.splitlines()
    assert failure_line == (
        "Pracujemy nad usunięciem awarii. A new transformer is on its way; it takes an hour more. "
        "Przewidywany koniec: 02.03.2026 15:00. Hassas cihazların fişini çekin."
    )
    assert works_line == (
        "Planowane prace: Odunpazarı hat bakımı (Odunpazarı, Eskişehir). "
        "Początek: 04.03.2026 12:00. Przewidywany koniec: 04.03.2026 16:00."
    )
    assert write("hotline.txt", QUIET, "en") == "There is no known outage at present.\n"
    assert "son bilinen" in write("hotline.txt", QUIET, stale=True)


def test_an_outage_is_shown_where_its_kind_says() -> None:
    quiet = replace(FAILURE, places=("page", "social"))
    snapshot = replace(EXAMPLE, outages=(quiet,))

    for name in ("status.html", "status.json"):
        assert FAILURE.title in write(name, snapshot), name
    for name in ("status.atom", "hotline.txt"):
        assert FAILURE.title in write(name, EXAMPLE), name
        assert FAILURE.title not in write(name, snapshot), name
    assert json.loads(write("banner.json", snapshot))["banners"]["login"] is None
    assert cap.messages_of(quiet) == ()


@pytest.mark.parametrize(
    ("wanted", "accepted", "country", "spoken"),
    [
        ("pl", "tr", "TR", "pl"),
        ("", "de-DE,en;q=0.5,tr;q=0.9", "PL", "tr"),
        ("xx", "de, *;q=0.1", "PL", "pl"),
        ("", "en;q=0, pl;q=x", "TR", "tr"),
        ("", "", "DE", "en"),
        ("en-US", "", "TR", "en"),
    ],
)
def test_the_reader_is_spoken_to_in_his_language(
    wanted: str, accepted: str, country: str, spoken: str
) -> None:
    assert language_of(wanted, accepted, country) == spoken


@pytest.mark.parametrize("name", sorted(CHANNELS))
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_channel_speaks_every_language(name: str, language: str) -> None:
    busy, quiet = write(name, EXAMPLE, language), write(name, QUIET, language)

    assert busy != quiet
    assert "None" not in busy
