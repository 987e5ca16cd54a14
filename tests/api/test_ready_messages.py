"""Ready messages over the API: what there is, and one as somebody would read it."""

from dataclasses import replace
from pathlib import Path

import pytest

from rules.holder import RulebookHolder
from rules.routing import load_routes
from tellal.services.shelf import Shelf
from tellal.services.text_previews import TextPreviews
from templates.environment import JinjaRenderer
from tests.rules.writing import write
from tests.support.api import Served, Tenant, put_customer

DEBT = (
    "Sayın {{ customer.first_name | default('müşterimiz', true) }}, borcunuz {{ borc_tutari }} TL."
)
ROUTES = """\
version: 1
routes:
  - id: ours
    provider: twilio
    channel: sms
    price: {amount: '0.0500', currency: TRY}
    carries: [{countries: [TR], classes: [service]}]
"""


@pytest.fixture
def debts(served: Served, tmp_path: Path) -> Served:
    """An application with one text, that needs a variable of each member."""
    (tmp_path / "routes.yaml").write_text(ROUTES, encoding="utf-8")
    rules, texts = tmp_path / "rules", tmp_path / "texts" / "debt"
    rules.mkdir()
    texts.mkdir(parents=True)
    write(
        rules,
        "topics:\n  - {id: debt, means: A debt, class: service, expires: 1d, content_version: 3}\n"
        "channels:\n  - {id: d, when: {topic: debt}, send: [sms]}\n",
    )
    (texts / "sms.tr.j2").write_text(DEBT, encoding="utf-8")
    (texts / "example.json").write_text(
        '{"customer": {"first_name": "Elif"}, "borc_tutari": "120"}', encoding="utf-8"
    )
    (texts / "topic.json").write_text('{"languages": ["tr"]}', encoding="utf-8")
    books = RulebookHolder(rules)
    shelf = Shelf(served.sessions, books, JinjaRenderer(tmp_path / "texts"))
    routes = load_routes(tmp_path / "routes.yaml")
    served.app.state.desk = replace(
        served.desk, previews=TextPreviews(books, shelf, routes, served.clock)
    )
    return served


@pytest.fixture(autouse=True)
def _as_it_was(served: Served) -> object:
    before = served.desk
    yield
    served.app.state.desk = before


@pytest.mark.req("D75", "allows")
async def test_every_text_is_there_with_its_example_segments_and_cost(bank: Tenant) -> None:
    answer = await bank.client.get("/v1/templates")

    shown = {(one["topic"], one["channel"], one["language"]): one for one in answer.json()["items"]}
    opened = shown["case_opened", "sms", "tr"]
    assert answer.json()["revision"]
    assert len(shown) == len(JinjaRenderer().list_templates())
    assert (opened["message_class"], opened["segments"] >= 1) == ("service", True)
    assert "case.number" in opened["needs"]
    promo = shown["iscep_promo", "sms", "tr"]
    assert "Deneme A.Ş." in promo["text"]
    assert not [one for one in opened["findings"] if one["severity"] == "error"]


@pytest.mark.req("D75")
@pytest.mark.usefixtures("debts")
async def test_what_a_text_costs_and_lacks_is_shown(bank: Tenant) -> None:
    answer = await bank.client.get("/v1/templates?topic=debt")

    [one] = answer.json()["items"]
    assert (one["text"], one["version"]) == ("Sayın Elif, borcunuz 120 TL.", 3)
    assert (one["segments"], one["cost"], one["currency"]) == (1, "0.0500", "TRY")
    assert (one["needs"], one["spares"]) == (["borc_tutari"], ["customer.first_name"])


@pytest.mark.req("D71", "blocks")
@pytest.mark.req("D71", "allows")
@pytest.mark.usefixtures("debts")
async def test_a_member_reads_his_own_and_who_lacks_it_is_left_out(bank: Tenant) -> None:
    await put_customer(bank, first_name="Ayşe")
    await put_customer(bank, "ali", contacts=[{"channel": "sms", "address": "05320000102"}])
    await bank.client.post("/v1/groups", json={"name": "debtors"})
    members = [
        {"customer": "ayse", "variables": {"borc_tutari": "1.250,50"}},
        {"customer": "ali", "variables": {"borc_tutari": " "}},
    ]
    await bank.client.post("/v1/groups/debtors/members", json={"members": members})
    where = "/v1/templates/debt/preview?channel=sms"

    hers = (await bank.client.get(f"{where}&customer=ayse&group=debtors")).json()
    his = (await bank.client.get(f"{where}&customer=ali&group=debtors")).json()
    alone = (await bank.client.get(f"{where}&customer=ayse")).json()

    assert hers["text"] == "Sayın Ayşe, borcunuz 1.250,50 TL."
    assert (hers["name"], hers["missing"], hers["left_out"]) == ("debt/sms.tr", [], "")
    assert (his["missing"], his["left_out"]) == (["borc_tutari"], "variable_missing")
    assert his["text"].startswith("Sayın müşterimiz, borcunuz ")
    assert (alone["missing"], alone["text"]) == (["borc_tutari"], "Sayın Ayşe, borcunuz 120 TL.")


@pytest.mark.req("D75", "blocks")
async def test_what_there_is_not_cannot_be_shown(bank: Tenant, distributor: Tenant) -> None:
    await put_customer(distributor)
    where = "/v1/templates/case_opened/preview"

    assert (await bank.client.get(f"{where}?channel=sms&customer=ayse")).status_code == 404
    await put_customer(bank)
    shown = await bank.client.get(f"{where}?channel=sms&customer=ayse")
    no_group = await bank.client.get(f"{where}?channel=sms&customer=ayse&group=x")
    no_text = await bank.client.get(f"{where}?channel=whatsapp&customer=ayse")
    no_topic = await bank.client.get("/v1/templates/x/preview?channel=sms&customer=ayse")

    assert shown.status_code == 200
    assert shown.json()["missing"] == ["case.number"]
    assert [one.status_code for one in (no_group, no_text, no_topic)] == [404, 422, 404]
