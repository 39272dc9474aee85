"""The command line says what is wrong in one line each, however it is run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import typer

from zrm import demonstration
from zrm.casestore.installation_id import claim_folder
from zrm.cli import cli
from zrm.installation import DATABASE_VARIABLE, REDIS_VARIABLE, SAMPLE_CONFIG
from zrm.kit.blobs import BlobStore
from zrm.kit.clock import now
from zrm.kit.db import Database
from zrm.kit.listening import handed_over, listen
from zrm.security.passwords import hash_password

CONFIG = """\
organisation: {name: {fa: "مرکز", en: "Centre"}}
channels: {voice_ivr: {port: %d}}
default_unit: %s
public_url: %s
"""

CHECKOUT = Path(__file__).parents[1]
HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, "-m", "zrm.cli", "--config", sys.argv[2], "web"])
"""
WORLD = "https://contact.example.org"


@pytest.fixture
def zrm(tmp_path: Path, database_url: str, redis_url: str) -> Zrm:
    """The command on this test's database."""
    return Zrm(tmp_path, {DATABASE_VARIABLE: database_url, REDIS_VARIABLE: redis_url})


class Zrm:
    """`zrm` with a configuration of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._file = folder / "config.yaml"
        self.environment = {**os.environ, **environment}

    def __call__(
        self, *words: str, port: int = 4573, unit: str = "contact-centre", url: str = "http://localhost:8000"
    ) -> subprocess.CompletedProcess[str]:
        self._file.write_text(CONFIG % (port, unit, url), encoding="utf-8")
        command = [sys.executable, "-m", "zrm.cli", "--config", str(self._file), *words]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)


def test_a_door_whose_port_is_taken_is_one_line(zrm: Zrm) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = zrm("listen", "voice_ivr", port=other.getsockname()[1])
    assert done.returncode == 2
    said = "config.yaml: channels.voice_ivr: cannot listen on its address (Address already in use)"
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_unit_nobody_knows_is_named_with_those_there_are(zrm: Zrm, database: Database) -> None:
    demonstration.seed(database)
    assert "default_unit" not in zrm("check").stdout
    done = zrm("check", unit="nowhere")
    assert done.returncode == 1
    assert (
        "- default_unit: no unit is called nowhere, so no case can be filed; expected one of: contact-centre, permits"
        in (done.stdout)
    )


def test_an_installation_in_which_nobody_looks_after_quarantine_is_told(zrm: Zrm, database: Database) -> None:
    assert "quarantine.handle" not in zrm("check").stdout
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM permissions WHERE permission = 'quarantine.handle'")
    done = zrm("check")
    assert done.returncode == 1
    assert "- agents: nobody has quarantine.handle everywhere" in done.stdout


def test_passwords_in_the_sources_are_named_once_the_desk_is_open_to_the_world(zrm: Zrm, database: Database) -> None:
    assert "published passwords" not in zrm("check").stdout
    assert "- agents: maryam, daniel, sara can sign in with the demonstration's" in zrm("check", url=WORLD).stdout
    with database.cursor() as cursor:
        cursor.execute("UPDATE agents SET active = false WHERE login = 'sara'")
        cursor.execute("UPDATE agents SET password_hash = %s WHERE login = 'maryam'", [hash_password("another one")])
    assert "- agents: daniel can sign in with the demonstration's" in zrm("check", url=WORLD).stdout


def test_a_month_in_the_default_partition_is_named_made_and_taken_off(zrm: Zrm, database: Database) -> None:
    last = (now().replace(day=1) - timedelta(days=1)).replace(day=15)
    month = f"{last:%Y-%m}"
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO raw_contacts (id, channel, account, kind, media_type, body, size, envelope, files, trace, received_at)"
            " VALUES (first_id_of(%s), 'sms', 'x', 'contact', 'text/plain', '', 0, '{}', '[]', '', %s)",
            [last, last],
        )
    assert f"- {month}: rows of raw_contacts lie in the default partition" in zrm("check").stdout
    refused = zrm("month", "detach", month)
    assert (refused.returncode, "1 contacts wait to be filed" in refused.stderr) == (2, True)
    assert "raw_contacts: 1 rows" in zrm("month", "make", month).stdout
    assert "default partition" not in zrm("check").stdout
    with database.cursor() as cursor:
        cursor.execute("UPDATE raw_contacts SET state = 'ignored'")
    done = zrm("month", "detach", month)
    assert (done.returncode, f"raw_contacts_{last:%Y_%m}" in done.stdout) == (0, True), done.stderr
    assert "0 contacts" in zrm("month", "forget", month).stdout
    again = zrm("month", "make", month)
    assert (again.returncode, "is not made again" in again.stderr) == (2, True)
    assert zrm("month", "detach", "2026-13").returncode == 2


def test_the_help_says_nothing_of_our_own_code() -> None:
    def helps(command: object) -> Iterator[str]:
        yield getattr(command, "help", None) or ""
        for one in getattr(command, "commands", {}).values():
            yield from helps(one)

    texts = list(helps(typer.main.get_command(cli)))
    assert len(texts) > 20
    assert all(texts[1:]), "every command says what it does"
    assert [text for text in texts if "Errors:" in text] == []


def test_a_worker_is_told_which_topics_there_are(zrm: Zrm) -> None:
    assert "'files' is not one of file, deliver, notify" in zrm("worker", "files").stderr


def test_check_writes_nothing(tmp_path: Path, database_url: str, redis_url: str) -> None:
    """Run as root on a fresh installation it would leave what the roles, as another user, cannot write."""
    (tmp_path / "config.yaml").write_text(
        SAMPLE_CONFIG.read_text("utf-8").replace("data_dir: var", "data_dir: new/var")
    )
    command = [sys.executable, "-m", "zrm.cli", "--config", str(tmp_path / "config.yaml"), "check"]
    stores = {DATABASE_VARIABLE: database_url, REDIS_VARIABLE: redis_url}
    for environment in ({**os.environ}, {**os.environ, **stores}):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 1
        assert (
            "no worker is alive" in done.stdout if DATABASE_VARIABLE in environment else "start `zrm up`" in done.stdout
        )
        assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_check_names_folders_that_cannot_be_written(zrm: Zrm, tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where the data folder should be")
    done = zrm("check")
    assert done.returncode == 1
    assert f"- data_dir: {tmp_path}/var/blobs cannot be written ({tmp_path}/var is no folder)" in done.stdout


@pytest.mark.timeout(300)
def test_every_role_refuses_a_folder_that_is_not_its_own(zrm: Zrm, database: Database, tmp_path: Path) -> None:
    claim_folder(database, BlobStore(tmp_path / "elsewhere" / "blobs"))
    for role in (["web"], ["listen", "voice_ivr"]):
        done = zrm(*role)
        assert done.returncode == 2, role
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert f"data_dir: {tmp_path}/var/blobs is not the folder in which this installation" in done.stderr
    assert "is not the folder in which" in zrm("check").stdout
    assert not (tmp_path / "var" / "blobs").exists()
    assert zrm("adopt").returncode == 0
    assert [path.name for path in (tmp_path / "var" / "blobs").iterdir()] == [".installation"]


def test_ctrl_c_while_everything_is_still_being_read_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)\n")
    # As a terminal starts it, whatever the tests were started by: in the background Ctrl-C is ignored.
    begin = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); runpy.run_module('zrm', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", begin, "--help"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGINT
    assert done.stderr == ""


def test_the_web_role_serves_on_the_socket_that_systemd_hands_over(tmp_path: Path, zrm: Zrm) -> None:
    """By LISTEN_FDS and LISTEN_PID, as sd_listen_fds(3) describes them; `web.port` then counts for nothing."""
    zrm("--help")  # writes the file
    with listen("127.0.0.1", 0)[0] as door:
        command = [sys.executable, "-c", HAND_OVER, str(door.fileno()), str(tmp_path / "config.yaml")]
        with subprocess.Popen(command, env=zrm.environment, pass_fds=[door.fileno()]) as role:
            try:
                answer = httpx.get(f"http://127.0.0.1:{door.getsockname()[1]}/healthz", trust_env=False, timeout=60)
            finally:
                role.terminate()
    assert answer.status_code == 200


def test_what_is_handed_to_another_process_is_not_ours() -> None:
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"}
    assert handed_over(environment) == []
    assert environment == {}
