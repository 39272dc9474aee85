"""A peer ends with the tests, also if they are killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.places import REPOSITORY
from tests.lab.process import Child, PeerError, alive, wait_until

STARTER = """
import sys, time
from pathlib import Path
from tests.lab.process import Child
child = Child(["sleep", "600"], log=Path(sys.argv[1]) / "log")
(Path(sys.argv[1]) / "pid.part").write_text(str(child.pid))
(Path(sys.argv[1]) / "pid.part").rename(Path(sys.argv[1]) / "pid")
time.sleep(600)
"""


def test_peer_dies_when_its_starter_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)], cwd=REPOSITORY) as starter:
        wait_until((tmp_path / "pid").exists, "the peer to start")
        peer = int((tmp_path / "pid").read_text())
        assert alive(peer)
        os.kill(starter.pid, signal.SIGKILL)
    wait_until(lambda: not alive(peer), "the peer to die with its starter")


def test_peer_that_ignores_a_polite_request_is_killed(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"], log=tmp_path / "log")
    wait_until(lambda: "deaf" in (tmp_path / "log").read_text(), "the peer to become deaf")
    child.stop(seconds=0.2)
    assert not child.running()


def test_death_of_a_peer_is_told_with_its_last_words(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "echo no such port; exit 3"], log=tmp_path / "log")
    assert child.wait(10)
    with pytest.raises(PeerError, match="ended with 3\nno such port"):
        child.require_running()


@pytest.mark.parametrize("gone", [FileNotFoundError, ProcessLookupError])
def test_a_process_that_goes_while_it_is_looked_at_is_not_alive(
    gone: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_text(path: Path) -> str:
        raise gone(str(path))

    assert alive(os.getpid())
    monkeypatch.setattr(Path, "read_text", read_text)
    assert not alive(os.getpid())
