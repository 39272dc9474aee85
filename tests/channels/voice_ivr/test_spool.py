"""The recordings folder: nothing is lost by a kill, nothing is taken twice, nothing of others is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.channels.voice_ivr.desk import ListDesk
from tests.channels.voice_ivr.peer import write_sound
from zrm.channels.voice_ivr import wave
from zrm.channels.voice_ivr.intake import deliver, sweep
from zrm.channels.voice_ivr.spool import VoiceSpool
from zrm.contract.inbound import RawContact, Receipt

FACTS = {"account": "137", "system": "pbx-1", "uniqueid": "1.1", "caller": "09121234567", "language": "fa"}
LATER = 1000.0


@pytest.fixture
def spool(tmp_path: Path) -> VoiceSpool:
    made = VoiceSpool(tmp_path / "recordings", settle_seconds=10, longest_seconds=60)
    made.prepare()
    return made


def left_behind(spool: VoiceSpool, seconds: float = 2.0, age: float = LATER) -> str:
    """A message whose call is gone; returns its stem."""
    message = spool.begin("1.1", dict(FACTS))
    write_sound(message.take_base(1).with_name(f"{message.stem}-1.wav"), int(seconds * 8000))
    message.release()
    make_older(spool, age)
    return message.stem


def make_older(spool: VoiceSpool, age: float) -> None:
    then = time.time() - age
    for path in spool.folder.iterdir():
        os.utime(path, (then, then))


def swept(spool: VoiceSpool, desk: ListDesk) -> int:
    return sweep(desk, desk, spool, default_account="137")


def test_what_a_killed_process_left_is_taken_in_with_the_facts(spool: VoiceSpool) -> None:
    script = (
        "import sys, time; from pathlib import Path; from zrm.channels.voice_ivr.spool import VoiceSpool\n"
        "from tests.channels.voice_ivr.peer import write_sound\n"
        f"message = VoiceSpool(Path(sys.argv[1]), 10, 60).begin('1.1', {FACTS!r})\n"
        "write_sound(Path(str(message.take_base(1)) + '.wav'), 16000)\n"
        "print('ready', flush=True); time.sleep(600)\n"
    )
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", script, str(spool.folder)], stdout=subprocess.PIPE, cwd=root) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        desk = ListDesk()
        make_older(spool, LATER)
        assert swept(spool, desk) == 0, "its call is still on"
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert swept(spool, desk) == 1
    (contact,) = desk.received
    body = json.loads(contact.body)
    assert (contact.account, body["caller"], body["language"], body["ended_by"]) == ("137", "09121234567", "fa", "lost")
    assert list(spool.folder.iterdir()) == []
    assert swept(spool, desk) == 0


def test_a_crash_between_receipt_and_removal_makes_no_double(
    spool: VoiceSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(spool)
    desk = ListDesk()
    with monkeypatch.context() as patched:
        patched.setattr("zrm.channels.voice_ivr.spool.VoiceMessage.remove", lambda self: None)
        assert swept(spool, desk) == 1
    assert swept(spool, desk) == 1
    assert len(desk.received) == 1
    assert list(spool.folder.iterdir()) == []


def test_a_recording_that_still_grows_is_left_alone(spool: VoiceSpool) -> None:
    left_behind(spool, age=1)
    assert swept(spool, ListDesk()) == 0


def test_a_recording_that_grew_while_it_was_taken_in_is_taken_in_again_as_a_part(spool: VoiceSpool) -> None:
    stem = left_behind(spool)

    class SlowDesk(ListDesk):
        def receive(self, contact: RawContact) -> Receipt:
            receipt = super().receive(contact)
            if len(self.received) == 1:
                with (spool.folder / f"{stem}-1.wav").open("ab") as file:
                    file.write(b"\1\0" * 8000)
            return receipt

    desk = SlowDesk()
    assert swept(spool, desk) == 1
    make_older(spool, LATER)
    assert swept(spool, desk) == 1
    assert [contact.external_id for contact in desk.received] == [f"pbx-1/{stem}", f"pbx-1/{stem}+"]
    assert list(spool.folder.iterdir()) == []


def test_a_recording_without_its_note_is_taken_in(spool: VoiceSpool) -> None:
    stem = left_behind(spool)
    (spool.folder / f"{stem}.json").unlink()
    desk = ListDesk()
    assert swept(spool, desk) == 0, "a new note has just been made"
    make_older(spool, LATER)
    assert swept(spool, desk) == 1
    assert desk.received[0].external_id == f"/{stem}"
    assert desk.received[0].account == "137"


@pytest.mark.parametrize("torn", [b"", b'{"account": "13', b"[1]", b"\xff"])
def test_a_torn_note_does_not_cost_the_recording(spool: VoiceSpool, torn: bytes) -> None:
    stem = left_behind(spool)
    (spool.folder / f"{stem}.json").write_bytes(torn)
    make_older(spool, LATER)
    assert swept(spool, ListDesk()) == 1


def test_a_full_store_keeps_everything_where_it_is(spool: VoiceSpool) -> None:
    left_behind(spool)
    desk = ListDesk()
    desk.full = True
    assert swept(spool, desk) == 0
    assert len(list(spool.folder.iterdir())) == 2
    desk.full = False
    assert swept(spool, desk) == 1


def test_an_empty_recording_is_removed_without_a_contact(spool: VoiceSpool) -> None:
    left_behind(spool, seconds=0)
    desk = ListDesk()
    assert swept(spool, desk) == 0
    assert desk.received == []
    assert list(spool.folder.iterdir()) == []


def test_a_note_waits_for_its_recording_to_begin(spool: VoiceSpool) -> None:
    message = spool.begin("1.1", dict(FACTS))
    message.release()
    make_older(spool, 60)
    swept(spool, ListDesk())
    assert message.note_path.exists()
    make_older(spool, LATER)
    swept(spool, ListDesk())
    assert not message.note_path.exists()


def test_a_clock_set_back_does_not_hold_a_recording_for_ever(spool: VoiceSpool) -> None:
    left_behind(spool, age=-100_000)
    assert swept(spool, ListDesk()) == 1


def test_sound_files_of_others_are_left_alone(spool: VoiceSpool) -> None:
    write_sound(spool.folder / "1795421234.17.wav", 16000)
    make_older(spool, LATER)
    assert swept(spool, ListDesk()) == 0
    assert spool.strangers() == 1


def test_a_file_that_is_no_sound_is_the_citizens_all_the_same(spool: VoiceSpool) -> None:
    stem = left_behind(spool)
    (spool.folder / f"{stem}-1.wav").write_bytes(b"\0" * 5000)
    make_older(spool, LATER)
    desk = ListDesk()
    assert swept(spool, desk) == 1
    assert json.loads(desk.received[0].body)["takes"] == [0.0]


@pytest.mark.parametrize(
    "uniqueid", ["../../etc/passwd", "a/b", "", "x" * 500, "نام", "1.1\n", ".hidden", "-rf", "pbx-1-1795421234.17-2"]
)
def test_a_hostile_uniqueid_stays_in_the_folder(spool: VoiceSpool, uniqueid: str) -> None:
    message = spool.begin(uniqueid, dict(FACTS))
    write_sound(spool.folder / f"{message.stem}-1.wav", 16000)
    assert [path.parent for path in spool.folder.iterdir()] == [spool.folder] * 2
    desk = ListDesk()
    assert deliver(desk, desk, message, default_account="137") is not None
    message.release()


def test_the_header_of_a_file_that_was_never_closed_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    write_sound(path, 16000)
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + b"\0\0\0\0" + whole[8:40] + b"\0\0\0\0" + whole[44:])
    assert wave.measure(path) == wave.mend(path) == wave.Wave(8000, 2, 44, 32_000)
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-1001])
    mended = wave.mend(path)
    assert mended is not None
    assert mended.size == 30_998
    assert wave.measure(path) == mended


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVEdata\0\0\0\0", b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0abc", b"x" * 99]
)
def test_what_is_no_sound_is_seen(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    assert wave.mend(path) is None
