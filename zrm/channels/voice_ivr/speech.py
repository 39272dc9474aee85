"""Text to telephone sound with the espeak-ng library of the wheel `espeakng-loader`; nothing is installed on the
machine.

One process synthesises one text at a time: espeak-ng keeps its state in globals.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import wave
from pathlib import Path
from typing import Any, Final

import espeakng_loader
import numpy as np
import soxr
from numpy.typing import NDArray

from zrm.languages import Language

TELEPHONE_RATE: Final = 8000
VOICES: Final[dict[Language, str]] = {"fa": "fa", "en": "en"}
# Words a minute, slower than the engine's 175: callers listen once, often in the street.
PACE: Final[dict[Language, int]] = {"fa": 145, "en": 150}

_SYNCHRONOUS: Final = 2
_DO_NOT_EXIT: Final = 0x8000
_UTF8: Final = 1
_RATE: Final = 1
_IPA: Final = 2
# espeak-ng copies the path of its data into an array of 160 bytes.
_LONGEST_PATH: Final = 140
_LOUDNESS: Final = 0.12  # root mean square of full scale, about -18 dB
_PEAK: Final = 0.89
_QUIET: Final = 0.01
_MARGIN_SECONDS: Final = 0.04

Sound = NDArray[np.float32]
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class SpeechFailed(Exception):
    """The speech engine is missing or failed; the message says which part."""


class Speaker:
    """The engine, started; use it in a `with` block. Not for several threads. Errors at the start: SpeechFailed."""

    def __init__(self) -> None:
        self._pieces: list[NDArray[np.int16]] = []
        self._callback = _CALLBACK(self._hear)  # kept: the library holds only the address
        try:
            self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise SpeechFailed(f"the library espeak-ng cannot be loaded: {error}") from None
        self._folder = tempfile.TemporaryDirectory(prefix="speech-")
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, self._data_path(), _DO_NOT_EXIT))
        if self._rate <= 0:
            self._folder.cleanup()
            raise SpeechFailed("espeak-ng did not start; its data is missing or of another version")
        self._library.espeak_SetSynthCallback(self._callback)

    def __enter__(self) -> Speaker:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.espeak_Terminate()
        self._folder.cleanup()

    def _data_path(self) -> bytes:
        path = str(espeakng_loader.get_data_path())
        if len(os.fsencode(path)) > _LONGEST_PATH:
            link = Path(self._folder.name) / "espeak-ng-data"
            link.symlink_to(path)
            path = str(link)
        return os.fsencode(path)

    def _hear(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def _use(self, language: Language) -> None:
        if self._library.espeak_SetVoiceByName(VOICES[language].encode()) != 0:
            raise SpeechFailed(f"espeak-ng has no voice {VOICES[language]}")
        self._library.espeak_SetParameter(_RATE, PACE[language], 0)

    def speak(self, text: str, language: Language) -> Sound:
        """`text` as sound: mono, 8000 samples a second, between -1 and 1, even loudness, silence at the ends
        removed.
        """
        self._use(language)
        self._pieces.clear()
        data = text.encode()
        failed = self._library.espeak_Synth(data, len(data) + 1, 0, 0, 0, _UTF8, None, None)
        if failed or self._library.espeak_Synchronize() or not self._pieces:
            raise SpeechFailed("espeak-ng did not speak")
        sound = np.concatenate(self._pieces).astype(np.float32) / 32768
        return _levelled(_trimmed(soxr.resample(sound, self._rate, TELEPHONE_RATE).astype(np.float32)))

    def phonemes(self, text: str, language: Language) -> str:
        """The voice's pronunciation of `text`, in the phonetic alphabet; foreign words stand between (en) and (fa)."""
        self._use(language)
        buffer = ctypes.create_string_buffer(text.encode())
        rest = ctypes.c_void_p(ctypes.addressof(buffer))
        said = []
        while rest.value:
            said.append(self._library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA).decode())
        return " ".join(said)


def silence(seconds: float) -> Sound:
    """Silence of `seconds`."""
    return np.zeros(int(seconds * TELEPHONE_RATE), dtype=np.float32)


def write_wav(sound: Sound, path: Path) -> None:
    """Write 16-bit mono at 8000 samples a second, as Asterisk plays without converting. Errors: OSError."""
    samples = (np.clip(sound, -1, 1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(TELEPHONE_RATE)
        file.writeframes(samples.tobytes())


def _trimmed(sound: Sound) -> Sound:
    loud = np.flatnonzero(np.abs(sound) > _QUIET)
    if loud.size == 0:
        raise SpeechFailed("espeak-ng spoke without a sound")
    margin = int(_MARGIN_SECONDS * TELEPHONE_RATE)
    return sound[max(0, loud[0] - margin) : loud[-1] + margin]


def _levelled(sound: Sound) -> Sound:
    loudness, peak = float(np.sqrt(np.mean(sound**2))), float(np.max(np.abs(sound)))
    return sound * min(_LOUDNESS / loudness, _PEAK / peak)
