"""The spoken prompts: audible, in the right language, made once, replaceable."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import numpy as np
import pytest

from zrm.channels.voice_ivr import prompts
from zrm.channels.voice_ivr.speech import Speaker
from zrm.languages import Language

SOURCE = Path(prompts.__file__).parent
ONLY_ONE = {"of": "en", "the": "en", **{f"n-{hundred}00": "fa" for hundred in range(1, 10)}}


def test_every_prompt_can_be_heard(spoken: Path) -> None:
    for (language, name), text in prompts.texts().items():
        with wave.open(str(spoken / "prompts" / language / f"{name}.wav")) as file:
            form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            sound = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(float) / 32768
        assert form == (1, 2, 8000)
        seconds, loudness = len(sound) / 8000, float(np.sqrt(np.mean(sound**2)))
        assert 0.12 < seconds < 25, name
        assert 0.03 * len(text) < seconds < 0.4 + 0.15 * len(text), (
            f"{language}/{name}: {seconds} s for {len(text)} letters"
        )
        assert 0.05 < loudness < 0.3, f"{language}/{name}: {loudness}"
        assert np.abs(sound).max() < 0.99, f"{language}/{name} is overdriven"


DIGITS = ["sˈefr", "jˈek", "dˈo", "sˈeː", "tʃˈɑhɑr", "pˈandʒ", "ʃˈeʃ", "hˈaft", "hˈaʃt", "nˈoh"]


def test_persian_is_spoken_by_the_persian_voice() -> None:
    texts = prompts.texts()
    with Speaker() as speaker:
        assert [speaker.phonemes(texts["fa", f"n-{digit}"], "fa") for digit in range(10)] == DIGITS
        for (language, name), text in texts.items():
            said = speaker.phonemes(text, language)
            assert "(en)" not in said, f"{language}/{name} falls back to English: {said}"
            assert "(fa)" not in said, f"{language}/{name} falls back to Persian: {said}"
            assert said.strip(), name


def test_every_prompt_has_both_languages() -> None:
    spoken_in: dict[str, set[Language]] = {}
    for language, name in prompts.texts():
        spoken_in.setdefault(name, set()).add(language)
    choices = {f"choose-{language}-{number}": language for language in ("fa", "en") for number in (1, 2)}
    for name, languages in spoken_in.items():
        expected = {**ONLY_ONE, **choices}.get(name)
        assert languages == ({expected} if expected else {"fa", "en"}), name


def test_every_prompt_that_is_said_has_a_text() -> None:
    named = {name for _, name in prompts.names()}
    source = (SOURCE / "dialogue.py").read_text(encoding="utf-8")
    said = set(
        re.findall(
            r'"((?:code|state|recording|nothing|earlier|not|no|wrong|too|enter|opened|changed)-[a-z-]+)"', source
        )
    )
    assert said
    assert said <= named


def test_only_what_changed_is_spoken_anew(tmp_path: Path) -> None:
    texts, out = tmp_path / "texts.yaml", tmp_path / "out"
    texts.write_text("hello: {fa: سلام, en: Hello}\nbye: {fa: خدانگهدار, en: Goodbye}\n", encoding="utf-8")
    assert prompts.build(out, texts) == prompts.Built(6, 0)
    assert prompts.build(out, texts) == prompts.Built(0, 6)
    texts.write_text("hello: {fa: درود, en: Hello}\n", encoding="utf-8")
    (out / "en" / "hello.wav").unlink()
    assert prompts.build(out, texts) == prompts.Built(2, 2)
    assert sorted(path.name for path in (out / "fa").iterdir()) == ["hello.wav", "pause.wav"]
    (out / ".spoken.json").write_text("{torn", encoding="utf-8")
    assert prompts.build(out, texts) == prompts.Built(4, 0)


def test_it_speaks_from_a_folder_with_a_long_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import espeakng_loader

    deep = tmp_path / ("d" * 200)
    deep.symlink_to(espeakng_loader.get_data_path())
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(deep))
    with Speaker() as speaker:
        assert speaker.phonemes("یک", "fa") == "jˈek"


def test_an_operators_own_recording_comes_first(tmp_path: Path, spoken: Path) -> None:
    own = tmp_path / "own"
    (own / "fa").mkdir(parents=True)
    (own / "fa" / "menu.gsm").write_bytes(b"sound")
    folders = prompts.PromptFolders([own, spoken / "prompts"])
    assert folders.find("fa", "menu") == own / "fa" / "menu"
    assert folders.find("en", "menu") == spoken / "prompts" / "en" / "menu"
    assert folders.find("en", "nothing") is None
    assert folders.missing(["fa", "en"]) == []


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prompts.main(["--out", str(tmp_path / "p")]) == 0
    assert "0 unchanged" in capsys.readouterr().out
    (tmp_path / "file").touch()
    assert prompts.main(["--out", str(tmp_path / "file")]) == 1
    assert "cannot be spoken" in capsys.readouterr().err
