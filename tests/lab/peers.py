"""The peers by name: how each is provided and checked, and which are missing."""

import functools
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.lab import debian
from tests.lab.debian import Program, Tree
from tests.lab.places import MISSING_FILE, cache_folder
from tests.lab.small_disk import can_mount

ASTERISK = Tree(
    "asterisk-22",
    packages=("asterisk=1:22.*", "asterisk-core-sounds-en-gsm"),
    programs=(Program("usr/sbin/asterisk", ("-V",)),),
    # No stable suite of Debian has Asterisk; testing and unstable do.
    suites=("forky", "sid"),
)
HYLAFAX = Tree(
    "hylafax-6",
    packages=("hylafax-server", "hylafax-client"),
    programs=(Program("usr/lib/hylafax/bin/faxinfo"), Program("var/spool/hylafax/bin/faxrcvd")),
    suites=("forky", "sid"),
    libraries=("usr/lib/*-linux-gnu*/hylafax", "usr/lib/hylafax"),
)
CHROMIUM = Tree("chromium", packages=("chromium",), programs=(Program("usr/lib/chromium/chromium", ("--version",)),))
"""Only unpacked where none is installed that answers, and none can be installed."""

DOVECOT = Tree(
    "dovecot",
    packages=("dovecot-imapd", "dovecot-lmtpd"),
    programs=(
        Program("usr/sbin/dovecot", ("--version",)),
        Program("usr/bin/doveconf"),
        *(
            Program(f"usr/lib/dovecot/{name}")
            for name in ("anvil", "auth", "config", "imap", "imap-login", "lmtp", "log")
        ),
    ),
    libraries=("usr/lib/dovecot", "usr/lib/dovecot/modules/old-stats"),
)
POSTFIX = Tree(
    "postfix",
    packages=("postfix",),
    programs=(
        Program("usr/sbin/postconf", ("-d", "-h", "mail_version")),
        *(
            Program(f"usr/lib/postfix/sbin/{name}")
            for name in ("master", "smtpd", "cleanup", "qmgr", "trivial-rewrite", "bounce", "smtp", "lmtp", "postlogd")
        ),
    ),
    libraries=("usr/lib/postfix",),
)
KANNEL = Tree(
    "kannel",
    packages=("kannel",),
    programs=(Program("usr/sbin/bearerbox", ("--version",)), Program("usr/sbin/smsbox", ("--version",))),
)
CLAMAV = Tree(
    "clamav",
    packages=("clamav-daemon",),
    programs=(Program("usr/sbin/clamd", ("--config-file=/dev/null", "--version")),),
)
_TREES = {
    "asterisk": ASTERISK,
    "hylafax": HYLAFAX,
    "dovecot": DOVECOT,
    "postfix": POSTFIX,
    "kannel": KANNEL,
    "clamav": CLAMAV,
}
_INSTALLED_BROWSERS = ("chromium", "chromium-browser", "google-chrome")

PEERS = ("browser", "small-disk", *_TREES)
"""The names `pytest.mark.peer` knows. The SMTP sink and the Twilio stand-in need nothing but Python."""


def provide(peer: str) -> None:
    """Make the peer available. Raises debian.Unavailable with the reason."""
    if peer == "browser":
        _provide_browser()
    elif peer in _TREES:
        debian.unpack(_TREES[peer], cache_folder())
    if (fault := fault_of(peer)) is not None:
        raise debian.Unavailable(fault)


def _provide_browser() -> None:
    if browser_command() is not None:
        return
    reasons = []
    try:
        debian.install(["chromium"])
    except debian.Unavailable as reason:
        reasons.append(f"not installable ({reason})")
    if browser_command() is not None:
        return
    try:
        debian.unpack(CHROMIUM, cache_folder())
    except debian.Unavailable as reason:
        raise debian.Unavailable(", ".join([*reasons, f"not unpackable ({reason})"])) from reason


def fault_of(peer: str) -> str | None:
    """The reason why the peer cannot be started now; None if it can."""
    if peer == "browser":
        return None if browser_command() is not None else "no Chromium here answers"
    if peer == "small-disk":
        return None if can_mount() else "mounting a tmpfs needs root, or sudo without a password"
    if peer not in _TREES:
        raise ValueError(f"no peer is called {peer!r}; there are {', '.join(PEERS)}")
    if peer == "postfix" and os.geteuid() != 0:
        return "it changes users itself, which needs root"
    return _TREES[peer].fault(cache_folder())


def present(peer: str) -> bool:
    """Whether the peer can be started now."""
    return fault_of(peer) is None


def browser_command() -> tuple[Path, dict[str, str]] | None:
    """Chromium's executable and its additional environment; None if none answers."""
    for found in filter(None, map(shutil.which, _INSTALLED_BROWSERS)):
        if _browser_answers(found):
            return Path(found), {}
    cache = cache_folder()
    if CHROMIUM.fault(cache) is not None:
        return None
    root = CHROMIUM.folder(cache)
    environment = CHROMIUM.environment(root)
    if not Path("/etc/fonts/fonts.conf").is_file():
        environment["FONTCONFIG_PATH"] = str(root / "etc" / "fonts")
    return root / CHROMIUM.programs[0].path, environment


@functools.cache
def _browser_answers(found: str) -> bool:
    return debian.why_silent("chromium", [found], ["--version"], {}) is None


def write_missing(asked: Sequence[str], reasons: Mapping[str, str]) -> None:
    """Record why some of the peers `asked` for could not be provided; an empty record is removed."""
    reasons = {peer: why for peer, why in _recorded().items() if peer not in asked} | dict(reasons)
    if not reasons:
        MISSING_FILE.unlink(missing_ok=True)
        return
    MISSING_FILE.parent.mkdir(parents=True, exist_ok=True)
    MISSING_FILE.write_text(json.dumps(reasons, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def why_missing(peer: str) -> str | None:
    """None if the peer is available; else the recorded reason, or that set-up was not run."""
    fault = fault_of(peer)
    if fault is None:
        return None
    return _recorded().get(peer) or f"{fault}; run: python -m tests.lab.setup {peer}"


def _recorded() -> dict[str, str]:
    if not MISSING_FILE.is_file():
        return {}
    return {str(peer): str(why) for peer, why in json.loads(MISSING_FILE.read_text(encoding="utf-8")).items()}
