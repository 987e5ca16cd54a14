"""Whoever owns the database can change anything, past every trigger: `tellal verify` finds it.

The ledger of consents, the log of the rulebook, and the logs of what staff did.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from rules.holder import RulebookHolder
from rules.keeping import load_periods
from tellal.domain.channels import Channel
from tellal.domain.consents import ConsentChannel
from tellal.domain.customers import Brand, ConsentState
from tellal.domain.holds import HoldScope
from tellal.domain.publishing import Action, Actor
from tellal.persistence.session import Sessions
from tellal.services import rulebook_log
from tellal.services.audit_logs import LOGS
from tellal.services.audit_sealing import AuditSealer
from tellal.services.campaigns import Staff
from tellal.services.consent_sealing import Sealer
from tellal.services.consents import ConsentInput, Consents
from tellal.services.holds import Holds
from tellal.services.house import House
from tellal.services.leases import Leases
from tellal.services.person_erasure import Persons
from tellal.services.purging import Purging
from templates.environment import JinjaRenderer
from tests.support.builders import a_brand, a_customer
from tests.support.credit import an_account
from tests.support.house import SetClock
from tests.support.marked import REF, a_marked_person
from tests.support.outages import confirmed
from tests.support.terminal import Said, run

pytestmark = pytest.mark.req("D37")

Verify = Callable[..., Said]

PAST_TRIGGERS = "SET LOCAL session_replication_role = replica"
PROOF = {"text": "Evet, haber verin.", "name": "Ali Yılmaz", "preselected": False}
TABLES = {name: log.table.name for name, log in LOGS.items()}
CHANGES = {
    "case": "by = 'somebody'",
    "outage": "by = 'somebody'",
    "campaign": "by = 'somebody'",
    "hold": "reason = 'none'",
    "release": "released_by = 'somebody'",
    "notice": "version = '9'",
    "explicit_consent": "state = 'refused'",
    "erasure": "at = at - interval '1 day'",
    "purge": "removed = removed + 1",
    "credit": "amount = amount + 1",
}
FILL = {
    "case": 'body = \'{"note": "said otherwise"}\'',
    "notice": 'details = \'{"ip": "other"}\'',
    "explicit_consent": 'signature = \'{"kind": "none"}\'',
}


@pytest.fixture
async def brand(sessions: Sessions, house: House, clock: SetClock) -> Brand:
    """A brand of which every ledger and log holds something, all of it sealed."""
    persons = Persons(Consents(clock), house.progress, clock)
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_marked_person(tx, brand, clock)
        await a_customer(tx, brand, "ali", contacts={Channel.SMS: "+905320000188"})
        said = ConsentInput(
            channel=ConsentChannel.SMS,
            state=ConsentState.GRANTED,
            source="HS_WEB",
            evidence=PROOF,
        )
        await Consents(clock).record(tx, brand=brand, ref="ali", said=said)
        holds = Holds(RulebookHolder(None), JinjaRenderer(), clock)
        scope = HoldScope(topic="iscep_promo")
        hold = await holds.place(tx, brand.id, scope, reason="A slip in the text", by="ada")
        await holds.release(tx, brand.id, hold.id, by="ada")
        await an_account(tx, brand, clock, "100.00")
    await confirmed(house, brand)
    async with sessions() as tx, tx.begin():
        when = {"at": "2030-01-01T10:00", "zone": "Europe/Istanbul"}
        plan = {"topic": "tariff_change", "when": when}
        await house.campaigns.make(
            tx, brand=brand, name="spring", plan=plan, who=Staff(by="ada@bank.example")
        )
    async with sessions() as tx, tx.begin():
        await persons.erase(tx, brand, "ali", by="dpo")
    await Purging(sessions, clock, load_periods(), Leases(sessions, clock)).purge()
    async with sessions() as tx, tx.begin():
        actor = Actor(person="ada@bank.example", key_id="k1")
        for action in (Action.PROPOSE, Action.REFUSE, Action.PROPOSE):
            await rulebook_log.append(tx, actor, action, "sha256:1", {}, now=clock.now())
    await seal(sessions, clock)
    return brand


@pytest.fixture
async def erased(brand: Brand, house: House, clock: SetClock, sessions: Sessions) -> None:
    """Erase her whose case, notice and explicit consent were sealed."""
    persons = Persons(Consents(clock), house.progress, clock)
    async with sessions() as tx, tx.begin():
        await persons.erase(tx, brand, REF, by="dpo")
    await seal(sessions, clock)


async def seal(sessions: Sessions, clock: SetClock) -> None:
    # Each time somebody else does, when the one before has let go.
    clock.pass_by(timedelta(minutes=1))
    await Sealer(sessions, clock).work()
    await AuditSealer(sessions, clock).work()


@pytest.fixture
def verify(database_url: str) -> Verify:
    def look(*words: str) -> Said:
        return run("verify", *words, TELLAL_DATABASE_URL=database_url)

    return look


async def tamper(sessions: Sessions, *statements: str) -> None:
    async with sessions() as tx, tx.begin():
        for statement in (PAST_TRIGGERS, *statements):
            await tx.execute(text(statement.replace(":", r"\:")))


async def one(sessions: Sessions, query: str) -> str:
    async with sessions() as tx:
        return str((await tx.execute(text(query))).scalar_one())


async def test_what_nobody_touched_verifies_with_an_erasure_and_a_purge(
    brand: Brand, sessions: Sessions, verify: Verify
) -> None:
    logs = int(await one(sessions, "SELECT count(DISTINCT log) FROM audit_chain"))
    consents, rulebook, audit = verify("consents"), verify("rulebook"), verify("audit")

    assert logs == len(LOGS)
    assert [one.code for one in (consents, rulebook, audit)] == [0, 0, 0], audit.out
    assert f"{brand.name}: the ledger is whole: 3 consents, 1 of them erased" in consents.out
    assert "is whole: 3 records" in rulebook.out
    assert f"{brand.name}: the logs are whole" in audit.out
    assert audit.out.count("everything is sealed") == 1


# Consents


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        pytest.param(
            ["UPDATE consents SET source = 'HS_ATM' WHERE seq = 2"],
            "(record 2) was changed after it was sealed",
            id="changed",
        ),
        pytest.param(
            ["DELETE FROM consents WHERE seq = 2"], "(record 2) was removed", id="removed"
        ),
        pytest.param(
            [
                (
                    "INSERT INTO consents SELECT (jsonb_populate_record(c, jsonb_build_object("
                    "'id', 'forged', 'state', 'granted', 'seq', 9))).* "
                    "FROM consents c WHERE seq = 2"
                )
            ],
            "consent forged says it was sealed, and the chain does not know it",
            id="inserted",
        ),
        pytest.param(
            ["UPDATE consents SET seq = 3 - seq WHERE seq IN (1, 2)"],
            "(record 1) stands at another place: 2",
            id="reordered",
        ),
        pytest.param(
            [
                (
                    "UPDATE consents SET evidence = '{}', address = '', recorded_by = '', "
                    "salt = '', erased_at = now() WHERE seq = 1"
                ),
                "UPDATE consents SET tombstone = 3 WHERE seq = 1",
            ],
            "says it was sealed, and the chain does not know it",
            id="erased without a stone",
        ),
    ],
)
@pytest.mark.usefixtures("brand")
async def test_a_consent_that_was_tampered_with_is_found(
    sessions: Sessions, verify: Verify, statements: list[str], words: str
) -> None:
    await tamper(sessions, *statements)

    found = verify("consents")

    assert found.code == 1
    assert words in found.out


# The log of the rulebook


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        pytest.param(
            ["UPDATE rulebook_log SET who = 'can' WHERE seq = 2"],
            "record 2 was changed after it was written",
            id="changed",
        ),
        pytest.param(
            ["DELETE FROM rulebook_log WHERE seq = 2"], "record 2 is missing", id="removed"
        ),
        pytest.param(
            [
                (
                    "INSERT INTO rulebook_log SELECT 4, at, who, key_id, 'approve', revision, "
                    "details, hash, 'sha256:forged' FROM rulebook_log WHERE seq = 3"
                )
            ],
            "record 4 was changed after it was written",
            id="inserted",
        ),
        pytest.param(
            [
                "UPDATE rulebook_log SET seq = -seq WHERE seq IN (1, 2)",
                "UPDATE rulebook_log SET seq = 3 + seq WHERE seq < 0",
            ],
            "record 1 does not follow the one before it",
            id="reordered",
        ),
    ],
)
@pytest.mark.usefixtures("brand")
async def test_a_log_of_the_rulebook_that_was_tampered_with_is_found(
    sessions: Sessions, verify: Verify, statements: list[str], words: str
) -> None:
    await tamper(sessions, *statements)

    found = verify("rulebook")

    assert found.code == 1
    assert words in found.out


# What staff did


def _first(log: str) -> str:
    return f"SELECT record_id FROM audit_chain WHERE log = '{log}' ORDER BY seq LIMIT 1"


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.usefixtures("brand")
async def test_a_record_that_was_changed_is_found(
    sessions: Sessions, verify: Verify, log: str
) -> None:
    record = await one(sessions, _first(log))

    await tamper(sessions, f"UPDATE {TABLES[log]} SET {CHANGES[log]} WHERE id = '{record}'")

    found = verify("audit")
    assert found.code == 1
    assert f"{log} {record} " in found.out
    assert "was changed after it was sealed" in found.out


@pytest.mark.parametrize("log", FILL)
@pytest.mark.usefixtures("brand")
async def test_other_words_in_a_record_are_found(
    sessions: Sessions, verify: Verify, log: str
) -> None:
    record = await one(sessions, _first(log))

    await tamper(sessions, f"UPDATE {TABLES[log]} SET {FILL[log]} WHERE id = '{record}'")

    found = verify("audit")
    assert found.code == 1
    assert f"{log} {record} " in found.out
    assert "was sealed with other words" in found.out


@pytest.mark.parametrize("log", [name for name in LOGS if name != "release"])
@pytest.mark.usefixtures("brand")
async def test_a_record_that_was_removed_is_found(
    sessions: Sessions, verify: Verify, log: str
) -> None:
    record = await one(sessions, _first(log))

    await tamper(sessions, f"DELETE FROM {TABLES[log]} WHERE id = '{record}'")

    found = verify("audit")
    assert found.code == 1
    assert f"{log} {record} " in found.out
    assert "was removed" in found.out


@pytest.mark.usefixtures("brand")
async def test_a_release_that_was_taken_back_is_found(sessions: Sessions, verify: Verify) -> None:
    record = await one(sessions, _first("release"))

    await tamper(sessions, "UPDATE holds SET released_at = NULL, released_by = ''")

    assert f"release {record} (record" in verify("audit").out


@pytest.mark.parametrize("log", [name for name in LOGS if name != "release"])
@pytest.mark.usefixtures("brand")
async def test_a_record_that_was_slipped_in_is_found(
    sessions: Sessions, verify: Verify, log: str
) -> None:
    record, held = await one(sessions, _first(log)), TABLES[log]

    await tamper(
        sessions,
        f"INSERT INTO {held} SELECT (jsonb_populate_record(r, "
        f"'{{\"id\": \"forged\"}}'::jsonb)).* FROM {held} r WHERE id = '{record}'",
    )

    found = verify("audit")
    assert found.code == 1
    assert f"{log} forged was slipped in past the chain" in found.out


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        pytest.param(
            [
                "UPDATE audit_chain SET seq = -seq WHERE seq IN (1, 2)",
                "UPDATE audit_chain SET seq = 3 + seq WHERE seq < 0",
            ],
            "record 1 does not follow the one before it",
            id="links reordered",
        ),
        pytest.param(
            ["UPDATE audit_seals SET seq = 3 - seq WHERE seq IN (1, 2)"],
            "(record 1) stands at another place: 2",
            id="records reordered",
        ),
        pytest.param(
            ["DELETE FROM audit_chain WHERE seq = 2"], "record 2 is missing", id="link removed"
        ),
        pytest.param(
            ["UPDATE audit_chain SET core = 'sha256:0' WHERE seq = 2"],
            "record 2 was changed after it was written",
            id="link changed",
        ),
        pytest.param(
            ["DELETE FROM audit_chain WHERE seq = (SELECT max(seq) FROM audit_chain)"],
            "says it was sealed, and the chain does not know it",
            id="end cut off",
        ),
        pytest.param(
            ["UPDATE audit_seals SET erased_at = NULL WHERE tombstone IS NOT NULL"],
            "was emptied, and says that it was not",
            id="stone denied",
        ),
    ],
)
@pytest.mark.usefixtures("erased")
async def test_a_chain_that_was_tampered_with_is_found(
    sessions: Sessions, verify: Verify, statements: list[str], words: str
) -> None:
    assert verify("audit").code == 0

    await tamper(sessions, *statements)

    found = verify("audit")
    assert found.code == 1
    assert words in found.out


@pytest.mark.usefixtures("erased")
async def test_an_erased_history_verifies_and_cannot_be_filled_again(
    sessions: Sessions, verify: Verify
) -> None:
    whole = verify("audit")
    salts = await one(
        sessions, "SELECT string_agg(salt, '') FROM audit_seals WHERE erased_at IS NOT NULL"
    )
    await tamper(sessions, f"UPDATE case_entries SET {FILL['case']}")

    assert (whole.code, salts) == (0, "")
    assert ", 0 of them emptied" not in whole.out
    assert "was emptied, and something was put in its place" in verify("audit").out


async def test_a_chain_that_was_cut_off_with_its_records_shows_by_a_seal_noted_before(
    brand: Brand, sessions: Sessions, verify: Verify
) -> None:
    noted = verify("audit").out.rpartition("The last seal: ")[2].strip().rstrip(".")
    assert verify("audit", "--brand", brand.name, "--head", noted).code == 0

    last = "(SELECT record_id FROM audit_chain ORDER BY seq DESC LIMIT 1)"
    await tamper(
        sessions,
        f"DELETE FROM purges WHERE id = {last}",
        f"DELETE FROM audit_seals WHERE record_id = {last}",
        "DELETE FROM audit_chain WHERE seq = (SELECT max(seq) FROM audit_chain)",
    )

    assert verify("audit", "--brand", brand.name).code == 0
    cut = verify("audit", "--brand", brand.name, "--head", noted)
    assert cut.code == 1
    assert f"the record with the seal {noted} is not there" in cut.out


@pytest.mark.usefixtures("brand")
async def test_what_is_removed_before_it_was_sealed_is_missed(
    sessions: Sessions, verify: Verify
) -> None:
    copied = "SELECT id || 'b', outage_id, command, by, state, body, public, at"
    async with sessions() as tx, tx.begin():
        await tx.execute(text(f"INSERT INTO outage_entries {copied} FROM outage_entries LIMIT 1"))
    waits = verify("audit")

    await tamper(sessions, "DELETE FROM outage_entries WHERE id LIKE '%b'")

    assert waits.code == 0
    assert "1 records and 0 erasures not sealed yet, since" in waits.out
    assert "was removed before it was sealed" in verify("audit").out


@pytest.mark.usefixtures("brand")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE case_entries SET by = 'somebody'",
        "UPDATE case_entries SET body = '{\"a\"\\: 1}'",
        "DELETE FROM case_entries",
        "UPDATE outage_entries SET by = 'somebody'",
        "DELETE FROM outage_entries",
        "UPDATE campaign_entries SET by = 'somebody'",
        "DELETE FROM campaign_entries",
        "UPDATE audit_chain SET core = ''",
        "DELETE FROM audit_chain",
    ],
)
async def test_the_database_itself_keeps_what_was_written(
    sessions: Sessions, statement: str
) -> None:
    async with sessions() as tx:
        with pytest.raises(Exception, match=r"as they were written|only ever added to"):
            await tx.execute(text(statement))
