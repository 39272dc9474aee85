"""A digest of several texts: short, the same for the same texts, and different when the same letters are split
otherwise.
"""

from __future__ import annotations

import hashlib
from typing import Final

_HEX_DIGITS: Final = 32


def digest_of(*parts: str | bytes) -> str:
    """32 hex digits of SHA-256 over the parts, each with its length."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8))
        digest.update(data)
    return digest.hexdigest()[:_HEX_DIGITS]
