"""The process tree, with real processes: each test runs a supervisor in a process of its own, as `zrm up` does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.process import alive
from zrm.standalone.supervisor import IMPATIENT_AFTER

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0

SUPERVISE = """
import json, os, signal, sys
from pathlib import Path
from zrm.standalone.supervisor import Supervisor
for ignored in (signal.SIGINT, signal.SIGHUP):  # by a test run in the background, or one that outlives its terminal
    signal.signal(ignored, signal.SIG_DFL)
roles, log_dir, stop_within = json.loads(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
Supervisor(roles, os.environ, log_dir, tend=lambda: (log_dir / "tended").touch(), stop_within=stop_within).run()
print("all ended", flush=True)
"""
# Says its process id, then waits; on SIGTERM says so and goes.
PATIENT = "trap 'echo bye; exit 0' TERM; echo pid $$; while :; do sleep 0.05; done"
DEAF = "trap '' TERM; echo pid $$; while :; do sleep 0.05; done"


class Run:
    """A running supervisor and what it has printed."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process, self.output = process, output

    def lines(self) -> list[str]:
        return self.output.read_text().splitlines()

    def pids(self, role: str) -> list[int]:
        """Every process id the role has told, oldest first."""
        told = [line.split(" | ") for line in self.lines()]
        return [int(words[1].split()[1]) for words in told if words[0].strip() == role and words[1].startswith("pid ")]

    def wait(self) -> int:
        return self.process.wait(PATIENCE)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)


@contextmanager
def supervising(folder: Path, roles: dict[str, list[str]], stop_within: float = PATIENCE) -> Iterator[Run]:
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, json.dumps(roles), str(folder), str(stop_within)],
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=CHECKOUT,
        )
    try:
        yield Run(process, output)
    finally:
        process.kill()
        process.wait()


def wait_for_pids(run: Run, *roles: str) -> None:
    until(lambda: all(run.pids(role) for role in roles))


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def test_output_carries_the_role_and_goes_to_its_log(tmp_path: Path) -> None:
    with supervising(tmp_path, {"web": shell("echo one; echo two >&2;" + PATIENT), "smtp": shell(PATIENT)}) as run:
        until(lambda: run.pids("web") and run.pids("smtp"))
        assert "web  | one" in run.lines()
        assert "web  | two" in run.lines()
        assert (tmp_path / "web.log").read_text().startswith("one\ntwo\npid ")
        assert (tmp_path / "web.log").stat().st_mode & 0o077 == 0
        until((tmp_path / "tended").exists)


def test_a_killed_child_is_started_again_and_said_so(tmp_path: Path) -> None:
    with supervising(tmp_path, {"web": shell(PATIENT)}) as run:
        until(lambda: run.pids("web"))
        os.kill(run.pids("web")[0], signal.SIGKILL)
        until(lambda: len(run.pids("web")) == 2)
        assert "web | ended by SIGKILL; starting it again in 0.5 s" in run.lines()


def test_a_child_that_keeps_failing_is_started_ever_more_slowly(tmp_path: Path) -> None:
    with supervising(tmp_path, {"web": shell("echo half a line; printf rest; exit 3"), "no": ["/nonexistent"]}) as run:
        until(lambda: "web | ended with exit code 3; starting it again in 2 s" in run.lines())
        waits = [line.split()[-2] for line in run.lines() if line.startswith("web | ended")]
        assert waits == ["0.5", "1", "2"]
        assert "web | rest" in run.lines()
        assert any(line.startswith("no  | cannot be started") for line in run.lines())


def test_a_signal_stops_all(tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        folder = tmp_path / number.name
        folder.mkdir()
        with supervising(folder, {"first": shell(PATIENT), "second": shell(PATIENT), "third": shell(PATIENT)}) as run:
            wait_for_pids(run, "first", "second", "third")
            run.process.send_signal(number)
            assert run.wait() == 0
            assert sorted(run.lines()[-4:-1]) == ["first  | bye", "second | bye", "third  | bye"]
            assert run.lines()[-1] == "all ended"


def test_a_child_that_will_not_stop_is_killed_in_bounded_time(tmp_path: Path) -> None:
    with supervising(tmp_path, {"good": shell(PATIENT), "deaf": shell(DEAF)}, stop_within=0.5) as run:
        until(lambda: run.pids("deaf") and run.pids("good"))
        run.process.terminate()
        assert run.wait() == 0
        assert "deaf | does not stop and is killed" in run.lines()
        assert not alive(run.pids("deaf")[0])
        assert not alive(run.pids("good")[0])


def test_a_second_signal_kills_at_once(tmp_path: Path) -> None:
    with supervising(tmp_path, {"deaf": shell(DEAF)}, stop_within=600) as run:
        until(lambda: run.pids("deaf"))
        run.process.send_signal(signal.SIGINT)
        time.sleep(IMPATIENT_AFTER + 0.5)
        run.process.send_signal(signal.SIGINT)
        assert run.wait() == 0


def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with supervising(tmp_path, {"web": shell(PATIENT), "deaf": shell(DEAF)}) as run:
        until(lambda: run.pids("web") and run.pids("deaf"))
        run.process.kill()
        run.wait()
        until(lambda: not alive(run.pids("web")[0]) and not alive(run.pids("deaf")[0]))


def test_children_outlive_a_reader_that_goes_away(tmp_path: Path) -> None:
    script = "trap 'exit 0' TERM; while :; do echo tick; sleep 0.05; done"
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, f'{{"web": ["sh", "-c", "{script}"]}}', str(tmp_path), "30"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=CHECKOUT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"web | tick\n"
        process.stdout.close()
        seen = (tmp_path / "web.log").stat().st_size
        until(lambda: (tmp_path / "web.log").stat().st_size > seen + 20)
        assert process.poll() is None
        process.terminate()
        process.wait(PATIENCE)
