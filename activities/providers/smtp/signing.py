"""DKIM signatures (RFC 6376): the domain vouches for its mails, whichever relay carries them.

dkimpy reads a mail and brings it to its canonical form. The key's own operation is left to OpenSSL:
dkimpy's RSA is written in Python, takes twenty times as long, and holds the interpreter meanwhile.
"""

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from textwrap import wrap

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from dkim import rfc822_parse
from dkim.canonicalization import Relaxed

from tellal.domain.errors import InvalidInputError
from tellal.settings import DkimSettings

_Key = RSAPrivateKey | Ed25519PrivateKey

_SHORTEST_RSA = 1024
"""Bits; verifiers do not look at shorter keys (RFC 8301, section 3.2)."""
_WIDTH = 72

_SIGNED = (
    "from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version",
    "content-type", "content-transfer-encoding",
    # Mail programs click only on what is signed (RFC 8058, section 4).
    "list-unsubscribe", "list-unsubscribe-post",
)  # fmt: skip
_NO_SECOND = ("from", "to", "subject", "date")
"""Named once more than they are there: who adds another one breaks the signature."""


class Dkim:
    """Signs mails for one domain with one key, RSA or Ed25519 (RFC 8463)."""

    def __init__(self, settings: DkimSettings) -> None:
        """Read the key.

        Raises:
            InvalidInputError: There is no such file, or it holds no key that can sign.
        """
        self._domain, self._selector = settings.domain, settings.selector
        self._key = _read_key(settings.key_file)
        self._algorithm = "rsa" if isinstance(self._key, RSAPrivateKey) else "ed25519"

    def sign(self, raw: bytes, at: datetime) -> bytes:
        """Return the mail with a signature of this instant before it."""
        headers, body = rfc822_parse(raw)
        canonical = [
            (name.decode(), value) for name, value in Relaxed.canonicalize_headers(headers)
        ]
        there = {name for name, _ in canonical}
        names = [name for name in _SIGNED if name in there]
        digest = b64encode(sha256(Relaxed.canonicalize_body(body)).digest()).decode()
        tags = self._tags([*names, *_NO_SECOND], digest, at)
        [(_, own)] = Relaxed.canonicalize_headers([(b"DKIM-Signature", tags.encode("ascii"))])
        signed = b"".join(f"{name}:".encode() + _value(canonical, name) for name in names)
        signed += b"dkim-signature:" + own.removesuffix(b"\r\n")
        signature = "\r\n ".join(wrap(b64encode(self._signature(signed)).decode(), _WIDTH))
        return f"DKIM-Signature:{tags}{signature}\r\n".encode("ascii") + raw

    def _tags(self, names: Sequence[str], digest: str, at: datetime) -> str:
        """Write the header's value up to its last tag, which holds nothing yet."""
        listed = "\r\n ".join(wrap(": ".join(names), _WIDTH, break_on_hyphens=False))
        lines = (
            f" v=1; a={self._algorithm}-sha256; c=relaxed/relaxed;",
            f" d={self._domain}; s={self._selector}; t={int(at.timestamp())};",
            f" h={listed};",
            f" bh={digest};",
            " b=",
        )
        return "\r\n".join(lines)

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(data, PKCS1v15(), SHA256())
        return self._key.sign(sha256(data).digest())


def _value(headers: Sequence[tuple[str, bytes]], wanted: str) -> bytes:
    return next(value for name, value in headers if name == wanted)


def _read_key(file: Path | None) -> _Key:
    if file is None:
        raise _unusable("no file with the key is named")
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise _unusable(f"{file} cannot be read: {error.strerror}") from error
    except TypeError as error:
        raise _unusable(f"the key in {file} is locked with a password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unusable(f"{file} holds no private key") from error
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise _unusable(f"the key in {file} is neither RSA nor Ed25519")
    if isinstance(key, RSAPrivateKey) and key.key_size < _SHORTEST_RSA:
        raise _unusable(f"the RSA key in {file} has {key.key_size} bits, too few")
    return key


def _unusable(why: str) -> InvalidInputError:
    return InvalidInputError(
        f"mails cannot be signed: {why}",
        field="TELLAL_SMTP__DKIM__KEY_FILE",
        hint="make a PEM file with `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`",
    )
