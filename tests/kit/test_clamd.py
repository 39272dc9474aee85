"""The client of clamd, against a real one."""

from __future__ import annotations

import io
import socket
import threading
import zipfile
from collections.abc import Iterator

import pytest

from tests.lab.clamav import EICAR, THREAT, ClamAV
from tests.lab.process import free_port
from zrm.kit.clamd import Clamd, ScannerAway, ScannerRefused

MOST = 3_000_000


@pytest.fixture(scope="module")
def clamav() -> Iterator[ClamAV]:
    with ClamAV(most=MOST) as running:
        yield running


@pytest.mark.peer("clamav")
@pytest.mark.parametrize("way", ["unix", "tcp"])
def test_what_is_found_has_a_name_and_nothing_has_none(clamav: ClamAV, way: str) -> None:
    clamd = Clamd(getattr(clamav, way), timeout=30)
    assert clamd.ping()
    assert clamd.scan(io.BytesIO(EICAR)) == THREAT
    assert clamd.scan(io.BytesIO("سلام".encode())) == ""
    assert clamd.scan(io.BytesIO(b"")) == ""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("نامه.txt", EICAR)
    packed.seek(0)
    assert clamd.scan(packed) == THREAT, "also inside an archive"
    assert clamd.scan(io.BytesIO(bytes(2_000_000) + EICAR)) == THREAT, "also after many pieces"


@pytest.mark.peer("clamav")
def test_a_stream_it_calls_too_large_is_refused_with_its_reason(clamav: ClamAV) -> None:
    with pytest.raises(ScannerRefused, match="size limit exceeded"):
        Clamd(clamav.unix, timeout=30).scan(io.BytesIO(bytes(MOST * 4)))


def test_nobody_there() -> None:
    for address in (f"tcp:127.0.0.1:{free_port()}", "unix:/nonexistent/clamd.ctl"):
        clamd = Clamd(address, timeout=2)
        assert not clamd.ping()
        with pytest.raises(ScannerAway):
            clamd.scan(io.BytesIO(b"x"))


@pytest.mark.parametrize("said", [b"", b"stream: ", b"PONG\0", b"\xff\xfe\0", b"x" * 10_000])
def test_an_answer_that_is_none_is_no_clean_file(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                while connection.recv(65_536)[-4:] != bytes(4):
                    pass
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ScannerAway):
            Clamd(f"tcp:127.0.0.1:{server.getsockname()[1]}", timeout=5).scan(io.BytesIO(b"x" * 100))
        thread.join()


@pytest.mark.parametrize("address", ["", "clamd.ctl", "unix:relative", "tcp:host", "tcp:a b:1", "http://x:1"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(ValueError, match="expected unix"):
        Clamd(address, timeout=1)
