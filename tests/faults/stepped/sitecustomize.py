"""Imported by Python before anything else: the clocks the installation reads, wrong by what a file says. See test_clock.py."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

from zrm.kit import clock

_file = Path(os.environ["ZRM_TEST_STEP"])
_true_time, _true_time_ns, _true_now = time.time, time.time_ns, clock.now


def _step() -> float:
    return float(_file.read_text())


def _now() -> datetime:
    return _true_now() + timedelta(seconds=_step())


time.time = lambda: _true_time() + _step()
time.time_ns = lambda: _true_time_ns() + int(_step() * 1e9)
clock.now = _now
