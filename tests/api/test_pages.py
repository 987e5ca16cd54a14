"""Pages: every thing once, whatever comes in while somebody leafs."""

from collections.abc import Awaitable, Callable

import pytest

from tests.support.api import Tenant, declare_outage, log_in, open_case, put_customer

Make = Callable[[Tenant, int], Awaitable[object]]


async def a_customer(tenant: Tenant, n: int) -> None:
    await put_customer(tenant, f"customer-{n}")


async def a_case(tenant: Tenant, n: int) -> None:
    await a_customer(tenant, n)
    await open_case(tenant, f"customer-{n}")


async def an_outage(tenant: Tenant, _: int) -> None:
    await declare_outage(tenant)


async def a_message(tenant: Tenant, n: int) -> None:
    await a_customer(tenant, n)
    await log_in(tenant, f"customer-{n}")


OLDEST_FIRST = [
    pytest.param("/v1/customers", a_customer, id="customers"),
    pytest.param("/v1/cases", a_case, id="cases"),
    pytest.param("/v1/outages", an_outage, id="outages"),
    pytest.param("/v1/messages", a_message, id="messages"),
]


async def page(tenant: Tenant, path: str, after: str | None, **more: str) -> dict[str, object]:
    params = {"limit": "2", **more, **({"after": after} if after else {})}
    answer = await tenant.client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


async def leaf(tenant: Tenant, path: str, **more: str) -> list[str]:
    """Read page after page; return the ids in the order in which they came."""
    ids: list[str] = []
    after: str | None = None
    while True:
        found = await page(tenant, path, after, **more)
        items = found["items"]
        assert isinstance(items, list)
        ids += [item["id"] for item in items]
        after = str(found["next"]) if found["next"] else None
        if after is None:
            return ids


@pytest.mark.parametrize(("path", "make"), OLDEST_FIRST)
async def test_what_comes_in_meanwhile_neither_repeats_nor_hides_anything(
    bank: Tenant, path: str, make: Make
) -> None:
    for n in range(3):
        await make(bank, n)
    before = await leaf(bank, path)

    first = await page(bank, path, None)
    await make(bank, 3)
    items, after = first["items"], str(first["next"])
    assert isinstance(items, list)
    rest = await page(bank, path, after)
    others = rest["items"]
    assert isinstance(others, list)

    seen = [item["id"] for item in (*items, *others)]
    assert len(before) == len(set(before)) == 3
    assert seen[:3] == before
    assert len(set(seen)) == 4


async def test_decisions_come_newest_first(bank: Tenant) -> None:
    await put_customer(bank)
    for _ in range(3):
        await log_in(bank)

    ids = await leaf(bank, "/v1/decisions", customer="ayse", topic="phishing_awareness")

    assert len(ids) == 3
    assert ids == sorted(ids, reverse=True)


async def test_a_list_that_ends_with_the_page_has_no_next(bank: Tenant) -> None:
    for n in range(2):
        await a_customer(bank, n)

    assert (await page(bank, "/v1/customers", None))["next"] is None


@pytest.mark.parametrize("limit", ["0", "201", "many"])
async def test_a_page_has_a_size(bank: Tenant, limit: str) -> None:
    answer = await bank.client.get("/v1/customers", params={"limit": limit})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "limit"
