"""HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, which httpx, and so every provider's client, reads: we correct them.

Most machines that need a proxy do not exempt loopback; a request to a gateway on this machine would go to the proxy,
with the citizen's words. And httpx fails for every address when one of the proxies is of an unknown kind.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Final

import httpx

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_KINDS: Final = ("http_proxy", "https_proxy", "all_proxy")


def settle(environment: MutableMapping[str, str]) -> list[str]:
    """Exempt loopback from proxies, and remove proxies that cannot be used. A line for each of those, without its
    address, which may hold a password.
    """
    problems = []
    for name in [name for name in environment if name.lower() in _KINDS]:
        if environment[name] and (why := _unusable(environment[name])):
            del environment[name]
            problems.append(f"{name} in the environment is ignored: {why}")
    spared = next((environment[name] for name in ("no_proxy", "NO_PROXY") if environment.get(name)), "")
    names = [name.strip() for name in spared.split(",") if name.strip()]
    if "*" not in names:
        environment["no_proxy"] = environment["NO_PROXY"] = ",".join(dict.fromkeys([*names, *LOOPBACK]))
    return problems


def _unusable(address: str) -> str:
    try:
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
    except (ValueError, httpx.InvalidURL):
        return "it is no address of a proxy such as http://proxy.example:3128"
    if proxy.url.scheme.startswith("socks"):
        return "a SOCKS proxy cannot be used here; one that speaks HTTP can"
    return "" if proxy.url.host else "it names no host"
