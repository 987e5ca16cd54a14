"""Cases over the API: every command with its refusals, call tasks, letters, and repeats."""

from typing import Any

import pytest

from tests.support.api import Tenant, open_case, put_customer


async def post(tenant: Tenant, path: str, **said: object) -> tuple[int, dict[str, Any]]:
    answer = await tenant.client.post(f"/v1{path}", json=said)
    body: dict[str, Any] = answer.json()
    return answer.status_code, body


@pytest.fixture
async def number(distributor: Tenant) -> str:
    """A case that a team has answered."""
    await put_customer(distributor)
    number: str = (await open_case(distributor))["number"]
    await post(distributor, f"/cases/{number}/route", team="metering")
    await post(distributor, f"/cases/{number}/answer", answer="replaced")
    return number


async def test_a_case_shows_what_its_channel_asked_for(distributor: Tenant) -> None:
    await put_customer(distributor)

    status, case = await post(
        distributor,
        "/cases",
        customer="ayse",
        channel="written",
        subject="meter",
        form_reference="F-118",
        reply_by="letter",
    )

    assert status == 201
    assert (case["form_reference"], case["reply_by"]) == ("F-118", "letter")
    assert len(case["tracking_code"]) == 13
    assert case["due_at"]


async def test_a_call_is_told_from_the_task_and_brings_the_case_forward(
    distributor: Tenant, number: str
) -> None:
    listed = (await distributor.client.get("/v1/call-tasks", params={"due": True})).json()
    (task,) = listed["items"]
    path = f"/call-tasks/{task['id']}"

    claimed = await post(distributor, f"{path}/claim", officer="desk-1")
    other = await post(distributor, f"{path}/outcome", officer="desk-2", outcome="reached")
    told = await post(
        distributor, f"{path}/outcome", officer="desk-1", outcome="reached", verified_as="applicant"
    )
    over = await post(distributor, f"{path}/claim", officer="desk-1")

    assert (task["case"], task["purpose"]) == (number, "inform")
    assert claimed[1]["state"] == "claimed"
    assert (other[0], other[1]["code"]) == (409, "claimed_by_other")
    assert (told[0], told[1]["state"]) == (200, "done")
    assert (over[0], over[1]["code"]) == (409, "task_done")
    assert (await distributor.client.get(f"/v1/cases/{number}")).json()["state"] == "called"


async def test_a_task_can_be_given_back_and_read(distributor: Tenant, number: str) -> None:
    (task,) = (await distributor.client.get("/v1/call-tasks")).json()["items"]
    await post(distributor, f"/call-tasks/{task['id']}/claim", officer="desk-1")

    await post(distributor, f"/call-tasks/{task['id']}/release", officer="desk-1")

    read = (await distributor.client.get(f"/v1/call-tasks/{task['id']}")).json()
    assert (read["state"], read["claimed_by"], read["case"]) == ("open", "", number)


async def test_tasks_of_another_brand_are_not_there(
    distributor: Tenant, bank: Tenant, number: str
) -> None:
    (task,) = (await distributor.client.get("/v1/call-tasks")).json()["items"]

    foreign = await bank.client.get(f"/v1/call-tasks/{task['id']}")

    assert number
    assert foreign.status_code == 404
    assert (await bank.client.get("/v1/call-tasks")).json()["items"] == []
    for command in ("claim", "release", "outcome"):
        assert (await post(bank, f"/call-tasks/{task['id']}/{command}"))[0] == 404


@pytest.mark.parametrize(
    ("command", "said", "code"),
    [
        pytest.param("resolve", {"result": "done"}, "call_missing", id="resolve"),
        pytest.param("reply", {"way": "email", "text": "x"}, "call_missing", id="reply"),
        pytest.param("assess", {}, "not_resolved", id="assess"),
        pytest.param("reopen", {"reason": "x"}, "not_resolved", id="reopen"),
        pytest.param("answer", {"answer": "x"}, "already_answered", id="answer"),
        pytest.param("survey", {"score": 3}, "not_concluded", id="survey"),
        pytest.param(
            "call",
            {"verified_as": "unverified", "told_result": True},
            "not_verified",
            id="result to nobody",
        ),
    ],
)
async def test_a_command_out_of_turn_is_refused_with_its_reason(
    distributor: Tenant, number: str, command: str, said: dict[str, object], code: str
) -> None:
    before = (await distributor.client.get(f"/v1/cases/{number}")).json()

    status, problem = await post(distributor, f"/cases/{number}/{command}", **said)

    assert (status, problem["code"]) == (409, code)
    assert (await distributor.client.get(f"/v1/cases/{number}")).json() == before


@pytest.mark.parametrize(
    ("command", "said", "field"),
    [
        ("resolve", {"result": "done", "closure": "merged"}, "closure"),
        ("reply", {"way": "phone", "text": "x"}, "way"),
        ("call", {"outcome": "reached", "reached": False}, ""),
        ("merge", {"into": "2026-999999x"}, ""),
        ("survey", {"score": 6}, "score"),
        ("withdraw", {"why": "x"}, "why"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    distributor: Tenant, number: str, command: str, said: dict[str, object], field: str
) -> None:
    status, problem = await post(distributor, f"/cases/{number}/{command}", **said)

    assert status == (404 if command == "merge" else 422)
    assert [one["field"] for one in problem["errors"]][:1] == ([field] if status == 422 else [])


async def test_a_repeat_of_each_command_happens_once(distributor: Tenant, number: str) -> None:
    for command, said in (
        ("reroute", {"team": "billing", "reason": "tariff"}),
        ("answer", {"answer": "lowered"}),
        ("call", {"verified_as": "applicant"}),
        ("resolve", {"result": "lowered"}),
        ("survey", {"score": 4}),
        ("assess", {"answers": {"no_third_person": True}}),
        ("reopen", {"reason": "too little"}),
        ("withdraw", {}),
    ):
        headers = {"Idempotency-Key": f"{number}-{command}"}
        path = f"/v1/cases/{number}/{command}"
        first = await distributor.client.post(path, json=said, headers=headers)
        again = await distributor.client.post(path, json=said, headers=headers)
        assert (first.status_code, again.text) == (200, first.text), first.text

    entries = (await distributor.client.get(f"/v1/cases/{number}")).json()["entries"]
    assert [entry["command"] for entry in entries] == [
        "open", "route", "answer", "reroute", "answer", "call", "resolve", "survey", "assess",
        "reopen", "withdraw",
    ]  # fmt: skip


async def test_a_letter_is_printed_as_pdf(distributor: Tenant) -> None:
    await put_customer(distributor)
    _, case = await post(
        distributor, "/cases", customer="ayse", channel="info_email", subject="meter"
    )
    none = await distributor.client.get(f"/v1/cases/{case['number']}/letter")
    await post(distributor, f"/cases/{case['number']}/reply", way="letter", text="Doğru ölçüyor.")

    letter = await distributor.client.get(f"/v1/cases/{case['number']}/letter")

    assert none.json()["code"] == "no_letter"
    assert letter.headers["content-type"] == "application/pdf"
    assert letter.content.startswith(b"%PDF-")


async def test_cases_past_their_deadline_are_found(distributor: Tenant, number: str) -> None:
    late = await distributor.client.get("/v1/cases", params={"overdue": True})

    assert number
    assert late.json()["items"] == []
