"""One private Postfix in front of the hub: accepts mail by SMTP, delivers ours by LMTP, sends the rest to a sink.

It runs from the folder its packages were unpacked into, as root, because its master changes users itself; its mail
owner is one of Debian's own unused accounts. Deferred mail is tried again within seconds.
"""

import os
import shutil
import smtplib
import tempfile
from pathlib import Path
from types import TracebackType

from tests.lab.peers import POSTFIX
from tests.lab.places import cache_folder
from tests.lab.process import LOOPBACK, Child, PeerError, free_port, tail, wait_until

_OWNER, _DROP_GROUP = "games", "operator"

_MAIN = """
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
daemon_directory = {software}/usr/lib/postfix/sbin
command_directory = {software}/usr/sbin
shlib_directory = {software}/usr/lib/postfix
meta_directory = {home}/etc
import_environment = MAIL_CONFIG LD_LIBRARY_PATH={libraries}
mail_owner = {owner}
setgid_group = {group}
myhostname = relay.example.net
mydestination =
local_recipient_maps =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relay_domains = example.org
relay_transport = lmtp:inet:127.0.0.1:{lmtp}
default_transport = {onwards}
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
message_size_limit = 80000000
recipient_delimiter = +
disable_dns_lookups = yes
maillog_file = {home}/mail.log
maillog_file_prefixes = {home}
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
"""

_MASTER = """
127.0.0.1:{smtp} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """A running Postfix; use as a context manager. `lmtp` is the hub's door, `sink` the port all other mail goes to."""

    def __init__(self, lmtp: int, sink: int | None = None) -> None:
        self.smtp = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="zrm-postfix-", dir="/tmp"))
        self._software = POSTFIX.folder(cache_folder())
        self._lmtp = lmtp
        self._onwards = f"smtp:[127.0.0.1]:{sink}" if sink is not None else "error:only loopback"
        self._child: Child | None = None

    @property
    def log(self) -> Path:
        """Postfix's mail log."""
        return self.folder / "mail.log"

    def __enter__(self) -> "Postfix":
        software = POSTFIX.environment(self._software)
        self._write(software["LD_LIBRARY_PATH"])
        environment = {**os.environ, **software, "MAIL_CONFIG": str(self.folder / "etc")}
        argv = [*POSTFIX.command(self._software, "usr/lib/postfix/sbin/master"), "-d", "-c", str(self.folder / "etc")]
        self._child = Child(argv, log=self.folder / "start.log", env=environment)
        wait_until(self._ready, "Postfix's door")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            self._child.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, libraries: str) -> None:
        self.folder.chmod(0o755)
        for name in ("etc", "data", "spool", "spool/pid"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", _OWNER)
        for name in (
            "active",
            "bounce",
            "corrupt",
            "defer",
            "deferred",
            "flush",
            "hold",
            "incoming",
            "private",
            "saved",
            "trace",
        ):
            place = self.folder / "spool" / name
            place.mkdir(mode=0o700)
            shutil.chown(place, _OWNER)
        for name, mode in (("maildrop", 0o730), ("public", 0o710)):
            place = self.folder / "spool" / name
            place.mkdir()
            place.chmod(mode)
            shutil.chown(place, _OWNER, _DROP_GROUP)
        settings = {
            "home": self.folder,
            "software": self._software,
            "libraries": libraries,
            "lmtp": self._lmtp,
            "smtp": self.smtp,
        }
        main = _MAIN.format(**settings, owner=_OWNER, group=_DROP_GROUP, onwards=self._onwards)
        (self.folder / "etc" / "main.cf").write_text(main)
        (self.folder / "etc" / "master.cf").write_text(_MASTER.format(smtp=self.smtp))

    def _ready(self) -> bool:
        if self._child is None or not self._child.running():
            raise PeerError(f"Postfix ended\n{tail(self.folder / 'start.log')}\n{tail(self.log)}")
        try:
            with smtplib.SMTP(LOOPBACK, self.smtp, timeout=5):
                return True
        except (OSError, smtplib.SMTPException):
            return False

    def waiting(self) -> int:
        """The number of messages in its queue."""
        spool = self.folder / "spool"
        return sum(
            1 for name in ("incoming", "active", "deferred") for place in (spool / name).rglob("*") if place.is_file()
        )
