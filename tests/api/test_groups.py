"""Groups over the API: by name, by condition, and from a spreadsheet once for each key."""

import pytest

from tellal.services.keys import Scope
from tests.support.api import Tenant, Tenants, put_customer
from tests.support.sheets import as_csv, as_xlsx

ROWS = [["Cep", "Borç"], ["5320000101.0", "10"], ["05320000102", "20"]]


@pytest.fixture
async def two(bank: Tenant) -> Tenant:
    """A bank with two customers, one of them in Ankara."""
    await put_customer(bank, attributes={"city": "Ankara"})
    await put_customer(bank, "ali", contacts=[{"channel": "sms", "address": "05320000102"}])
    return bank


async def make(tenant: Tenant, name: str = "gold", **more: object) -> None:
    answer = await tenant.client.post("/v1/groups", json={"name": name, **more})
    assert answer.status_code == 201, answer.text


async def members(tenant: Tenant, name: str = "gold") -> dict[str, object]:
    answer = await tenant.client.get(f"/v1/groups/{name}/members")
    return {one["customer"]: one["variables"] for one in answer.json()["items"]}


@pytest.mark.req("D65", "allows")
async def test_a_list_is_made_filled_read_page_by_page_and_taken_away(two: Tenant) -> None:
    await make(two)
    body = {"members": [{"customer": "ayse", "variables": {"x": 1}}, {"customer": "ali"}]}

    put = await two.client.post("/v1/groups/gold/members", json=body)
    first = (await two.client.get("/v1/groups/gold/members?limit=1")).json()
    last = (await two.client.get(f"/v1/groups/gold/members?after={first['next']}")).json()
    out = await two.client.delete("/v1/groups/gold/members?customer=ali&customer=x")
    group = (await two.client.get("/v1/groups/gold")).json()
    gone = await two.client.delete("/v1/groups/gold")

    assert put.json() == {"added": 2, "changed": 0}
    assert [one["customer"] for one in first["items"] + last["items"]] == ["ayse", "ali"]
    assert (last["next"], out.json()) == (None, {"removed": 1})
    assert (group["kind"], group["members"], group["made_by"]) == ("list", 1, "crm")
    assert gone.status_code == 204
    assert (await two.client.get("/v1/groups/gold")).status_code == 404
    assert (await two.client.get("/v1/groups")).json()["items"] == []


async def test_a_segment_is_counted_made_and_kept_as_it_is(two: Tenant) -> None:
    segment = {"customer.city": "Ankara"}

    counted = await two.client.post("/v1/groups/count", json={"segment": segment})
    await make(two, "ankara", kind="segment", segment=segment)
    kept = await two.client.post("/v1/groups/ankara/snapshot", json={"name": "then"})
    await put_customer(two, attributes={"city": "Bursa"})

    assert counted.json() == {"members": 1, "first": ["ayse"]}
    assert (kept.status_code, kept.json()["members"], kept.json()["source"]) == (201, 1, "ankara")
    assert await members(two, "ankara") == {}
    assert await members(two, "then") == {"ayse": {}}


async def test_what_is_wrong_is_said_with_how_to_mend_it(two: Tenant) -> None:
    await make(two)

    twice = await two.client.post("/v1/groups", json={"name": "gold"})
    unread = await two.client.post(
        "/v1/groups", json={"name": "x", "kind": "segment", "segment": {"customer.citi": "Ankara"}}
    )
    unknown = await two.client.post(
        "/v1/groups/gold/members", json={"members": [{"customer": "ayse"}, {"customer": "veli"}]}
    )

    assert (twice.status_code, twice.json()["code"]) == (409, "name_taken")
    assert unread.status_code == 422
    assert "customer.city" in unread.json()["hint"]
    assert unknown.status_code == 422
    assert "veli" in unknown.json()["detail"]
    assert await members(two) == {}


@pytest.mark.req("D64")
@pytest.mark.parametrize("form", [False, True], ids=["raw", "form"])
async def test_a_spreadsheet_is_uploaded_once_however_often_it_is_sent(
    two: Tenant, form: bool
) -> None:
    await make(two)
    content, headers = as_xlsx(ROWS), {"Idempotency-Key": f"upload-{form}"}
    request = two.client.build_request(
        "POST",
        "/v1/groups/gold/upload",
        headers=headers,
        **({"files": {"file": ("mart.xlsx", content)}} if form else {"content": content}),
    )
    await request.aread()

    done = await two.client.send(request)
    again = await two.client.send(request)

    assert done.status_code == 200, done.text
    assert done.json() == again.json()
    assert again.headers["Idempotent-Replay"] == "true"
    assert (done.json()["done"], done.json()["added"]) == (True, 2)
    assert await members(two) == {"ayse": {"borc": "10"}, "ali": {"borc": "20"}}
    source = (await two.client.get("/v1/groups/gold")).json()["source"]
    assert source == ("mart.xlsx" if form else "")


@pytest.mark.req("D64")
async def test_a_bad_line_is_reported_and_nothing_is_half_done(two: Tenant) -> None:
    await make(two)
    content = as_csv([*ROWS, ["12", "30"], ["05320000101", "40"]], ";")

    refused = await two.client.post("/v1/groups/gold/upload", content=content)
    before = await members(two)
    taken = await two.client.post("/v1/groups/gold/upload?skip_bad=true", content=content)

    assert refused.status_code == 200
    assert (refused.json()["done"], refused.json()["refused"], before) == (False, 1, {})
    [bad] = refused.json()["bad"]
    assert bad["line"] == 4
    assert bad["message"].startswith("Cep: this number")
    assert bad["hint"]
    assert (taken.json()["added"], taken.json()["repeated"][0]["line"]) == (2, 5)


async def test_who_may_not_make_customers_makes_none_by_a_file(tenants: Tenants) -> None:
    bank = await tenants.make("bank", [Scope.GROUPS_READ, Scope.GROUPS_WRITE])
    await make(bank)

    denied = await bank.client.post("/v1/groups/gold/upload?create=true", content=as_csv(ROWS))
    wide = await tenants.make("wide")
    await make(wide)
    made = await wide.client.post("/v1/groups/gold/upload?create=true", content=as_csv(ROWS))

    assert (denied.status_code, denied.json()["code"]) == (403, "scope_needed")
    assert (made.json()["created"], len(await members(wide))) == (2, 2)


@pytest.mark.req("D65", "blocks")
async def test_another_brand_sees_no_group(two: Tenant, distributor: Tenant) -> None:
    await make(two)

    assert (await distributor.client.get("/v1/groups/gold")).status_code == 404
    assert (await distributor.client.get("/v1/groups")).json()["items"] == []
    await make(distributor)


async def test_a_key_that_only_reads_changes_nothing(tenants: Tenants) -> None:
    reader = await tenants.make("bank", [Scope.GROUPS_READ])

    assert (await reader.client.post("/v1/groups", json={"name": "x"})).status_code == 403
    assert (await reader.client.get("/v1/groups")).status_code == 200
