"""Every secret that can be read in our own sources: whoever keeps one of them as it is keeps none.

They make a laptop's demonstration run without a step. Each default that config.yaml or a document writes, and each
demonstration password, stands here; a test reads them all and fails for one that does not.
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
    """Whether the value is one of them or, as an address with a password in it, has one in it."""
    return any(secret in value for secret in SECRETS)
