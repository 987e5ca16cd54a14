"""What is said about incidents beforehand is read strictly, and mistakes have a place."""

import shutil
from datetime import time, timedelta
from pathlib import Path

import pytest

from rules.incident_checks import check_incidents
from rules.incident_files import SHIPPED, load_incidents, read_incidents
from rules.ir import fields_of
from rules.routing import load_routes
from rules.rulebook import load_rulebook
from rules.standing import parse_segment
from tellal.domain.channels import Channel
from tellal.domain.errors import RulebookError
from tellal.domain.incidents import PublicChannel
from tellal.domain.outages import NoticeKind, OutageKind

INCIDENTS = load_incidents()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(SHIPPED, tmp_path / "incidents")
    return tmp_path / "incidents"


def change(folder: Path, name: str, good: str, bad: str) -> None:
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert good in text
    path.write_text(text.replace(good, bad, 1), encoding="utf-8")


def refused(folder: Path) -> str:
    with pytest.raises(RulebookError) as caught:
        load_incidents(folder)
    return str(caught.value)


def test_what_ships_fits_the_rulebook_and_the_routes_that_ship() -> None:
    assert check_incidents(read_incidents(), load_rulebook(), load_routes()) == []


@pytest.mark.req("B02", "blocks")
@pytest.mark.req("B02", "allows")
def test_when_mobile_banking_is_down_people_read_of_it_and_get_no_text_message() -> None:
    kind = INCIDENTS.kinds["mobile_banking_down"]

    assert kind.channels == (Channel.EMAIL,)
    assert {PublicChannel.PAGE, PublicChannel.SOCIAL} <= set(kind.public)
    assert kind.components == ("app_backend",)


@pytest.mark.req("B07", "allows")
@pytest.mark.parametrize("name", ["planned_banking", "planned_power"])
def test_planned_works_are_announced_in_the_app_first(name: str) -> None:
    kind = INCIDENTS.kinds[name]

    assert kind.kind is OutageKind.PLANNED
    assert kind.channels[0] is Channel.PUSH
    assert kind.topics[NoticeKind.REMINDER] == "planned_reminder"


@pytest.mark.req("B10", "allows")
@pytest.mark.parametrize(
    ("country", "sector", "lead"),
    [
        ("TR", "electricity", timedelta(hours=48)),
        ("PL", "electricity", timedelta(days=5)),
        ("TR", "banking", timedelta(days=1)),
        ("PL", "banking", timedelta(days=1)),
    ],
)
def test_works_are_announced_beforehand(country: str, sector: str, lead: timedelta) -> None:
    found = INCIDENTS.lead_time(country, sector)

    assert found is not None
    assert found.lead == lead
    assert found.source


@pytest.mark.req("B09", "allows")
def test_a_bank_works_at_night() -> None:
    found = INCIDENTS.lead_time("PL", "banking")

    assert found is not None
    assert (found.work_from, found.work_until) == (time(0), time(6))


def test_a_country_of_which_nothing_is_said_asks_nothing() -> None:
    assert INCIDENTS.lead_time("DE", "banking") is None


@pytest.mark.req("B18", "blocks")
def test_what_depends_on_a_failed_component_fails_with_it_however_far() -> None:
    assert INCIDENTS.failed_with(frozenset({"core_banking"})) == {
        "core_banking", "app_backend", "online_banking", "payment_switch", "pos_terminals", "atms",
    }  # fmt: skip
    assert "sms_gateway" in INCIDENTS.failed_with(frozenset({"mobile_network"}))
    assert load_routes().needs[Channel.SMS] == {"sms_gateway"}


@pytest.mark.req("B19")
def test_there_are_presets_for_a_bank_and_for_a_distributor() -> None:
    sectors = [INCIDENTS.kinds[one.incident].sector for one in INCIDENTS.presets.values()]

    assert len(sectors) >= 6
    assert {"banking", "electricity"} <= set(sectors)


@pytest.mark.parametrize("preset", INCIDENTS.presets.values(), ids=lambda one: str(one.id))
def test_a_preset_says_what_people_can_do_or_that_nothing_is_known(preset: object) -> None:
    workaround, none_known = (getattr(preset, name) for name in ("workaround", "no_workaround"))

    assert bool(workaround) is not none_known


def test_conditions_are_kept_as_a_segment_takes_them() -> None:
    priority = INCIDENTS.kinds["power_failure"].priority

    assert type(priority) is dict
    assert fields_of(parse_segment(load_rulebook(), priority)) == {"customer.life_support"}


@pytest.mark.parametrize(
    ("name", "good", "bad", "told"),
    [
        pytest.param(
            "kinds.yaml", "severity: major", "severity: mayor",
            "'severity': 'mayor' is not one of minor, major, critical (did you mean 'major'?)",
            id="choice",
        ),
        pytest.param(
            "kinds.yaml", "email_from: 2h", "emial_from: 2h",
            "unknown key 'emial_from' (did you mean 'email_from'?)",
            id="key",
        ),
        pytest.param(
            "kinds.yaml", "      notice: outage_notice\n", "", "'notice' is missing", id="no notice"
        ),
        pytest.param(
            "kinds.yaml", "margin: 3m", "useful_until: 50",
            "'useful_until' is a share above 0 and up to 1, found 50 (as in 0.5)",
            id="share",
        ),
        pytest.param(
            "kinds.yaml", "[app_backend]", "[app_back_end]",
            "there is no component 'app_back_end' (did you mean 'app_backend'?)",
            id="component",
        ),
        pytest.param(
            "kinds.yaml", "id: power_failure", "id: planned_banking",
            "a second kind planned_banking (the first is at kinds.yaml:",
            id="twice",
        ),
        pytest.param(
            "kinds.yaml", "signals: 20", "signals: few", "'signals' is a whole number", id="signals"
        ),
        pytest.param(
            "kinds.yaml", "en: mobile banking outage, ", "",
            "'what' has no English words (add 'en', which others fall back on)",
            id="no English",
        ),
        pytest.param(
            "kinds.yaml", "{tr: mobil", "{turkish: mobil", "'turkish' is no language", id="language"
        ),
        pytest.param(
            "components.yaml", "depends_on: [power_grid]", "depends_on: [street_lighting]",
            "'street_lighting' depends on itself (break the circle)",
            id="circle",
        ),
        pytest.param(
            "components.yaml", "hidden: true", "hidden: yes!", "is true or false", id="flag"
        ),
        pytest.param(
            "lead_times.yaml", "country: PL", "country: Polska", "'Polska' is no country",
            id="country",
        ),
        pytest.param(
            "lead_times.yaml", "remind_before: 1d", "remind_before: 6d",
            "a reminder comes after the announcement, not before it",
            id="reminder",
        ),
        pytest.param(
            "lead_times.yaml", "[09:00, 17:00]", "[9, 17]", "'work' is", id="hours"
        ),
        pytest.param(
            "presets/bank.yaml", "incident: online_banking_down", "incident: web_banking_down",
            "presets/bank.yaml:11:5: there is no kind 'web_banking_down' "
            "(did you mean 'online_banking_down'?)",
            id="incident",
        ),
        pytest.param(
            "presets/bank.yaml", "no_workaround: true", "no_workaround: false",
            "a preset says what people can do meanwhile, or that nothing is known",
            id="workaround",
        ),
        pytest.param(
            "presets/distributor.yaml", "[{district: tepebasi}]", "[{distrct: tepebasi}]",
            "unknown key 'distrct' (did you mean 'district'?)",
            id="area",
        ),
        pytest.param(
            "presets/distributor.yaml", "[{district: tepebasi}]", "[tepebasi]",
            "'areas' is a list of mappings",
            id="no area",
        ),
        pytest.param(
            "presets/operator.yaml", "version: 1", "version: 2",
            "a file about incidents says 'version: 1'",
            id="version",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(
    folder: Path, name: str, good: str, bad: str, told: str
) -> None:
    change(folder, name, good, bad)

    complaint = refused(folder)

    assert told in complaint
    assert complaint.startswith(f"{name}:")


def test_a_file_that_is_missing_is_named(folder: Path) -> None:
    (folder / "kinds.yaml").unlink()

    assert "the file of kinds cannot be read" in refused(folder)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    assert "there is no such folder of incidents" in refused(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "good", "bad", "told", "warns"),
    [
        pytest.param(
            "kinds.yaml", "notice: outage_notice", "notice: outage_notise",
            "the rulebook has no topic 'outage_notise' (did you mean 'outage_notice'?)", False,
            id="topic",
        ),
        pytest.param(
            "kinds.yaml", "customer.life_support", "customer.life_suport",
            "unknown field 'customer.life_suport' (did you mean 'customer.life_support'?)", False,
            id="condition",
        ),
        pytest.param(
            "kinds.yaml", "reminder: planned_reminder", "compensation: outage_compensation",
            "a planned outage has no compensation", False,
            id="no such notice",
        ),
        pytest.param(
            "kinds.yaml", "      compensation: outage_compensation\n", "",
            "'compensate_after' is told with a text, and none is named", False,
            id="no text",
        ),
        pytest.param(
            "kinds.yaml", "channels: [email] ", "channels: [whatsapp] ",
            "no channels rule of 'outage_notice' names whatsapp", True,
            id="channel",
        ),
        pytest.param(
            "kinds.yaml",
            "sector: electricity\n    severity: minor", "sector: gas\n    severity: minor",
            "nothing says how long beforehand works of 'gas' are announced", True,
            id="lead time",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_out_is_found(
    folder: Path, name: str, good: str, bad: str, told: str, *, warns: bool
) -> None:
    change(folder, name, good, bad)

    found = check_incidents(read_incidents(folder), load_rulebook(), load_routes())

    [one] = found
    assert told in str(one)
    assert str(one).startswith(f"{name}:")
    assert one.warns is warns


def test_a_component_that_a_channel_needs_has_to_be_declared(folder: Path) -> None:
    change(folder, "components.yaml", "id: mail_gateway", "id: mail_server")

    [one] = check_incidents(read_incidents(folder), load_rulebook(), load_routes())

    assert "email needs 'mail_gateway', and there is no such component" in str(one)
