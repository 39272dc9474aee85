"""A real clamd on loopback: Debian's, unpacked, with a signature database of our own that knows the EICAR test file.

ClamAV's own database is a download of hundreds of megabytes; a signature is a line of text, so the test's virus is enough.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from tests.lab.peers import CLAMAV
from tests.lab.places import cache_folder
from tests.lab.process import LOOPBACK, Child, free_port, wait_until
from zrm.kit.clamd import Clamd

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}" + rb"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The harmless string every scanner reports as a virus (eicar.org); in two parts, so that scanners do not report this file."""
THREAT = "Eicar-Test-Signature.UNOFFICIAL"

_CONF = """
Foreground yes
LogFile {folder}/clamd.log
DatabaseDirectory {folder}/signatures
OfficialDatabaseOnly no
LocalSocket {folder}/clamd.ctl
TCPSocket {port}
TCPAddr 127.0.0.1
StreamMaxLength {most}
MaxThreads 2
"""


class ClamAV:
    """A clamd, listening at `unix` and `tcp`; it takes streams of at most `most` bytes. `stop` and `start` in between."""

    def __init__(self, *, most: int = 60_000_000) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="zrmav-", dir="/tmp"))  # short: it names a socket
        port = free_port()
        self.unix, self.tcp = f"unix:{self._folder}/clamd.ctl", f"tcp:{LOOPBACK}:{port}"
        self._child: Child | None = None
        (self._folder / "signatures").mkdir()
        signature = f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n"
        (self._folder / "signatures" / "test.ndb").write_text(signature, encoding="ascii")
        conf = _CONF.format(folder=self._folder, port=port, most=most)
        (self._folder / "clamd.conf").write_text(conf, encoding="utf-8")

    def __enter__(self) -> ClamAV:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it answers."""
        root = CLAMAV.folder(cache_folder())
        environment = {**os.environ, **CLAMAV.environment(root)}
        argv = [*CLAMAV.command(root, "usr/sbin/clamd"), "--config-file", str(self._folder / "clamd.conf")]
        child = Child(argv, log=self._folder / "output.log", env=environment)
        self._child = child

        def ready() -> bool:
            child.require_running()
            return Clamd(self.tcp, timeout=2).ping() and Clamd(self.unix, timeout=2).ping()

        wait_until(ready, "clamd")

    def stop(self) -> None:
        """End it; requests then find no listener."""
        if self._child is not None:
            self._child.stop(2)
            self._child = None
