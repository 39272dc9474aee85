"""A citizen calls through two real Asterisks: keys arrive, speech is recorded, the line can break."""

import re
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.process import LOOPBACK, PeerError, wait_until
from tests.lab.sound import loudness, seconds_of, seconds_of_tone, write_tone
from tests.lab.telephony import Pause, Press, Say, Telephony

pytestmark = pytest.mark.peer("asterisk")

RESULT = re.compile(r"200 result=(\S+)")


class TinyMenu:
    """A minimal FastAGI server: one digit, four digits, a recording, a beep; it records every answer."""

    def __init__(self, recordings: Path) -> None:
        self.recordings = recordings
        self.environment: dict[str, str] = {}
        self.answers: dict[str, str] = {}
        self.over = threading.Event()
        menu = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while line := self.rfile.readline().decode().strip():
                    key, _, value = line.partition(": ")
                    menu.environment[key] = value
                for name, command in menu.commands().items():
                    self.wfile.write(f"{command}\n".encode())
                    menu.answers[name] = self.rfile.readline().decode().strip()
                    if "-1" in menu.answers[name]:
                        break
                menu.over.set()

        self.server = socketserver.ThreadingTCPServer((LOOPBACK, 0), Handler)

    def commands(self) -> dict[str, str]:
        return {
            "answer": "ANSWER",
            "language": "GET DATA beep 15000 1",
            "code": "GET DATA beep 15000 4",
            "recording": f"RECORD FILE {self.recordings / 'complaint'} wav # 30000 BEEP",
            "goodbye": 'STREAM FILE beep ""',
            "end": "HANGUP",
        }

    @property
    def recording(self) -> Path:
        return self.recordings / "complaint.wav"

    def result(self, name: str) -> str:
        found = RESULT.match(self.answers[name])
        assert found, self.answers
        return found[1]


@pytest.fixture
def menu(tmp_path: Path) -> Iterator[TinyMenu]:
    opened = TinyMenu(tmp_path / "recordings")
    thread = threading.Thread(target=opened.server.serve_forever, args=(0.02,))
    thread.start()
    yield opened
    opened.server.shutdown()
    thread.join()
    opened.server.server_close()


@pytest.fixture
def telephony(menu: TinyMenu) -> Iterator[Telephony]:
    with Telephony(agi_port=menu.server.server_address[1], recordings=menu.recordings) as opened:
        yield opened


def test_whole_scripted_call(telephony: Telephony, menu: TinyMenu, tmp_path: Path) -> None:
    voice = write_tone(tmp_path / "voice.wav", hertz=700, seconds=2)
    script = (Pause(1), Press("1"), Pause(1), Press("4719"), Pause(2), Say(voice), Press("#"))
    call = telephony.call("137", script=script, caller="09121234567")
    call.wait()
    assert menu.over.wait(10)
    assert (menu.environment["agi_callerid"], menu.environment["agi_extension"]) == ("09121234567", "137")
    assert (menu.result("language"), menu.result("code")) == ("1", "4719")
    assert seconds_of_tone(menu.recording, hertz=700) > 1
    assert loudness(call.heard) > 0
    assert seconds_of(call.heard) > 1


def test_call_driven_while_it_is_on(telephony: Telephony, menu: TinyMenu, tmp_path: Path) -> None:
    call = telephony.call("137")
    wait_until(lambda: "answer" in menu.answers, "the menu to answer")
    call.press("2")
    wait_until(lambda: "language" in menu.answers, "the language")
    call.press("0077")
    wait_until(menu.recording.exists, "the recording to begin")
    call.say(write_tone(tmp_path / "voice.wav", hertz=500, seconds=1))
    call.press("#")
    call.wait()
    assert (menu.result("language"), menu.result("code")) == ("2", "0077")
    assert seconds_of_tone(menu.recording, hertz=500) > 0.5


def test_hangup_in_the_middle_of_a_recording_keeps_it(telephony: Telephony, menu: TinyMenu, tmp_path: Path) -> None:
    voice = write_tone(tmp_path / "voice.wav", hertz=700, seconds=20)
    call = telephony.call("137", dtmf=[(1, "1"), (1, "4719")], say=voice)
    wait_until(lambda: menu.recording.exists() and menu.recording.stat().st_size > 32_000, "two seconds of recording")
    call.hangup()
    assert menu.over.wait(10)
    assert "hangup" in menu.answers["recording"]
    assert seconds_of(menu.recording) > 1


def test_two_citizens_at_once(telephony: Telephony, menu: TinyMenu) -> None:
    first, second = telephony.call("137", caller="09120000001"), telephony.call("137", caller="09120000002")
    first.hangup()
    second.hangup()
    assert first.heard != second.heard


def test_hub_that_does_not_answer() -> None:
    # Nothing listens at the menu's port: Asterisk gives up before it answers the line.
    with Telephony() as telephony, pytest.raises(PeerError, match="nobody answered"):
        telephony.call("137")


@pytest.mark.parametrize("keys", ["", "1a", "1,2", "۱"])
def test_keys_no_telephone_has(telephony: Telephony, keys: str) -> None:
    with pytest.raises(ValueError, match="no such keys"):
        telephony.call("137", dtmf=[(0, keys)])
