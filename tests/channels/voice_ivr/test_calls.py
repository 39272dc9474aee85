"""Real calls: a citizen's Asterisk rings ours, which asks this door what to do."""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.channels.voice_ivr.conftest import Door, OpenDoor
from tests.channels.voice_ivr.desk import CODE
from tests.channels.voice_ivr.test_dialogue import CASE
from tests.lab.process import wait_until
from tests.lab.telephony import Call, Telephony
from zrm.channels.voice_ivr.prompts import PromptFolders
from zrm.contract.inbound import Inbound
from zrm.languages import Language

PIECE = 4000  # samples: half a second of a telephone's sound
pytestmark = [pytest.mark.peer("asterisk"), pytest.mark.timeout(240)]


class Told(PromptFolders):
    """Finds prompts, and remembers what was looked for: so a citizen knows when to press which key."""

    def __init__(self, folders: Sequence[Path]) -> None:
        super().__init__(folders)
        self.names: list[str] = []

    def find(self, language: Language, name: str) -> Path | None:
        self.names.append(name)
        return super().find(language, name)


class Network:
    """A listening door and the telephone network before it."""

    def __init__(self, door: Door, telephony: Telephony) -> None:
        self.door = door
        self.telephony = telephony
        self.told = Told(door.channel.prompts.folders)
        door.channel.prompts = self.told

    def ring(self) -> Call:
        return self.telephony.call("137", stay=200)

    def until(self, prompt: str) -> None:
        """Wait until a prompt is about to be said, and forget what was said before it."""
        wait_until(lambda: prompt in self.told.names, f"the prompt {prompt}", 60)
        del self.told.names[: self.told.names.index(prompt) + 1]

    def until_recording(self) -> None:
        wait_until(lambda: any(name.endswith(".wav") for name in self.door.files()), "the recording to begin", 60)


@pytest.fixture
def network(open_door: OpenDoor) -> Iterator[Network]:
    with (
        open_door(key_seconds=4, settle_seconds=2) as door,
        Telephony(agi_port=door.port, recordings=door.recordings) as telephony,
    ):
        yield Network(door, telephony)


@pytest.fixture
def voice(spoken: Path) -> Path:
    """Some seconds of a citizen speaking."""
    return spoken / "prompts" / "fa" / "too-many-tries.wav"


def seconds_of(sound: bytes | Path, tmp_path: Path) -> float:
    path = sound if isinstance(sound, Path) else tmp_path / "sound.wav"
    if isinstance(sound, bytes):
        path.write_bytes(sound)
    with wave.open(str(path)) as file:
        return float(file.getnframes() / file.getframerate())


def hears(heard: Path, prompt: Path) -> bool:
    """Whether a prompt is in what was heard, whatever the codec did to it.

    It is looked for piece by piece: a machine under load drops a packet now and then, which moves all the rest.
    """
    long, short = samples(heard), samples(prompt)
    pieces = [short[at : at + PIECE] for at in range(0, len(short) - PIECE // 2, PIECE)]
    loud = [piece for piece in pieces if (piece**2).mean() > 0.1 * (short**2).mean()]
    return sum(likeness(long, piece) > 0.7 for piece in loud) > 0.6 * len(loud)


def likeness(long: NDArray[np.float64], short: NDArray[np.float64]) -> float:
    """How much of the short sound is in the long one, where it is most like it: 1 is all of it, 0.3 is chance."""
    size = 1 << (len(long) + len(short)).bit_length()
    match = np.fft.irfft(np.fft.rfft(long, size) * np.conj(np.fft.rfft(short, size)), size)[: len(long)]
    energy = np.convolve(long**2, np.ones(len(short)), "full")[len(short) - 1 :][: len(match)]
    floor = float(energy.max()) * 1e-3
    return float((match / np.sqrt(np.maximum(energy, floor) * float((short**2).sum()))).max())


def samples(path: Path) -> NDArray[np.float64]:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64)


def test_a_citizen_leaves_a_complaint_and_hears_its_code(
    network: Network, voice: Path, spoken: Path, tmp_path: Path
) -> None:
    call, desk = network.ring(), network.door.desk
    for prompt, key in (("welcome", "1"), ("menu", "1")):
        network.until(prompt)
        call.press(key)
    network.until_recording()
    call.say(voice)
    call.press("#")
    network.until("review")
    call.press("1")
    call.wait()
    (contact,) = desk.received
    (inbound,) = network.door.channel.parse(contact)
    assert isinstance(inbound, Inbound)
    assert [sender.raw for sender in inbound.senders] == ["09121234567"]
    assert contact.account == "137"
    assert contact.external_id.startswith("zrm-hub/zrm-hub-")
    assert json.loads(contact.body)["ended_by"] == "confirmed"
    recording = desk.recordings[contact.files[0].key]
    assert seconds_of(recording, tmp_path) > seconds_of(voice, tmp_path) - 1
    for name in ("record", "registered", "code-again", "code-offer", "goodbye"):
        assert hears(call.heard, spoken / "prompts" / "fa" / f"{name}.wav"), name
    assert not hears(call.heard, spoken / "prompts" / "fa" / "state-closed.wav")
    assert network.door.files() == []


def test_a_citizen_hangs_up_while_speaking_and_is_still_heard(network: Network, voice: Path, tmp_path: Path) -> None:
    call, desk = network.ring(), network.door.desk
    for prompt, key in (("choose-en-2", "2"), ("menu", "1")):
        network.until(prompt)
        call.press(key)
    network.until_recording()
    call.say(voice)
    call.hangup()
    wait_until(lambda: bool(desk.received), "the message to be received")
    (contact,) = desk.received
    assert (json.loads(contact.body)["ended_by"], json.loads(contact.body)["language"]) == ("hangup", "en")
    assert seconds_of(desk.recordings[contact.files[0].key], tmp_path) > seconds_of(voice, tmp_path) - 1
    network.door.settled()


def test_a_citizen_hears_the_state_of_the_case(network: Network, spoken: Path) -> None:
    desk = network.door.desk
    desk.cases[CODE] = CASE
    call = network.ring()
    for prompt, keys in (("welcome", "2"), ("menu", "2"), ("enter-code", CODE)):
        network.until(prompt)
        call.press(keys)
    network.until("state-offer")
    call.hangup()
    assert desk.peers == ["09121234567"]
    for name in ("state-in_progress", "opened-on", "month-11", "changed-on"):
        assert hears(call.heard, spoken / "prompts" / "en" / f"{name}.wav"), name
    assert not hears(call.heard, spoken / "prompts" / "en" / "state-closed.wav")


def test_a_hub_that_stops_while_a_citizen_speaks_loses_nothing(
    open_door: OpenDoor, voice: Path, tmp_path: Path
) -> None:
    with (
        open_door(key_seconds=4, settle_seconds=2, finish_seconds=0) as door,
        Telephony(agi_port=door.port, recordings=door.recordings) as telephony,
    ):
        network = Network(door, telephony)
        call = network.ring()
        for prompt, key in (("welcome", "1"), ("menu", "1")):
            network.until(prompt)
            call.press(key)
        network.until_recording()
        door.stop.set()  # with no time to finish: the connection is cut while Asterisk goes on recording
        door.thread.join()
        assert door.desk.received == []
        call.say(voice)
        call.hangup()
        with open_door(door.desk, settle_seconds=2) as again:
            again.settled()
    (contact,) = door.desk.received
    body = json.loads(contact.body)
    assert (body["ended_by"], body["caller"]) == ("lost", "09121234567")
    assert seconds_of(door.desk.recordings[contact.files[0].key], tmp_path) > seconds_of(voice, tmp_path) - 1
