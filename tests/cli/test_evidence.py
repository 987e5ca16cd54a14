"""An inspector's bundle: whoever has it can tell that it is whole, and nobody can change it."""

import json
import zipfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tellal.domain.consents import ConsentChannel
from tellal.domain.customers import Brand, ConsentState
from tellal.domain.errors import InvalidInputError, NotFoundError
from tellal.persistence.session import Sessions
from tellal.services.bundles import fingerprint, pack, public_pem, unpack
from tellal.services.consent_evidence import Wanted, bundle_evidence, check_evidence
from tellal.services.consent_sealing import Sealer
from tellal.services.consents import ConsentInput, Consents
from tests.support.builders import a_brand, a_customer
from tests.support.house import SetClock
from tests.support.terminal import Said, run

pytestmark = pytest.mark.req("D37")

NOW = datetime(2026, 3, 2, 7, tzinfo=UTC)
KEY = Ed25519PrivateKey.generate()
PROOF = {"text": "Evet, haber verin.", "name": "Ayşe Yılmaz", "preselected": False}


@pytest.fixture
async def brand(sessions: Sessions) -> Brand:
    """A brand with a consent and a refusal of ayse, sealed, and one of ali."""
    clock = SetClock(NOW)
    consents = Consents(clock)
    async with sessions() as tx, tx.begin():
        brand = await a_brand(tx)
        await a_customer(tx, brand)
        await a_customer(tx, brand, "ali")
        for ref, state, source in (
            ("ayse", ConsentState.GRANTED, "HS_WEB"),
            ("ali", ConsentState.GRANTED, "HS_WEB"),
            ("ayse", ConsentState.REFUSED, "branch"),
        ):
            said = ConsentInput(
                channel=ConsentChannel.SMS, state=state, source=source, evidence=PROOF
            )
            await consents.record(tx, brand=brand, ref=ref, said=said)
    await Sealer(sessions, clock).work()
    return brand


async def bundle(sessions: Sessions, brand: Brand, wanted: Wanted) -> bytes:
    async with sessions() as tx:
        return await bundle_evidence(tx, brand, wanted, key=KEY, clock=SetClock(NOW))


@pytest.mark.req("D37", "allows")
async def test_a_persons_bundle_holds_her_evidence_and_nobody_elses(
    sessions: Sessions, brand: Brand
) -> None:
    content = await bundle(sessions, brand, Wanted(customer="ayse"))

    found = check_evidence(content, KEY.public_key())

    assert (found.records, found.unsealed, found.faults) == (2, 0, ())
    assert found.signer == fingerprint(KEY.public_key())
    lines = zipfile.ZipFile(BytesIO(content)).read("records.jsonl").splitlines()
    said = [json.loads(line) for line in lines]
    assert {one["customer"] for one in said} == {"ayse"}
    assert said[0]["consent"]["evidence"] == PROOF


async def test_a_periods_bundle_holds_what_was_given_in_it(
    sessions: Sessions, brand: Brand
) -> None:
    day = datetime(2026, 3, 2, tzinfo=UTC)

    within = await bundle(sessions, brand, Wanted(since=day, until=day.replace(day=3)))
    before = await bundle(sessions, brand, Wanted(since=day.replace(day=1), until=day))

    assert (check_evidence(within).records, check_evidence(before).records) == (3, 0)


@pytest.mark.parametrize(
    "wanted", [Wanted(), Wanted(since=NOW), Wanted(since=NOW, until=NOW)], ids=["1", "2", "3"]
)
async def test_whose_evidence_it_is_has_to_be_said(
    sessions: Sessions, brand: Brand, wanted: Wanted
) -> None:
    with pytest.raises(InvalidInputError):
        await bundle(sessions, brand, wanted)


async def test_of_a_stranger_there_is_none(sessions: Sessions, brand: Brand) -> None:
    with pytest.raises(NotFoundError):
        await bundle(sessions, brand, Wanted(customer="nobody"))


@pytest.mark.req("D37", "blocks")
async def test_any_byte_that_is_changed_shows(sessions: Sessions, brand: Brand) -> None:
    content = await bundle(sessions, brand, Wanted(customer="ayse"))
    assert check_evidence(content, KEY.public_key()).faults == ()

    missed = []
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        try:
            if not check_evidence(bytes(changed), KEY.public_key()).faults:
                missed.append(place)
        except InvalidInputError:
            continue

    assert missed == []


async def test_a_byte_too_many_or_too_few_shows(sessions: Sessions, brand: Brand) -> None:
    content = await bundle(sessions, brand, Wanted(customer="ayse"))

    assert check_evidence(content + b"\n", KEY.public_key()).faults
    with pytest.raises(InvalidInputError):
        check_evidence(content[:-30], KEY.public_key())


async def test_what_another_key_signed_shows_if_one_knows_the_senders(
    sessions: Sessions, brand: Brand
) -> None:
    opened = unpack(await bundle(sessions, brand, Wanted(customer="ayse")))
    about = {k: v for k, v in opened.manifest.items() if k not in {"files", "public_key"}}
    forged = pack(opened.files, about, Ed25519PrivateKey.generate())

    assert check_evidence(forged, KEY.public_key()).faults == ("another key signed it",)
    # Without the sender's key one learns whose it is, and has to compare.
    assert check_evidence(forged).signer != fingerprint(KEY.public_key())


async def test_a_record_that_was_changed_before_it_was_signed_does_not_fit_its_seal(
    sessions: Sessions, brand: Brand
) -> None:
    opened = unpack(await bundle(sessions, brand, Wanted(customer="ayse")))
    about = {k: v for k, v in opened.manifest.items() if k not in {"files", "public_key"}}

    def signed(old: bytes, new: bytes) -> tuple[str, ...]:
        records = opened.files["records.jsonl"]
        assert old in records
        files = {**opened.files, "records.jsonl": records.replace(old, new)}
        return check_evidence(pack(files, about, KEY), KEY.public_key()).faults

    assert "evidence of consent" in signed(b"Evet", b"Hayhay")[0]
    assert "is not what was sealed" in signed(b'"state":"refused"', b'"state":"granted"')[0]
    assert "is not its own" in signed(b'"seq":1,"who"', b'"seq":7,"who"')[0]


def tellal(*words: str, **settings: str) -> Said:
    return run(*words, **settings)


@pytest.mark.req("D37", "blocks")
@pytest.mark.req("D37", "allows")
async def test_the_inspector_needs_the_bundle_and_the_public_key_alone(
    brand: Brand, database_url: str, tmp_path: Path
) -> None:
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    private.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    ours = {"TELLAL_DATABASE_URL": database_url, "TELLAL_EVIDENCE_KEY_FILE": str(private)}
    file = tmp_path / "ayse.zip"
    words = ("export", "evidence", str(file), "--brand", brand.name, "--customer", "ayse")

    made = tellal(*words, **ours)
    public.write_text(tellal("export", "public-key", **ours).out)
    good = tellal("verify", "bundle", str(file), "--key", str(public))
    unknown = tellal("verify", "bundle", str(file))
    content = bytearray(file.read_bytes())
    content[content.index(b"Evet")] ^= 1
    file.write_bytes(content)
    bad = tellal("verify", "bundle", str(file), "--key", str(public))
    keyless = tellal(*words, TELLAL_DATABASE_URL=database_url)

    assert (made.code, good.code, bad.code) == (0, 0, 1), (made.err, good.err)
    assert public.read_text() == public_pem(KEY)
    assert f"2 consents of {brand.name}, signed by {fingerprint(KEY.public_key())}" in good.out
    assert "compare it with the sender's" in unknown.out
    assert "was changed" in bad.out + bad.err
    assert keyless.code == 1
    assert "openssl genpkey" in keyless.err


@pytest.mark.req("D37", "blocks")
@pytest.mark.req("D37", "allows")
async def test_the_ledger_is_verified_at_the_command_line(
    brand: Brand, database_url: str, sessions: Sessions
) -> None:
    whole = tellal("verify", "consents", TELLAL_DATABASE_URL=database_url)
    async with sessions() as tx, tx.begin():
        connection = await tx.connection()
        await connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        await connection.exec_driver_sql("UPDATE consents SET state = 'granted' WHERE seq = 3")
    broken = tellal("verify", "consents", "--brand", brand.name, TELLAL_DATABASE_URL=database_url)

    assert (whole.code, broken.code) == (0, 1), whole.err
    assert f"{brand.name}: the ledger is whole: 3 consents" in whole.out
    assert "everything is sealed" in whole.out
    assert "was changed after it was sealed" in broken.out


@pytest.mark.req("D41", "blocks")
@pytest.mark.req("D41", "allows")
async def test_a_brands_profile_is_set_at_the_command_line(brand: Brand, database_url: str) -> None:
    words = ("brands", "profile", brand.name, "--phone", "0850 222 0 724")

    bad = tellal(*words, "--mersis", "48", TELLAL_DATABASE_URL=database_url)
    good = tellal(
        *words, "--mersis", "0481005859000012", "--short-code", "4605:ANADOLU",
        "--exemption", "broadcaster", TELLAL_DATABASE_URL=database_url,
    )  # fmt: skip

    assert (bad.code, good.code) == (1, 0), good.err
    assert "a MERSIS number has 16 digits" in bad.err
    assert "mersis: 0481005859000012" in good.out
    assert "short codes: 4605 ANADOLU" in good.out
    assert "exemption: broadcaster" in good.out
