"""An agent's open desk: signs in, opens the live stream, and records when each case's row arrives."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import re
import threading
import time
from collections.abc import Callable
from typing import Final, Self
from uuid import UUID

import httpx

from zrm.errors import ZrmError
from zrm.simulate.simulator import Tally

_TOKEN: Final = re.compile(r'<input[^>]*name="token"[^>]*>')
_VALUE: Final = re.compile(r'value="([^"]*)"')
_EVENTS: Final = re.compile(r'data-events="([^"]*)"')
_CONNECT_SECONDS: Final = 15.0
_SILENCE_SECONDS: Final = 40.0  # seconds; the hub sends something every fifteen
_AGAIN_SECONDS: Final = 0.2


class DeskWatch:
    """The desk of one agent, open from `with` to its end. Errors at the start: ZrmError if the desk refuses the
    agent.
    """

    def __init__(self, address: str, login: str, password: str) -> None:
        self._address = address
        self._login, self._password = login, password
        self.rows: dict[UUID, float] = {}
        """When the first row of each case arrived (monotonic seconds)."""
        self.refreshes = 0
        """How often the desk was told to fetch its list again, because it may have missed an event."""
        self._open = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="desk-watch", daemon=True)

    def __enter__(self) -> Self:
        try:
            with httpx.Client(base_url=self._address, trust_env=False, timeout=_CONNECT_SECONDS) as web:
                events = self._sign_in(web)
                cookies = dict(web.cookies)
        except httpx.TransportError:
            raise ZrmError(f"no desk answers at {self._address}; is the hub running?") from None
        self._task = self._loop.create_task(self._watch(events, cookies))
        self._thread.start()
        if not self._open.wait(_CONNECT_SECONDS):
            raise ZrmError("the desk's live stream did not open")
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()
        self._loop.close()

    def delays(self, tally: Tally, cases: Callable[[set[str]], dict[str, UUID]]) -> list[float]:
        """Seconds from each acknowledgement to its case's row; `cases` finds the case a reference opened.

        A row that came before the sender had read the answer counts as 0.
        """
        opened = cases({reference for references in tally.acknowledged.values() for reference in references})
        return [
            max(0.0, self.rows[case] - tally.at[reference]) for reference, case in opened.items() if case in self.rows
        ]

    def _sign_in(self, web: httpx.Client) -> str:
        """The address of the live stream, with the client signed in. Errors: ZrmError."""
        page = web.get("/desk/sign-in")
        field = _TOKEN.search(page.text)
        value = _VALUE.search(field[0]) if field else None
        if value is None:
            raise ZrmError(f"the desk has no sign-in form ({page.status_code})")
        form = {"login": self._login, "password": self._password, "token": value[1], "next": ""}
        answer = web.post("/desk/sign-in", data=form)
        if answer.status_code != 303:
            raise ZrmError(f"the desk refuses the sign-in of {self._login} ({answer.status_code})")
        events = _EVENTS.search(web.get("/desk/queue/unassigned").text)
        if events is None:
            raise ZrmError("the desk's page names no live stream")
        return html.unescape(events[1])

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            if self._task is not None:
                self._loop.run_until_complete(self._task)

    async def _watch(self, events: str, cookies: dict[str, str]) -> None:
        """Read the stream, and open it again when it breaks, until cancelled."""
        timeout = httpx.Timeout(_CONNECT_SECONDS, read=_SILENCE_SECONDS)
        async with httpx.AsyncClient(base_url=self._address, cookies=cookies, trust_env=False, timeout=timeout) as web:
            while True:
                try:
                    async with web.stream("GET", events) as stream:
                        stream.raise_for_status()
                        self._open.set()
                        await self._read(stream)
                except (httpx.TransportError, httpx.HTTPStatusError):
                    await asyncio.sleep(_AGAIN_SECONDS)

    async def _read(self, stream: httpx.Response) -> None:
        name = held = ""
        async for text in stream.aiter_text():
            at = time.monotonic()
            *lines, held = (held + text).split("\n")
            for line in lines:
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    self._note(name, line[6:], at)

    def _note(self, name: str, data: str, at: float) -> None:
        if name == "refresh":
            self.refreshes += 1
        elif name == "case":
            told = json.loads(data)
            if told.get("html"):
                self.rows.setdefault(UUID(told["id"]), at)
