"""What citizens wrote is readable by ZRM's own user only, also where the umask lets everybody read."""

from __future__ import annotations

import contextlib
import os
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.journeys.hub import Hub
from tests.lab.process import LOOPBACK, wait_until
from zrm.installation import load_config
from zrm.kit import file_permissions

OTHERS = {"spool": 0o711, "spool/fax": 0o770, "recordings": 0o770}
"""What fax and telephone servers share with us by a group of both, and the passage to it."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub whose answers by mail and by SMS become files, started with the umask 022."""
    sms = {"accounts": {"3000123": {"account_sid": f"AC{'0' * 32}", "auth_token": "a-token-of-tests"}}}
    with Hub(tmp_path, settings={"channels": {"sms": sms | {"folder": "outgoing/sms"}}}) as hub:
        yield hub


def test_nobody_else_on_the_machine_reads_what_is_kept(hub: Hub) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "citizen@example.org", hub.mailbox, "A broken bench"
    mail.set_content("Good day,\n\nit is in the park by the river; see the picture.\n")
    mail.add_attachment(bytes(200_000), maintype="application", subtype="octet-stream", filename="bench.raw")
    with smtplib.SMTP(LOOPBACK, hub.smtp_port) as server:
        server.send_message(mail)
    wait_until(lambda: list(hub.mail_folder.glob("*.eml")) != [], "the first word to be written", 60)
    assert list((hub.var / "blobs").glob("??/??/*")) != []
    found = [place for place in hub.var.rglob("*") if not place.is_symlink() and not place.is_socket()]
    places = {str(place.relative_to(hub.var)): place for place in found}
    open_places = {}
    for name, place in places.items():
        with contextlib.suppress(FileNotFoundError):  # a door's book, a socket: removed since it was listed
            if (mode := place.stat().st_mode) & 0o077:
                open_places[name] = mode & 0o777
    assert open_places == OTHERS


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_folder_has_its_mode_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        file_permissions.make(tmp_path / "var" / "prompts" / "fa", file_permissions.PUBLIC)
        file_permissions.make(tmp_path / "var", file_permissions.SHARED)
    finally:
        os.umask(before)
    made = [tmp_path / "var", tmp_path / "var" / "prompts", tmp_path / "var" / "prompts" / "fa"]
    assert [folder.stat().st_mode & 0o777 for folder in made] == [0o711, 0o711, 0o755], "what is there stays as it is"


def test_the_data_folder_shows_others_nothing(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text('organisation: {name: {fa: "مرکز", en: "Centre"}}\n', encoding="utf-8")
    data = load_config(config).data
    assert data.stat().st_mode & 0o777 == file_permissions.PASSAGE
    assert not file_permissions.open_to_others(data)
    data.chmod(0o755)
    assert file_permissions.open_to_others(data), "and zrm check says so of what lies below"
