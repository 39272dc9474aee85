"""DKIM: our domain's signature on what leaves (RFC 6376), with the keys of the operator's files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from zrm.channels.email.config import DkimKey

# Signed when present, and From twice, so that no second one can be added.
_SIGNED: Final = (
    b"from", b"from", b"to", b"subject", b"date", b"message-id", b"in-reply-to", b"references", b"reply-to", b"mime-version",
    b"content-type", b"auto-submitted", b"content-language",
)  # fmt: skip


class KeyUnusable(Exception):
    """The key file cannot be read, or has no RSA key in PEM; the message names the file."""


def seal(content: bytes, domain: str, key: DkimKey) -> bytes:
    """The mail with a DKIM-Signature field before it. Errors: KeyUnusable."""
    pem = read_key(key.key)
    try:
        signature: bytes = dkim.sign(
            content, key.selector.encode("ascii"), domain.encode("idna"), pem,
            canonicalize=(b"relaxed", b"relaxed"), include_headers=list(_SIGNED),
        )  # fmt: skip
    except (dkim.DKIMException, UnicodeError, ValueError) as error:
        raise KeyUnusable(f"{key.key}: {type(error).__name__}") from None
    return signature + content


@lru_cache(maxsize=64)
def read_key(path: str) -> bytes:
    """The RSA key in a file, as PEM that dkimpy reads. Errors: KeyUnusable."""
    try:
        found = serialization.load_pem_private_key(Path(path).read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise KeyUnusable(f"{path}: {type(error).__name__}") from None
    if not isinstance(found, RSAPrivateKey):
        raise KeyUnusable(f"{path}: expected an RSA key")
    return found.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
