"""Keys at the level of the database: races, and what is kept of a secret."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tellal.domain.errors import ConflictError, InvalidInputError, NotFoundError
from tellal.ids import new_id
from tellal.persistence.session import Sessions
from tellal.services.brands import create_brand, find_brand
from tellal.services.keys import (
    Scope,
    create_key,
    identify,
    list_keys,
    revoke_key,
    rotate_key,
    show_use,
)
from tests.support.builders import a_brand

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
SCOPES = [Scope.EVENTS_WRITE]


@pytest.fixture
async def brand_id(sessions: Sessions) -> str:
    async with sessions() as tx, tx.begin():
        return (await a_brand(tx)).id


async def make(sessions: Sessions, brand_id: str, name: str = "crm") -> tuple[str, str]:
    async with sessions() as tx, tx.begin():
        key, token = await create_key(tx, brand_id, name, SCOPES, now=NOW)
    return key.id, token


async def test_of_two_who_make_the_same_key_one_is_refused(
    sessions: Sessions, brand_id: str
) -> None:
    made = await asyncio.gather(
        *(make(sessions, brand_id) for _ in range(5)), return_exceptions=True
    )

    refused = [one for one in made if isinstance(one, ConflictError)]
    assert len(refused) == 4
    async with sessions() as tx:
        assert len(await list_keys(tx, brand_id)) == 1


@pytest.mark.req("D72", "blocks")
async def test_of_two_who_rotate_the_same_key_one_is_refused(
    sessions: Sessions, brand_id: str
) -> None:
    key_id, _ = await make(sessions, brand_id)

    async def rotate() -> None:
        async with sessions() as tx, tx.begin():
            await rotate_key(tx, brand_id, key_id, overlap=timedelta(hours=1), now=NOW)

    done = await asyncio.gather(*(rotate() for _ in range(5)), return_exceptions=True)

    assert sum(isinstance(one, ConflictError) for one in done) == 4
    async with sessions() as tx:
        assert len(await list_keys(tx, brand_id)) == 2


@pytest.mark.req("D72", "blocks")
async def test_a_key_that_was_revoked_while_others_rotate_stays_revoked(
    sessions: Sessions, brand_id: str
) -> None:
    key_id, token = await make(sessions, brand_id)
    async with sessions() as tx, tx.begin():
        await revoke_key(tx, brand_id, key_id, now=NOW)

    async with sessions() as tx, tx.begin():
        with pytest.raises(ConflictError):
            await rotate_key(tx, brand_id, key_id, overlap=timedelta(hours=1), now=NOW)

    async with sessions() as tx:
        assert await identify(tx, token, now=NOW) is None


@pytest.mark.req("D72", "allows")
async def test_a_caller_keeps_his_identity_when_his_key_is_rotated(
    sessions: Sessions, brand_id: str
) -> None:
    key_id, old = await make(sessions, brand_id)
    async with sessions() as tx, tx.begin():
        _, new = await rotate_key(tx, brand_id, key_id, overlap=timedelta(hours=1), now=NOW)

    async with sessions() as tx:
        callers = [await identify(tx, token, now=NOW) for token in (old, new)]

    assert callers[0] is not None
    assert callers[1] is not None
    assert callers[0].key.id != callers[1].key.id
    assert callers[0].identity == callers[1].identity


async def test_a_use_is_written_once_a_minute(sessions: Sessions, brand_id: str) -> None:
    key_id, _ = await make(sessions, brand_id)
    for seconds in (0, 59, 60, 30):
        async with sessions() as tx, tx.begin():
            await show_use(tx, key_id, at=NOW + timedelta(seconds=seconds))

    async with sessions() as tx:
        (key,) = await list_keys(tx, brand_id)

    assert key.last_used_at == NOW + timedelta(seconds=60)


@pytest.mark.parametrize(
    "scopes",
    [pytest.param([], id="none"), pytest.param(["customers:erase"], id="unknown")],
)
async def test_scopes_that_open_nothing_are_refused(
    sessions: Sessions, brand_id: str, scopes: list[str]
) -> None:
    async with sessions() as tx:
        with pytest.raises(InvalidInputError, match=r"scope"):
            await create_key(tx, brand_id, "crm", scopes, now=NOW)


async def test_nobody_makes_a_key_for_a_brand_that_is_not_there(sessions: Sessions) -> None:
    async with sessions() as tx:
        with pytest.raises(NotFoundError):
            await create_key(tx, new_id(), "crm", SCOPES, now=NOW)


async def test_a_brand_is_found_by_its_name_and_exists_once(sessions: Sessions) -> None:
    async with sessions() as tx, tx.begin():
        made = await create_brand(tx, name="green-bank", trade_name="Green A.Ş.", now=NOW)

    async with sessions() as tx:
        assert await find_brand(tx, "green-bank") == made
        with pytest.raises(ConflictError):
            await create_brand(tx, name="green-bank", trade_name="Other", now=NOW)
        with pytest.raises(NotFoundError):
            await find_brand(tx, "red-bank")


@pytest.mark.parametrize(
    ("said", "field"),
    [
        pytest.param({"name": "Green Bank"}, "name", id="name"),
        pytest.param({"country": "XX"}, "country", id="country"),
        pytest.param({"timezone": "Mars/Olympus"}, "timezone", id="zone"),
    ],
)
async def test_a_brand_that_cannot_be_is_refused(
    sessions: Sessions, said: dict[str, str], field: str
) -> None:
    values = {"name": "green-bank", "trade_name": "Green A.Ş.", **said}
    async with sessions() as tx:
        with pytest.raises(InvalidInputError) as refused:
            await create_brand(tx, now=NOW, **values)

    assert refused.value.field == field
