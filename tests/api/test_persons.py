"""A person's own rights over HTTP: an export, an erasure, notices and explicit consents."""

import json
import zipfile
from io import BytesIO

import pytest

from tellal.services.keys import SCOPES_OF, Role, Scope
from tests.support.api import Served, Tenant, Tenants, log_in, open_case, put_customer

NOTICE = {"notice": "aydinlatma", "version": "2026-01", "language": "tr", "way": "web"}
EXPLICIT = {
    "category": "health",
    "state": "granted",
    "document": "acik_riza",
    "version": "1",
    "language": "tr",
    "signature": {"kind": "wet", "file": "KVK-17"},
}


async def post(tenant: Tenant, path: str, body: object = None, **headers: str) -> tuple[int, dict]:  # type: ignore[type-arg]  # whatever JSON says
    answer = await tenant.client.post(f"/v1{path}", json=body or {}, headers=headers)
    return answer.status_code, answer.json()


async def test_an_export_is_a_zip_for_the_person(bank: Tenant) -> None:
    await put_customer(bank, first_name="Ayşe")
    await log_in(bank)
    await open_case(bank)

    answer = await bank.client.get("/v1/customers/ayse/export")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Cache-Control"] == "no-store"
    with zipfile.ZipFile(BytesIO(answer.content)) as files:
        held = json.loads(files.read("person.json"))["held"]
        assert "sizinle ilgili" in files.read("README.txt").decode()
    assert held["customer"][0]["first_name"] == "Ayşe"
    assert [case["subject"] for case in held["cases"]] == ["The meter shows too much"]
    assert held["decisions"]
    assert held["messages"]


async def test_who_may_look_something_up_may_not_take_everything(
    tenants: Tenants, bank: Tenant
) -> None:
    everything_else = [scope for scope in Scope if not scope.value.startswith("persons:")]
    clerk = await tenants.make("clerk", everything_else)
    await put_customer(clerk)
    await put_customer(bank)

    exported = await clerk.client.get("/v1/customers/ayse/export")
    erased, _ = await post(clerk, "/customers/ayse/erase")
    stranger = await bank.client.get("/v1/customers/nobody/export")

    assert (exported.status_code, erased, stranger.status_code) == (403, 403, 404)
    having = {role for role, scopes in SCOPES_OF.items() if Scope.PERSONS_READ in scopes}
    assert having == {Role.OFFICER}


async def test_an_erased_person_is_not_there_any_more_and_a_repeat_is_the_same(
    bank: Tenant, served: Served
) -> None:
    await put_customer(bank, first_name="Ayşe")
    await log_in(bank)
    key = {"Idempotency-Key": "once"}

    status, erasure = await post(bank, "/customers/ayse/erase", {"by": "DPO"}, **key)
    again, repeated = await post(bank, "/customers/ayse/erase", {"by": "DPO"}, **key)
    gone = await bank.client.get("/v1/customers/ayse")
    listed = (await bank.client.get("/v1/erasures")).json()["items"]
    found = await bank.client.get(f"/v1/erasures/{erasure['id']}")

    assert (status, again, gone.status_code) == (200, 200, 404)
    assert erasure == repeated == listed[0] == found.json()
    assert erasure["by"] == "crm (DPO)"
    assert erasure["counts"]["cancelled_messages"] >= 1
    async with served.sessions() as tx:
        left = await tx.connection()
        query = "SELECT count(*) FROM idempotency_keys WHERE route LIKE '%%/customers/ayse%%'"
        assert (await left.exec_driver_sql(query + " AND body::text LIKE '%%Ayşe%%'")).scalar() == 0


async def test_another_brands_erasure_is_not_to_be_seen(bank: Tenant, distributor: Tenant) -> None:
    await put_customer(bank)
    _, erasure = await post(bank, "/customers/ayse/erase")

    answer = await distributor.client.get(f"/v1/erasures/{erasure['id']}")

    assert answer.status_code == 404


@pytest.mark.req("E15", "blocks")
@pytest.mark.req("E34", "blocks")
async def test_a_notice_is_no_explicit_consent_and_neither_is_one_to_messages(
    bank: Tenant,
) -> None:
    await put_customer(bank)

    status, shown = await post(bank, "/customers/ayse/notices", NOTICE)
    health = (await bank.client.get("/v1/customers/ayse/explicit-consents/health")).json()
    sms = (await bank.client.get("/v1/customers/ayse/consents/sms")).json()
    notices = (await bank.client.get("/v1/customers/ayse/notices")).json()["items"]

    assert status == 201
    assert notices == [shown]
    assert shown["way"] == "web"
    assert health == {"category": "health", "allowed": False}
    assert (sms["allowed"], sms["state"]) == (False, None)


@pytest.mark.req("E15", "blocks")
@pytest.mark.req("E15", "allows")
@pytest.mark.req("E34", "blocks")
@pytest.mark.req("E34", "allows")
async def test_a_signed_explicit_consent_allows_its_category_and_nothing_else(
    bank: Tenant,
) -> None:
    await put_customer(bank)
    path = "/v1/customers/ayse/explicit-consents"

    status, _ = await post(bank, "/customers/ayse/explicit-consents", EXPLICIT)
    health = (await bank.client.get(f"{path}/health")).json()["allowed"]
    biometric = (await bank.client.get(f"{path}/biometric")).json()["allowed"]
    sms = (await bank.client.get("/v1/customers/ayse/consents/sms")).json()["allowed"]
    notices = (await bank.client.get("/v1/customers/ayse/notices")).json()["items"]
    withdrawal = {**EXPLICIT, "state": "refused", "signature": {}}
    withdrawn, _ = await post(bank, "/customers/ayse/explicit-consents", withdrawal)
    afterwards = (await bank.client.get(f"{path}/health")).json()["allowed"]
    listed = (await bank.client.get(path)).json()["items"]

    assert (status, withdrawn) == (201, 201)
    assert (health, biometric, sms, notices) == (True, False, False, [])
    assert afterwards is False
    assert [one["state"] for one in listed] == ["granted", "refused"]


@pytest.mark.req("E15", "blocks")
async def test_a_consent_to_messages_is_no_explicit_consent(bank: Tenant) -> None:
    await put_customer(bank)
    said = {"channel": "sms", "state": "granted", "source": "branch", "evidence": {"form": "K1"}}
    status, _ = await post(bank, "/customers/ayse/consents", said)

    health = (await bank.client.get("/v1/customers/ayse/explicit-consents/health")).json()

    assert status == 201
    assert health["allowed"] is False


@pytest.mark.req("E15", "blocks")
@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"signature": {}}, "signature"),
        ({"signature": {"kind": "wet"}}, "signature"),
        ({"signature": {"file": "KVK-17"}}, "signature"),
        ({"category": "shoe_size"}, "category"),
        ({"given_at": "2099-01-01T00:00:00Z"}, "given_at"),
    ],
)
async def test_what_is_not_signed_is_no_explicit_consent(
    bank: Tenant, said: dict[str, object], field: str
) -> None:
    await put_customer(bank)

    status, problem = await post(bank, "/customers/ayse/explicit-consents", {**EXPLICIT, **said})

    assert (status, problem["errors"][0]["field"]) == (422, field)
