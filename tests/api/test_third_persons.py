"""Third persons learn nothing: whoever holds the phone, guesses an address, or gets a page."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tellal.domain.channels import Channel
from tellal.domain.errors import InvalidInputError
from templates.environment import SHIPPED, JinjaRenderer
from tests.architecture.test_routes import OPEN
from tests.support.api import Served, Tenant
from tests.support.forms import open_form
from tests.support.marked import MAIL, MARK, NUMBER, REF, a_marked_person
from tests.support.public import NOON, an_entry, an_outage

pytestmark = pytest.mark.req("E19")

MAY_SAY = {("case_resolved_with_result", "case.result")}
"""What a text may say besides: the result, where the rules chose the text that says it."""
PERSONAL = (
    "customer.first_name",
    "customer.ref",
    "customer.address",
    "case.subject",
    "case.result",
)
RENDERER = JinjaRenderer()
LANGUAGES = ("tr", "pl", "en")


def marked(example: Mapping[str, Any]) -> dict[str, Any]:
    """Return the example of a topic with every personal value marked by its own name."""
    said = {name: dict(part) for name, part in example.items()}
    for path in PERSONAL:
        section, _, name = path.partition(".")
        said.setdefault(section, {})[name] = f"‹{path}›"
    return said


def told_by(renderer: JinjaRenderer, topic: str, language: str) -> set[tuple[str, str]]:
    """Return which personal values a topic's SMS says."""
    rendered = renderer.render(
        topic=topic,
        channel=Channel.SMS,
        language=language,
        variables=marked(RENDERER.example(topic)),
    )
    return {(topic, path) for path in re.findall("‹([a-z_.]+)›", rendered.text)}


def texts() -> list[tuple[str, str]]:
    found = []
    for topic in sorted(one.name for one in SHIPPED.iterdir() if one.is_dir()):
        for language in LANGUAGES:
            try:
                told_by(RENDERER, topic, language)
            except InvalidInputError:
                continue
            found.append((topic, language))
    return found


@pytest.mark.req("E19", "blocks")
@pytest.mark.parametrize(("topic", "language"), texts())
def test_a_shipped_text_message_says_nothing_of_its_reader(topic: str, language: str) -> None:
    assert told_by(RENDERER, topic, language) <= MAY_SAY


def test_most_topics_have_a_text_message_to_look_at_and_a_name_would_be_seen() -> None:
    source = "Sayın {{ customer.first_name }}, kartınız yolda. {{ brand.phone }}"
    telling = JinjaRenderer(
        texts={
            "card_delivery/sms.tr.j2": source,
            "card_delivery/topic.json": RENDERER.library.source("card_delivery/topic.json") or "",
        }
    )

    assert len({topic for topic, _ in texts()}) >= 15
    assert told_by(telling, "card_delivery", "tr") == {("card_delivery", "customer.first_name")}


@pytest.mark.req("E19", "blocks")
@pytest.mark.parametrize("path", sorted(path for method, path in OPEN if method == "GET"))
async def test_nothing_that_is_open_to_everybody_names_anybody(
    served: Served, bank: Tenant, path: str
) -> None:
    served.clock.at = NOON
    async with served.sessions() as tx, tx.begin():
        person = await a_marked_person(tx, bank.brand, served.clock)
        outage_id = await an_outage(tx, bank.brand, "confirmed", confirmed_at=NOON)
        await an_entry(tx, outage_id, "confirm", "confirmed", public={"tr": "Arıza var."})
        preferences = await served.desk.preferences.address_of(tx, bank.brand.id, REF)
    unsubscribe = served.desk.one_click.url(person.told)
    token = (preferences if "preferences" in path else unsubscribe).rpartition("/")[2]
    open_form(served, bank)
    parts = {"token": token, "outage_id": outage_id, "number": 1, "code": person.code}
    address = path.format(**parts, brand=bank.brand.name)

    async with served.client() as client:
        answer = await client.get(address, params={"brand": bank.brand.name, "lang": "tr"})

    said = answer.text + str(answer.headers)
    assert answer.status_code == 200, answer.text
    for word in (MARK, NUMBER, NUMBER[3:], MAIL, REF, person.customer_id, "2026-000177"):
        assert word not in said


@pytest.mark.req("E19", "blocks")
@pytest.mark.usefixtures("bank")
async def test_a_strangers_token_shows_no_page(served: Served) -> None:
    async with served.client() as client:
        answer = await client.get(f"/unsubscribe/{'0' * 26}.{'0' * 32}")

    assert answer.status_code == 404
