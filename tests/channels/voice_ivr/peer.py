"""A scripted Asterisk at the other end of a FastAGI connection."""

from __future__ import annotations

import re
import shlex
import socket
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

UNIQUEID = "1795421234.17"
VARIABLES = {
    "agi_network": "yes",
    "agi_network_script": "ivr",
    "agi_request": "agi://127.0.0.1/ivr",
    "agi_channel": "PJSIP/trunk-00000001",
    "agi_uniqueid": UNIQUEID,
    "agi_callerid": "09121234567",
    "agi_calleridname": "unknown",
    "agi_callingpres": "0",
    "agi_dnid": "137",
    "agi_extension": "137",
}


@dataclass(frozen=True)
class Press:
    """The caller presses keys when the prompt begins."""

    keys: str


@dataclass(frozen=True)
class Speak:
    """The caller speaks into the recording."""

    seconds: float
    ending: Literal["dtmf", "timeout", "hangup", "broken"] = "dtmf"
    level: int = 8000


@dataclass(frozen=True)
class HangUp:
    """The caller hangs up when the prompt begins."""


@dataclass(frozen=True)
class Fail:
    """Asterisk cannot do the command."""


Act = Press | Speak | HangUp | Fail
Step = tuple[str, Act]


class ScriptedAsterisk:
    """Runs a script of (prompt, act): each act happens the next time its prompt comes up.

    "wait" stands for waiting for a key, "record" for a recording. Everything else plays to its end. `heard` lists what
    was played as `fa/menu`; `unused` what of the script never came up.
    """

    def __init__(self, port: int, script: Sequence[Step], variables: Mapping[str, str] | None = None) -> None:
        self.heard: list[str] = []
        self.unused = list(script)
        self.gone = False
        self._variables = {**VARIABLES, **(variables or {})}
        self._socket = socket.create_connection(("127.0.0.1", port), 30)

    def run(self) -> list[str]:
        """Be Asterisk until the other side closes; returns what was heard."""
        with self._socket, self._socket.makefile("r", encoding="utf-8", newline="\n") as lines:
            hello = "".join(f"{name}: {value}\n" for name, value in self._variables.items())
            self._tell(hello + "\n")
            for line in lines:
                if not self._answer(line.rstrip("\n")):
                    break
        return self.heard

    def _tell(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def _answer(self, line: str) -> bool:
        if line.startswith("NOOP"):
            self._tell("200 result=0\n")
        elif self.gone:
            self._tell("511 Command Not Permitted on a dead channel or intercept routine\n")
        elif line.startswith("GET VARIABLE"):
            self._tell("200 result=1 (pbx-1)\n")
        elif line.startswith("STREAM FILE"):
            self._stream(shlex.split(line[len("STREAM FILE") :]))
        elif line.startswith("WAIT FOR DIGIT"):
            self._keys(self._next("wait"), "200 result={code}\n", "200 result=0\n")
        elif line.startswith("GET DATA"):
            self._get_data(shlex.split(line[len("GET DATA") :]))
        elif line.startswith("RECORD FILE"):
            return self._record(shlex.split(line[len("RECORD FILE") :]))
        elif line.startswith("HANGUP"):
            self._tell("200 result=1\nHANGUP\n")
            self.gone = True
        else:
            self._tell("200 result=0\n")
        return True

    def _next(self, name: str) -> Act | None:
        if self.unused and self.unused[0][0] == name:
            return self.unused.pop(0)[1]
        return None

    def _stream(self, words: list[str]) -> None:
        name = self._played(words[0])
        act = self._next(name.partition("/")[2])
        if isinstance(act, Press) and act.keys not in words[1]:
            raise AssertionError(f"{name} cannot be cut short by {act.keys}")
        self._keys(act, "200 result={code} endpos=800\n", "200 result=0 endpos=8000\n")

    def _played(self, path: str) -> str:
        name = "/".join(Path(path).parts[-2:])
        self.heard.append(name if re.fullmatch("(fa|en)/.*", name) else "own")
        return self.heard[-1]

    def _keys(self, act: Act | None, pressed: str, silent: str) -> None:
        match act:
            case Press(keys):
                self._tell(pressed.format(code=ord(keys)))
            case HangUp():
                self._hang_up("200 result=-1\n")
            case Fail():
                self._tell("200 result=-1\n")
            case _:
                self._tell(silent)

    def _get_data(self, words: list[str]) -> None:
        act = self._next(self._played(words[0]).partition("/")[2])
        match act:
            case Press(keys) if len(keys) >= int(words[2]) or keys.endswith("#"):
                self._tell(f"200 result={keys.rstrip('#')}\n")
            case Press(keys):
                self._tell(f"200 result={keys} (timeout)\n")
            case HangUp():
                self._hang_up("200 result=-1\n")
            case _:
                self._tell("200 result= (timeout)\n")

    def _record(self, words: list[str]) -> bool:
        act = self._next("RECORD")
        if not isinstance(act, Speak):
            self._tell("200 result=-1 (writefile)\n")
            return True
        samples = int(act.seconds * 8000)
        write_sound(Path(words[0] + ".wav"), samples, act.level)
        if act.ending == "broken":
            return False
        if act.ending == "hangup":
            self._hang_up(f"200 result=-1 (hangup) endpos={samples}\n")
        else:
            code = 35 if act.ending == "dtmf" else 0
            self._tell(f"200 result={code} ({act.ending}) endpos={samples}\n")
        return True

    def _hang_up(self, reply: str) -> None:
        # As Asterisk does it: first the running command fails, then comes the notice.
        self.gone = True
        self._tell(reply + "HANGUP\n")


def write_sound(path: Path, samples: int, level: int = 8000) -> None:
    """A square wave of 8000 samples a second."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        high, low = level.to_bytes(2, "little"), (-level).to_bytes(2, "little", signed=True)
        file.writeframes((high * 10 + low * 10) * (samples // 20))
