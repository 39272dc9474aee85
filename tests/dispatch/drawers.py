"""Renderers that behave badly, for a process of their own."""

from __future__ import annotations

import os


def fails(data: bytes) -> list[bytes]:
    """Raises, with a citizen's address in its words."""
    raise ValueError(f"{len(data)} bytes from a@example.org")


def dies(data: bytes) -> list[bytes]:
    """Ends as a broken decoder ends."""
    os.abort()


def devours(data: bytes) -> list[bytes]:
    """Wants more memory than there is."""
    return [b"x" * (8 << 30)]


def draws_nothing(data: bytes) -> list[bytes]:
    """No pages."""
    return []
