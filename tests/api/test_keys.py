"""Keys: what they open, how they are replaced, and how they end (D72)."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, text

from tellal.persistence.columns import table
from tellal.persistence.tables.brands import ApiKeyRow, IdempotencyRow
from tellal.services.keys import Scope
from tests.support.api import Served, Tenant, Tenants
from tests.support.waiting import until

pytestmark = pytest.mark.req("D72")

_keys = table(ApiKeyRow).c


async def status_with(served: Served, token: str) -> int:
    async with served.client(token) as client:
        return (await client.get("/v1/customers")).status_code


async def make_key(tenant: Tenant, name: str = "site", **said: object) -> httpx.Response:
    body = {"name": name, "scopes": ["customers:read"], **said}
    return await tenant.client.post("/v1/keys", json=body)


async def shown(tenant: Tenant, key_id: str) -> dict[str, object]:
    listed: list[dict[str, object]] = (await tenant.client.get("/v1/keys")).json()["items"]
    return next(key for key in listed if key["id"] == key_id)


@pytest.mark.req("D72", "blocks")
@pytest.mark.req("D72", "allows")
async def test_a_key_opens_what_its_scopes_say(bank: Tenant, served: Served) -> None:
    token = (await make_key(bank)).json()["token"]

    async with served.client(token) as client:
        may = await client.get("/v1/customers")
        may_not = await client.put("/v1/customers/ayse", json={"locale": "tr"})

    assert may.status_code == 200
    assert may_not.status_code == 403
    assert "customers:write" in may_not.json()["detail"]


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("", id="none"),
        pytest.param("Bearer", id="empty"),
        pytest.param("Bearer tlk_", id="prefix"),
        pytest.param("Bearer tlk_01M837NRNXEYD9M2SCPHQYZW89_secret", id="unknown"),
        pytest.param("Bearer tlk_01M837NRNXEYD9M2SCPHQYZW89_\u015f", id="not ascii"),
        pytest.param("Basic dXNlcjpwYXNz", id="basic"),
    ],
)
async def test_whoever_has_no_key_is_told_to_bring_one(served: Served, header: str) -> None:
    async with served.client() as client:
        answer = await client.get("/v1/customers", headers={b"Authorization": header.encode()})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_the_id_of_a_key_opens_nothing_without_its_secret(
    bank: Tenant, served: Served
) -> None:
    assert await status_with(served, f"{bank.token}x") == 401
    assert await status_with(served, f"tlk_{bank.key.id}_") == 401


@pytest.mark.req("D72", "blocks")
@pytest.mark.req("D72", "allows")
async def test_both_keys_work_until_the_overlap_ends(bank: Tenant, served: Served) -> None:
    first = (await make_key(bank)).json()

    rotated = await bank.client.post(
        f"/v1/keys/{first['key']['id']}/rotate", json={"overlap_s": 600}
    )

    second = rotated.json()
    assert rotated.status_code == 201
    assert second["key"]["scopes"] == first["key"]["scopes"]
    served.clock.pass_by(timedelta(seconds=599))
    assert await status_with(served, first["token"]) == 200
    assert await status_with(served, second["token"]) == 200
    served.clock.pass_by(timedelta(seconds=1))
    assert await status_with(served, first["token"]) == 401
    assert await status_with(served, second["token"]) == 200


async def test_a_rotation_does_not_prolong_a_key(bank: Tenant, served: Served) -> None:
    end = served.clock.now() + timedelta(hours=1)
    first = (await make_key(bank, expires_at=end.isoformat())).json()
    key_id = first["key"]["id"]

    await bank.client.post(f"/v1/keys/{key_id}/rotate", json={"overlap_s": 7200})

    assert (await shown(bank, key_id))["expires_at"] == first["key"]["expires_at"]


@pytest.mark.req("D72", "blocks")
async def test_a_key_is_rotated_once(bank: Tenant) -> None:
    first = (await make_key(bank)).json()
    path = f"/v1/keys/{first['key']['id']}/rotate"
    await bank.client.post(path, json={})

    again = await bank.client.post(path, json={})

    assert again.status_code == 409
    assert again.json()["code"] == "key_spent"


@pytest.mark.req("D72", "blocks")
@pytest.mark.req("D72", "allows")
async def test_a_revoked_key_opens_nothing_at_once(bank: Tenant, served: Served) -> None:
    made = (await make_key(bank)).json()
    assert await status_with(served, made["token"]) == 200

    gone = await bank.client.delete(f"/v1/keys/{made['key']['id']}")

    assert gone.status_code == 204
    assert await status_with(served, made["token"]) == 401


async def test_an_expired_key_opens_nothing(bank: Tenant, served: Served) -> None:
    end = served.clock.now() + timedelta(hours=1)
    token = (await make_key(bank, expires_at=end.isoformat())).json()["token"]

    served.clock.pass_by(timedelta(hours=1))

    assert await status_with(served, token) == 401


async def test_a_key_that_would_have_expired_is_not_made(bank: Tenant, served: Served) -> None:
    answer = await make_key(bank, expires_at=served.clock.now().isoformat())

    assert answer.status_code == 422


async def test_one_working_key_bears_a_name(bank: Tenant) -> None:
    first = (await make_key(bank)).json()
    assert (await make_key(bank)).json()["code"] == "name_taken"

    await bank.client.delete(f"/v1/keys/{first['key']['id']}")

    assert (await make_key(bank)).status_code == 201


async def test_the_last_use_is_shown_to_the_minute(bank: Tenant, served: Served) -> None:
    made = (await make_key(bank)).json()
    key_id = made["key"]["id"]
    first_use = served.clock.now()
    await status_with(served, made["token"])
    await until(lambda: _used_at_is(served, key_id, first_use.isoformat()))

    served.clock.pass_by(timedelta(seconds=59))
    await status_with(served, made["token"])
    await settle_by_another_use(bank, served)
    assert await _used_at_is(served, key_id, first_use.isoformat())

    served.clock.pass_by(timedelta(seconds=1))
    await status_with(served, made["token"])
    await until(lambda: _used_at_is(served, key_id, served.clock.now().isoformat()))


async def test_secrets_are_nowhere_in_the_database(bank: Tenant, served: Served) -> None:
    answer = await bank.client.post(
        "/v1/keys",
        json={"name": "site", "scopes": ["customers:read"]},
        headers={"Idempotency-Key": "one"},
    )
    secret = answer.json()["token"].split("_", 2)[2]

    async with served.sessions() as tx:
        rows = [
            *(await tx.execute(text("SELECT row_to_json(k)::text FROM api_keys k"))).scalars(),
            *(await tx.execute(select(table(IdempotencyRow).c.body))).scalars(),
        ]

    assert rows
    assert not any(secret in str(row) for row in rows)


async def test_a_repeat_makes_no_second_key_and_does_not_show_the_first_again(
    bank: Tenant,
) -> None:
    said = {"name": "site", "scopes": ["customers:read"]}
    headers = {"Idempotency-Key": "one"}
    first = await bank.client.post("/v1/keys", json=said, headers=headers)

    again = await bank.client.post("/v1/keys", json=said, headers=headers)

    assert again.status_code == 201
    assert again.json() == {"key": first.json()["key"], "token": ""}


async def test_a_brand_sees_and_touches_its_own_keys_only(
    bank: Tenant, distributor: Tenant
) -> None:
    path = f"/v1/keys/{distributor.key.id}"

    listed = (await bank.client.get("/v1/keys")).json()["items"]
    answers = [
        await bank.client.post(f"{path}/rotate", json={}),
        await bank.client.delete(path),
    ]

    assert [key["id"] for key in listed] == [bank.key.id]
    assert [answer.status_code for answer in answers] == [404, 404]


async def test_keys_are_administered_with_the_scope_for_it_alone(tenants: Tenants) -> None:
    others = [scope for scope in Scope if scope is not Scope.KEYS_ADMIN]
    tenant = await tenants.make("bank", others)

    assert (await make_key(tenant)).status_code == 403
    assert (await tenant.client.get("/v1/keys")).status_code == 403


async def _used_at_is(served: Served, key_id: str, at: str) -> bool:
    async with served.sessions() as tx:
        used = await tx.execute(select(_keys.last_used_at).where(_keys.id == key_id))
        found = used.scalar_one()
    return found is not None and found.isoformat() == at


async def settle_by_another_use(bank: Tenant, served: Served) -> None:
    """Wait until a use that was noted later is written: what came before it is written too."""
    made = (await make_key(bank, name="later")).json()
    await status_with(served, made["token"])
    at = served.clock.now().isoformat()
    await until(lambda: _used_at_is(served, made["key"]["id"], at))
