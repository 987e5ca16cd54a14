"""Outages over HTTP: every command, repeats, persons, brands, rehearsals, signals and replies."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update
from twilio.request_validator import RequestValidator

from tellal.domain.messages import MessageState
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.tables.ledger import MessageRow
from tellal.persistence.tables.outages import OutageNoticeRow, OutageRow
from tellal.services.keys import Role, create_key
from tests.support.api import (
    PUBLIC_URL,
    TWILIO_TOKEN,
    Served,
    Tenant,
    Tenants,
    put_customer,
)

_messages = table(MessageRow)
_notices = table(OutageNoticeRow)
_outages = table(OutageRow)

INBOUND = "/v1/hooks/twilio/inbound"
FAILURE = {
    "incident": "power_failure",
    "title": "Transformer failure in Tepebaşı",
    "areas": [{"district": "tepebasi"}],
    "workaround": "Acil durumda 186'yı arayın.",
    "hotline": "186",
}
REVIEW = {"what_happened": "A fuse blew", "what_changes": "A spare one"}


async def declared(tenant: Tenant, **said: object) -> dict[str, Any]:
    answer = await tenant.client.post("/v1/outages", json={**FAILURE, **said})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def works(tenant: Tenant, served: Served, **said: object) -> dict[str, Any]:
    begins = served.clock.now() + timedelta(days=4)
    return await declared(
        tenant,
        incident="planned_power",
        title="Works on the grid",
        starts_at=begins.isoformat(),
        expected_end=(begins + timedelta(hours=2)).isoformat(),
        **said,
    )


async def give(
    tenant: Tenant, outage: Mapping[str, Any], command: str, body: object = None
) -> httpx.Response:
    """Give a command, without a body if there is none."""
    address = f"/v1/outages/{outage['id']}/{command}"
    if body is None:
        return await tenant.client.post(address)
    return await tenant.client.post(address, json=body)


async def done(
    tenant: Tenant, outage: Mapping[str, Any], command: str, body: object = None
) -> dict[str, Any]:
    answer = await give(tenant, outage, command, body)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def decided(served: Served, outage: Mapping[str, Any]) -> None:
    """Do what the outage's workflow does until it waits."""
    desk = served.desk.house.outage_desk
    while undecided := (await desk.look(outage["id"])).undecided:
        for notice_id in undecided:
            while await desk.decide_chunk(notice_id):
                pass


async def reach(served: Served, outage: Mapping[str, Any], kind: str) -> list[str]:
    """Let the messages of a kind of round be with a provider; return whose they are."""
    rounds = select(_notices.c.cause_id).where(
        _notices.c.outage_id == outage["id"], _notices.c.kind == kind
    )
    change = (
        update(_messages)
        .where(_messages.c.cause_id.in_(rounds))
        .values(state=MessageState.ACCEPTED.value, provider="twilio", handed_at=served.clock.now())
    )
    async with served.sessions() as tx, tx.begin():
        return list((await tx.execute(change.returning(_messages.c.customer_id))).scalars())


# ---------------------------------------------------------------- commands


@pytest.mark.parametrize(
    ("bodies"),
    [
        pytest.param([None] * 4, id="without bodies"),
        pytest.param([{}, {}, {}, {}], id="with empty bodies"),
        pytest.param(
            [
                None,
                {"text": {"en": "It is dark."}},
                {"text": {"en": "It is light."}},
                {"text": {"tr": "Yine kesildi."}, "workaround": "Jeneratör var"},
            ],
            id="with bodies",
        ),
    ],
)
@pytest.mark.req("B04", "allows")
async def test_a_failure_goes_its_way(distributor: Tenant, bodies: list[Any]) -> None:
    outage = await declared(distributor)
    plan, go, end, again = bodies

    planned = await done(distributor, outage, "plan", plan)
    confirmed = await done(distributor, outage, "confirm", go)
    resolved = await done(distributor, outage, "resolve", end)
    reopened = await done(distributor, outage, "reopen", again or {})
    await done(distributor, outage, "resolve")
    written = await done(distributor, outage, "review", REVIEW)

    history = (await distributor.client.get(f"/v1/outages/{outage['id']}/history")).json()
    states = [one["state"] for one in (outage, planned, confirmed, resolved, reopened)]
    assert states == ["suspected", "suspected", "confirmed", "resolved", "confirmed"]
    assert [one["command"] for one in history] == [
        "declare",
        "confirm",
        "resolve",
        "reopen",
        "resolve",
        "review",
    ]
    assert {one["by"] for one in history} == {"crm"}
    if go:
        assert history[1]["public"]["en"] == "It is dark."
        assert history[1]["public"]["tr"]
    read = (await distributor.client.get(f"/v1/outages/{outage['id']}/review")).json()
    assert (read, written["by"]) == (written, "crm")


@pytest.mark.req("B16", "allows")
async def test_a_suspicion_is_shown_and_dismissed(distributor: Tenant) -> None:
    outage = await declared(distributor)

    shown = await done(distributor, outage, "show", {"text": {"en": "We are looking."}})
    gone = await done(distributor, outage, "dismiss")

    assert (shown["state"], shown["rounds"]) == ("suspected", [])
    assert shown["shown_at"]
    assert (gone["state"], gone["allowed"]) == ("dismissed", [])
    assert (await distributor.client.get(f"/v1/outages/{outage['id']}/review")).json() is None


@pytest.mark.req("B04", "allows")
@pytest.mark.parametrize("body", [None, {}, {"text": {"en": "Done."}}])
async def test_planned_works_go_their_way(
    distributor: Tenant, served: Served, body: dict[str, object] | None
) -> None:
    outage = await works(distributor, served)

    states = [outage["state"]]
    for command, said in (("announce", body), ("start", None), ("complete", body)):
        states.append((await done(distributor, outage, command, said))["state"])
    other = await works(distributor, served)
    await done(distributor, other, "announce")
    cancelled = await done(distributor, other, "cancel", body)

    assert states == ["draft", "announced", "in_progress", "completed"]
    assert cancelled["state"] == "cancelled"


@pytest.mark.req("B13", "blocks")
@pytest.mark.req("B13", "allows")
async def test_an_update_says_whether_anybody_hears_of_it(
    distributor: Tenant, served: Served
) -> None:
    await put_customer(distributor, attributes={"district": "tepebasi"})
    outage = await declared(distributor)
    await done(distributor, outage, "confirm")

    little = await done(distributor, outage, "update", {"reason": "A fuse"})
    much = await done(distributor, outage, "update", {"workaround": "Jeneratör var"})
    nothing = await give(distributor, outage, "update", {"workaround": "Jeneratör var"})

    assert "matters" in little["told_nobody_why"]
    assert [one["kind"] for one in much["rounds"]] == ["notice", "update"]
    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_new")
    await decided(served, outage)
    assert await reach(served, outage, "update")


@pytest.mark.parametrize(
    ("command", "body", "status"),
    [
        pytest.param("announce", None, 409, id="announce a failure"),
        pytest.param("resolve", None, 409, id="resolve a suspicion"),
        pytest.param("start", None, 409, id="start a failure"),
        pytest.param("reopen", {}, 409, id="reopen a suspicion"),
        pytest.param("restored", {}, 409, id="restored, and not over"),
        pytest.param("review", REVIEW, 409, id="review, and not over"),
        pytest.param("show", None, 422, id="show nothing"),
        pytest.param("update", {"color": "red"}, 422, id="an unknown word"),
        pytest.param("confirm", {"channels": {"sms": "everybody"}}, 422, id="no reason"),
        pytest.param(
            "confirm", {"channels": {"fax": "everybody"}, "reason": "r"}, 422, id="no channel"
        ),
        pytest.param(
            "update", {"expected_end": "2020-01-01T00:00:00+00:00"}, 422, id="ended before"
        ),
        pytest.param("review", {"what_happened": "x"}, 422, id="half a review"),
    ],
)
async def test_what_does_not_fit_is_refused_and_changes_nothing(
    distributor: Tenant, command: str, body: object, status: int
) -> None:
    outage = await declared(distributor)

    refused = await give(distributor, outage, command, body)

    assert refused.status_code == status
    assert refused.headers["content-type"] == "application/problem+json"
    now = (await distributor.client.get(f"/v1/outages/{outage['id']}")).json()
    assert (now["state"], now["expected_end"]) == ("suspected", None)


async def test_outages_are_listed_page_by_page(distributor: Tenant) -> None:
    ids = [(await declared(distributor, anyway=True))["id"] for _ in range(3)]
    await done(distributor, {"id": ids[0]}, "dismiss")
    path = "/v1/outages"

    first = (await distributor.client.get(path, params={"limit": 2})).json()
    rest = (await distributor.client.get(path, params={"after": ids[1]})).json()
    running = (await distributor.client.get(path, params={"running": True})).json()

    assert [one["id"] for one in first["items"]] == ids[:2]
    assert [one["id"] for one in rest["items"]] == ids[2:]
    assert [one["id"] for one in running["items"]] == ids[1:]


@pytest.mark.req("B19")
async def test_a_preset_is_declared_in_one_line(distributor: Tenant) -> None:
    listed = (await distributor.client.get("/v1/outages/presets")).json()
    answer = await distributor.client.post("/v1/outages", json={"preset": "tepebasi_dark"})
    unknown = await distributor.client.post("/v1/outages", json={"preset": "tepebasi"})

    [preset] = [one for one in listed if one["id"] == "tepebasi_dark"]
    found = answer.json()
    assert (answer.status_code, found["title"]) == (201, preset["title"])
    assert (found["areas"], found["hotline"]) == ([{"district": "tepebasi"}], "186")
    assert found["expected_end"]
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "preset")


# ---------------------------------------------------------------- repeats


@pytest.mark.parametrize(
    ("command", "body"),
    [("confirm", None), ("dismiss", {"text": {"en": "Nothing."}}), ("update", {"reason": "Wind"})],
)
async def test_a_command_that_is_repeated_with_its_key_happens_once(
    distributor: Tenant, command: str, body: object
) -> None:
    outage = await declared(distributor)
    address = f"/v1/outages/{outage['id']}/{command}"
    headers = {"Idempotency-Key": new_id()}

    first = await distributor.client.post(address, json=body, headers=headers)
    again = await distributor.client.post(address, json=body, headers=headers)

    history = (await distributor.client.get(f"/v1/outages/{outage['id']}/history")).json()
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert again.headers["Idempotent-Replay"] == "true"
    assert [one["command"] for one in history] == ["declare", command]


async def test_a_declaration_that_is_repeated_with_its_key_is_one(distributor: Tenant) -> None:
    headers = {"Idempotency-Key": new_id()}

    answers = [
        await distributor.client.post("/v1/outages", json=FAILURE, headers=headers)
        for _ in range(2)
    ]
    twin = await distributor.client.post("/v1/outages", json=FAILURE)

    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert (twin.status_code, twin.json()["code"]) == (409, "declared_already")


# ---------------------------------------------------------------- two persons


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Ada and Bob, operators of one brand, each with a key of their own, and a key of nobody's."""

    ada: Tenant
    bob: Tenant
    shared: Tenant


@pytest.fixture
async def people(distributor: Tenant, served: Served) -> AsyncIterator[People]:
    async with AsyncExitStack() as held:
        found = {}
        for name in ("ada", "bob"):
            async with served.sessions() as tx, tx.begin():
                key, token = await create_key(
                    tx,
                    distributor.brand.id,
                    name,
                    (),
                    now=served.clock.now(),
                    person=f"{name}@edas.example",
                    roles=[Role.OPERATOR],
                )
            client = await held.enter_async_context(served.client(token))
            found[name] = replace(distributor, key=key, token=token, client=client)
        yield People(**found, shared=distributor)


async def crowded(served: Served, outage: Mapping[str, Any]) -> None:
    """Let the plan of an outage be for more people than one person may tell."""
    async with served.sessions() as tx, tx.begin():
        row = select(_outages.c.plan).where(_outages.c.id == outage["id"])
        plan = {**(await tx.execute(row)).scalar_one(), "needs_approval": True, "told": 60_000}
        await tx.execute(update(_outages).where(_outages.c.id == outage["id"]).values(plan=plan))


async def test_above_the_threshold_a_second_person_confirms(people: People, served: Served) -> None:
    outage = await declared(people.ada)
    await crowded(served, outage)

    shared = await give(people.shared, outage, "confirm")
    asked = await done(people.ada, outage, "confirm")
    alone = await give(people.ada, outage, "confirm")
    confirmed = await done(people.bob, outage, "confirm")

    assert (shared.status_code, shared.json()["code"]) == (403, "personal_key_needed")
    assert (asked["state"], asked["waits_for_approval"]) == ("suspected", "ada@edas.example")
    assert "60000 people" in asked["told_nobody_why"]
    assert (alone.status_code, alone.json()["code"]) == (409, "second_person")
    assert (confirmed["state"], confirmed["confirmed_by"]) == ("confirmed", "bob@edas.example")
    assert confirmed["waits_for_approval"] == ""


async def test_in_an_emergency_one_person_is_enough_and_the_report_says_so(
    people: People, served: Served
) -> None:
    outage = await declared(people.ada)
    await crowded(served, outage)

    confirmed = await done(people.ada, outage, "confirm", {"break_glass": "a hospital is dark"})

    period = {
        "from": (served.clock.now() - timedelta(days=1)).isoformat(),
        "until": (served.clock.now() + timedelta(days=1)).isoformat(),
    }
    report = (await people.bob.client.get("/v1/reports/outages", params=period)).json()
    assert confirmed["state"] == "confirmed"
    assert report["broke_glass"] == 1
    assert report["outages"][0]["broke_glass"] == "a hospital is dark"


# ---------------------------------------------------------------- brands


COMMANDS = [
    ("plan", None),
    ("show", {}),
    ("confirm", None),
    ("announce", None),
    ("update", {"reason": "Wind"}),
    ("reopen", {}),
    ("resolve", None),
    ("complete", None),
    ("dismiss", None),
    ("cancel", None),
    ("start", None),
    ("still-out", {"customer": "ayse"}),
    ("restored", {}),
    ("review", REVIEW),
]


@pytest.mark.parametrize(("command", "body"), COMMANDS, ids=[name for name, _ in COMMANDS])
async def test_no_command_reaches_another_brands_outage(
    bank: Tenant, distributor: Tenant, command: str, body: object
) -> None:
    await put_customer(bank)
    outage = await declared(distributor)

    answer = await give(bank, outage, command, body)

    assert answer.status_code == 404
    history = (await distributor.client.get(f"/v1/outages/{outage['id']}/history")).json()
    assert [one["command"] for one in history] == ["declare"]


@pytest.mark.parametrize("what", ["", "/history", "/review"])
async def test_nothing_of_another_brands_outage_is_read(
    bank: Tenant, distributor: Tenant, what: str
) -> None:
    outage = await declared(distributor)

    assert (await bank.client.get(f"/v1/outages/{outage['id']}{what}")).status_code == 404
    assert (await distributor.client.get(f"/v1/outages/{outage['id']}{what}")).status_code == 200


async def test_reports_and_signals_are_a_brands_own(
    bank: Tenant, distributor: Tenant, served: Served
) -> None:
    await done(distributor, await declared(distributor), "confirm")
    period = {
        "from": (served.clock.now() - timedelta(days=1)).isoformat(),
        "until": (served.clock.now() + timedelta(days=1)).isoformat(),
    }

    report = (await bank.client.get("/v1/reports/outages", params=period)).json()
    said = {"incident": "power_failure", "source": "social"}
    signal = (await bank.client.post("/v1/outages/signals", json=said)).json()

    assert (report["outages"], report["signal_to_public_s"]) == ([], None)
    assert (signal["outage_id"], signal["so_far"]) == (None, 1)


async def test_a_key_without_the_scope_may_look_and_not_touch(
    tenants: Tenants, served: Served
) -> None:
    owner = await tenants.make("distributor")
    outage = await declared(owner)
    made = await owner.client.post("/v1/keys", json={"name": "wall", "scopes": ["outages:read"]})

    async with served.client(made.json()["token"]) as client:
        looked = await client.get(f"/v1/outages/{outage['id']}")
        touched = await client.post(f"/v1/outages/{outage['id']}/confirm")

    assert (looked.status_code, touched.status_code) == (200, 403)


# ---------------------------------------------------------------- rehearsals


@pytest.fixture
async def rehearsing(distributor: Tenant, served: Served) -> AsyncIterator[Tenant]:
    """The same brand by a key that rehearses."""
    scopes = ["outages:read", "outages:write", "reports:read"]
    made = await distributor.client.post(
        "/v1/keys", json={"name": "rehearsal", "scopes": scopes, "rehearses": True}
    )
    token = made.json()["token"]
    async with served.client(token) as client:
        yield replace(distributor, token=token, client=client)


@pytest.mark.parametrize(("command", "body"), COMMANDS, ids=[name for name, _ in COMMANDS])
async def test_a_rehearsal_key_gives_no_command_in_earnest(
    distributor: Tenant, rehearsing: Tenant, command: str, body: object
) -> None:
    outage = await declared(distributor)
    if command in ("review", "restored", "still-out", "reopen"):
        await put_customer(distributor)
        await done(distributor, outage, "confirm")
        await done(distributor, outage, "resolve")

    refused = await give(rehearsing, outage, command, body)

    assert (refused.status_code, refused.json()["code"]) == (409, "not_a_rehearsal")


async def test_what_a_rehearsal_key_declares_is_rehearsed_and_stays_out_of_reports(
    distributor: Tenant, rehearsing: Tenant, served: Served
) -> None:
    earnest = await declared(distributor)
    rehearsed = await declared(rehearsing)

    confirmed = await done(rehearsing, rehearsed, "confirm")
    await done(rehearsing, rehearsed, "resolve")
    await done(rehearsing, rehearsed, "review", REVIEW)

    period = {
        "from": (served.clock.now() - timedelta(days=1)).isoformat(),
        "until": (served.clock.now() + timedelta(days=1)).isoformat(),
    }
    report = (await distributor.client.get("/v1/reports/outages", params=period)).json()
    assert (earnest["simulated"], confirmed["simulated"]) == (False, True)
    assert [one["id"] for one in report["outages"]] == [earnest["id"]]


# ---------------------------------------------------------------- signals, and who is still out


@pytest.mark.req("B15", "blocks")
@pytest.mark.req("B15", "allows")
async def test_signals_make_a_suspicion_over_http(distributor: Tenant) -> None:
    said = {"incident": "power_failure", "source": "social", "area": {"district": "tepebasi"}}

    answers = [
        await distributor.client.post("/v1/outages/signals", json={**said, "reference": f"t{n}"})
        for n in (1, 2, 2, 3, 4, 5, 6)
    ]

    found = [one.json() for one in answers]
    assert {one.status_code for one in answers} == {201}
    assert [one["so_far"] for one in found] == [1, 2, 2, 3, 4, 5, 6]
    assert [one["suspects"] for one in found].index(True) == 5
    [outage] = (await distributor.client.get("/v1/outages")).json()["items"]
    assert (outage["state"], outage["areas"]) == ("suspected", [{"district": "tepebasi"}])


@pytest.mark.parametrize(
    ("said", "field"),
    [
        pytest.param({"incident": "power_failur"}, "incident", id="kind"),
        pytest.param({"area": {"distrikt": "x"}}, "area", id="place"),
        pytest.param({"source": "Social Media"}, "body.source", id="source"),
        pytest.param({"customer": "nobody"}, "customer", id="customer"),
    ],
)
async def test_a_signal_of_what_there_is_not_is_refused(
    distributor: Tenant, said: dict[str, object], field: str
) -> None:
    body = {"incident": "power_failure", "source": "social", **said}

    answer = await distributor.client.post("/v1/outages/signals", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] in (field, field.removeprefix("body."))


async def write_back(
    served: Served, text: str, reference: str, *, token: str = TWILIO_TOKEN, sender: str = ""
) -> int:
    """Let Twilio bring what somebody wrote to our number."""
    form = {"From": sender or "+905320000101", "Body": text, "MessageSid": reference}
    signature = RequestValidator(token).compute_signature(f"{PUBLIC_URL}{INBOUND}", form)
    async with served.client() as client:
        answer = await client.post(INBOUND, data=form, headers={"X-Twilio-Signature": signature})
    return answer.status_code


@pytest.fixture
async def over(distributor: Tenant, served: Served) -> dict[str, Any]:
    """An outage of whose end a customer has had a text message, from a number of his own."""
    number = f"+90532{secrets.randbelow(10**7):07}"
    contacts = [{"channel": "sms", "address": number}]
    await put_customer(distributor, attributes={"district": "tepebasi"}, contacts=contacts)
    outage = await declared(distributor)
    await done(distributor, outage, "confirm")
    await decided(served, outage)
    assert await reach(served, outage, "notice")
    await done(distributor, outage, "resolve")
    await decided(served, outage)
    assert await reach(served, outage, "all_clear")
    return {**outage, "number": number}


async def test_who_writes_back_is_heard_once_and_told_when_he_is_served(
    distributor: Tenant, served: Served, over: dict[str, Any]
) -> None:
    answers = [
        await write_back(served, "Teşekkürler", "SM0", sender=over["number"]),
        await write_back(served, " YOK!", "SM1", sender=over["number"]),
        await write_back(served, " YOK!", "SM1", sender=over["number"]),
        await write_back(served, "Nie ma", "SM2", sender=over["number"]),
        await write_back(served, "YOK", "SM3", sender="+905329999999"),
    ]
    outage = (await distributor.client.get(f"/v1/outages/{over['id']}")).json()
    restored = await done(distributor, over, "restored", {"customers": ["ayse"]})
    again = await give(distributor, over, "restored", {})
    await decided(served, over)

    assert answers == [204] * 5
    assert outage["still_out"] == 1
    assert [one["kind"] for one in restored["rounds"]] == ["notice", "all_clear", "all_clear"]
    assert (again.status_code, again.json()["code"]) == (409, "nobody")
    now = (await distributor.client.get(f"/v1/outages/{over['id']}")).json()
    assert now["rounds"][-1]["counts"]["audience"] == 1


async def test_a_reply_that_is_not_signed_is_refused(
    distributor: Tenant, served: Served, over: dict[str, Any]
) -> None:
    status = await write_back(served, "YOK", "SM1", token="another", sender=over["number"])

    assert status == 403
    assert (await distributor.client.get(f"/v1/outages/{over['id']}")).json()["still_out"] == 0


async def test_the_hotline_says_who_is_still_without(
    distributor: Tenant, over: dict[str, Any]
) -> None:
    first = await done(distributor, over, "still-out", {"customer": "ayse"})
    again = await done(distributor, over, "still-out", {"customer": "ayse"})
    unknown = await give(distributor, over, "still-out", {"customer": "nobody"})

    assert (first["still_out"], again["still_out"]) == (1, 1)
    assert unknown.status_code == 422


# ---------------------------------------------------------------- the report


@pytest.mark.req("B14", "allows")
async def test_the_report_says_how_fast_it_was_told(distributor: Tenant, served: Served) -> None:
    await put_customer(distributor, attributes={"district": "tepebasi"})
    signal = served.clock.now()
    served.clock.pass_by(timedelta(minutes=3))
    outage = await declared(distributor, first_signal_at=signal.isoformat())
    await done(distributor, outage, "show", {})
    served.clock.pass_by(timedelta(minutes=2))
    await done(distributor, outage, "confirm")
    await decided(served, outage)
    served.clock.pass_by(timedelta(seconds=20))
    await reach(served, outage, "notice")
    period = {
        "from": signal.isoformat(),
        "until": (signal + timedelta(days=1)).isoformat(),
    }

    report = (await distributor.client.get("/v1/reports/outages", params=period)).json()
    naive = await distributor.client.get(
        "/v1/reports/outages", params={"from": "2026-03-02", "until": "soon"}
    )

    assert (report["signal_to_public_s"], report["signal_to_confirmed_s"]) == (180, 300)
    assert report["confirmed_to_first_notice_s"] == 20
    [one] = report["outages"]
    assert (one["id"], one["audience"]) == (outage["id"], 1)
    assert naive.status_code == 422
