"""Asterisk with callers: speaks FastAGI as Asterisk does and writes recordings as it would, without a call's real
duration.
"""

from __future__ import annotations

import random
import re
import shlex
import socket
import time
from pathlib import Path
from typing import ClassVar, Final

from stdnum import damm

from zrm.simulate.corpus import Citizen
from zrm.simulate.files import speak_into
from zrm.simulate.scenario import Acknowledged, Left, Refused, TryAgain

_TIMEOUT: Final = 60.0
_MOST_COMMANDS: Final = 400
_CODE_LENGTH: Final = 12
_DIGIT: Final = re.compile(r"n-([0-9])")
_PROMPT: Final = re.compile(r"choose-(fa|en)-([1-9])")


class VoiceDoor:
    """Calls to one number. `asking` is the share of callers who also ask for the state of the case they just opened."""

    kind: ClassVar[str] = "voice_ivr"

    def __init__(self, host: str, port: int, run: str, *, number: str = "137", asking: float = 0.2) -> None:
        self.host, self.port, self.number = host, port, number
        self._run = run
        self._asking = asking
        self._count = 0

    def scenario(self, citizen: Citizen, chance: random.Random) -> Call:
        """One call."""
        self._count += 1
        unique = f"{int(time.time())}.{self._count}"
        variables = {
            "agi_network": "yes",
            "agi_network_script": "ivr",
            "agi_request": f"agi://{self.host}/ivr",
            "agi_channel": f"PJSIP/trunk-{self._count:08x}",
            "agi_uniqueid": unique,
            "agi_callerid": "0" + citizen.phone.removeprefix("+98"),
            "agi_calleridname": "unknown",
            "agi_callingpres": "0",
            "agi_dnid": self.number,
            "agi_extension": self.number,
        }
        return Call(
            self,
            variables,
            system=f"pbx-{self._run}",
            language=citizen.language,
            seconds=chance.uniform(2.0, 5.0),
            pitch=chance.uniform(90, 240),
            asks=chance.random() < self._asking,
        )

    def close(self) -> None:
        """Closes nothing: every call ends by itself."""


class Call:
    """A caller with a complaint. Each try is a call of its own, because people dial again; a begun recording is
    left.
    """

    def __init__(
        self,
        door: VoiceDoor,
        variables: dict[str, str],
        *,
        system: str,
        language: str,
        seconds: float,
        pitch: float,
        asks: bool,
    ) -> None:
        self._door = door
        self._variables = variables
        self._system = system
        self._language = language
        self._seconds, self._pitch = seconds, pitch
        self._asks = asks

    def go(self) -> Acknowledged:
        """Call once. Errors: TryAgain when nothing was recorded yet, Left when something was, Refused."""
        line = _CallLine(self._door.host, self._door.port)
        talk = _Talk(self._language, self._seconds, self._pitch, self._system, asks=self._asks)
        try:
            line.open(self._variables)
            for _ in range(_MOST_COMMANDS):
                command = line.read()
                if not command:
                    break
                answer = talk.answer(command)
                line.write(answer)
                if talk.hung_up:
                    line.drain()
                    break
        except (OSError, ValueError) as error:
            talk.problem = talk.problem or type(error).__name__
        finally:
            line.close()
        if len(talk.code) == _CODE_LENGTH and damm.is_valid(talk.code):
            return Acknowledged(talk.code, talk.code_at - talk.recorded_at)
        if talk.recorded_at:
            raise Left(talk.problem or "the recording was kept, but no code was told")
        raise TryAgain(talk.problem or "nobody answered")


class _CallLine:
    """Asterisk's side of the FastAGI connection."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._held = b""

    def open(self, variables: dict[str, str]) -> None:
        self._socket = socket.create_connection(self._address, _TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.write("".join(f"{name}: {value}\n" for name, value in variables.items()) + "\n")

    def write(self, text: str) -> None:
        if self._socket is not None:
            self._socket.sendall(text.encode())

    def read(self) -> str:
        """The next command, "" once the other side has closed."""
        while b"\n" not in self._held:
            piece = self._socket.recv(4096) if self._socket is not None else b""
            if not piece:
                return ""
            self._held += piece
        line, _, self._held = self._held.partition(b"\n")
        return line.decode("utf-8", "replace").strip()

    def drain(self) -> None:
        """Answer that the channel is gone to all further commands, until the other side closes."""
        while command := self.read():
            dead = "511 Command Not Permitted on a dead channel or intercept routine\n"
            self.write("200 result=0\n" if command.startswith("NOOP") else dead)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


class _Talk:
    """What the caller does at each prompt: choose the language, leave a message, note the code, hang up."""

    def __init__(self, language: str, seconds: float, pitch: float, system: str, *, asks: bool) -> None:
        self._language = language
        self._seconds, self._pitch = seconds, pitch
        self._system = system
        self._asks = asks
        self._key = ""
        self.code = ""
        self.recorded_at = 0.0
        self.code_at = 0.0
        self.hung_up = False
        self.problem = ""

    def answer(self, command: str) -> str:
        """Asterisk's reply to one command. Errors: Refused for an unknown command, OSError."""
        if command.startswith("STREAM FILE"):
            words = shlex.split(command)
            return self._hear(Path(words[2]).name, words[3])
        if command.startswith("GET DATA"):
            return f"200 result={self.code}\n"
        if command.startswith("WAIT FOR DIGIT"):
            key, self._key = self._key, ""
            return f"200 result={ord(key) if key else 0}\n"
        if command.startswith("RECORD FILE"):
            return self._record(shlex.split(command)[2])
        if command.startswith("GET VARIABLE"):
            return f"200 result=1 ({self._system})\n"
        if command.startswith("HANGUP"):
            self.hung_up = True
            return "200 result=1\nHANGUP\n"
        if command.startswith(("ANSWER", "NOOP")):
            return "200 result=0\n"
        raise Refused(f"Asterisk has no command {command.split(' ', maxsplit=1)[0]}")

    def _hear(self, prompt: str, keys: str) -> str:
        digit = _DIGIT.fullmatch(prompt)
        if digit and len(self.code) < _CODE_LENGTH and self.recorded_at:
            self.code += digit[1]
            self.code_at = self.code_at or time.monotonic()
        if prompt in ("not-registered", "recording-failed", "not-available"):
            self.problem = prompt
        if key := self._wish(prompt):
            if key in keys:
                return f"200 result={ord(key)} endpos=800\n"
            self._key = key
        if (prompt == "code-offer" and not self._asks) or prompt == "state-offer":
            self.hung_up = True
            return "200 result=-1\nHANGUP\n"
        return "200 result=0 endpos=8000\n"

    def _wish(self, prompt: str) -> str:
        """The key this caller presses at the prompt."""
        if choice := _PROMPT.fullmatch(prompt):
            return choice[2] if choice[1] == self._language else ""
        if prompt == "menu":
            return "2" if self.recorded_at else "1"
        if prompt == "review":
            return "1"
        return "0" if prompt == "code-offer" and self._asks else ""

    def _record(self, base: str) -> str:
        samples = speak_into(Path(f"{base}.wav"), self._seconds, self._pitch)
        self.recorded_at = time.monotonic()
        return f"200 result=35 (dtmf) endpos={samples}\n"
