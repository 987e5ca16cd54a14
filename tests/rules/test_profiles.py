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
    known = load_rulebook().topics

    named = {
        t for one in load_profiles().values() for topics in one.notices.values() for t in topics
    }

    assert named <= set(known)


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
