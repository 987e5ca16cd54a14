"""People of a campaign counted by the groups that they are in."""

import pytest
from sqlalchemy import insert

from rules.holder import RulebookHolder
from tellal.domain.customers import Brand
from tellal.domain.errors import NotFoundError
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.session import Sessions
from tellal.persistence.tables.campaigns import GroupMemberRow, GroupRow
from tellal.services.campaign_progress import Totals
from tellal.services.campaign_segments import count_segment
from tests.support.builders import a_brand
from tests.support.campaigns import BEGAN, Written, a_finished_run

pytestmark = pytest.mark.req("D62")


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    async with sessions() as tx, tx.begin():
        return await a_brand(tx)


async def a_group(
    sessions: Sessions,
    campaign: Written,
    name: str,
    *members: str,
    segment: dict[str, object] | None = None,
) -> None:
    group_id = new_id()
    async with sessions() as tx, tx.begin():
        await tx.execute(
            insert(table(GroupRow)).values(
                id=group_id,
                brand_id=campaign.brand.id,
                name=name,
                kind="segment" if segment else "list",
                segment=segment,
                made_by="author",
                created_at=BEGAN,
                changed_at=BEGAN,
            )
        )
        for ref in members:
            await tx.execute(
                insert(table(GroupMemberRow)).values(
                    group_id=group_id, customer_id=campaign.customers[ref], added_at=BEGAN
                )
            )


async def of(sessions: Sessions, campaign: Written, name: str) -> Totals:
    causes = [one.cause_id for one in campaign.rounds]
    book = RulebookHolder(None).current
    async with sessions() as tx:
        return await count_segment(tx, book, campaign.brand.id, name, causes=causes, now=BEGAN)


async def test_those_of_a_list_are_counted(sessions: Sessions, brand: Brand) -> None:
    campaign = await a_finished_run(sessions, brand)
    await a_group(sessions, campaign, "vip", "ayse", "can", "derya")

    assert await of(sessions, campaign, "vip") == Totals.of(
        {"told": 1, "failed": 1, "suppressed": 1}
    )


async def test_those_who_meet_a_condition_are_counted(sessions: Sessions, brand: Brand) -> None:
    campaign = await a_finished_run(sessions, brand)
    await a_group(sessions, campaign, "poles", segment={"customer.country": "PL"})

    assert await of(sessions, campaign, "poles") == Totals.of({"told": 1})


async def test_a_group_that_is_not_there_is_said(sessions: Sessions, brand: Brand) -> None:
    campaign = await a_finished_run(sessions, brand)

    with pytest.raises(NotFoundError, match="no group 'nobody'"):
        await of(sessions, campaign, "nobody")
