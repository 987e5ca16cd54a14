"""Benchmarks from the command line: a small one of campaigns runs, and its last line is right."""

import json

from typer.testing import CliRunner

from tellal.cli import app


def test_a_small_campaign_is_measured_beside_bare_sql() -> None:
    ran = CliRunner().invoke(app, ["bench", "campaign", "--customers", "1000", "--json"])

    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout.splitlines()[-1])
    ours, baseline = found["ours"], found["baseline"]
    assert found["bench"] == "campaign"
    assert ours["customers"] == 1_000
    # The first hundred are told to get warm.
    assert ours["decided"] == 900
    assert 600 < ours["handed_over"] < 900
    spent = baseline["inserted_s"] + baseline["moved_s"]
    taken = ours["handed_over_s"] + ours["reported_s"]
    assert abs(found["ratio"] - spent / taken) < 0.05
    # An outcome and a decision each; of a message itself, its attempt, and a slot of two caps.
    assert baseline["rows"] == 2 * ours["decided"] + 4 * ours["handed_over"]
    assert ours["progress_ms"] > 0
    assert ours["progress_p99_to_read"] > 0
