"""A missing peer is skipped, listed, and no pass."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.places import REPOSITORY
from tests.lab.plugin import INCOMPLETE

TESTS = """
import pytest

@pytest.mark.peer("asterisk")
def test_telephone():
    raise AssertionError("must not run")

def test_arithmetic():
    assert 1 + 1 == 2
"""


def run_pytest(folder: Path, *words: str, tests: str = TESTS) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(tests, encoding="utf-8")
    argv = [sys.executable, "-m", "pytest", "-p", "tests.lab.plugin", "--rootdir", str(folder), *words, str(folder)]
    # An empty cache folder: nothing is unpacked there, so the telephone peers are missing.
    path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": path}
    return subprocess.run(argv, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def test_missing_peer_is_listed_and_not_a_pass(tmp_path: Path) -> None:
    done = run_pytest(tmp_path)
    assert done.returncode == INCOMPLETE, done.stdout + done.stderr
    assert "1 passed, 1 skipped" in done.stdout
    assert "DID NOT RUN" in done.stdout
    assert "test_it.py::test_telephone" in done.stdout


def test_peer_that_no_chosen_test_needs_is_not_missed(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "-k", "arithmetic")
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
