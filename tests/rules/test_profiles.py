"""Intake profiles: those that ship, and what a broken one is told."""

from datetime import timedelta
from pathlib import Path

import pytest

from rules.profiles import CallBeforeClose, IntakeProfile, load_profiles
from rules.rulebook import load_rulebook
from tellal.domain.cases import CaseState, Moment
from tellal.domain.errors import RulebookError

GOOD = """\
id: branch
name: Branch
notices:
  opened: [case_opened]
  resolved: [case_resolved, case_resolved_push]
remind_after: {routed: 24h, answered: 30m}
"""


def findings(folder: Path, **files: str) -> list[tuple[str, int, int, str, str]]:
    """Write profiles into a folder and return what is wrong with them."""
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(RulebookError) as refused:
        load_profiles(folder)
    return [
        (one.file, one.line, one.column, one.message, one.hint) for one in refused.value.findings
    ]


ROWS = {
    "solution_point", "online", "app", "written", "face_to_face", "switchboard", "whatsapp",
    "info_email", "web", "social_media",
}  # fmt: skip


def test_a_profile_ships_for_every_channel_of_the_matrix() -> None:
    profiles = load_profiles()

    assert set(profiles) == ROWS
    assert [one.id for one in profiles.values() if not one.enabled] == ["whatsapp"]


def test_the_topics_of_the_profiles_that_ship_are_in_the_rulebook() -> None:
    assert load_profiles(topics=load_rulebook().topics)


def test_a_topic_that_no_rule_knows_is_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "branch.yaml").write_text(GOOD, encoding="utf-8")

    with pytest.raises(RulebookError) as refused:
        load_profiles(tmp_path, topics=["case_opened", "case_resolved", "case_solved_push"])

    [found] = refused.value.findings
    assert (found.line, found.column) == (5, 29)
    assert "'case_resolved_push'" in found.message
    assert "case_" in found.hint


def test_what_a_profile_leaves_out_has_a_meaning(tmp_path: Path) -> None:
    (tmp_path / "branch.yaml").write_text(GOOD, encoding="utf-8")

    assert load_profiles(tmp_path) == {
        "branch": IntakeProfile(
            id="branch",
            name="Branch",
            enabled=True,
            source_system="",
            notices={
                Moment.OPENED: ("case_opened",),
                Moment.RESOLVED: ("case_resolved", "case_resolved_push"),
            },
            call_before_close=CallBeforeClose.WHEN_ROUTED,
            remind_after={
                CaseState.ROUTED: timedelta(hours=24),
                CaseState.ANSWERED: timedelta(minutes=30),
            },
        )
    }


@pytest.mark.parametrize(
    ("before", "after", "line", "column", "message", "hint"),
    [
        pytest.param(
            "remind_after", "remind_afer", 6, 1, "unknown key 'remind_afer'", "remind_after",
            id="misspelt key",
        ),
        pytest.param(
            "  resolved:", "  resolvd:", 5, 3, "unknown key 'resolvd'", "resolved",
            id="misspelt state",
        ),
        pytest.param(
            "24h", "24 hours", 6, 16, "'remind_after' is a time span, found '24 hours'",
            "write 30m, 8h or 7d", id="no duration",
        ),
        pytest.param("name: Branch\n", "", 1, 1, "'name' is missing", "", id="no name"),
        pytest.param(
            "[case_opened]", "case_opened", 4, 3, "'opened' is a list, as in [case_opened]", "",
            id="no list",
        ),
        pytest.param(
            "name: Branch\n", "name: Branch\nenabled: perhaps\n", 3, 1,
            "'enabled' is true or false, found 'perhaps'", "", id="neither yes nor no",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, *, before: str, after: str, line: int, column: int, message: str, hint: str
) -> None:
    [found] = findings(tmp_path, branch=GOOD.replace(before, after))

    assert found[:4] == ("branch.yaml", line, column, message)
    assert hint in found[4]


@pytest.mark.parametrize(
    ("more", "line", "column", "message", "hint"),
    [
        pytest.param(
            "call_before_close: allways", 7, 1, "'allways' is not one of", "always", id="duty",
        ),
        pytest.param(
            "requires: [form]", 7, 12, "'form' is not one of", "form_reference", id="need",
        ),
        pytest.param(
            "deadline: {business_days: 3, warn_before: 3}", 7, 30, "'warn_before' is less than 3",
            "", id="a deadline that is all warning",
        ),
        pytest.param("deadline: {warn_before: 1}", 7, 1, "'business_days' is missing", "",
            id="no deadline",
        ),
        pytest.param(
            'calls: {hours: ["18:00", "09:00"]}', 7, 9, "'hours' end on the day", "", id="hours",
        ),
        pytest.param(
            "survey_after: 1d", 7, 1, "no notice is named for the survey", "survey:", id="survey",
        ),
        pytest.param(
            "reply: {by: chosen, otherwise: fax}", 7, 21, "'fax' is not one of", "letter",
            id="way",
        ),
        pytest.param(
            "privacy_notice: {notice: x, way: web}", 7, 1, "'version' is missing", "",
            id="a notice without a version",
        ),
        pytest.param(
            "checklist:\n  - {id: kept, asks: x, computed: deadline}", 8, 25,
            "'deadline' is not one of", "deadline_kept", id="question",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_what_a_channel_owes_is_told_with_its_place(
    tmp_path: Path, *, more: str, line: int, column: int, message: str, hint: str
) -> None:
    found = findings(tmp_path, branch=f"{GOOD}{more}\n")[0]

    assert found[:3] == ("branch.yaml", line, column)
    assert message in found[3]
    assert hint in found[4] or hint in found[3]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RulebookError, match="no such folder of intake profiles"):
        load_profiles(tmp_path / "nowhere")


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        branch=GOOD.replace("24h", "soon").replace("name: Branch", "name: 7"),
        desk="- a list",
        phone="id: [",
    )

    assert [one[0] for one in found] == ["branch.yaml", "branch.yaml", "desk.yaml", "phone.yaml"]
    assert found[2][3] == "a profile is a mapping with 'id', 'name' and 'notices'"


def test_two_profiles_of_one_name_are_refused(tmp_path: Path) -> None:
    [found] = findings(tmp_path, branch=GOOD, office=f"# Another one\n{GOOD}")

    assert found[:4] == ("office.yaml", 2, 1, "a second profile is called 'branch'")


def test_a_profile_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "branch.yaml").write_bytes(b"id: \xff")

    with pytest.raises(
        RulebookError, match="the profile cannot be read: it is not written in UTF-8"
    ):
        load_profiles(tmp_path)
