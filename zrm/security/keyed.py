"""Keyed hashes: tell two values apart, or find one again, without storing or showing the value itself."""

from __future__ import annotations

import hashlib
import hmac


def keyed_hash(secret: bytes, purpose: str, text: str) -> str:
    """32 hex digits that only the holder of `secret` can compute; equal texts of one purpose give equal digits."""
    message = purpose.encode() + b"\0" + text.encode("utf-8", "surrogatepass")
    return hmac.new(secret, message, hashlib.sha256).hexdigest()[:32]
