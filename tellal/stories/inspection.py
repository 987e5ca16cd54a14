"""What an inspector does: takes a bundle, verifies it, and looks whether the ledger is whole."""

import asyncio
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import text

from tellal.persistence.session import make_engine
from tellal.stories.scene import Scene
from tellal.stories.terminal import Said, Terminal

_TURN = text("UPDATE consents SET state = :state WHERE id = :id")
_UNGUARDED = text("ALTER TABLE consents DISABLE TRIGGER USER")
_GUARDED = text("ALTER TABLE consents ENABLE TRIGGER USER")


async def inspect(scene: Scene, brand: str, customer: str, refusal: str) -> None:
    """Hand a person's evidence out, verify it elsewhere, and find what somebody turned round.

    `refusal` is the record of her refusal; its state is put right again at the end.
    """
    with tempfile.TemporaryDirectory() as folder:
        await _bundle(scene, Path(folder), brand, customer)
        await _ledger(scene, Path(folder), brand, refusal)


async def _bundle(scene: Scene, folder: Path, brand: str, customer: str) -> None:
    scene.say("An inspector wants her evidence, and has nothing but the bundle and a public key.")
    key, public, bundle = folder / "evidence.pem", folder / "public.pem", folder / "evidence.zip"
    key.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    ours = Terminal(
        folder=folder,
        settings={
            "TELLAL_DATABASE_URL": scene.stage.database_url,
            "TELLAL_EVIDENCE_KEY_FILE": str(key),
        },
    )
    theirs = Terminal(folder=folder, settings={})
    made, shown = await asyncio.gather(
        ours.run("export", "evidence", str(bundle), "--brand", brand, "--customer", customer),
        ours.run("export", "public-key"),
    )
    scene.expect("`tellal export evidence` writes her bundle", 0, made.code)
    public.write_text(shown.words.partition("Its fingerprint")[0])
    whole = await _verified(theirs, bundle, public)
    scene.say(f"  {whole.words.splitlines()[0]}")
    scene.expect(
        "`tellal verify bundle` finds it whole, without a database: a grant and a refusal (D37)",
        (0, True),
        (whole.code, f"2 consents of {brand}" in whole.words),
    )
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    bundle.write_bytes(content)
    broken = await _verified(theirs, bundle, public)
    scene.say(f"  one byte changed: {broken.words.splitlines()[0]}")
    scene.expect("and fails when a single byte is another", 1, broken.code)


async def _verified(terminal: Terminal, bundle: Path, public: Path) -> Said:
    return await terminal.run("verify", "bundle", str(bundle), "--key", str(public))


async def _ledger(scene: Scene, folder: Path, brand: str, refusal: str) -> None:
    terminal = Terminal(folder=folder, settings={"TELLAL_DATABASE_URL": scene.stage.database_url})

    async def look() -> Said:
        return await terminal.run("verify", "consents", "--brand", brand)

    whole = await scene.until(look, lambda said: "everything is sealed" in said.words)
    scene.say(f"  {whole.words.splitlines()[-1]}")
    scene.expect("`tellal verify consents` finds the ledger whole", 0, whole.code)
    scene.say("Somebody who owns the database turns her refusal into a grant.")
    await _turn(scene, refusal, "granted")
    try:
        broken = await look()
    finally:
        await _turn(scene, refusal, "refused")
    scene.say(f"  {broken.words.splitlines()[0]}")
    scene.expect(
        "`tellal verify consents` finds it and names the record",
        (1, True),
        (broken.code, f"consent {refusal}" in broken.words),
    )


async def _turn(scene: Scene, consent: str, state: str) -> None:
    """Change a sealed record as only the owner of the database can: past its triggers."""
    engine = make_engine(scene.stage.database_url, pool=1)
    try:
        async with engine.begin() as connection:
            await connection.execute(_UNGUARDED)
            await connection.execute(_TURN, {"id": consent, "state": state})
            await connection.execute(_GUARDED)
    finally:
        await engine.dispose()
