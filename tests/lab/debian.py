"""Unpacks Debian packages into a folder, with apt itself but without root and without changing the machine.

apt gets private state, so it needs no system lock and no rights: it resolves the wanted packages with all their
dependencies as on an empty machine, downloads and verifies them; `dpkg-deb -x` unpacks. The packages installed on this
machine make no difference, except for the C library (see `Tree`). No maintainer script ever runs, so no service
starts and no account is made. The archive is the one this machine's own apt configuration uses; only the suite differs.

A tree is complete if the programs that tests start exist and answer: a folder alone proves nothing.
"""

import fcntl
import itertools
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
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
    """A package is unavailable on this machine; the message is a reason that can be shown to a person."""


@dataclass(frozen=True)
class Program:
    """A program that tests start: its path below the tree, and the arguments that print its version.

    Without arguments it prints none; then it must exist, be executable and find its libraries.
    """

    path: str
    version: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tree:
    """A folder of unpacked packages, and the programs in it that tests start.

    `suites` are tried in order; their C library is unpacked too, and programs are started by its loader. Without any it is
    the suite of this machine, and programs run with the machine's own C library, as those must that start others.
    `libraries` are patterns of folders of shared libraries below the tree, which come before the usual ones.
    """

    name: str
    packages: tuple[str, ...]
    programs: tuple[Program, ...]
    suites: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()

    def folder(self, cache: Path) -> Path:
        """The tree's folder once unpacked."""
        return cache / self.name

    def command(self, root: Path, program: str) -> list[str]:
        """The command that starts a program of the tree at `root`. Raises Unavailable without a loader."""
        path = root / program
        if not self.suites or _is_script(path):
            return [str(path)]
        loader = next(root.glob("usr/lib/*/ld-linux-*.so.*"), None)
        if loader is None:
            raise Unavailable("it has no dynamic loader")
        return [str(loader), "--library-path", self._library_path(root), str(path)]

    def environment(self, root: Path) -> dict[str, str]:
        """The additional environment of a program of the tree at `root`."""
        return {} if self.suites else {"LD_LIBRARY_PATH": self._library_path(root)}

    def _library_path(self, root: Path) -> str:
        own = [folder for part in self.libraries for folder in sorted(root.glob(part))]
        usual = [folder for part in ("lib", "usr/lib") for folder in sorted(root.glob(f"{part}/*-linux-gnu*"))]
        return os.pathsep.join(map(str, (*own, *usual)))

    def fault(self, cache: Path) -> str | None:
        """Why its programs cannot be started; None when each of them answers."""
        root = self.folder(cache)
        if not root.is_dir():
            return "not unpacked"
        try:
            for program in self.programs:
                found = root / program.path
                if not os.access(found, os.X_OK):
                    return f"{program.path} is not in it"
                start = self.command(root, program.path)
                if fault := why_silent(found.name, start, program.version, self.environment(root)):
                    return fault
        except Unavailable as reason:
            return str(reason)
        return None


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"


VERSIONS = "versions"
"""The file of a tree that lists its packages."""
ANSWER_SECONDS = 60.0


def why_silent(name: str, start: Sequence[str], words: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """Why a program does not answer to `words`, or cannot be loaded when there are none; None when it does."""
    # Without words the loader lists the libraries it finds instead of starting the program (ld.so(8)).
    tracing = {} if words else {"LD_TRACE_LOADED_OBJECTS": "1"}
    try:
        done = subprocess.run(
            [*start, *words],
            env={**os.environ, **environment, **tracing},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return f"{name} cannot be started: {problem}"
    lines = done.stdout.decode("utf-8", "replace").split("\n")
    missing = [line.strip() for line in lines if "not found" in line]
    if done.returncode != 0 or missing:
        why = missing or [line for line in lines if line.strip()][-2:] or [f"exit status {done.returncode}"]
        return f"{name} does not answer: {'; '.join(why)}"
    return None


def unpack(tree: Tree, cache: Path) -> Path:
    """The folder of the tree, unpacked now if its programs do not answer. Raises Unavailable."""
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{tree.name}.lock"):
        if tree.fault(cache) is not None:
            _unpack_now(tree, cache)
            if (fault := tree.fault(cache)) is not None:
                raise Unavailable(f"unpacked, but {fault}")
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
    apt = PrivateApt(scratch / "apt", installed=c_library(DPKG_STATUS.read_text("utf-8")) if suite is None else "")
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
    (root / VERSIONS).write_text("\n".join(versions) + "\n", encoding="utf-8")
    return root


def _drop_setuid(root: Path) -> None:
    """Remove set-user-id and set-group-id bits: nothing in a cache folder may run with other rights."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                path.chmod(mode & 0o777)


class PrivateApt:
    """apt-get with its own state under one folder, run as the caller's user.

    `installed` are the packages it assumes as installed, as paragraphs of dpkg's status; "" is an empty machine.
    """

    def __init__(self, folder: Path, *, installed: str = "") -> None:
        self.archives = folder / "cache" / "archives"
        self._sources = folder / "sources.list"
        for part in ("state/lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True)
        status = folder / "state" / "status"
        status.write_text(installed, encoding="utf-8")
        self._options = {
            "Dir::State": str(folder / "state"),
            "Dir::State::status": str(status),
            "Dir::State::lists": str(folder / "state" / "lists"),
            "Dir::Cache": str(folder / "cache"),
            "Dir::Cache::archives": str(self.archives),
            # A snapshot mirror, or a machine with a fast clock, makes lists look expired.
            # The signature is still checked; staleness is harmless here.
            "Acquire::Check-Valid-Until": "false",
            "Acquire::Check-Date": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            # Otherwise an unreachable mirror is only a warning, and the package is later "not found".
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
        """Run apt-get with these arguments; returns its standard output. Raises Unavailable."""
        options = [part for key, value in self._options.items() for part in ("-o", f"{key}={value}")]
        return _run(["apt-get", "-q", *options, *words])


def c_library(status: str) -> str:
    """The paragraphs of the C library and its dependencies in dpkg's list of packages."""
    paragraphs: dict[str, list[str]] = {}
    for paragraph in filter(str.strip, status.split("\n\n")):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status") == "install ok installed":
            paragraphs.setdefault(fields["Package"], []).append(paragraph.strip("\n"))
    wanted, kept = ["libc6"], dict[str, list[str]]()
    while wanted:
        name = wanted.pop()
        if name in kept or name not in paragraphs:
            continue
        kept[name] = paragraphs[name]
        needs = re.findall(r"^(?:Pre-)?Depends: (.*)$", "\n".join(paragraphs[name]), re.MULTILINE)
        wanted += re.findall(r"(?:^|[,|]) *([a-z0-9][a-z0-9+.-]+)", ",".join(needs))
    return "\n\n".join(itertools.chain.from_iterable(kept.values())) + "\n"


def _debian_archive(scratch: Path) -> str:
    """The "[signed-by=…] uri" of the Debian archive this machine's apt uses."""
    query = ("indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian", "Label: Debian")
    found = _run(["apt-get", *query]).split()
    if not found:
        # No lists on this machine (a slim container image removes them): read the sources with private lists.
        apt = PrivateApt(scratch)
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
