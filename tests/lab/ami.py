"""A small client of Asterisk's manager interface: send an action, read its answer, wait for an event."""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Sequence

from tests.lab.process import LOOPBACK, PeerError

Message = dict[str, str]
"""One block of the manager protocol: header to value; of a repeated header the last value."""


class Ami:
    """A signed-in connection. A separate thread reads; every event since sign-in is kept, in order."""

    def __init__(self, port: int, user: str, secret: str) -> None:
        self._socket = socket.create_connection((LOOPBACK, port), timeout=10)
        self._socket.settimeout(None)
        self._stream = self._socket.makefile("r", encoding="utf-8", errors="replace", newline="\r\n")
        self._stream.readline()  # the banner
        self._changed = threading.Condition()
        self._answers: dict[str, Message] = {}
        self._events: list[Message] = []
        self._closed = False
        self._numbers = itertools.count(1)
        self._reader = threading.Thread(target=self._read, name="ami", daemon=True)
        self._reader.start()
        self.act("Login", [("Username", user), ("Secret", secret)])

    def act(self, action: str, fields: Sequence[tuple[str, str]] = (), seconds: float = 20.0) -> Message:
        """Send an action and give its answer. PeerError when Asterisk refuses or does not answer."""
        number = f"lab-{next(self._numbers)}"
        lines = [("Action", action), ("ActionID", number), *fields]
        if any(character in value for _, value in lines for character in "\r\n"):
            raise ValueError("a value with a line break would be a second action")
        self._socket.sendall(("".join(f"{key}: {value}\r\n" for key, value in lines) + "\r\n").encode())
        with self._changed:
            if not self._changed.wait_for(lambda: number in self._answers or self._closed, seconds):
                raise PeerError(f"Asterisk did not answer {action} in {seconds:.0f} s")
            answer = self._answers.pop(number, None)
        if answer is None:
            raise PeerError(f"Asterisk closed the manager connection during {action}")
        if answer.get("Response") != "Success":
            raise PeerError(f"Asterisk refused {action}: {answer.get('Message', '')}")
        return answer

    def event(self, wanted: Callable[[Message], bool], seconds: float = 30.0) -> Message | None:
        """The first event since sign-in that `wanted` accepts, waited for; None when none came in time."""
        deadline = time.monotonic() + seconds
        seen = 0
        with self._changed:
            while True:
                for event in self._events[seen:]:
                    if wanted(event):
                        return event
                seen = len(self._events)
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    return None
                self._changed.wait(left)

    def close(self) -> None:
        """Hang up the connection; a waiting caller gets its error or None."""
        with contextlib.suppress(OSError):  # Asterisk may have closed it first.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(5)
        self._stream.close()
        self._socket.close()

    def _read(self) -> None:
        message: Message = {}
        try:
            for line in self._stream:
                text = line.rstrip("\r\n")
                if text:
                    key, _, value = text.partition(":")
                    message[key] = value.strip()
                    continue
                self._keep(message)
                message = {}
        except (OSError, ValueError):
            pass  # The connection was closed while reading: treated as its end.
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _keep(self, message: Message) -> None:
        with self._changed:
            if "Event" in message:
                self._events.append(message)
            elif "ActionID" in message:
                self._answers[message["ActionID"]] = message
            self._changed.notify_all()
