"""Brands and keys at the command line, on a real database."""

import pytest

from tellal.clock import SystemClock
from tellal.persistence.session import Sessions
from tellal.services.keys import Scope, identify
from tests.support.terminal import Said, run


@pytest.fixture
def brand(database_url: str) -> str:
    """A brand that the command made."""
    made = run(
        "brands", "create", "green-bank", "--trade-name", "Green", TELLAL_DATABASE_URL=database_url
    )
    assert made.code == 0, made.err
    return "green-bank"


async def opens(sessions: Sessions, token: str) -> set[Scope]:
    async with sessions() as tx:
        caller = await identify(tx, token.strip(), now=SystemClock().now())
    return set() if caller is None else set(caller.key.scopes)


def keys(database_url: str, *words: str) -> Said:
    return run("keys", *words, TELLAL_DATABASE_URL=database_url)


async def test_a_key_opens_all_or_what_is_named(
    brand: str, database_url: str, sessions: Sessions
) -> None:
    whole = keys(database_url, "create", brand, "core")
    part = keys(database_url, "create", brand, "web", "--scope", "events:write")

    assert await opens(sessions, whole.out) == set(Scope)
    assert await opens(sessions, part.out) == {Scope.EVENTS_WRITE}


async def test_a_rehearsal_key_opens_all_but_keys_and_is_listed_as_one(
    brand: str, database_url: str, sessions: Sessions
) -> None:
    token = keys(database_url, "create", brand, "staging", "--rehearses").out
    refused = keys(database_url, "create", brand, "other", "--rehearses", "--scope", "keys:admin")

    assert await opens(sessions, token) == set(Scope) - {Scope.KEYS_ADMIN}
    assert keys(database_url, "list", brand).out.split()[-1] == "rehearses"
    assert refused.code != 0
    assert "keys:admin" in refused.err


@pytest.mark.req("D72", "blocks")
@pytest.mark.req("D72", "allows")
async def test_a_key_is_listed_rotated_and_revoked(
    brand: str, database_url: str, sessions: Sessions
) -> None:
    old = keys(database_url, "create", brand, "core").out
    key_id = keys(database_url, "list", brand).out.split()[0]

    new = keys(database_url, "rotate", brand, key_id).out
    both = [await opens(sessions, token) for token in (old, new)]
    keys(database_url, "revoke", brand, key_id)

    assert both == [set(Scope), set(Scope)]
    assert await opens(sessions, old) == set()
    listed = keys(database_url, "list", brand).out
    assert "spent" in listed
    assert old.strip() not in listed


def test_a_brand_without_a_phone_is_told_which_texts_it_cannot_send(database_url: str) -> None:
    said = run(
        *("brands", "create", "mute-bank", "--trade-name", "Mute", "--email", "a@example.com"),
        *("--mersis", "0123456789012345"),
        TELLAL_DATABASE_URL=database_url,
    )

    assert said.code == 0
    assert said.out.startswith("The brand mute-bank exists now.")
    [sentence] = said.err.splitlines()
    assert sentence.startswith("It has no phone, so these texts cannot be sent: ")
    assert "case_opened (email)" in sentence
    assert "phishing_awareness (banner, email, push, sms)" in sentence
    assert "security_alert (email, push, sms)" in sentence
    assert "outage_notice (email)" in sentence
    assert "_push" not in sentence


def test_a_brand_that_says_all_is_told_nothing(database_url: str) -> None:
    said = run(
        *("brands", "create", "whole-bank", "--trade-name", "Whole", "--phone", "+908500000001"),
        *("--email", "a@example.com", "--mersis", "0123456789012345"),
        TELLAL_DATABASE_URL=database_url,
    )

    assert (said.code, said.err) == (0, "")


def test_a_brand_that_exists_is_refused_in_a_sentence(brand: str, database_url: str) -> None:
    said = run("brands", "create", brand, "--trade-name", "X", TELLAL_DATABASE_URL=database_url)

    assert (said.code, said.err) == (1, "there is a brand 'green-bank' already\n")


def test_a_bad_name_comes_with_a_hint(database_url: str) -> None:
    said = run("brands", "create", "Green!", "--trade-name", "X", TELLAL_DATABASE_URL=database_url)

    assert said.code == 1
    assert "lower-case letters" in said.err
