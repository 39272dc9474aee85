"""pyst2's AGI with its faults fenced in: the one file that knows them.

pyst2 0.5.1 was written for a script that Asterisk starts, one call a process. Used as it is over a socket it takes
over SIGHUP (and so cannot live in a thread), prints every line, caller's number included, on standard error, takes an
in-band HANGUP or a closed socket for a number, loops for ever on a one-line 520, drops what Asterisk says in
brackets, turns a result of 984 into a character and quotes neither quotes nor newlines. Here the reading, the quoting and the
decoding are ours; the vocabulary of commands stays pyst2's.

    AGIException                 everything below, and pyst2's own
    ├── PeerConfused             the other side does not speak AGI: close the connection
    └── AGIAppError
        ├── CommandFailed        Asterisk refused or failed this command; the call lives on
        └── AGIHangup
            └── CallEnded        no caller any more; `socket_open` says whether Asterisk still answers
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from asterisk.agi import AGI, AGIAppError, AGIException, AGIHangup

MAX_LINE: Final = 8 * 1024
MAX_VARIABLES: Final = 200
MAX_USAGE_LINES: Final = 200
HELLO_SECONDS: Final = 10.0
# How long Asterisk may be silent beyond what the command itself asks for. A prompt of two minutes fits.
PATIENCE_SECONDS: Final = 150.0

_REPLY = re.compile(r"(\d{3})(?:([ -])(.*))?", re.DOTALL)
_RESULT = re.compile(r"result=(?P<value>\S*)(?: +\((?P<note>.*)\))?(?: +endpos=(?P<endpos>-?\d+))?", re.DOTALL)
_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)
_KEYS: Final = frozenset("0123456789*#ABCD")


class PeerConfused(AGIException):  # type: ignore[misc]  # pyst2 has no annotations
    """What came is not AGI (too long, too slow, no code, no result). The message holds nothing the peer said."""


class CommandFailed(AGIAppError):  # type: ignore[misc]  # as above
    """Asterisk would not or could not do this command, and the call goes on."""


class CallEnded(AGIHangup):  # type: ignore[misc]  # as above
    """The caller is gone. With `socket_open` Asterisk still answers commands that need no caller."""

    def __init__(self, reason: str, *, socket_open: bool) -> None:
        super().__init__(reason)
        self.socket_open = socket_open


class Result(NamedTuple):
    """A reply: its value as text, the words in brackets, and where a recording or playback stopped (samples)."""

    value: str
    note: str = ""
    endpos: int = 0


class Digits(NamedTuple):
    """Keys the caller pressed, and whether Asterisk stopped waiting rather than getting all or `#`."""

    keys: str
    timed_out: bool


@dataclass(frozen=True, slots=True)
class Recorded:
    """How a recording ended, and its length in samples by Asterisk's count (0 when it did not say)."""

    ended_by: Literal["key", "timeout", "hangup"]
    key: str
    samples: int


class _LineReader:
    """Whole lines from a socket as text. Bytes that are not UTF-8 become replacement characters."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._held = bytearray()
        self._looked = 0
        self.hung_up = False
        self.patience = HELLO_SECONDS

    def readline(self) -> str:
        """The next line that is not Asterisk's HANGUP notice. Errors: CallEnded, also in mid-line; PeerConfused."""
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
            # The whole line has one deadline, so that a peer that drips bytes cannot hold the thread for ever.
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


class _Writer:
    """Text out, whole or not at all as far as we can tell."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, text: str) -> int:
        try:
            self._connection.settimeout(HELLO_SECONDS)
            self._connection.sendall(text.encode("utf-8", "replace"))
        except OSError:
            raise CallEnded("the connection broke", socket_open=False) from None
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


class _Silence:
    """Where pyst2's diary of every line, names and numbers included, goes."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


class FastAGI(AGI):  # type: ignore[misc]  # pyst2 has no annotations
    """One call over one connected socket, for one thread. Making it reads Asterisk's variables into `env`.

    Errors of every command: CallEnded, CommandFailed, PeerConfused.
    """

    # pyst2's __init__ is not called: it installs a signal handler and prints the command line.
    def __init__(self, connection: socket.socket) -> None:
        self._lines = _LineReader(connection)
        self.stdin = self._lines
        self.stdout = _Writer(connection)
        self.stderr = _Silence()
        self._got_sighup = False
        self.env: dict[str, str] = {}
        self._get_agi_env()
        self._lines.patience = PATIENCE_SECONDS

    def _get_agi_env(self) -> None:
        for _ in range(MAX_VARIABLES):
            line = self._lines.readline()
            if not line.strip():
                break
            name, colon, value = line.partition(":")
            if not colon or not name.startswith("agi_"):
                raise PeerConfused("no AGI variables at the start")
            self.env[name.strip()] = value.strip()
        else:
            raise PeerConfused("too many variables at the start")
        if not self.env:
            raise PeerConfused("no AGI variables at the start")

    @property
    def hung_up(self) -> bool:
        """Whether Asterisk has told us that the caller is gone."""
        return self._lines.hung_up

    def _quote(self, value: object) -> str:
        text = str(value)
        if any(character in text for character in "\r\n\0"):
            raise ValueError("a line break cannot be sent in an AGI argument")
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    def execute(self, command: str, *arguments: object) -> dict[str, tuple[str, str]]:
        """Send a command and read its reply, in pyst2's shape: {"result": (value, words in brackets)}."""
        result = self._ask(command, *arguments)
        return {"result": (result.value, result.note)}

    def get_result(self, stdin: object = None) -> dict[str, tuple[str, str]]:
        """Read one reply, in pyst2's shape."""
        result = self._reply()
        return {"result": (result.value, result.note)}

    def _ask(self, command: str, *arguments: object, seconds: float = 0.0) -> Result:
        """Send a command that by its nature may take `seconds`, read its reply, and tell failure from hang-up."""
        self._lines.patience = PATIENCE_SECONDS + seconds
        self.send_command(command, *arguments)
        result = self._reply()
        if result.note == "hangup" and result.value in {"-1", "0"}:
            raise CallEnded("the caller hung up", socket_open=True)
        if result.value == "-1":
            # "-1" is said both for a failure and for a hang-up, and the HANGUP notice comes only after it: ask again.
            if not self.hung_up and command != "NOOP":
                self._ask("NOOP")
            if self.hung_up:
                raise CallEnded("the caller hung up", socket_open=True)
            raise CommandFailed(f"{command} failed")
        return result

    def _reply(self) -> Result:
        line = self._lines.readline()
        match = _REPLY.fullmatch(line)
        if match is None:
            raise PeerConfused("a reply without a code")
        code, dash, rest = match.group(1), match.group(2), match.group(3) or ""
        if code == "200":
            return _result(rest)
        if code == "520" and dash == "-":
            self._skip_usage()
        if code == "511":
            raise CallEnded("the channel is dead", socket_open=True)
        if code in {"510", "520"}:
            raise CommandFailed(f"Asterisk answered {code}")
        if code == "503":
            raise CommandFailed("Asterisk answered 503")
        raise PeerConfused("a reply with an unknown code")

    def _skip_usage(self) -> None:
        for _ in range(MAX_USAGE_LINES):
            if self._lines.readline().startswith("520 "):
                return
        raise PeerConfused("a usage text without an end")

    def stream_file(self, filename: str, escape_digits: str = "", sample_offset: int = 0, seconds: float = 0.0) -> str:
        """Play a file (path without ending); the key that interrupted it or "". It may last `seconds`."""
        quoted, keys = self._quote(filename), self._quote(escape_digits)
        return _key(self._ask("STREAM FILE", quoted, keys, sample_offset, seconds=seconds))

    def wait_for_digit(self, timeout: int = 5000) -> str:
        """The next key within `timeout` milliseconds, or ""."""
        return _key(self._ask("WAIT FOR DIGIT", int(timeout), seconds=timeout / 1000))

    def get_data(self, filename: str, timeout: int = 5000, max_digits: int = 12) -> Digits:
        """Play a file and collect up to `max_digits` keys; `#` ends, as do `timeout` milliseconds without a key."""
        result = self._ask(
            "GET DATA", self._quote(filename), int(timeout), int(max_digits), seconds=timeout / 1000 * (max_digits + 1)
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
        """Record to a file (path without ending) for at most `timeout` ms, ended by a key or `silence` seconds (0: never).

        A hang-up is a result here, not an error: the recording is what matters. When this returns, Asterisk has
        closed the file. Errors: CallEnded with the socket closed (the file may still be growing), CommandFailed.
        """
        words: list[object] = [self._quote(filename), format, self._quote(escape_digits), int(timeout), int(offset)]
        words += [word for word, wanted in ((beep, beep), (f"s={int(silence)}", silence)) if wanted]
        self._lines.patience = PATIENCE_SECONDS + timeout / 1000
        self.send_command("RECORD FILE", *words)
        result = self._reply()
        # Asterisk answers before it closes the file, and takes the next command only after: the answer to this one proves it.
        self._settle()
        if result.note == "hangup" or (result.value == "-1" and self.hung_up):
            return Recorded("hangup", "", result.endpos)
        if result.value == "-1":
            raise CommandFailed("RECORD FILE failed")
        if result.note == "dtmf":
            return Recorded("key", _key(result), result.endpos)
        return Recorded("timeout", "", result.endpos)

    def _settle(self) -> None:
        try:
            self._ask("NOOP")
        except CommandFailed:
            return
        except CallEnded as ended:
            if not ended.socket_open:
                raise
            self._lines.hung_up = True

    def variable(self, name: str) -> str:
        """A channel or global variable's value, "" when it has none."""
        return self._ask("GET VARIABLE", self._quote(name)).note

    def answer(self) -> None:
        """Pick up."""
        self._ask("ANSWER")

    def hangup(self, channel: str = "") -> None:
        """Hang up our own channel; that it is gone already is no error."""
        self._quietly(lambda: self._ask("HANGUP"))

    @staticmethod
    def _quietly(step: Callable[[], object]) -> None:
        try:
            step()
        except (CallEnded, CommandFailed):
            return


def _result(rest: str) -> Result:
    match = _RESULT.fullmatch(rest.strip())
    if match is None:
        raise PeerConfused("a reply without a result")
    return Result(match["value"], match["note"] or "", int(match["endpos"] or 0))


def _key(result: Result) -> str:
    """A key is told by its character code; 0 is none."""
    if _NUMBER.fullmatch(result.value) is None:
        raise PeerConfused("a result that is no number")
    code = int(result.value)
    if code == 0:
        return ""
    if not (0 < code < 128 and chr(code) in _KEYS):
        raise PeerConfused("a key that no telephone has")
    return chr(code)
