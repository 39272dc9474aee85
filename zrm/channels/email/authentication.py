"""What a trusted mail server found out about the sender: SPF, DKIM and DMARC from its `Authentication-Results`.

Only fields that carry the name of a server of ours are believed (RFC 8601), the topmost first, because each server adds
its own on top. A sender can write such a field too: our receiving server must remove fields that bear its name.

A DMARC result names its domain. If that is not the domain of the sender we read, the From is one that programs read
differently, so that the server checked another sender than we see: the check has failed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import authres
from authres import dmarc

from zrm.kit.mail_addresses import comparable

_METHODS: Final = ("spf", "dkim", "dmarc")
_LONGEST: Final = 4_000  # characters of one field
_MOST: Final = 20
_FAILED: Final = frozenset({"fail", "hardfail", "softfail", "permerror"})
_reader: Final = authres.FeatureContext(dmarc)


def results(fields: Iterable[tuple[str, str]], trusted: Collection[str], sender: str = "") -> dict[str, str]:
    """The result by method (spf, dkim, dmarc); empty without a trusted field. A mail with one good DKIM signature passes.

    `sender` is the address in From as we read it, if there is one.
    """
    if not trusted:
        return {}
    found: dict[str, str] = {}
    values = [value for name, value in fields if name.lower() == "authentication-results"]
    for value in values[:_MOST]:
        try:
            header = _reader.parse(f"Authentication-Results: {value[:_LONGEST]}")
        except (authres.AuthResError, ValueError, IndexError, RecursionError):
            continue
        if str(header.authserv_id).lower() not in trusted:
            continue
        own: dict[str, set[str]] = {}
        for result in header.results:
            if result.method in _METHODS:
                about_another = result.method == "dmarc" and _is_about_another(result, sender)
                own.setdefault(result.method, set()).add("fail" if about_another else str(result.result).lower())
        for method, said in own.items():
            found.setdefault(method, "pass" if "pass" in said else sorted(said)[0])
    return found


def _is_about_another(result: authres.AuthenticationResult, sender: str) -> bool:
    """Whether it names another domain than the sender's; either may be named if they belong to one organisation."""
    named = next((str(one.value) for one in result.properties if (one.type, one.name) == ("header", "from")), "")
    if not named or not sender:
        return False
    ours, theirs = (comparable(one).rpartition("@")[2] for one in (sender, f"@{named.rpartition('@')[2]}"))
    return ours != theirs and not ours.endswith(f".{theirs}") and not theirs.endswith(f".{ours}")


def labels(found: dict[str, str]) -> set[str]:
    """`spf_fail`, `dkim_fail`, `dmarc_fail` for definite failures; `dmarc_pass` if the sender's domain passed."""
    vouched = {"dmarc_pass"} if found.get("dmarc") == "pass" else set()
    return vouched | {f"{method}_fail" for method, result in found.items() if result in _FAILED}
