"""The API shows what it counted, to anybody who asks, and nothing of anybody in particular."""

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.support.api import Served, Tenant, log_in, put_customer

CUSTOMER = "fatma-7731"
PHONE = "5320007731"


async def scraped(served: Served) -> list[Sample]:
    async with served.client() as stranger:
        answer = await stranger.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return [one for family in text_string_to_metric_families(answer.text) for one in family.samples]


def value(samples: list[Sample], name: str, **labels: str) -> float:
    return sum(
        one.value for one in samples if one.name == name and labels.items() <= one.labels.items()
    )


async def test_requests_are_counted_by_the_template_of_their_route(
    served: Served, bank: Tenant
) -> None:
    before = await scraped(served)

    await put_customer(bank, CUSTOMER)
    await bank.client.get(f"/v1/messages/{PHONE}")
    await bank.client.get(f"/nowhere/{PHONE}")
    after = await scraped(served)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    put = {"method": "PUT", "route": "/v1/customers/{ref}"}
    assert grown("tellal_http_requests_total", **put, status="200") == 1
    assert grown("tellal_http_request_duration_seconds_count", **put) == 1
    assert grown("tellal_http_requests_total", route="/v1/messages/{message_id}", status="404") == 1
    assert grown("tellal_http_requests_total", route="none", status="404") == 1


async def test_a_decision_is_counted_with_who_answered(served: Served, bank: Tenant) -> None:
    before = await scraped(served)
    await put_customer(bank, CUSTOMER)

    told = await log_in(bank, CUSTOMER)
    after = await scraped(served)

    name = "tellal_decisions_total"
    assert value(after, name) - value(before, name) == len(told["decisions"]) > 0
    executors = {one.labels["executor"] for one in after if one.name == name}
    assert executors <= {"durable_rules", "reference"}


async def test_no_person_and_no_brand_is_in_it(served: Served, bank: Tenant) -> None:
    await put_customer(bank, CUSTOMER, contacts=[{"channel": "sms", "address": f"0{PHONE}"}])
    await log_in(bank, CUSTOMER)
    await bank.client.get(f"/v1/decisions?customer={CUSTOMER}")
    await bank.client.request("BREW", f"/v1/customers/{CUSTOMER}")

    async with served.client() as stranger:
        shown = (await stranger.get("/metrics")).text

    for word in (CUSTOMER, PHONE, bank.brand.id, bank.brand.name, bank.key.id, "BREW"):
        assert word not in shown


async def test_what_only_a_worker_reads_is_not_shown_as_nought(served: Served) -> None:
    names = {one.name for one in await scraped(served)}

    assert "process_resident_memory_bytes" in names
    assert "tellal_outbox_items" not in names
    assert "tellal_ledger_read_timestamp_seconds" not in names
