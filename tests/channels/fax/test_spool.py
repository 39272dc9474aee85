"""The spool folder: whole faxes are received and put away, broken ones too, half-written ones left alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.channels.fax.faxes import fax
from tests.channels.sms.desk import KeepingDesk
from tests.channels.sms.hub import installation
from zrm.channels.fax.channel import FaxChannel
from zrm.channels.fax.config import FaxConfig
from zrm.channels.fax.spool import FaxSpool
from zrm.contract.errors import Unparseable
from zrm.contract.inbound import Inbound, RawContact
from zrm.errors import StoreUnavailable

CALL = {"source": "asterisk", "call": "1700000000.7", "caller": "02188776655", "called": "150", "file": "yes"}


@pytest.fixture
def desk() -> KeepingDesk:
    return KeepingDesk()


def spool(folder: Path, desk: KeepingDesk, *, orphan_seconds: float = 600, keep_days: float = 7) -> FaxSpool:
    folder.mkdir(exist_ok=True)
    return FaxSpool(folder, desk, line="fax", max_bytes=100_000, orphan_seconds=orphan_seconds, keep_days=keep_days)


def drop(folder: Path, name: str, tiff: bytes | None, note: bytes | None) -> None:
    if tiff is not None:
        (folder / f"{name}.tif").write_bytes(tiff)
    if note is not None:
        (folder / f"{name}.json").write_bytes(note)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def parse(contact: RawContact) -> Inbound:
    (inbound,) = FaxChannel(FaxConfig(), installation()).parse(contact)
    assert isinstance(inbound, Inbound)
    return inbound


def test_whole_fax_is_received_and_put_away(tmp_path: Path, desk: KeepingDesk) -> None:
    opened = spool(tmp_path, desk)
    drop(tmp_path, "a", fax(1), json.dumps(CALL).encode())
    assert opened.look(Event()) == 1
    (contact,) = desk.contacts
    assert (contact.account, contact.body) == ("150", fax(1))
    assert contact.envelope["caller"] == "02188776655"
    assert left(tmp_path) == []
    assert left(tmp_path / "done") == ["a.json", "a.tif"]
    drop(tmp_path, "a", fax(1), json.dumps(CALL).encode())
    assert opened.look(Event()) == 1
    assert len(desk.contacts) == 1, "the same fax again is no second contact"
    assert len(left(tmp_path / "done")) == 4


def test_half_written_fax_is_left_alone(tmp_path: Path, desk: KeepingDesk) -> None:
    opened = spool(tmp_path, desk)
    drop(tmp_path, "a", fax(1), None)
    drop(tmp_path, ".b", fax(1), b"{")
    (tmp_path / "readme.txt").write_text("not ours", encoding="utf-8")
    (tmp_path / "folder.json").mkdir()
    assert opened.look(Event()) == 0
    assert left(tmp_path) == [".b.json", ".b.tif", "a.tif", "readme.txt"]


def test_fax_whose_note_never_comes_is_received_as_it_is(tmp_path: Path, desk: KeepingDesk) -> None:
    opened = spool(tmp_path, desk, orphan_seconds=0)
    drop(tmp_path, "a", fax(1), None)
    assert opened.look(Event()) == 1
    inbound = parse(desk.contacts[0])
    assert inbound.senders == ()
    assert ("Fault", "no note came with the fax") in inbound.headers


@pytest.mark.parametrize("note", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 60_000])
def test_unreadable_note_does_not_keep_the_fax(tmp_path: Path, desk: KeepingDesk, note: bytes) -> None:
    opened = spool(tmp_path, desk)
    drop(tmp_path, "a", fax(1), note)
    drop(tmp_path, "b", None, note)
    assert opened.look(Event()) == 2
    with_file = next(contact for contact in desk.contacts if contact.media_type == "image/tiff")
    without = next(contact for contact in desk.contacts if contact is not with_file)
    assert ("Fault", "the note cannot be read") in parse(with_file).headers
    with pytest.raises(Unparseable, match="note"):
        parse(without)
    assert without.body == note
    assert left(tmp_path) == []


def test_note_whose_file_is_missing_goes_to_quarantine(tmp_path: Path, desk: KeepingDesk) -> None:
    opened = spool(tmp_path, desk)
    drop(tmp_path, "a", None, json.dumps(CALL).encode())
    assert opened.look(Event()) == 1
    with pytest.raises(Unparseable, match="missing"):
        parse(desk.contacts[0])


def test_broken_tiff_is_received_for_quarantine(tmp_path: Path, desk: KeepingDesk) -> None:
    opened = spool(tmp_path, desk)
    drop(tmp_path, "a", b"II*\0junk", json.dumps(CALL).encode())
    assert opened.look(Event()) == 1
    with pytest.raises(Unparseable):
        parse(desk.contacts[0])
    assert left(tmp_path) == []


def test_too_large_fax_is_refused_and_does_not_hold_up_the_next(tmp_path: Path, desk: KeepingDesk) -> None:
    opened = spool(tmp_path, desk)
    drop(tmp_path, "a", b"x" * 100_001, json.dumps(CALL).encode())
    drop(tmp_path, "b", fax(1), json.dumps(CALL).encode())
    assert opened.look(Event()) == 1
    assert desk.refusals == [("fax", "fax", "refusal.too_large")]
    assert left(tmp_path / "refused") == ["a.json", "a.tif"]


def test_links_are_not_followed(tmp_path: Path, desk: KeepingDesk) -> None:
    folder = tmp_path / "spool"
    opened = spool(folder, desk)
    (tmp_path / "private").write_text("not for faxes", encoding="utf-8")
    (folder / "a.tif").symlink_to(tmp_path / "private")
    drop(folder, "a", None, json.dumps(CALL).encode())
    os.mkfifo(folder / "b.tif")
    drop(folder, "b", None, json.dumps(CALL | {"call": "2"}).encode())
    assert opened.look(Event()) == 2
    assert all(b"not for faxes" not in contact.body for contact in desk.contacts)


def test_store_out_of_order_leaves_everything_where_it_is(tmp_path: Path, desk: KeepingDesk) -> None:
    opened = spool(tmp_path, desk)
    drop(tmp_path, "a", fax(1), json.dumps(CALL).encode())
    desk.broken = StoreUnavailable("down")
    assert opened.look(Event()) == 0
    assert left(tmp_path) == ["a.json", "a.tif"]
    desk.broken = None
    assert opened.look(Event()) == 1


def test_done_is_swept(tmp_path: Path, desk: KeepingDesk) -> None:
    opened = spool(tmp_path, desk, keep_days=0)
    drop(tmp_path, "a", fax(1), json.dumps(CALL).encode())
    opened.look(Event())
    opened.sweep()
    assert left(tmp_path / "done") == []


def test_listener_makes_the_folder_and_serves_until_told_to_stop(tmp_path: Path, desk: KeepingDesk) -> None:
    channel = FaxChannel(FaxConfig(poll=0.01), installation(data_dir=str(tmp_path)))
    assert channel.spool is not None
    stop = Event()
    thread = Thread(target=channel.listen, args=(desk, stop))
    channel.spool.mkdir(parents=True)
    drop(channel.spool, "a", fax(1), json.dumps(CALL).encode())
    thread.start()
    assert len(desk.wait_for(1)) == 1
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
