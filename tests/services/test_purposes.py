"""Consent reaches as far as it names: one brand, one channel, and purposes if it names some."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from rules.decide import Decider
from rules.holder import RulebookHolder
from rules.routing import load_routes
from tellal.domain.channels import Channel
from tellal.domain.consents import ConsentChannel
from tellal.domain.customers import ConsentState
from tellal.persistence.people import find_customer
from tellal.persistence.session import Sessions
from tellal.services.asking import Asking
from tellal.services.consents import ConsentInput, Consents
from tellal.services.population import Deciding, Matter, Population
from tests.rules.writing import AT, CHANNELS, write
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock

ROUTES = load_routes().with_providers({"smtp"})
TOPIC = """
topics:
  - {id: offer, means: An offer, class: commercial, expires: 1d, purposes: PURPOSES}
"""
YES, NO = ConsentState.GRANTED, ConsentState.REFUSED
SMS, EMAIL = ConsentChannel.SMS, ConsentChannel.EMAIL

Said = tuple[ConsentState, ConsentChannel, Sequence[str]]


@pytest.mark.req("C05", "blocks")
@pytest.mark.req("C05", "allows")
@pytest.mark.req("C07", "blocks")
@pytest.mark.req("D39", "blocks")
@pytest.mark.req("D39", "allows")
@pytest.mark.req("D40", "blocks")
@pytest.mark.req("D40", "allows")
@pytest.mark.parametrize(
    ("purposes", "said", "expected"),
    [
        pytest.param("[news]", [(YES, EMAIL, [])], "send", id="all of it"),
        pytest.param("[news]", [(YES, EMAIL, ["news", "terms"])], "send", id="it is named"),
        pytest.param("[news]", [(YES, EMAIL, ["terms"])], "no_consent", id="another purpose"),
        pytest.param("[news, terms]", [(YES, EMAIL, ["news"])], "no_consent", id="half of it"),
        pytest.param(
            "[news, terms]",
            [(YES, EMAIL, ["news"]), (YES, EMAIL, ["terms"])],
            "send",
            id="one after the other",
        ),
        pytest.param("[news]", [(YES, SMS, ["news"])], "no_consent", id="another channel"),
        pytest.param(
            "[news]", [(YES, EMAIL, []), (NO, EMAIL, ["terms"])], "send", id="another refused"
        ),
        pytest.param(
            "[news, terms]",
            [(YES, EMAIL, []), (NO, EMAIL, ["terms"])],
            "refused",
            id="one of them refused",
        ),
        pytest.param("[news]", [(YES, EMAIL, ["news"]), (NO, EMAIL, [])], "refused", id="all"),
        pytest.param(
            "[news]", [(NO, EMAIL, []), (YES, EMAIL, ["news"])], "send", id="changed his mind"
        ),
    ],
)
async def test_a_consent_counts_for_the_purposes_that_it_names(
    sessions: Sessions, tmp_path: Path, purposes: str, said: Sequence[Said], expected: str
) -> None:
    books = RulebookHolder(write(tmp_path, TOPIC.replace("PURPOSES", purposes) + CHANNELS))
    asking, deciding = Asking(books, Decider(None), ROUTES), Deciding(ROUTES)
    consents = Consents(SetClock(AT))
    contacts = {Channel.EMAIL: "ayse@example.com"}
    async with sessions() as tx, tx.begin():
        brand, other = await a_brand(tx), await a_brand(tx, "other-bank")
        await a_customer(tx, brand, contacts=contacts)
        await a_customer(tx, other, contacts=contacts)
        for number, (state, channel, named) in enumerate(said):
            given = ConsentInput(
                channel=channel,
                state=state,
                source="branch",
                purposes=named,
                given_at=AT - timedelta(hours=9 - number),
            )
            await consents.record(tx, brand=brand, ref="ayse", said=given)
        customer = await find_customer(tx, brand.id, "ayse")
        stranger = await find_customer(tx, other.id, "ayse")
        matter = Matter(topic="offer", at=AT, whom=Population(brand_id=brand.id))

        decision = (await asking.ask(tx, customer, "offer", AT)).decision
        elsewhere = (await asking.ask(tx, stranger, "offer", AT)).decision
        [summary] = [one async for one in deciding.stream(tx, books.current, matter)]

    reasons = {reason.code for reason in decision.removed.values()}
    assert (decision.verdict.value == "send") is (expected == "send")
    assert expected == "send" or expected in reasons
    assert summary.verdict is decision.verdict
    assert elsewhere.reasons[0].code == "no_consent"
