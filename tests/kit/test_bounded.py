"""A call that takes too long or too much is ended, wherever it is; the others have their answers."""

from __future__ import annotations

import gc
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest

from tests.lab.process import wait_until
from zrm.contract.reasons import Reason
from zrm.kit.bounded import DIED, FAILED, TOO_LARGE, TOO_LONG, Bounded, Exceeded, Hung, Round

MEMORY = 256 << 20


def does(what: str) -> str:
    """A call that does what its question says."""
    kind, _, size = what.partition(" ")
    match kind:
        case "loops":  # in C, with the interpreter's lock held: no thread and no handler would get a word in
            re.match(r"(a+)+$", "a" * 60 + "b")
        case "computes":
            until = time.process_time() + float(size)
            while time.process_time() < until:
                pass
        case "sleeps":
            time.sleep(float(size))
        case "eats":
            return str(len(bytearray(int(size))))
        case "crashes":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "raises":
            raise LookupError(size)
        case "grows":
            return size * 10
    return what


def ask(calls: Bounded[str, str], *questions: str, patience: float = 5.0, budget: float = 60.0) -> Round[str]:
    return calls.ask(questions, patience=patience, budget=budget)


def bounded(function: Callable[[str], str] = does, seconds: float = 0.5) -> Bounded[str, str]:
    return Bounded(function, seconds=seconds, memory=MEMORY)


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        ("loops", TOO_LONG(number="0.5")),
        (f"eats {1 << 40}", TOO_LARGE(number=256)),
        ("crashes", DIED),
        ("raises ali@example.org", FAILED(words="LookupError")),
    ],
)
def test_a_hostile_call_ends_and_its_neighbours_do_not(hostile: str, reason: Reason) -> None:
    found = ask(bounded(), "before", hostile, "after", hostile, "last")
    assert found.answers == {0: "before", 1: Exceeded(reason), 2: "after", 3: Exceeded(reason), 4: "last"}
    assert (found.slow, found.left) == ([], [])


def test_many_large_questions_and_answers_do_not_wait_for_each_other() -> None:
    sent = ["grows " + "x" * size for size in (10, 200_000, 1_000, 300_000, 59_900, 60_000)] * 5
    found = ask(bounded(seconds=20), *sent)
    assert [found.answers[place] for place in range(len(sent))] == [one[6:] * 10 for one in sent]


def test_who_is_slow_is_answered_later_and_holds_nobody_up() -> None:
    calls = bounded(seconds=20)
    found = ask(calls, "one", "computes 0.6", "two", "computes 0.6", "three", patience=0.1)
    assert found.answers == {0: "one", 2: "two", 4: "three"}
    assert [slow.place for slow in found.slow] == [1, 3]
    again = ask(calls, "computes 0.6", "four", patience=0.1)
    assert (again.answers, again.slow, again.left) == ({1: "four"}, [], [0]), "too many are slow already"
    assert [slow.answer() for slow in found.slow] == ["computes 0.6"] * 2
    assert ask(calls, "computes 0.6", patience=0.1).slow, "there is room again"


def test_who_is_slow_has_a_bound_all_the_same() -> None:
    (slow,) = ask(bounded(), "loops", patience=0.1).slow
    assert slow.answer() == Exceeded(TOO_LONG(number="0.5"))


def test_nobody_new_is_asked_when_the_time_is_over() -> None:
    assert ask(bounded(), "one", "two", budget=-1).left == [0, 1]


def test_a_call_that_waits_for_something_is_not_hostile() -> None:
    calls = Bounded(does, seconds=5, memory=MEMORY, hangs=0.5)
    with pytest.raises(Hung):
        calls.one("sleeps 60")
    (slow,) = ask(calls, "sleeps 60").slow
    with pytest.raises(Hung):
        slow.answer()


def test_who_is_ended_with_all_others_did_nothing_wrong() -> None:
    calls = bounded(seconds=20)
    (slow,) = ask(calls, "loops", patience=0.1).slow
    ended = Timer(0.3, calls.close)
    ended.start()
    with pytest.raises(Hung):
        slow.answer()
    ended.join()


def test_a_child_that_was_ended_by_somebody_is_replaced() -> None:
    calls = bounded(lambda _: str(os.getpid()))
    first = calls.one("")
    assert calls.one("") == first, "it stays warm"
    os.kill(int(str(first)), signal.SIGKILL)
    wait_until(lambda: Path(f"/proc/{first}/stat").read_text().split()[2] == "Z", "its end")
    assert calls.one("") not in (first, Exceeded(DIED))


def test_nothing_is_left_behind() -> None:
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        ask(bounded(), "one", "loops", "computes 0.3", "crashes", patience=0.1)
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


PARENT = """
import os, time
from zrm.kit.bounded import Bounded
calls = Bounded(lambda wanted: os.getpid() if wanted == "idle" else time.sleep(600), seconds=1, memory=1 << 28)
print(calls.one("idle"), flush=True)
time.sleep(600)
"""


def test_a_child_ends_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: not Path(f"/proc/{child}").exists(), "the child's end")
