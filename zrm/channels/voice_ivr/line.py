"""The caller's line: play prompts by name, read keys. One level above AGI, one below the dialogue."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from zrm.channels.voice_ivr.agi import CommandFailed, Digits, FastAGI, Recorded
from zrm.channels.voice_ivr.contact import KIND
from zrm.channels.voice_ivr.prompts import PromptFolders
from zrm.kit import log
from zrm.languages import Language

_log = log.get(__name__)

ALL_KEYS: Final = "0123456789*#"
# Asterisk's own tone, available in every installation.
TONE: Final = "beep"


class Line:
    """A caller, spoken to in `language`. Errors of every method: CallEnded, PeerConfused."""

    def __init__(self, agi: FastAGI, prompts: PromptFolders, language: Language, key_seconds: float) -> None:
        self.agi = agi
        self.language = language
        self._prompts = prompts
        self._key_ms = int(key_seconds * 1000)

    def say(self, *names: str, keys: str = "", language: Language | None = None) -> str:
        """Play prompts one after the other; the key among `keys` that interrupted them, or ""."""
        for name in names:
            path = self._prompts.find(language or self.language, name)
            if path is None:
                _log.error("prompt missing", channel=KIND, prompt=f"{language or self.language}/{name}")
            elif key := self.play(path, keys=keys):
                return key
        return ""

    def play(self, base: Path, *, keys: str = "", seconds: float = 0.0) -> str:
        """Play a file (path without ending) that lasts `seconds`; the key that interrupted it, or ""."""
        try:
            return self.agi.stream_file(str(base), keys, seconds=seconds)
        except CommandFailed:
            # The rest of the dialogue is worth more than one sentence.
            _log.error("prompt cannot be played", channel=KIND, prompt=base.name)
            return ""

    def ask(self, *names: str) -> str:
        """Play prompts, which any key interrupts, and wait for a key; "" when none comes."""
        return self.say(*names, keys=ALL_KEYS) or self.wait_for_key()

    def wait_for_key(self) -> str:
        """The next key, or "" when none comes in time."""
        try:
            return self.agi.wait_for_digit(self._key_ms)
        except CommandFailed:
            return ""

    def digits(self, name: str, count: int) -> Digits:
        """Play a prompt and collect `count` keys; fewer when `#` or silence ends them."""
        path = self._prompts.find(self.language, name)
        if path is None:
            _log.error("prompt missing", channel=KIND, prompt=f"{self.language}/{name}")
        try:
            return self.agi.get_data(str(path or TONE), self._key_ms, count)
        except CommandFailed:
            return Digits("", timed_out=True)

    def record(self, base: Path, *, longest: int, silence: int) -> Recorded:
        """Record to a file (path without ending) for at most `longest` seconds, until `#` or `silence` seconds without
        a sound. Errors: also CommandFailed.
        """
        return self.agi.record_file(str(base), "wav", "#", longest * 1000, 0, TONE, silence)
