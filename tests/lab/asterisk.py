"""One private Asterisk: its folder, its configuration from templates, its start and its end.

It runs from the folder it was unpacked into, through that folder's own dynamic loader, as the user who runs the tests.
"""

import re
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.lab.ami import Ami
from tests.lab.peers import ASTERISK, why_missing
from tests.lab.places import cache_folder
from tests.lab.process import Child, PeerError, free_port, free_udp_range, tail, wait_until

TEMPLATES = Path(__file__).parent / "asterisk_templates"
INSTANCE_FOLDERS = (
    "etc",
    "lib/keys",
    "spool/fax",
    "spool/outgoing",
    "spool/tmp",
    "spool/monitor",
    "log",
    "run",
    "sounds",
)
MEDIA_PORTS = 80  # two per call


class Asterisk:
    """An Asterisk of one role ("hub" or "far"); `settings` fill the role's own @PLACES@ in its templates.

    Use as a context manager, or call `start` and `stop`.
    """

    def __init__(self, role: str, settings: Mapping[str, str], *, sip_port: int | None = None) -> None:
        self.role = role
        self.sip_port = sip_port or free_port(socket.SOCK_DGRAM)
        # A short, separate path: the control socket's name must stay under 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix=f"zrm-{role}-"))
        self._settings = dict(settings)
        self._software = ASTERISK.folder(cache_folder())
        self._child: Child | None = None
        self._ami: Ami | None = None

    def add_settings(self, settings: Mapping[str, str]) -> None:
        """Fill further @PLACES@; call before `start`."""
        self._settings |= settings

    @property
    def log(self) -> Path:
        """Asterisk's full log of this run."""
        return self.folder / "log" / "full"

    @property
    def ami(self) -> Ami:
        """The manager connection; PeerError unless started."""
        if self._ami is None:
            raise PeerError(f"Asterisk {self.role} is not started")
        return self._ami

    def start(self) -> None:
        """Write the configuration, start, return when fully booted (about a second)."""
        if fault := why_missing("asterisk"):
            raise PeerError(f"Asterisk: {fault}")
        ami_port, ami_secret = free_port(), secrets.token_hex(16)
        self._configure(ami_port, ami_secret)
        self._child = Child(
            [*self._program(), "-C", str(self.folder / "etc" / "asterisk.conf"), "-f", "-n"],
            log=self.folder / "log" / "output",
            cwd=self.folder,
        )
        try:
            wait_until(lambda: self._signed_in(ami_port, ami_secret), f"Asterisk {self.role} to take connections", 60)
            if self.ami.event(lambda event: event["Event"] == "FullyBooted", 60) is None:
                raise PeerError(f"Asterisk {self.role} did not boot\n{tail(self.log)}")
        except BaseException:
            self.stop()
            raise

    def ask_to_end(self) -> None:
        """Ask it to end, so that several can end at once; `stop` must follow."""
        if self._child is not None:
            self._child.ask_to_end()

    def stop(self) -> None:
        """End it and remove its folder. Safe to call twice."""
        if self._ami is not None:
            self._ami.close()
            self._ami = None
        if self._child is not None:
            self._child.stop()
            self._child = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def cli(self, command: str) -> str:
        """The output of a command on Asterisk's own console."""
        done = self._run_cli(command)
        if done.returncode != 0:
            raise PeerError(f"Asterisk {self.role}: {command!r} failed: {done.stderr.strip()}")
        return done.stdout

    def __enter__(self) -> "Asterisk":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _signed_in(self, port: int, secret: str) -> bool:
        if self._child is not None:
            self._child.require_running()
        try:
            self._ami = Ami(port, "lab", secret)
        except OSError:
            return False
        return True

    def _program(self) -> list[str]:
        return ASTERISK.command(self._software, "usr/sbin/asterisk")

    def _run_cli(self, command: str) -> subprocess.CompletedProcess[str]:
        argv = [*self._program(), "-C", str(self.folder / "etc" / "asterisk.conf"), "-r", "-x", command]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30, stdin=subprocess.DEVNULL)

    def _configure(self, ami_port: int, ami_secret: str) -> None:
        for name in INSTANCE_FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._link_data()
        rtp, udptl = free_udp_range(MEDIA_PORTS), free_udp_range(MEDIA_PORTS)
        modules = next(self._software.glob("usr/lib/*/asterisk/modules"))
        values = self._settings | {
            "NAME": f"zrm-{self.role}",
            "INSTANCE": str(self.folder),
            "MODULES": str(modules),
            "SIP_PORT": str(self.sip_port),
            "AMI_PORT": str(ami_port),
            "AMI_SECRET": ami_secret,
            "RTP_FIRST": str(rtp[0]),
            "RTP_LAST": str(rtp[1]),
            "UDPTL_FIRST": str(udptl[0]),
            "UDPTL_LAST": str(udptl[1]),
        }
        for template in [*(TEMPLATES / "common").iterdir(), *(TEMPLATES / self.role).iterdir()]:
            text = _fill(template.read_text(encoding="utf-8"), values)
            (self.folder / "etc" / template.name).write_text(text, encoding="utf-8")

    def _link_data(self) -> None:
        shared = self._software / "usr" / "share" / "asterisk"
        (self.folder / "data" / "sounds").mkdir(parents=True, exist_ok=True)
        # Debian links the English sounds by its alternatives system, which an unpacked tree lacks.
        links = {
            "documentation": shared / "documentation",
            "sounds/en": shared / "sounds" / "en_US_f_Allison",
        }
        for name, target in links.items():
            link = self.folder / "data" / name
            if not link.is_symlink():
                link.symlink_to(target)


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Replace every @PLACE@; KeyError for one without a value."""
    return re.sub(r"@([A-Z_]+)@", lambda place: values[place[1]], template)
