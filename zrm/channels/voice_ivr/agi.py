"""A call's FastAGI connection: pyst2's commands and parser over a connection of our own. The one file that knows pyst2.

From pyst2 0.5.1 come the names of the commands with their arguments, the parser of a reply and the tree of errors. Its
class is not used: it was written for a script that Asterisk starts, one call a process (ADR 13 says what is replaced).

    AGIException                 everything below
    ├── PeerConfused             the other side does not speak AGI: close the connection
    └── AGIAppError
        ├── CommandFailed        Asterisk refused or failed this command; the call goes on
        └── AGIHangup
            └── CallEnded        the caller has hung up; `socket_open` says whether Asterisk still answers
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from asterisk.agi import AGIAppError, AGIException, AGIHangup, re_code, re_kv

MAX_LINE: Final = 8 * 1024
MAX_VARIABLES: Final = 200
MAX_USAGE_LINES: Final = 200
HELLO_SECONDS: Final = 10.0
# How long Asterisk may be silent beyond the duration of the command itself. A prompt of two minutes fits.
PATIENCE_SECONDS: Final = 150.0

# What pyst2's parser does not match: the empty value that Asterisk answers when only # was pressed, or nothing.
_NO_VALUE: Final = re.compile(r"result=(?: +\((?P<note>.*)\))?", re.DOTALL)
_NUMBER: Final = re.compile(r"-?\d{1,18}", re.ASCII)
_KEYS: Final = frozenset("0123456789*#ABCD")


class PeerConfused(AGIException):  # type: ignore[misc]  # pyst2 has no annotations
    """The input is not AGI (too long, too slow, no code, no result). The message contains nothing of the peer's
    input.
    """


class CommandFailed(AGIAppError):  # type: ignore[misc]  # as above
    """Asterisk refused or failed this command, and the call goes on."""


class CallEnded(AGIHangup):  # type: ignore[misc]  # as above
    """The caller has hung up. With `socket_open` Asterisk still answers commands that need no caller."""

    def __init__(self, reason: str, *, socket_open: bool) -> None:
        super().__init__(reason)
        self.socket_open = socket_open


class Result(NamedTuple):
    """A reply: its value as text, the words in brackets, and where a recording or playback stopped (samples)."""

    value: str
    note: str = ""
    endpos: int = 0


class Digits(NamedTuple):
    """Keys the caller pressed, and whether a timeout ended them rather than the last key or `#`."""

    keys: str
    timed_out: bool


@dataclass(frozen=True, slots=True)
class Recorded:
    """How a recording ended, and its length in samples by Asterisk's count (0 if not stated)."""

    ended_by: Literal["key", "timeout", "hangup"]
    key: str
    samples: int


class _AgiConnection:
    """Lines of text to and from Asterisk, bounded in length and in time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._held = bytearray()
        self._looked = 0
        self.hung_up = False
        self.patience = HELLO_SECONDS
        """Seconds in which the next line must be complete."""

    def readline(self) -> str:
        """The next line that is not Asterisk's HANGUP notice; bytes that are not UTF-8 become replacement characters.

        Errors: CallEnded, also in mid-line; PeerConfused.
        """
        deadline = time.monotonic() + self.patience
        while True:
            line = self._line(deadline).decode("utf-8", "replace").rstrip("\r\n")
            if line.strip() != "HANGUP":
                return line
            self.hung_up = True

    def _line(self, deadline: float) -> bytes:
        while True:
            end = self._held.find(b"\n", self._looked)
            if end >= MAX_LINE or (end < 0 and len(self._held) > MAX_LINE):
                raise PeerConfused("a line is too long")
            if end >= 0:
                line = bytes(self._held[: end + 1])
                del self._held[: end + 1]
                self._looked = 0
                return line
            self._looked = len(self._held)
            # The whole line has one deadline, so that a peer that sends single bytes cannot hold the thread for ever.
            left = deadline - time.monotonic()
            if left <= 0:
                raise PeerConfused("the peer fell silent")
            try:
                self._connection.settimeout(left)
                piece = self._connection.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                raise CallEnded("the connection broke", socket_open=False) from None
            if not piece:
                raise CallEnded("the connection was closed", socket_open=False)
            self._held += piece

    def send(self, line: str) -> None:
        """Send a line, completely or not at all as far as we can tell. Errors: CallEnded."""
        try:
            self._connection.settimeout(HELLO_SECONDS)
            self._connection.sendall(f"{line}\n".encode("utf-8", "replace"))
        except OSError:
            raise CallEnded("the connection broke", socket_open=False) from None


class FastAGI:
    """One call over one connected socket, for one thread. Making it reads Asterisk's variables into `env`.

    The commands have pyst2's names. Errors of every command: CallEnded, CommandFailed, PeerConfused.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = _AgiConnection(connection)
        self.env = self._variables()

    @property
    def hung_up(self) -> bool:
        """Whether Asterisk has told us that the caller has hung up."""
        return self._connection.hung_up

    # ------------------------------------------------------------------ the commands

    def stream_file(self, filename: str, escape_digits: str = "", sample_offset: int = 0, seconds: float = 0.0) -> str:
        """Play a file (path without ending); the key that interrupted it or "". It may last `seconds`."""
        words = [_quote(filename), _quote(escape_digits), sample_offset]
        return _key(self._ask("STREAM FILE", *words, seconds=seconds))

    def wait_for_digit(self, timeout: int = 5000) -> str:
        """The next key within `timeout` milliseconds, or ""."""
        return _key(self._ask("WAIT FOR DIGIT", int(timeout), seconds=timeout / 1000))

    def get_data(self, filename: str, timeout: int = 5000, max_digits: int = 12) -> Digits:
        """Play a file and collect up to `max_digits` keys; `#` ends, as do `timeout` milliseconds without a key."""
        result = self._ask(
            "GET DATA", _quote(filename), int(timeout), int(max_digits), seconds=timeout / 1000 * (max_digits + 1)
        )
        if not set(result.value) <= _KEYS:
            raise PeerConfused("keys that no telephone has")
        return Digits(result.value, result.note == "timeout")

    def record_file(
        self,
        filename: str,
        format: str = "wav",  # noqa: A002  # pyst2's own name for it
        escape_digits: str = "#",
        timeout: int = 60_000,
        offset: int = 0,
        beep: str = "beep",
        silence: int = 0,
    ) -> Recorded:
        """Record to a file (path without ending) for at most `timeout` ms, ended by a key or `silence` seconds (0:
        never).

        A hang-up is a result here, not an error: the recording is what matters. When this returns, Asterisk has closed
        the file. Errors: CallEnded with the socket closed (the file may still be growing), CommandFailed.
        """
        words: list[object] = [_quote(filename), format, _quote(escape_digits), int(timeout), int(offset)]
        words += [word for word, wanted in ((beep, beep), (f"s={int(silence)}", silence)) if wanted]
        result = self._reply("RECORD FILE", *words, seconds=timeout / 1000)
        # Asterisk answers before it closes the file, and reads the next command only after: the answer to this one
        # proves it.
        self._settle()
        if result.note == "hangup" or (result.value == "-1" and self.hung_up):
            return Recorded("hangup", "", result.endpos)
        if result.value == "-1":
            raise CommandFailed("RECORD FILE failed")
        if result.note == "dtmf":
            return Recorded("key", _key(result), result.endpos)
        return Recorded("timeout", "", result.endpos)

    def get_variable(self, name: str) -> str:
        """A channel or global variable's value, "" when it has none."""
        return self._ask("GET VARIABLE", _quote(name)).note

    def answer(self) -> None:
        """Answer the call."""
        self._ask("ANSWER")

    def hangup(self) -> None:
        """Hang up our own channel; no error if it is gone already."""
        with contextlib.suppress(CallEnded, CommandFailed):
            self._ask("HANGUP")

    # ------------------------------------------------------------------ one command and its reply

    def _settle(self) -> None:
        try:
            self._ask("NOOP")
        except CommandFailed:
            return
        except CallEnded as ended:
            if not ended.socket_open:
                raise
            self._connection.hung_up = True

    def _ask(self, command: str, *arguments: object, seconds: float = 0.0) -> Result:
        """Send a command that may take `seconds`, read its reply, and tell failure from hang-up."""
        result = self._reply(command, *arguments, seconds=seconds)
        if result.note == "hangup" and result.value in {"-1", "0"}:
            raise CallEnded("the caller hung up", socket_open=True)
        if result.value == "-1":
            # "-1" means a failure or a hang-up, and the HANGUP notice comes only after it: ask again.
            if not self.hung_up and command != "NOOP":
                self._ask("NOOP")
            if self.hung_up:
                raise CallEnded("the caller hung up", socket_open=True)
            raise CommandFailed(f"{command} failed")
        return result

    def _reply(self, command: str, *arguments: object, seconds: float = 0.0) -> Result:
        """Send a command and read its reply, whatever the result is."""
        self._connection.patience = PATIENCE_SECONDS + seconds
        self._connection.send(" ".join((command, *map(str, arguments))))
        code, rest = re_code.search(self._connection.readline()).groups()
        match code:
            case "200":
                return _result(rest)
            case "511":
                raise CallEnded("the channel is dead", socket_open=True)
            case "520" if rest.startswith("-"):
                self._skip_usage()
            case "503" | "510" | "520":
                pass
            case _:
                raise PeerConfused("a reply with an unknown code")
        raise CommandFailed(f"Asterisk answered {code}")

    def _skip_usage(self) -> None:
        for _ in range(MAX_USAGE_LINES):
            if self._connection.readline().startswith("520 "):
                return
        raise PeerConfused("a usage text without an end")

    def _variables(self) -> dict[str, str]:
        """Asterisk's variables of the call, sent before anything else, up to an empty line."""
        found: dict[str, str] = {}
        for _ in range(MAX_VARIABLES):
            line = self._connection.readline()
            if not line.strip():
                break
            name, colon, value = line.partition(":")
            if not colon or not name.startswith("agi_"):
                raise PeerConfused("no AGI variables at the start")
            found[name.strip()] = value.strip()
        else:
            raise PeerConfused("too many variables at the start")
        if not found:
            raise PeerConfused("no AGI variables at the start")
        return found


def _quote(text: str) -> str:
    """A quoted argument that stays one, whatever it contains. pyst2 escapes neither quotes nor line breaks."""
    if any(character in text for character in "\r\n\0"):
        raise ValueError("a line break cannot be sent in an AGI argument")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _result(rest: str) -> Result:
    """The text after the code 200. Text that pyst2's parser leaves over is no reply of Asterisk's."""
    if nothing := _NO_VALUE.fullmatch(rest.strip()):
        return Result("", nothing["note"] or "")
    pairs = re_kv.findall(rest)
    found = {key: (value, note) for key, value, note in pairs}
    if [key for key, _, _ in pairs] not in (["result"], ["result", "endpos"]) or re_kv.sub("", rest).strip():
        raise PeerConfused("a reply without a result")
    endpos, _ = found.get("endpos", ("0", ""))
    if _NUMBER.fullmatch(endpos) is None:
        raise PeerConfused("a result that is no number")
    return Result(*found["result"], int(endpos))


def _key(result: Result) -> str:
    """A key by its character code; 0 is none."""
    if _NUMBER.fullmatch(result.value) is None:
        raise PeerConfused("a result that is no number")
    code = int(result.value)
    if code == 0:
        return ""
    if not (0 < code < 128 and chr(code) in _KEYS):
        raise PeerConfused("a key that no telephone has")
    return chr(code)
