"""Unpack Debian packages into a folder, with apt itself but without root and without touching the machine.

apt is given private state, so it needs no lock of the system and no rights: it resolves the whole closure of the wanted
packages (against an empty machine, or against this one), downloads and verifies it; `dpkg-deb -x` unpacks. No
maintainer script ever runs, so no service starts and no account is made. The archive is the one this machine's own
apt configuration uses; only the suite differs.
"""

import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
)
DPKG_STATUS = Path("/var/lib/dpkg/status")
NEEDED_PROGRAMS = ("apt-get", "dpkg-deb")


class Unavailable(Exception):
    """A package cannot be had on this machine; the message is the reason, fit to be shown to a person."""


@dataclass(frozen=True)
class Tree:
    """A folder of unpacked packages.

    `suites` are tried in order; none means the suite of this machine, and then only what the machine lacks is unpacked.
    """

    name: str
    packages: tuple[str, ...]
    suites: tuple[str, ...]

    def folder(self, cache: Path) -> Path:
        """Where the tree lies once unpacked."""
        return cache / self.name

    def present(self, cache: Path) -> bool:
        """Whether the tree was unpacked completely."""
        return (self.folder(cache) / COMPLETE).is_file()


COMPLETE = ".complete"


def library_path(root: Path, *before: Path) -> str:
    """LD_LIBRARY_PATH for the programs of an unpacked tree; the folders `before` come first."""
    found = (folder for part in ("lib", "usr/lib") for folder in sorted(root.glob(f"{part}/*-linux-gnu*")))
    return os.pathsep.join(map(str, (*before, *found)))


def unpack(tree: Tree, cache: Path) -> Path:
    """The folder of the tree, unpacked now if it is not there yet. Raises Unavailable."""
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{tree.name}.lock"):
        if not tree.present(cache):
            _unpack_now(tree, cache)
    return tree.folder(cache)


def _unpack_now(tree: Tree, cache: Path) -> None:
    for program in NEEDED_PROGRAMS:
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not on this machine (Debian's package tools are needed)")
    reasons = []
    for suite in tree.suites or (None,):
        with tempfile.TemporaryDirectory(dir=cache, prefix=f"{tree.name}-") as scratch:
            try:
                unpacked = _fetch_and_unpack(tree, suite, Path(scratch))
            except Unavailable as reason:
                reasons.append(f"{suite or 'own suite'}: {reason}")
                continue
            target = tree.folder(cache)
            shutil.rmtree(target, ignore_errors=True)
            unpacked.rename(target)
            return
    raise Unavailable("; ".join(reasons))


def _fetch_and_unpack(tree: Tree, suite: str | None, scratch: Path) -> Path:
    apt = PrivateApt(scratch / "apt", against_this_machine=suite is None)
    if suite is not None:
        apt.use_only(f"{_debian_archive(scratch / 'probe')} {suite} main")
    apt.run("update")
    apt.run("install", "--yes", "--download-only", "--no-install-recommends", *tree.packages)
    root = scratch / "root"
    root.mkdir()
    versions = []
    for package in sorted(apt.archives.glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(package), str(root)])
        versions.append(package.name)
    for unneeded in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"):
        shutil.rmtree(root / unneeded, ignore_errors=True)
    _drop_setuid(root)
    (root / COMPLETE).write_text("\n".join(versions) + "\n", encoding="utf-8")
    return root


def _drop_setuid(root: Path) -> None:
    """Nothing in a cache folder may run with anybody else's rights."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                path.chmod(mode & 0o777)


class PrivateApt:
    """apt-get with its own state under one folder, run as whoever calls it."""

    def __init__(self, folder: Path, *, against_this_machine: bool) -> None:
        self.archives = folder / "cache" / "archives"
        self._sources = folder / "sources.list"
        for part in ("state/lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True)
        # A copy: apt locks the folder in which the list of installed packages lies.
        status = folder / "state" / "status"
        if against_this_machine:
            shutil.copyfile(DPKG_STATUS, status)
        else:
            status.touch()
        self._options = {
            "Dir::State": str(folder / "state"),
            "Dir::State::status": str(status),
            "Dir::State::lists": str(folder / "state" / "lists"),
            "Dir::Cache": str(folder / "cache"),
            "Dir::Cache::archives": str(self.archives),
            # A mirror kept at a past day, and a machine whose clock runs ahead, serve lists "expired" by their date.
            # The signature is still checked; staleness is harmless here.
            "Acquire::Check-Valid-Until": "false",
            "Acquire::Check-Date": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            # Otherwise a mirror that cannot be reached is a mere warning, and the package later "not found".
            "APT::Update::Error-Mode": "any",
            "APT::Get::List-Cleanup": "false",
            # As root, apt would download as the user _apt, who cannot enter a private cache folder.
            "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
        }

    def use_only(self, source: str) -> None:
        """Use this one source ("[options] uri suite component") instead of the machine's."""
        self._sources.write_text(f"deb {source}\n", encoding="utf-8")
        self._options |= {"Dir::Etc::sourcelist": str(self._sources), "Dir::Etc::sourceparts": "/dev/null"}

    def run(self, *words: str) -> str:
        """Run apt-get with these words and give its standard output. Raises Unavailable."""
        options = [part for key, value in self._options.items() for part in ("-o", f"{key}={value}")]
        return _run(["apt-get", "-q", *options, *words])


def _debian_archive(scratch: Path) -> str:
    """The "[signed-by=…] uri" of the Debian archive this machine's apt uses."""
    query = ("indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian", "Label: Debian")
    found = _run(["apt-get", *query]).split()
    if not found:
        # No lists on this machine (a slim container image removes them): read the sources with private lists.
        apt = PrivateApt(scratch, against_this_machine=True)
        apt.run("update")
        found = apt.run(*query).split()
    if not found:
        raise Unavailable("apt on this machine is not configured with an archive of Debian")
    keyring = next((path for path in KEYRINGS if path.is_file()), None)
    return f"[signed-by={keyring}] {found[0]}" if keyring else found[0]


def install(packages: Sequence[str]) -> None:
    """Install packages on this machine, as root or by sudo without a password. Raises Unavailable."""
    prefix: list[str] = []
    if os.geteuid() != 0:
        sudo = shutil.which("sudo")
        if sudo is None:
            raise Unavailable("neither root nor sudo here")
        prefix = [sudo, "-n"]
        _run([*prefix, "true"])
    if shutil.which("apt-get") is None:
        raise Unavailable("apt-get is not on this machine")
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "Acquire::Check-Valid-Until=false"]
    _run([*apt, "update"])
    _run([*apt, "install", "--yes", "--no-install-recommends", *packages])


def _run(argv: Sequence[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("E:")] or lines[-3:]
        raise Unavailable(f"{Path(argv[0]).name} failed: {' '.join(errors) or f'exit status {done.returncode}'}")
    return done.stdout


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock, so that two test runs do not unpack the same tree at once."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
