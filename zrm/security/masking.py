"""How an address is shown to an agent who may not see it: enough to tell two apart, not enough to use."""

from __future__ import annotations


def masked(address: str) -> str:
    """`sara@example.org` → `s•••@e•••`, `+989121234567` → `•••67`; empty stays empty."""
    if not address:
        return ""
    name, at, domain = address.rpartition("@")
    if at:
        return f"{name[:1]}•••@{domain[:1]}•••"
    return f"•••{address[-2:]}" if len(address) > 4 else "•••"
