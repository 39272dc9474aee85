"""A dependency is away: logged once when it goes and once when it is back, however often it is tried meanwhile."""

from __future__ import annotations

import threading
import time

from zrm.kit import log

_log = log.get(__name__)


class Outage:
    """One for each dependency that may be away, such as "queue"; callable from any thread."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = threading.Lock()
        self._since: float | None = None

    def begun(self, error: BaseException, reason: str = "") -> None:
        """It did not answer. `reason` is for the operator and holds no secret."""
        with self._lock:
            if self._since is not None:
                return
            self._since = time.monotonic()
        _log.warning(f"{self._what} is away", error=type(error).__name__, reason=reason)

    def over(self) -> None:
        """It has answered."""
        if self._since is None:  # the usual case: no lock for it
            return
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            _log.warning(f"{self._what} is back", seconds=round(time.monotonic() - since, 1))
