"""The ledger of consents on a real database: what stands, what is sealed, what was changed."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from tellal.domain.channels import Channel, RecipientType
from tellal.domain.consents import ConsentChannel, ConsentRecord, Delegation, Standing, Use
from tellal.domain.customers import Brand, ConsentState, CustomerKind
from tellal.domain.errors import InvalidInputError, NotFoundError
from tellal.ids import new_id
from tellal.persistence.columns import table
from tellal.persistence.people import find_customer
from tellal.persistence.session import Sessions
from tellal.persistence.tables.customers import ConsentChainRow, ConsentRow
from tellal.services.consent_proof import ConsentProof, verify_consents
from tellal.services.consent_sealing import Sealer
from tellal.services.consents import ConsentInput, Consents, weigh_anew
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock
from tests.support.waiting import until

_consents = table(ConsentRow)
_chain = table(ConsentChainRow)

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLAIN = Use(recipient_type=RecipientType.INDIVIDUAL)
GRANTED, REFUSED = ConsentState.GRANTED, ConsentState.REFUSED


class Ledger:
    """A brand with one customer, and hands that write into its ledger."""

    def __init__(self, sessions: Sessions, brand: Brand, customer_id: str, clock: SetClock) -> None:
        self.sessions, self.brand, self.customer_id, self.clock = (
            sessions, brand, customer_id, clock,
        )  # fmt: skip
        self.consents = Consents(clock)
        self.sealer = Sealer(sessions, clock)

    async def say(
        self,
        state: ConsentState = GRANTED,
        channel: ConsentChannel = ConsentChannel.SMS,
        *,
        brand: Brand | None = None,
        **said: object,
    ) -> ConsentRecord:
        one = ConsentInput(channel=channel, state=state, **{"source": "branch", **said})  # type: ignore[arg-type]
        async with self.sessions() as tx, tx.begin():
            return await self.consents.record(tx, brand=brand or self.brand, ref="ayse", said=one)

    async def stands(
        self, use: Use = PLAIN, channel: ConsentChannel = ConsentChannel.SMS
    ) -> Standing:
        async with self.sessions() as tx:
            return await self.consents.standing(tx, self.brand.id, "ayse", channel, lambda _: use)

    async def believed(self) -> dict[Channel, bool | None]:
        """What decisions read of the customer."""
        async with self.sessions() as tx:
            customer = await find_customer(tx, self.brand.id, "ayse")
        return {c: said.granted(self.clock.now()) for c, said in customer.consents.items()}

    async def seal(self) -> int:
        return await self.sealer.work()

    async def verify(self, head: str = "") -> ConsentProof:
        async with self.sessions() as tx, tx.begin():
            return await verify_consents(tx, self.brand.id, head=head)

    async def tamper(self, statement: str, **values: object) -> None:
        """Change rows as somebody would who may switch triggers off."""
        async with self.sessions() as tx, tx.begin():
            await tx.execute(text("SET LOCAL session_replication_role = replica"))
            done = await tx.execute(text(statement), values)
            assert done.rowcount  # type: ignore[attr-defined]


@pytest.fixture
async def ledger(sessions: Sessions) -> Ledger:
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        customer_id = await a_customer(tx, brand)
    return Ledger(sessions, brand, customer_id, SetClock(NOW))


@pytest.mark.req("C06", "blocks")
@pytest.mark.req("C06", "allows")
async def test_without_a_word_nothing_is_granted_and_a_refusal_ends_a_grant(
    ledger: Ledger,
) -> None:
    silent = await ledger.stands()
    await ledger.say(GRANTED, given_at=NOW - HOUR)
    granted = await ledger.stands()
    await ledger.say(REFUSED)
    refused = await ledger.stands()

    assert [one.state for one in (silent, granted, refused)] == [None, GRANTED, REFUSED]
    assert await ledger.believed() == {Channel.SMS: False}


@pytest.mark.req("C01", "blocks")
@pytest.mark.req("C01", "allows")
async def test_calls_have_a_consent_of_their_own(ledger: Ledger) -> None:
    await ledger.say(GRANTED)

    by_text = await ledger.stands(channel=ConsentChannel.CALL)
    await ledger.say(GRANTED, ConsentChannel.CALL, address="0212 252 00 00")
    by_call = await ledger.stands(channel=ConsentChannel.CALL)

    assert (by_text.state, by_call.state) == (None, GRANTED)
    assert by_call.record is not None
    assert by_call.record.address == "+902122520000"
    assert await ledger.believed() == {Channel.SMS: True, Channel.CALL: True}


@pytest.mark.req("C02", "blocks")
@pytest.mark.req("C02", "allows")
@pytest.mark.req("C03", "blocks")
@pytest.mark.req("C03", "allows")
@pytest.mark.req("D34", "blocks")
@pytest.mark.req("D34", "allows")
async def test_nobody_is_called_to_be_asked_since_the_law_came(ledger: Ledger) -> None:
    eve = datetime(2015, 4, 30, 20, 59, tzinfo=UTC)
    called = {"call": "outbound", "recording": "tape 1"}

    before = await ledger.say(source="call_centre", given_at=eve, evidence=called)
    with pytest.raises(InvalidInputError) as refused:
        await ledger.say(source="call_centre", given_at=eve + timedelta(minutes=1), evidence=called)

    assert before.evidence == called
    assert refused.value.field == "evidence.call"
    assert "(law: tr/by_outbound_call, Law 6563, article 6; regulation 29417" in str(refused.value)
    # To refuse in such a call is anybody's right.
    await ledger.say(REFUSED, source="call_centre", evidence=called)


async def test_what_was_said_last_is_in_force_though_it_was_written_down_first(
    ledger: Ledger,
) -> None:
    await ledger.say(REFUSED, given_at=NOW - HOUR)
    await ledger.say(GRANTED, given_at=NOW - 2 * HOUR)

    assert (await ledger.stands()).state is REFUSED
    assert await ledger.believed() == {Channel.SMS: False}


@pytest.mark.req("C05", "blocks")
@pytest.mark.req("C05", "allows")
async def test_a_consent_that_names_nothing_covers_every_subject_and_no_other_channel(
    ledger: Ledger,
) -> None:
    await ledger.say(GRANTED)
    campaigns = Use(recipient_type=RecipientType.INDIVIDUAL, purpose="campaigns")

    assert (await ledger.stands(campaigns)).state is GRANTED
    assert (await ledger.stands(campaigns, ConsentChannel.EMAIL)).state is None


@pytest.mark.req("C04", "blocks")
@pytest.mark.req("C04", "allows")
async def test_a_consent_that_names_purposes_is_limited_to_them(ledger: Ledger) -> None:
    await ledger.say(GRANTED, purposes=["campaigns"])
    stands = {
        purpose: (
            await ledger.stands(Use(recipient_type=RecipientType.INDIVIDUAL, purpose=purpose))
        ).state
        for purpose in ("campaigns", "terms", "")
    }

    assert stands == {"campaigns": GRANTED, "terms": None, "": None}
    assert await ledger.believed() == {}


@pytest.mark.req("C04", "blocks")
@pytest.mark.req("C04", "allows")
async def test_who_refuses_one_purpose_is_not_written_to_for_none(ledger: Ledger) -> None:
    await ledger.say(GRANTED, given_at=NOW - HOUR)
    await ledger.say(REFUSED, purposes=["campaigns"])
    terms = Use(recipient_type=RecipientType.INDIVIDUAL, purpose="terms")

    assert (await ledger.stands(terms)).state is GRANTED
    assert (await ledger.stands()).state is REFUSED
    assert await ledger.believed() == {Channel.SMS: False}


@pytest.mark.req("D38", "blocks")
@pytest.mark.req("D38", "allows")
async def test_a_consent_to_a_dealer_counts_within_his_contract_alone(ledger: Ledger) -> None:
    fridges = Delegation(retailer="66438915", contract="D-17", goods=("fridges",))
    await ledger.say(GRANTED, delegation=fridges)
    mine = {"recipient_type": RecipientType.INDIVIDUAL, "contract": "D-17"}

    within = await ledger.stands(Use(**mine, goods="fridges"))  # type: ignore[arg-type]
    other_goods = await ledger.stands(Use(**mine, goods="loans"))  # type: ignore[arg-type]

    assert (within.state, other_goods.state) == (GRANTED, None)
    assert (await ledger.stands()).state is None
    assert await ledger.believed() == {}


async def test_a_merchants_consent_is_not_the_individuals_until_he_becomes_one(
    ledger: Ledger,
) -> None:
    await ledger.say(GRANTED, recipient_type=RecipientType.MERCHANT)
    as_individual = await ledger.believed()
    async with ledger.sessions() as tx, tx.begin():
        await tx.execute(text("UPDATE customers SET kind = 'merchant'"))
        await weigh_anew(tx, ledger.customer_id, CustomerKind.MERCHANT)

    assert (as_individual, await ledger.believed()) == ({}, {Channel.SMS: True})
    merchant = Use(recipient_type=RecipientType.MERCHANT)
    assert (await ledger.stands(merchant)).state is GRANTED
    assert (await ledger.stands()).state is None


async def test_a_grant_that_has_lapsed_settles_nothing(ledger: Ledger) -> None:
    await ledger.say(GRANTED, valid_until=NOW + HOUR)
    before = (await ledger.stands()).state, await ledger.believed()
    ledger.clock.pass_by(HOUR)
    after = (await ledger.stands()).state, await ledger.believed()

    assert before == (GRANTED, {Channel.SMS: True})
    assert after == (None, {Channel.SMS: None})


@pytest.mark.req("C07", "blocks")
@pytest.mark.req("C07", "allows")
async def test_what_is_granted_to_one_brand_is_not_granted_to_another(ledger: Ledger) -> None:
    async with ledger.sessions() as tx, tx.begin():
        other = await a_brand(tx, "ege-dagitim")
        await a_customer(tx, other)
    await ledger.say(GRANTED)

    async with ledger.sessions() as tx:
        theirs = await ledger.consents.standing(tx, other.id, "ayse", ConsentChannel.SMS)

    assert ((await ledger.stands()).state, theirs.state) == (GRANTED, None)


@pytest.mark.req("D53", "blocks")
@pytest.mark.req("D53", "allows")
async def test_who_is_only_deemed_to_have_agreed_is_told_apart(ledger: Ledger) -> None:
    await ledger.say(
        source="HS_2015",
        given_at=datetime(2015, 4, 30, 21, tzinfo=UTC),
        evidence={"direct_sale": True},
    )
    deemed = (await ledger.stands()).deemed
    await ledger.say()

    assert deemed
    assert not (await ledger.stands()).deemed


@pytest.mark.parametrize("source", ["one_click", "IYS_WEB", "fax"])
async def test_a_caller_names_no_source_that_is_not_his(ledger: Ledger, source: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await ledger.say(REFUSED, source=source)

    assert caught.value.field == "source"


@pytest.mark.req("D37", "allows")
async def test_what_is_recorded_gets_its_place_in_the_chain_and_the_chain_holds_no_person(
    ledger: Ledger,
) -> None:
    await ledger.say(evidence={"form": "KVK-17", "box": "empty"})
    await ledger.say(REFUSED)
    waiting = await ledger.verify()

    sealed, again = await ledger.seal(), await ledger.seal()

    assert (waiting.records, waiting.unsealed, waiting.unsealed_since) == (0, 2, NOW)
    assert (sealed, again) == (2, 0)
    proof = await ledger.verify()
    assert (proof.records, proof.unsealed, proof.faults) == (2, 0, ())
    async with ledger.sessions() as tx:
        chain = str((await tx.execute(select(_chain))).all())
    assert "905320000101" not in chain
    assert ledger.customer_id not in chain
    assert "KVK-17" not in chain


async def test_many_sealers_and_writers_make_one_chain(ledger: Ledger) -> None:
    sealers = [Sealer(ledger.sessions, ledger.clock, batch=3) for _ in range(3)]
    stop = asyncio.Event()
    running = [asyncio.create_task(one.run(stop)) for one in sealers]

    for number in range(20):
        await ledger.say(given_at=NOW - timedelta(seconds=number))

    async def sealed() -> bool:
        return (await ledger.verify()).unsealed == 0

    await until(sealed)
    stop.set()
    await asyncio.gather(*running)
    proof = await ledger.verify()
    assert (proof.records, proof.faults) == (20, ())


async def test_who_records_a_consent_waits_for_no_sealer(ledger: Ledger) -> None:
    await ledger.say()
    async with ledger.sessions() as other, other.begin():
        await other.execute(text("LOCK TABLE consent_chain IN ACCESS EXCLUSIVE MODE"))
        await asyncio.wait_for(ledger.say(REFUSED), 5)

    assert (await ledger.stands()).state in {GRANTED, REFUSED}
    assert await ledger.seal() == 2


async def test_an_erasure_leaves_a_tombstone_that_is_no_fault(ledger: Ledger) -> None:
    record = await ledger.say(evidence={"text": "Evet"}, purposes=["campaigns"])
    await ledger.say(REFUSED)
    await ledger.seal()
    async with ledger.sessions() as tx, tx.begin():
        gone = await ledger.consents.erase(tx, ledger.brand.id, record.id, by="Legal")
        await ledger.consents.erase(tx, ledger.brand.id, record.id, by="Again")

    early = await ledger.verify()
    await ledger.seal()
    proof = await ledger.verify()

    assert (gone.evidence, gone.address, gone.salt) == ({}, "", "")
    assert (gone.state, gone.purposes, gone.erased_by) == (GRANTED, ("campaigns",), "Legal")
    assert (early.untold, early.faults) == (1, ())
    assert (proof.records, proof.erasures, proof.untold, proof.faults) == (2, 1, 0, ())
    assert (await ledger.stands()).state is REFUSED


async def test_what_is_erased_before_it_was_sealed_is_sealed_without_evidence(
    ledger: Ledger,
) -> None:
    record = await ledger.say(evidence={"text": "Evet"})
    async with ledger.sessions() as tx, tx.begin():
        assert await ledger.consents.erase_all(tx, ledger.brand.id, "ayse", by="Legal") == 1

    assert await ledger.seal() == 2
    proof = await ledger.verify()
    assert (proof.records, proof.erasures, proof.faults) == (1, 1, ())
    async with ledger.sessions() as tx:
        row = (await tx.execute(select(_chain).where(_chain.c.action == "consent"))).one()
    assert (row.consent_id, row.digest) == (record.id, "")


async def test_nothing_of_another_brand_is_erased(ledger: Ledger) -> None:
    record = await ledger.say()

    async with ledger.sessions() as tx:
        with pytest.raises(NotFoundError):
            await ledger.consents.erase(tx, "another", record.id, by="")


@pytest.mark.req("D37", "blocks")
@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        pytest.param(
            "UPDATE consents SET state = 'granted' WHERE seq = 2",
            "(record 2) was changed after it was sealed",
            id="refusal turned",
        ),
        pytest.param(
            "UPDATE consents SET given_at = given_at - interval '1 day' WHERE seq = 1",
            "(record 1) was changed after it was sealed",
            id="dated back",
        ),
        pytest.param(
            'UPDATE consents SET evidence = \'{"text": "Hayır"}\' WHERE seq = 1',
            "(record 1) was sealed with other evidence",
            id="other evidence",
        ),
        pytest.param(
            "UPDATE consents SET evidence = '{}' WHERE seq = 1",
            "(record 1) was sealed with other evidence",
            id="evidence lost",
        ),
        pytest.param(
            "UPDATE consents SET address = '+905320000102' WHERE seq = 1",
            "(record 1) was sealed with other evidence",
            id="another address",
        ),
        pytest.param("DELETE FROM consents WHERE seq = 2", "(record 2) was removed", id="removed"),
        pytest.param(
            "UPDATE consents SET seq = 4 - seq WHERE seq IN (1, 3)",
            "(record 1) stands at another place: 3",
            id="swapped",
        ),
        pytest.param(
            "UPDATE consents SET seq = NULL WHERE seq = 2",
            "(record 2) stands at another place: None",
            id="sealed off",
        ),
        pytest.param(
            "UPDATE consents SET whole = NOT whole WHERE seq = 3",
            "counts for the whole channel",
            id="weight",
        ),
        pytest.param(
            "DELETE FROM consent_chain WHERE seq = 2", "record 2 is missing", id="link removed"
        ),
        pytest.param(
            "UPDATE consent_chain SET core = 'sha256:0' WHERE seq = 2",
            "record 2 was changed after it was written",
            id="link changed",
        ),
        pytest.param(
            "UPDATE consent_chain SET seq = CASE seq WHEN 2 THEN -2 ELSE seq END",
            "record 1 is missing",
            id="links reordered",
        ),
        pytest.param(
            "DELETE FROM consent_chain WHERE seq = 3",
            "says it was sealed, and the chain does not know it",
            id="end cut off",
        ),
    ],
)
async def test_whatever_is_changed_afterwards_is_found(
    ledger: Ledger, statement: str, fault: str
) -> None:
    await ledger.say(evidence={"text": "Evet"})
    await ledger.say(REFUSED)
    await ledger.say()
    await ledger.seal()
    assert (await ledger.verify()).faults == ()

    await ledger.tamper(statement)

    found = (await ledger.verify()).faults
    assert any(fault in one for one in found), found


async def test_a_chain_that_was_cut_off_with_its_records_shows_by_a_head_noted_before(
    ledger: Ledger,
) -> None:
    await ledger.say()
    await ledger.say(REFUSED)
    await ledger.seal()
    head = (await ledger.verify()).head
    assert (await ledger.verify(head)).faults == ()

    await ledger.tamper("DELETE FROM consents WHERE seq = 2")
    await ledger.tamper("DELETE FROM consent_chain WHERE seq = 2")

    assert (await ledger.verify()).faults == ()
    assert "is not there (any more)" in (await ledger.verify(head)).faults[0]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consents SET state = 'refused'",
        "UPDATE consents SET evidence = '{}'",
        "UPDATE consents SET seq = 7",
        "UPDATE consents SET salt = ''",
        "UPDATE consents SET erased_at = now()",
        "DELETE FROM consents",
        "TRUNCATE consents",
        "UPDATE consent_chain SET who = 'nobody'",
        "DELETE FROM consent_chain",
        "TRUNCATE consent_chain",
    ],
)
async def test_the_database_itself_keeps_what_was_sealed(ledger: Ledger, statement: str) -> None:
    await ledger.say(evidence={"text": "Evet"})
    await ledger.seal()

    async with ledger.sessions() as tx:
        with pytest.raises(IntegrityError, match=r"stay as they were written|only ever added to"):
            await tx.execute(text(statement))


async def test_what_was_recorded_before_the_ledger_is_sealed_too(ledger: Ledger) -> None:
    async with ledger.sessions() as tx, tx.begin():
        await _write_as_before(tx, ledger)

    await ledger.seal()

    proof = await ledger.verify()
    assert (proof.records, proof.faults) == (1, ())
    assert await ledger.believed() == {Channel.SMS: False}


async def _write_as_before(tx: AsyncSession, ledger: Ledger) -> None:
    await tx.execute(
        insert(_consents).values(
            id=new_id(),
            brand_id=ledger.brand.id,
            customer_id=ledger.customer_id,
            channel="sms",
            state="refused",
            source="carrier:fake",
            evidence={"code": "21610"},
            recorded_at=NOW,
        )
    )


async def test_an_erased_record_cannot_be_filled_again(ledger: Ledger) -> None:
    record = await ledger.say(evidence={"text": "Evet"})
    await ledger.seal()
    async with ledger.sessions() as tx, tx.begin():
        await ledger.consents.erase(tx, ledger.brand.id, record.id, by="Legal")
    await ledger.seal()

    async with ledger.sessions() as tx:
        with pytest.raises(IntegrityError):
            await tx.execute(update(_consents).values(evidence={"text": "Evet"}))
