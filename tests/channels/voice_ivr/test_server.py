"""The listening door: who may connect, how many, how it stops, and what `check` says of it."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.channels.voice_ivr.conftest import OpenDoor
from tests.channels.voice_ivr.peer import HangUp, Press, ScriptedAsterisk, Speak
from tests.lab.process import free_port, wait_until
from zrm.channels.channel import Installation
from zrm.channels.voice_ivr.channel import VoiceChannel
from zrm.channels.voice_ivr.config import VoiceConfig


def test_a_machine_that_is_no_asterisk_of_ours_is_refused_and_recorded(open_door: OpenDoor) -> None:
    with open_door(allowed_peers=["192.0.2.0/24"]) as door:
        with socket.create_connection(("127.0.0.1", door.port), 10) as stranger:
            assert stranger.recv(10) == b""
        wait_until(lambda: bool(door.desk.refusals), "the attempt to be recorded")
    assert door.desk.refusals == [("refusal.unknown_peer", "127.0.0.1")]


def test_one_call_too_many_is_sent_back(open_door: OpenDoor) -> None:
    with open_door(max_calls=1) as door:
        with socket.create_connection(("127.0.0.1", door.port), 10):
            wait_until(lambda: any(t.name == "call" for t in threading.enumerate()), "the first call to be on")
            with socket.create_connection(("127.0.0.1", door.port), 10) as second:
                assert second.recv(10) == b""
        wait_until(lambda: not any(t.name == "call" for t in threading.enumerate()), "the first call to end")
        assert ScriptedAsterisk(door.port, [("menu", HangUp())]).run()


def test_a_number_that_is_not_ours_is_sent_back(open_door: OpenDoor) -> None:
    with open_door(accounts=["1888"]) as door:
        assert ScriptedAsterisk(door.port, []).run() == []
        assert ScriptedAsterisk(door.port, [("menu", HangUp())], {"agi_dnid": "1888"}).run()


@pytest.mark.parametrize(
    "noise", [b"GET / HTTP/1.0\r\n\r\n", b"\0" * 100_000, b"agi_network: yes\nagi_uniqueid: 1.1\n\nnoise\n"]
)
def test_noise_does_not_disturb_the_neighbours(open_door: OpenDoor, noise: bytes) -> None:
    with open_door() as door:
        neighbour = ScriptedAsterisk(door.port, [("menu", Press("1")), ("RECORD", Speak(2.0, "hangup"))])
        with socket.create_connection(("127.0.0.1", door.port), 10) as peer:
            peer.sendall(noise)
            neighbour.run()
        assert len(door.desk.received) == 1


def test_a_stop_lets_the_running_call_finish(open_door: OpenDoor) -> None:
    with open_door() as door:
        asterisk = ScriptedAsterisk(door.port, [("menu", Press("1")), ("RECORD", Speak(2.0)), ("review", Press("1"))])
        wait_until(lambda: any(t.name == "call" for t in threading.enumerate()), "the call to be on")
        door.stop.set()
        heard = asterisk.run()
        door.thread.join()
    assert heard[-1] == "fa/goodbye"
    assert len(door.desk.received) == 1


def test_a_stop_does_not_wait_for_ever(open_door: OpenDoor) -> None:
    with open_door(finish_seconds=0) as door, socket.create_connection(("127.0.0.1", door.port), 10) as silent:
        wait_until(lambda: any(t.name == "call" for t in threading.enumerate()), "the call to be on")
        door.stop.set()
        assert silent.recv(10) == b""
        door.thread.join()


def test_many_calls_at_once_are_all_kept(open_door: OpenDoor) -> None:
    with open_door() as door:
        callers = [
            ScriptedAsterisk(
                door.port,
                [("menu", Press("1")), ("RECORD", Speak(1.0)), ("review", Press("1"))],
                {"agi_uniqueid": f"1795421234.{number}"},
            )
            for number in range(40)
        ]
        threads = [threading.Thread(target=caller.run) for caller in callers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({contact.external_id for contact in door.desk.received}) == 40
        assert door.files() == []


def test_nothing_of_the_caller_reaches_the_log(
    open_door: OpenDoor, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with open_door() as door:
        ScriptedAsterisk(door.port, [("menu", Press("1")), ("RECORD", Speak(2.0, "hangup"))]).run()
    out, err = capfd.readouterr()
    assert "09121234567" not in out + err + caplog.text
    assert "received" in caplog.text


# ---------------------------------------------------------------- settings and check


@pytest.mark.parametrize(
    "settings",
    [{"port": 0}, {"allowed_peers": []}, {"allowed_peers": ["pbx"]}, {"languages": []}, {"languages": ["fa", "fa"]},
     {"languages": ["de"]}, {"max_recording_seconds": 0}, {"typo": 1}],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        VoiceConfig.model_validate(settings)


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("", False),
    ],
)
def test_only_this_machine_may_connect_unless_told(peer: str, allowed: bool) -> None:
    assert VoiceConfig().allows(peer) is allowed


def test_a_good_set_up_has_nothing_to_say(installation: Installation, tmp_path: Path) -> None:
    assert VoiceChannel(VoiceConfig(port=free_port(), recordings=str(tmp_path)), installation).check() == []


def test_a_door_that_runs_is_no_problem(installation: Installation, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert VoiceChannel(VoiceConfig(port=port, recordings=str(tmp_path)), installation).check() == []


def test_check_names_what_is_wrong(installation: Installation, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    bare = Installation(
        **{**{name: getattr(installation, name) for name in Installation.__slots__}, "data_dir": str(tmp_path)}
    )
    channel = VoiceChannel(VoiceConfig(port=free_port(), recordings=str(blocked / "in")), bare)
    recordings, prompts = channel.check()
    assert "cannot be written" in recordings
    assert "fa/welcome" in prompts


def test_check_notices_sound_files_of_others(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "1795421234.17.wav").write_bytes(b"x")
    (problem,) = VoiceChannel(VoiceConfig(port=free_port(), recordings=str(tmp_path)), installation).check()
    assert "not made by this door" in problem


def test_an_address_that_is_not_here_is_named(installation: Installation, tmp_path: Path) -> None:
    (problem,) = VoiceChannel(VoiceConfig(host="192.0.2.1", recordings=str(tmp_path)), installation).check()
    assert "cannot listen on 192.0.2.1" in problem
