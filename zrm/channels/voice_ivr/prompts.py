"""The telephone prompts: synthesised once from `prompts.yaml` into wav files, found again by name.

`python -m zrm.channels.voice_ivr.prompts [--out DIR]` makes new or changed prompts; run again it does nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from zrm.channels.voice_ivr.number_prompts import GRAMMARS
from zrm.kit import file_permissions
from zrm.languages import Language

TEXTS: Final = Path(__file__).with_name("prompts.yaml")
DEFAULT_FOLDER: Final = Path("var/prompts")
# Silent prompts, in seconds: between the groups of a code, and between sentences.
SILENCES: Final = {"pause": 0.45}
# Asterisk chooses among these by the call's codec; any of them counts as a prompt.
PLAYABLE: Final = (".wav", ".wav16", ".sln", ".sln16", ".gsm", ".ulaw", ".alaw", ".g722")

_MANIFEST: Final = ".spoken.json"
# Part of every prompt's fingerprint: increase it when the sound changes but no text does.
_MAKING: Final = "1"


@dataclass(frozen=True, slots=True)
class Built:
    """How many prompts were made anew and how many were up to date."""

    spoken: int
    kept: int


class PromptFolders:
    """Finds a prompt's file: first among the operator's own, then among the synthesised ones."""

    def __init__(self, file_permissions: Sequence[Path]) -> None:
        self.folders = [folder.absolute() for folder in file_permissions]

    def find(self, language: Language, name: str) -> Path | None:
        """The prompt's path without ending, as Asterisk wants it; None if there is no such file."""
        for folder in self.folders:
            base = folder / language / name
            if any(base.with_name(f"{name}{ending}").is_file() for ending in PLAYABLE):
                return base
        return None

    def missing(self, languages: Sequence[Language]) -> list[str]:
        """The prompts without a file, as `fa/menu`."""
        return [
            f"{language}/{name}"
            for language, name in names()
            if language in languages and not self.find(language, name)
        ]


def texts(source: Path = TEXTS) -> dict[tuple[Language, str], str]:
    """The text of every spoken prompt by (language, name); a language that needs no such words leaves it out."""
    read: Mapping[str, Mapping[Language, str]] = yaml.safe_load(source.read_text(encoding="utf-8"))
    return {
        (language, name): said[language] for name, said in read.items() for language in GRAMMARS if language in said
    }


def names(source: Path = TEXTS) -> Iterator[tuple[Language, str]]:
    """All required prompts, the silent ones too."""
    yield from texts(source)
    yield from ((language, name) for language in GRAMMARS for name in SILENCES)


def build(out: Path, source: Path = TEXTS) -> Built:
    """Make missing or changed prompts as `out/{fa,en}/NAME.wav`, remove those no longer used.

    A file is replaced in one step, so calls in progress hear the old one or the new one. Errors: OSError, SpeechFailed.
    """
    from zrm.channels.voice_ivr import speech

    file_permissions.make(out, file_permissions.PUBLIC)  # Asterisk runs as another user
    known = _read_manifest(out)
    wanted = {
        f"{language}/{name}": (language, text, _fingerprint(speech.VOICES[language], speech.PACE[language], text))
        for (language, name), text in texts(source).items()
    }
    for language in GRAMMARS:
        file_permissions.make(out / language, file_permissions.PUBLIC)
        for name, seconds in SILENCES.items():
            wanted[f"{language}/{name}"] = (language, "", _fingerprint("silence", seconds, ""))
    stale = [
        key for key, (_, _, mark) in wanted.items() if known.get(key) != mark or not (out / f"{key}.wav").is_file()
    ]
    if stale:
        with speech.Speaker() as speaker:
            for key in stale:
                language, text, _ = wanted[key]
                sound = speaker.speak(text, language) if text else speech.silence(SILENCES[key.partition("/")[2]])
                with _replacing(out / f"{key}.wav") as path:
                    speech.write_wav(sound, path)
    for key in known.keys() - wanted.keys():
        (out / f"{key}.wav").unlink(missing_ok=True)
    marks = {key: mark for key, (_, _, mark) in wanted.items()}
    if marks != known:
        with _replacing(out / _MANIFEST) as path:
            path.write_text(json.dumps(marks, indent=0), encoding="utf-8")
    return Built(len(stale), len(wanted) - len(stale))


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A temporary path to write to; it replaces the target when the block ends well."""
    handle, name = tempfile.mkstemp(prefix=".new-", dir=target.parent)
    os.close(handle)
    new = Path(name)
    try:
        yield new
        new.chmod(0o644)
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)


def _fingerprint(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, (_MAKING, *parts))).encode()).hexdigest()[:24]


def _read_manifest(out: Path) -> dict[str, str]:
    """The fingerprints of the existing prompts; none when the file is missing or damaged, so that all are made anew."""
    try:
        read = json.loads((out / _MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(key): str(mark) for key, mark in read.items()} if isinstance(read, dict) else {}


def main(words: Sequence[str] | None = None) -> int:
    """The command line; 0 when every prompt exists."""
    from zrm.channels.voice_ivr.speech import SpeechFailed

    parser = argparse.ArgumentParser(prog="python -m zrm.channels.voice_ivr.prompts", description="Speak the prompts.")
    parser.add_argument(
        "--out", type=Path, default=DEFAULT_FOLDER, help=f"folder of the prompts (default {DEFAULT_FOLDER})"
    )
    folder: Path = parser.parse_args(words).out
    try:
        built = build(folder)
    except (OSError, SpeechFailed) as error:
        sys.stderr.write(f"the prompts cannot be spoken: {error}\n")
        return 1
    sys.stdout.write(f"{built.spoken} prompts spoken, {built.kept} unchanged, in {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
