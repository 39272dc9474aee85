"""The peers by name: how each is provided, how to see that it is there, and what was found missing."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.lab import debian
from tests.lab.places import MISSING_FILE, cache_folder
from tests.lab.small_disk import can_mount

ASTERISK = debian.Tree(
    "asterisk-22",
    packages=("asterisk=1:22.*", "asterisk-core-sounds-en-gsm"),
    # Asterisk is in no stable suite of Debian; the next one and the rolling one carry it.
    suites=("forky", "sid"),
)
HYLAFAX = debian.Tree("hylafax-6", packages=("hylafax-server", "hylafax-client"), suites=("forky", "sid"))
CHROMIUM = debian.Tree("chromium", packages=("chromium",), suites=())
"""Only unpacked where chromium cannot be installed; runs with this machine's own C library."""

"""A library that stands before the C library and lies about the clock."""

DOVECOT = debian.Tree("dovecot", packages=("dovecot-imapd", "dovecot-lmtpd"), suites=())
POSTFIX = debian.Tree("postfix", packages=("postfix",), suites=())
KANNEL = debian.Tree("kannel", packages=("kannel",), suites=())
CLAMAV = debian.Tree("clamav", packages=("clamav-daemon",), suites=())
_TREES = {"dovecot": DOVECOT, "postfix": POSTFIX, "kannel": KANNEL, "clamav": CLAMAV}

PEERS = ("asterisk", "hylafax", "browser", "small-disk", *_TREES)
"""The names `pytest.mark.peer` knows. The SMTP sink and the Twilio stand-in need nothing but Python."""


def provide(peer: str) -> None:
    """Make the peer available if it is not. Raises debian.Unavailable with the reason."""
    cache = cache_folder()
    if peer == "asterisk":
        debian.unpack(ASTERISK, cache)
    elif peer == "hylafax":
        debian.unpack(HYLAFAX, cache)
    elif peer == "browser":
        _provide_browser(cache)
    elif peer == "small-disk":
        if not can_mount():
            raise debian.Unavailable("mounting a tmpfs needs root, or sudo without a password")
    elif peer in _TREES:
        debian.unpack(_TREES[peer], cache)
        if not present(peer):
            raise debian.Unavailable("it changes users itself, which needs root")
    else:
        raise ValueError(f"no peer is called {peer!r}; there are {', '.join(PEERS)}")


def _provide_browser(cache: Path) -> None:
    if browser_command() is not None:
        return
    try:
        debian.install(["chromium"])
    except debian.Unavailable as installing:
        try:
            debian.unpack(CHROMIUM, cache)
        except debian.Unavailable as unpacking:
            raise debian.Unavailable(f"not installable ({installing}), not unpackable ({unpacking})") from unpacking


def present(peer: str) -> bool:
    """Whether the peer can be started right now."""
    cache = cache_folder()
    if peer == "asterisk":
        return ASTERISK.present(cache)
    if peer == "hylafax":
        return HYLAFAX.present(cache)
    if peer == "browser":
        return browser_command() is not None
    if peer == "small-disk":
        return can_mount()
    if peer == "postfix":
        return POSTFIX.present(cache) and os.geteuid() == 0  # its master changes users itself
    if peer in _TREES:
        return _TREES[peer].present(cache)
    raise ValueError(f"no peer is called {peer!r}; there are {', '.join(PEERS)}")


def browser_command() -> tuple[Path, dict[str, str]] | None:
    """Chromium's executable and the environment it needs besides the usual one, or None when there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return Path(found), {}
    root = CHROMIUM.folder(cache_folder())
    if not CHROMIUM.present(cache_folder()):
        return None
    environment = {"LD_LIBRARY_PATH": debian.library_path(root)}
    if not Path("/etc/fonts/fonts.conf").is_file():
        environment["FONTCONFIG_PATH"] = str(root / "etc" / "fonts")
    return root / "usr" / "lib" / "chromium" / "chromium", environment


def write_missing(asked: Sequence[str], reasons: Mapping[str, str]) -> None:
    """Record why some of the peers `asked` for could not be provided; a record that says nothing is removed."""
    reasons = {peer: why for peer, why in _recorded().items() if peer not in asked} | dict(reasons)
    if not reasons:
        MISSING_FILE.unlink(missing_ok=True)
        return
    MISSING_FILE.parent.mkdir(parents=True, exist_ok=True)
    MISSING_FILE.write_text(json.dumps(reasons, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def why_missing(peer: str) -> str | None:
    """None when the peer is there; otherwise the reason set-up recorded, or that set-up was not run."""
    if present(peer):
        return None
    return _recorded().get(peer, "not set up; run: python -m tests.lab.setup")


def _recorded() -> dict[str, str]:
    if not MISSING_FILE.is_file():
        return {}
    return {str(peer): str(why) for peer, why in json.loads(MISSING_FILE.read_text(encoding="utf-8")).items()}
