"""A peer is unpacked completely, whatever the machine has installed, and is available if its programs answer.

Uses apt itself, on an archive of two packages made here: a program, and a part without which it does not answer.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lab import debian, peers
from tests.lab.debian import Program, Tree, Unavailable, c_library

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt on this machine")

PEER = Tree("peer", packages=("zrm-peer",), programs=(Program("usr/sbin/peerd", ("--version",)),))
ANSWER = """#!/bin/sh
part="$(dirname "$0")/../lib/zrm-peer/part"
test -f "$part" || { echo "part: not found"; exit 1; }
echo "peer 1.0"
"""
MACHINES = {
    "absent": "",
    "installed": "install ok installed",
    "half installed": "install reinstreq half-installed",
    "unpacked, not configured": "install ok unpacked",
    "removed, its settings left": "deinstall ok config-files",
}
"""The state of both packages on the machine, as dpkg writes it."""


def package(folder: Path, name: str, files: dict[str, str], *, depends: str = "") -> None:
    """Build a package of such files, by path, into the folder."""
    root = folder / "build" / name
    control = f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
    for path, text in {"DEBIAN/control": control + (f"Depends: {depends}\n" if depends else ""), **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        if path != "DEBIAN/control":
            (root / path).chmod(0o755)
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", root, folder / f"{name}_1.0_all.deb"], check=True)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with the peer and its part, and apt's settings that name no other."""
    folder = tmp_path_factory.mktemp("archive")
    package(folder, "zrm-part", {"usr/lib/zrm-peer/part": "part\n"}, depends="libc6")
    package(folder, "zrm-peer", {"usr/sbin/peerd": ANSWER}, depends="zrm-part, libc6 (>= 2.1)")
    entries = []
    for deb in sorted(folder.glob("*.deb")):
        fields = subprocess.run(["dpkg-deb", "--field", deb], check=True, capture_output=True, text=True).stdout
        size = deb.stat().st_size
        digest = subprocess.run(["sha256sum", deb], check=True, capture_output=True, text=True).stdout.split()[0]
        entries.append(f"{fields}Filename: ./{deb.name}\nSize: {size}\nSHA256: {digest}\n")
    (folder / "Packages").write_text("\n".join(entries))
    (folder / "sources.list").write_text(f"deb [trusted=yes] copy:{folder} ./\n")
    (folder / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{folder}/sources.list";\nDir::Etc::sourceparts "/dev/null";\n'
    )
    return folder


@pytest.fixture
def machine(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Dpkg's list of packages on a machine that has this archive; to be added to."""
    status = tmp_path / "status"
    shutil.copyfile(debian.DPKG_STATUS, status)
    monkeypatch.setattr(debian, "DPKG_STATUS", status)
    monkeypatch.setenv("APT_CONFIG", str(archive / "apt.conf"))
    return status


@pytest.mark.parametrize("state", MACHINES.values(), ids=MACHINES)
def test_a_tree_is_whole_whatever_the_machine_has(state: str, machine: Path, tmp_path: Path) -> None:
    if state:
        with machine.open("a") as status:
            for name in ("zrm-part", "zrm-peer"):
                status.write(f"\nPackage: {name}\nStatus: {state}\nVersion: 1.0\nArchitecture: all\n")
    cache = tmp_path / "cache"
    assert PEER.fault(cache) == "not unpacked"
    folder = debian.unpack(PEER, cache)
    assert PEER.fault(cache) is None
    came = (folder / debian.VERSIONS).read_text().split()
    assert came == ["zrm-part_1.0_all.deb", "zrm-peer_1.0_all.deb"], "the C library is the machine's"


def test_a_tree_whose_programs_do_not_answer_is_not_there_and_brought_anew(machine: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    folder = debian.unpack(PEER, cache)
    (folder / "usr/lib/zrm-peer/part").unlink()
    assert PEER.fault(cache) == "peerd does not answer: part: not found"
    debian.unpack(PEER, cache)
    assert PEER.fault(cache) is None
    (folder / "usr/sbin/peerd").unlink()
    assert PEER.fault(cache) == "usr/sbin/peerd is not in it"
    debian.unpack(PEER, cache)
    assert PEER.fault(cache) is None


def test_what_does_not_answer_even_unpacked_cannot_be_had(machine: Path, tmp_path: Path) -> None:
    alone = Tree("part", packages=("zrm-part",), programs=PEER.programs)
    with pytest.raises(Unavailable, match="unpacked, but usr/sbin/peerd is not in it"):
        debian.unpack(alone, tmp_path / "cache")


def test_a_program_that_tells_no_version_must_find_its_libraries(tmp_path: Path) -> None:
    """Leave a partly unpacked tree: the program without one of its libraries."""
    root = tmp_path / "tree"
    (root / "bin").mkdir(parents=True)
    shutil.copy("/bin/ls", root / "bin" / "ls")
    tree = Tree("tree", packages=(), programs=(Program("bin/ls"),))
    assert tree.fault(tmp_path) is None
    code = (root / "bin" / "ls").read_bytes()
    (root / "bin" / "ls").write_bytes(code.replace(b"libselinux.so.1\0", b"libnowhere.so.1\0"))
    assert "libnowhere.so.1 => not found" in str(tree.fault(tmp_path))


def test_of_the_machine_only_the_c_library_counts() -> None:
    status = "\n\n".join(
        f"Package: {name}\nStatus: {state}\nVersion: 1\nDepends: {depends}"
        for name, state, depends in (
            ("libc6", "install ok installed", "libgcc-s1, libcrypt1 (>= 1:4)"),
            ("libgcc-s1", "install ok installed", "gcc-12-base (= 12.2.0-14), libc6 (>= 2.35)"),
            ("gcc-12-base", "install ok installed", ""),
            ("libcrypt1", "deinstall ok config-files", ""),
            ("postfix", "install ok installed", "libc6"),
        )
    )
    kept = [line.removeprefix("Package: ") for line in c_library(status).splitlines() if line.startswith("Package: ")]
    assert kept == ["libc6", "libgcc-s1", "gcc-12-base"]


def test_a_browser_that_is_installed_but_does_not_answer_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=None)
    wrapper, other = tmp_path / "chromium", tmp_path / "google-chrome"
    wrapper.write_text('#!/bin/sh\nexec /usr/lib/chromium/gone "$@"\n')
    wrapper.chmod(0o755)
    assert peers.browser_command() is None
    assert peers.fault_of("browser") == "no Chromium here answers"
    other.write_text("#!/bin/sh\necho Google Chrome 140\n")
    other.chmod(0o755)
    assert peers.browser_command() == (other, {})
