"""Sounds for telephone tests: makes tones, converts any WAV to the telephone's format, and measures recordings.

Arrays are one-dimensional float64 in -1..1; a telephone's sound is 8 kHz, 16 bits, one channel.
"""

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

TELEPHONE_RATE = 8000

Samples = npt.NDArray[np.float64]


def write_tone(path: Path, hertz: float, seconds: float, loudness: float = 0.4) -> Path:
    """Write a plain tone in the telephone's format; returns its path."""
    time = np.arange(int(seconds * TELEPHONE_RATE)) / TELEPHONE_RATE
    _write(path, loudness * np.sin(2 * np.pi * hertz * time))
    return path


def write_telephone_sound(source: Path, target: Path) -> None:
    """Convert a 16-bit PCM WAV of any rate and number of channels to the telephone's format."""
    samples, rate = _read(source)
    if rate != TELEPHONE_RATE:
        samples = soxr.resample(samples, rate, TELEPHONE_RATE)
    _write(target, samples)


def read_sound(path: Path) -> Samples:
    """The samples of a WAV in the telephone's format."""
    samples, rate = _read(path)
    if rate != TELEPHONE_RATE:
        raise ValueError(f"{path.name} has {rate} samples a second, not {TELEPHONE_RATE}")
    return samples


def seconds_of(path: Path) -> float:
    """The duration of the sound."""
    samples, rate = _read(path)
    return len(samples) / rate


def loudness(path: Path) -> float:
    """Root mean square over the whole sound, 0 for silence, about 0.1 for speech."""
    samples, _ = _read(path)
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0


def seconds_of_tone(path: Path, hertz: float) -> float:
    """How long a tone of this pitch dominates, to a tenth of a second."""
    samples = read_sound(path)
    window = TELEPHONE_RATE // 10
    wave_of_pitch = np.exp(-2j * np.pi * hertz * np.arange(window) / TELEPHONE_RATE)
    found = 0
    for begin in range(0, len(samples) - window + 1, window):
        piece = samples[begin : begin + window]
        energy = float(np.sum(np.square(piece)))
        share = 2 * abs(np.dot(piece, wave_of_pitch)) ** 2 / (window * energy) if energy > 0.01 else 0.0
        found += share > 0.5
    return found / 10


def _read(path: Path) -> tuple[Samples, int]:
    with wave.open(str(path), "rb") as sound:
        if sound.getsampwidth() != 2:
            raise ValueError(f"{path.name} is not 16-bit PCM")
        raw = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2").astype(np.float64) / 32768
        return raw.reshape(-1, sound.getnchannels()).mean(axis=1), sound.getframerate()


def _write(path: Path, samples: Samples) -> None:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(TELEPHONE_RATE)
        sound.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
