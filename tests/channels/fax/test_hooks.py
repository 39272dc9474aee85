"""The hooks of the fax servers: run by a plain shell, by HylaFAX's own faxrcvd and by a real Asterisk."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

import zrm.channels.fax
from tests.channels.fax.faxes import fax
from tests.channels.sms.desk import KeepingDesk
from tests.channels.sms.hub import installation, serving
from tests.lab.fax import HylafaxSpool, write_fax
from tests.lab.process import free_port, wait_until
from tests.lab.telephony import Telephony
from zrm.channels.fax.channel import FaxChannel
from zrm.channels.fax.config import FaxConfig
from zrm.channels.fax.parse import BROKE_OFF, NO_PAGE, PAGES
from zrm.channels.fax.spool import FaxSpool
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.inbound import Ignored, Inbound

HOOKS = Path(zrm.channels.fax.__file__).parent / "hooks"
SECRET = "a-secret-of-the-hooks"
HOSTILE = (
    "@/etc/hostname",
    "<x;type=text/html",
    "$(touch pwned)`touch pwned`",
    "';touch pwned;'",
    '"}{"',
    "a\\",
    "-o pwned",
    "شهروند ۱۲",
)


@dataclass
class Machine:
    """A fax server's side: the hooks' settings, and what the hub and the spool got."""

    folder: Path
    desk: KeepingDesk
    channel: FaxChannel

    @property
    def spool(self) -> Path:
        assert self.channel.spool is not None
        return self.channel.spool

    @property
    def environment(self) -> dict[str, str]:
        return {"ZRM_FAX_CONF": str(self.folder / "hook.conf")}

    def settle(self, url: str, *, secret: str = SECRET) -> None:
        """Write the hooks' settings."""
        (self.folder / "secret").write_text(f"{secret}\n", encoding="ascii")
        (self.folder / "secret").chmod(0o600)
        lines = (f"ZRM_URL={url}", f"ZRM_TOKEN_FILE={self.folder / 'secret'}", f"ZRM_SPOOL={self.spool}")
        (self.folder / "hook.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def run(self, *argv: str, shell: str = "") -> subprocess.CompletedProcess[str]:
        """Run a hook with these arguments."""
        program = [shell, str(HOOKS / argv[0])] if shell else [str(HOOKS / argv[0])]
        return subprocess.run(
            [*program, *argv[1:]],
            cwd=self.folder,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def look(self) -> int:
        """Let the hub look into the spool once."""
        return FaxSpool(self.spool, self.desk, line="fax", max_bytes=10**7, orphan_seconds=600, keep_days=1).look(
            Event()
        )

    def read(self) -> list[Inbound | Ignored]:
        """What the hub understands of all it got."""
        found = [parsed for contact in self.desk.contacts for parsed in self.channel.parse(contact)]
        return [parsed for parsed in found if isinstance(parsed, Inbound | Ignored)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    channel = FaxChannel(FaxConfig(token=SECRET), installation(data_dir=str(tmp_path / "data")))
    made = Machine(tmp_path, KeepingDesk(), channel)
    made.spool.mkdir(parents=True)
    made.settle(f"http://127.0.0.1:{free_port()}")
    return made


@pytest.fixture
def hub(machine: Machine) -> Iterator[str]:
    with serving(machine.channel.routes(machine.desk)) as url:
        machine.settle(url)
        yield url


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.usefixtures("hub")
def test_fax_goes_to_the_hub(machine: Machine, shell: str) -> None:
    (machine.folder / "a;b,c.tif").write_bytes(fax())
    done = machine.run("hand-off", "a;b,c.tif", "source=hylafax", "call=42", "caller=021", shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.desk.contacts[0].body == fax()
    assert list(machine.spool.iterdir()) == []


@pytest.mark.usefixtures("hub")
def test_strangers_words_are_passed_literally(machine: Machine) -> None:
    for number, words in enumerate(HOSTILE):
        assert machine.run("hand-off", "", "source=hylafax", f"call={number}", f"name={words}").returncode == 0
    assert tuple(contact.envelope["name"] for contact in machine.desk.contacts) == HOSTILE
    assert not (machine.folder / "pwned").exists()


def test_strangers_words_survive_the_spool(machine: Machine) -> None:
    for number, words in enumerate(HOSTILE):
        assert machine.run("hand-off", "", "source=hylafax", f"call={number}", f"name={words}").returncode == 0
    assert machine.look() == len(HOSTILE)
    assert {contact.envelope["name"] for contact in machine.desk.contacts} == set(HOSTILE)
    assert not (machine.folder / "pwned").exists()


def test_hub_that_is_down_gets_the_fax_from_the_spool(machine: Machine) -> None:
    (machine.folder / "in.tif").write_bytes(fax())
    done = machine.run("hand-off", "in.tif", "source=hylafax", "call=42", "caller=02188776655", "called=150")
    assert done.returncode == 0
    assert "left in the spool" in done.stderr
    assert SECRET not in done.stderr
    tiff, note = sorted(machine.spool.iterdir(), key=lambda path: path.suffix, reverse=True)
    assert json.loads(note.read_text(encoding="utf-8")).items() >= {"call": "42", "file": "yes"}.items()
    assert (tiff.stat().st_mode & 0o777, note.stat().st_mode & 0o777) == (0o660, 0o660)
    assert machine.look() == 1
    (inbound,) = machine.read()
    assert isinstance(inbound, Inbound)
    assert inbound.senders == (Sender(PHONE, "02188776655"),)


def test_hub_that_has_it_already_makes_no_double_of_the_spools(machine: Machine, hub: str) -> None:
    (machine.folder / "in.tif").write_bytes(fax())
    call = ("hand-off", "in.tif", "source=hylafax", "call=42", "called=150", "error=x")
    assert machine.run(*call).returncode == 0
    machine.settle("")
    assert machine.run(*call).returncode == 0
    assert machine.look() == 1
    assert len(machine.desk.contacts) == 1


@pytest.mark.usefixtures("hub")
def test_wrong_secret_loses_nothing(machine: Machine) -> None:
    (machine.folder / "secret").write_text("another-secret-altogether\n", encoding="ascii")
    done = machine.run("hand-off", "", "source=hylafax", "call=42")
    assert done.returncode == 0
    assert "answered 401" in done.stderr
    assert machine.look() == 1


def test_when_nobody_takes_it_the_server_is_told(machine: Machine) -> None:
    machine.spool.rmdir()
    (machine.folder / "in.tif").write_bytes(fax())
    done = machine.run("hand-off", "in.tif", "source=hylafax", "call=42")
    assert done.returncode == 1
    assert "still in in.tif" in done.stderr


@pytest.mark.usefixtures("hub")
def test_asterisk_hook_knows_success_from_failure(machine: Machine) -> None:
    (machine.folder / "in.tif").write_bytes(fax(1))
    machine.run("asterisk-fax", "in.tif", "021", "150", "1700000000.1", "SUCCESS", "OK", "1")
    machine.run("asterisk-fax", "in.tif", "021", "150", "1700000000.2", "FAILED", "HANGUP", "0", "+98 21 1")
    machine.run("asterisk-fax", "none.tif", "021", "150", "1700000000.3", "FAILED", "HANGUP", "0")
    whole, broken, nothing = machine.read()
    assert isinstance(whole, Inbound)
    assert isinstance(broken, Inbound)
    assert whole.labels == frozenset()
    assert broken.labels == frozenset({"cut_short"})
    assert nothing == Ignored(NO_PAGE(words="HANGUP"))


@pytest.mark.peer("hylafax")
def test_real_faxrcvd_hands_over(machine: Machine, hub: str) -> None:
    spool = HylafaxSpool(machine.folder / "hylafax", HOOKS / "faxdispatch")
    tiff = write_fax(machine.folder / "letter.tif")
    whole = spool.receive(tiff, name="شهروند; @x", environment=machine.environment)
    assert whole.status == 0, whole.output
    assert spool.mail == ""
    broken = spool.receive(tiff, error="Missing EOL", caller="", environment=machine.environment)
    assert broken.status == 0, broken.output
    assert spool.receive(None, error="No carrier detected", environment=machine.environment).status == 0
    first, second, third = machine.read()
    assert isinstance(first, Inbound)
    assert isinstance(second, Inbound)
    assert first.description == (PAGES(num=2),)
    assert first.senders == (Sender(PHONE, "02188776655", "شهروند; @x"),)
    assert first.files[0].data == tiff.read_bytes()
    assert second.description == (PAGES(num=2), BROKE_OFF(error="Missing EOL"))
    assert third == Ignored(NO_PAGE(words="No carrier detected"))
    assert {contact.account for contact in machine.desk.contacts} == {"150"}


@pytest.mark.peer("hylafax")
def test_real_faxrcvd_tells_its_master_when_nobody_takes_it(machine: Machine) -> None:
    machine.spool.rmdir()
    spool = HylafaxSpool(machine.folder / "hylafax", HOOKS / "faxdispatch")
    assert spool.receive(write_fax(machine.folder / "a.tif"), environment=machine.environment).status == 0
    assert spool.mail != ""


@pytest.mark.peer("asterisk")
def test_real_asterisk_hands_over(machine: Machine, hub: str) -> None:
    # Asterisk's System() passes nothing but the arguments, so the hook is told its settings by a wrapper.
    settings = f"ZRM_FAX_CONF={machine.environment['ZRM_FAX_CONF']}"
    with Telephony(fax_hook=["env", settings, str(HOOKS / "asterisk-fax")]) as telephony:
        telephony.fax(write_fax(machine.folder / "letter.tif"), caller="02188776655").wait()
        wait_until(lambda: len(machine.desk.contacts) == 1, "the fax", 60)
        call = telephony.fax(write_fax(machine.folder / "letter.tif", pages=1), caller="02188776655")
        call.hangup()
        wait_until(lambda: len(machine.desk.contacts) == 2, "the broken call", 60)
    whole, nothing = machine.read()
    assert isinstance(whole, Inbound)
    assert whole.description == (PAGES(num=2),)
    assert whole.senders == (Sender(PHONE, "02188776655"),)
    assert isinstance(nothing, Ignored)
    assert nothing.reason.code == NO_PAGE.code  # the words depend on how far the call had come
