"""The hand-off over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.channels.fax.faxes import fax
from tests.channels.sms.desk import KeepingDesk
from tests.channels.sms.hub import installation, serving
from zrm.channels.fax.channel import FaxChannel
from zrm.channels.fax.config import FaxConfig
from zrm.errors import ConfigError, StoreFull, StoreUnavailable

SECRET = "a-secret-of-the-hooks"
SHOWN = {"Authorization": f"Bearer {SECRET}"}
CALL = {"source": "hylafax", "call": "42", "caller": "02188776655", "name": "شهروند; @x", "called": "150"}


@pytest.fixture
def desk() -> KeepingDesk:
    return KeepingDesk()


@pytest.fixture
def hub(desk: KeepingDesk) -> Iterator[str]:
    channel = FaxChannel(FaxConfig(token=SECRET, max_mb=1), installation())
    with serving(channel.routes(desk)) as url:
        yield url + "/hooks/fax"


def files(content: bytes) -> dict[str, tuple[str, bytes, str]]:
    return {"file": ("fax.tif", content, "image/tiff")}


def test_fax_is_received_once(hub: str, desk: KeepingDesk) -> None:
    for _ in range(2):
        answer = httpx.post(hub, data=CALL, files=files(fax()), headers=SHOWN)
        assert (answer.status_code, answer.text) == (200, "received")
    (contact,) = desk.contacts
    assert (contact.channel, contact.account, contact.media_type, contact.body) == ("fax", "150", "image/tiff", fax())
    assert contact.envelope["name"] == "شهروند; @x"


def test_failed_call_without_a_file_is_received(hub: str, desk: KeepingDesk) -> None:
    form = {name: (None, value) for name, value in (CALL | {"error": "No carrier", "stamp": "1"}).items()}
    assert httpx.post(hub, files=form, headers=SHOWN).status_code == 200
    assert desk.contacts[0].external_id == "hylafax/42/nothing-1"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "refusal.no_secret"),
        ({"Authorization": "Bearer wrong"}, "refusal.wrong_secret"),
        ({"Authorization": f"Basic {SECRET}"}, "refusal.wrong_secret"),
        ({"Authorization": b"Bearer \xff\xfe"}, "refusal.wrong_secret"),
    ],
)
def test_stranger_is_refused(hub: str, desk: KeepingDesk, headers: dict[str, str], reason: str) -> None:
    answer = httpx.post(hub, data=CALL, files=files(fax()), headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert (desk.contacts, desk.refusals) == ([], [("fax", "fax", reason)])


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", ""),
        (b"call=1", "application/x-www-form-urlencoded"),
        (b"junk", "multipart/form-data"),
        (b"junk", "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="caller"\r\n\r\n021\r\n--x--\r\n', "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="call"\r\n\r\n' + b"1" * 70_000 + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    ],
    ids=["nothing", "urlencoded", "no boundary", "junk", "no call", "huge field"],
)  # fmt: skip
def test_what_is_no_hand_off_is_refused(hub: str, desk: KeepingDesk, content: bytes, content_type: str) -> None:
    answer = httpx.post(hub, content=content, headers=SHOWN | {"Content-Type": content_type})
    assert answer.status_code == 400
    assert desk.contacts == []


def test_too_large_is_said_so(hub: str, desk: KeepingDesk) -> None:
    answer = httpx.post(hub, data=CALL, files=files(b"x" * (1024 * 1024 + 1)), headers=SHOWN)
    assert answer.status_code == 413

    def chunks() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(40):
            yield b"x" * 65536

    undeclared = httpx.post(hub, content=chunks(), headers=SHOWN | {"Content-Type": "multipart/form-data; boundary=x"})
    assert undeclared.status_code == 413
    assert desk.contacts == []


@pytest.mark.parametrize("broken", [StoreUnavailable("down"), StoreFull("full")])
def test_store_out_of_order_is_said_so(hub: str, desk: KeepingDesk, broken: Exception) -> None:
    desk.broken = broken
    answer = httpx.post(hub, data=CALL, files=files(fax()), headers=SHOWN)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_secret_may_lie_in_a_file_of_ones_own(tmp_path: Path, desk: KeepingDesk) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n", encoding="ascii")
    secret.chmod(0o600)
    channel = FaxChannel(FaxConfig(token_file=secret), installation())
    assert (channel.redact(), channel.check()) == ([SECRET], [])
    assert len(channel.routes(desk).routes) == 1
    secret.chmod(0o644)
    assert "0600" in channel.check()[0]
    with pytest.raises(ConfigError):
        channel.routes(desk)


def test_without_a_secret_there_is_no_door(desk: KeepingDesk) -> None:
    channel = FaxChannel(FaxConfig(), installation())
    assert channel.routes(desk).routes == []
    assert "spool only" in channel.check()[0]
