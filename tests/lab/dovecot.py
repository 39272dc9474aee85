"""One private Dovecot with as many mailboxes as a test wants: IMAP (plain, STARTTLS, TLS), and LMTP for incoming mail.

It runs from the folder its packages were unpacked into, as one ordinary user: the tests' own, or `nobody` when the
tests run as root, because Dovecot reads no mail as root. Passwords and OAuth2 bearer tokens both open a mailbox.
"""

import os
import pwd
import shutil
import smtplib
import socket
import tempfile
from pathlib import Path
from types import TracebackType

from tests.lab.certificate import write_certificate
from tests.lab.peers import DOVECOT
from tests.lab.places import cache_folder
from tests.lab.process import LOOPBACK, Child, PeerError, free_port, tail, wait_until

PASSWORD = "a mailbox's password"

_CONFIG = """
base_dir = {run}
state_dir = {home}/state
libexec_dir = {software}/usr/lib/dovecot
mail_plugin_dir = {software}/usr/lib/dovecot/modules
auth_socket_path = {run}/auth-userdb
import_environment = TZ LD_LIBRARY_PATH={libraries}
log_path = {home}/log/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{home}/cert.pem
ssl_key = <{home}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login{mechanisms}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {home}/users
}}
{tokens}
userdb {{
  driver = static
  args = home={home}/mail/%u allow_all_users=yes
}}
mail_location = maildir:~/Maildir
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
default_login_user = {user}
default_internal_user = {user}
default_internal_group = {group}
mail_max_userip_connections = 50
mailbox_idle_check_interval = 1 secs
{capability}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  user = {user}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap {{
  user = {user}
}}
service auth {{
  user = {user}
}}
service auth-worker {{
  user = {user}
}}
service config {{
  user = {user}
}}
"""

_TOKENS = """
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {home}/oauth2.conf
}}
"""


class Dovecot:
    """A running Dovecot; use as a context manager. `introspection` is the URL that resolves bearer tokens to mailboxes.

    `stop` and `start` may be called in between: ports, mail and UIDs stay as they are.
    """

    def __init__(self, *mailboxes: str, introspection: str = "", idle: bool = True) -> None:
        self.mailboxes = mailboxes
        self.imap, self.imaps, self.lmtp = free_port(), free_port(), free_port()
        # A short, separate path, for the names of control sockets and for `_point_to_modules`.
        self.folder = Path(tempfile.mkdtemp(prefix="zrmdc-", dir="/tmp"))
        self._introspection = introspection
        self._idle = idle
        self._child: Child | None = None
        self._account: pwd.struct_passwd | None = None  # the user it runs as, if not ours

    @property
    def certificate(self) -> Path:
        """Its own authority, for `trust`."""
        return self.folder / "cert.pem"

    def __enter__(self) -> "Dovecot":
        self._write()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self) -> None:
        # A copy: the user `nobody` may be unable to read the cache folder, and the copy is changed.
        unused = shutil.ignore_patterns("perl*", "libperl*", "share")
        software = self.folder / "software"
        shutil.copytree(DOVECOT.folder(cache_folder()), software, symlinks=True, ignore=unused)
        _point_to_modules(software / "usr/lib/dovecot", self.folder / "m")
        account = pwd.getpwuid(os.geteuid())
        if account.pw_uid == 0:
            self._account = account = pwd.getpwnam("nobody")
        self._software = software
        for name in ("run", "state", "log", "mail"):
            (self.folder / name).mkdir()
        write_certificate(self.folder)
        (self.folder / "users").write_text("".join(f"{box}:{PASSWORD}\n" for box in self.mailboxes))
        (self.folder / "oauth2.conf").write_text(
            f"introspection_url = {self._introspection}\nintrospection_mode = post\nusername_attribute = email\n"
            "active_attribute = active\nactive_value = true\n"
        )
        libraries = DOVECOT.environment(software)
        self._environment = {**os.environ, **libraries}
        (self.folder / "dovecot.conf").write_text(
            _CONFIG.format(
                home=self.folder, run=self.folder / "run", software=software, libraries=libraries["LD_LIBRARY_PATH"],
                user=account.pw_name, group=_group_name(account.pw_gid), imap=self.imap, imaps=self.imaps, lmtp=self.lmtp,
                mechanisms=" xoauth2 oauthbearer" if self._introspection else "",
                tokens=_TOKENS.format(home=self.folder) if self._introspection else "",
                capability="" if self._idle else "imap_capability = IMAP4rev1 UIDPLUS STARTTLS AUTH=PLAIN",
            )
        )  # fmt: skip
        if self._account is not None:
            self.folder.chmod(0o755)
            for place in self.folder.rglob("*"):
                os.chown(place, account.pw_uid, account.pw_gid, follow_symlinks=False)

    def start(self) -> None:
        """Start it and wait until both doors answer."""
        config = str(self.folder / "dovecot.conf")
        # The master would read its configuration through /usr/bin/doveconf, which is missing here.
        reader = [str(self._software / "usr/bin/doveconf"), "-f", "service=master", "-c", config, "-m", "master", "-p"]
        argv = [*reader, "-e", str(self._software / "usr/sbin/dovecot"), "-F", "-c", config]
        self._child = Child(argv, log=self.folder / "start.log", env=self._environment, account=self._account)
        wait_until(self._ready, "Dovecot's doors")

    def stop(self) -> None:
        """End it; a client's connection breaks."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def _ready(self) -> bool:
        if self._child is None or not self._child.running():
            log = self.folder / "log" / "dovecot.log"
            raise PeerError(f"Dovecot ended\n{tail(self.folder / 'start.log')}\n{tail(log)}")
        return all(_answers(port) for port in (self.imap, self.lmtp))

    def deliver(self, mailbox: str, *messages: bytes, sender: str = "ali@example.com") -> None:
        """Put messages into a mailbox by LMTP, as a mail server would."""
        with smtplib.LMTP(LOOPBACK, self.lmtp) as client:
            for message in messages:
                client.sendmail(sender, [mailbox], message)

    def forget_uids(self, mailbox: str) -> None:
        """Change the mailbox's UIDVALIDITY, as after a restored backup. Only while it is stopped."""
        for place in (self.folder / "mail" / mailbox / "Maildir").glob("dovecot*"):
            if place.is_file():
                place.unlink()


def _point_to_modules(libraries: Path, link: Path) -> None:
    """Dovecot loads its TLS module from a path fixed in its library; replace that path by a link to ours."""
    link.symlink_to(libraries / "modules")
    fixed, ours = b"/usr/lib/dovecot/modules\0", str(link).encode() + b"\0"
    library = next(path for path in libraries.glob("libdovecot.so*") if not path.is_symlink())
    code = library.read_bytes()
    if fixed not in code or len(ours) > len(fixed):
        raise PeerError("this Dovecot looks for its modules in another way")
    library.write_bytes(code.replace(fixed, ours.ljust(len(fixed), b"\0")))


def _group_name(gid: int) -> str:
    import grp

    return grp.getgrgid(gid).gr_name


def _answers(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
