"""Every secret that can be read in our own sources and therefore protects nothing.

They let a demonstration run on a laptop without any setup. Each default in config.yaml or a document, and each
demonstration password, is listed here; a test reads all of them and fails for one that is missing.
"""

from __future__ import annotations

from typing import Final

SECRETS: Final = frozenset(
    {
        "AC00000000000000000000000000000000",
        "demonstration-token",
        "demonstration-fax-token",
        "demo-maryam-1405",
        "demo-daniel-2026",
        "demo-sara-1405",
    }
)


def holds_published(value: str) -> bool:
    """Whether the value is one of them or, as an address with a password in it, contains one."""
    return any(secret in value for secret in SECRETS)
