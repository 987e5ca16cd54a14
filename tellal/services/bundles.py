"""Signed bundles: a ZIP of files, a manifest with their SHA-256, and an Ed25519 signature of it.

A bundle is written in one way only (nothing is compressed, no times, one order), so that it can be
written anew from what it holds and compared: not only a changed file, any changed byte shows.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from tellal.domain.errors import InvalidInputError

FORMAT = "tellal-evidence-1"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
_BEGINNING = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644 << 16
_UNIX = 3


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle that was taken apart: its manifest and files, who signed, and what is wrong.

    `signer` is the fingerprint of the key that signed; if no key was given to compare it with, it
    is only the one that the bundle names.
    """

    manifest: Mapping[str, object]
    files: Mapping[str, bytes]
    signer: str
    faults: tuple[str, ...]


def read_signing_key(path: Path | None) -> Ed25519PrivateKey:
    """Read the key that signs.

    Raises:
        InvalidInputError: There is none, or it is of another kind.
    """
    hint = "openssl genpkey -algorithm ed25519 -out FILE, and name it in TELLAL_EVIDENCE_KEY_FILE"
    if path is None:
        raise InvalidInputError("no key signs bundles", field="evidence_key_file", hint=hint)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidInputError(
            f"{path} holds no private key that can be read", field="evidence_key_file", hint=hint
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInputError("this key is not Ed25519", field="evidence_key_file", hint=hint)
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read the key by which signatures are told.

    Raises:
        InvalidInputError: It is none, or of another kind.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{path} holds no public key that can be read") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidInputError("this key is not Ed25519")
    return key


def public_pem(key: Ed25519PrivateKey) -> str:
    """Write the public part of a key, for whoever is to verify."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return a short name of a key that cannot be had by another."""
    return f"sha256:{hashlib.sha256(_raw(key)).hexdigest()}"


def pack(files: Mapping[str, bytes], about: Mapping[str, object], key: Ed25519PrivateKey) -> bytes:
    """Write a bundle; `about` goes into the manifest beside the files' hashes."""
    manifest = {
        **about,
        "format": FORMAT,
        "public_key": _raw(key.public_key()).hex(),
        "files": {name: _sha256(content) for name, content in sorted(files.items())},
    }
    words = json.dumps(manifest, ensure_ascii=False, sort_keys=True, indent=2).encode()
    return _zipped({MANIFEST: words, SIGNATURE: key.sign(words), **dict(sorted(files.items()))})


def unpack(content: bytes, trusted: Ed25519PublicKey | None = None) -> Opened:
    """Take a bundle apart and look whether every byte is as it was signed.

    Raises:
        InvalidInputError: It is no bundle at all.
    """
    files = _unzipped(content)
    words, signature = files.pop(MANIFEST, b""), files.pop(SIGNATURE, b"")
    try:
        manifest = json.loads(words)
        named = Ed25519PublicKey.from_public_bytes(bytes.fromhex(manifest["public_key"]))
        hashes = dict(manifest["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInputError("this is no bundle: its manifest cannot be read") from error
    found = []
    key = trusted or named
    try:
        key.verify(signature, words)
    except InvalidSignature:
        other = trusted is not None and _raw(trusted) != _raw(named)
        found.append(
            "another key signed it" if other else "the manifest was changed after it was signed"
        )
    found += [f"{name} is missing" for name in sorted(hashes.keys() - files.keys())]
    found += [f"{name} does not belong to it" for name in sorted(files.keys() - hashes.keys())]
    found += [
        f"{name} was changed after it was signed"
        for name in sorted(files.keys() & hashes.keys())
        if _sha256(files[name]) != hashes[name]
    ]
    whole = {MANIFEST: words, SIGNATURE: signature, **dict(sorted(files.items()))}
    if not found and _zipped(whole) != content:
        found.append("it was packed anew, or bytes between its files were changed")
    return Opened(manifest, files, fingerprint(key), tuple(found))


def _zipped(files: Mapping[str, bytes]) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as packed:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _BEGINNING)
            entry.create_system, entry.external_attr = _UNIX, _READABLE
            packed.writestr(entry, content)
    return out.getvalue()


def _unzipped(content: bytes) -> dict[str, bytes]:
    """Read the files of a ZIP; whatever a changed byte makes of it is said in one way."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as packed:
            return {name: packed.read(name) for name in packed.namelist()}
    except Exception as error:
        # A broken ZIP raises whatever its broken field leads to; none of it is a fault of ours.
        raise InvalidInputError(f"this is no bundle, or it was changed: {error}") from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
