"""The disk under the blob store fills up: an honest refusal at every door, the sender keeps the message, others are served."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.channels.fax.faxes import fax
from tests.faults.conftest import Opening, SmallInstallation, open_installation
from tests.faults.reckoning import heal, hold_to_truth
from tests.journeys.hub import Hub
from tests.lab.mailer import Attachment, compose, send
from tests.lab.process import wait_until
from tests.lab.small_disk import small_device

pytestmark = pytest.mark.peer("small-disk")
BIG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 24_000  # six megabytes on a device of four


@pytest.fixture(scope="module")
def opening(tmp_path_factory: pytest.TempPathFactory) -> Opening:
    """A hub whose blob store lies on a small device."""

    @contextmanager
    def opening() -> Iterator[SmallInstallation]:
        folder = tmp_path_factory.mktemp("full")
        with small_device(folder / "var" / "blobs"), open_installation(folder) as installation:
            yield installation

    return opening


def fill(hub: Hub) -> Path:
    """Leave not one byte of room; the file that takes it."""
    path = hub.var / "blobs" / ".filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    return path


def test_every_door_refuses_what_it_cannot_keep_and_takes_it_later(installation: SmallInstallation) -> None:
    hub = installation.hub
    photo = Attachment("photo.jpg", "image/jpeg", BIG[:200_000])
    mail = compose(subject="x", text="with a photo", sender="full@example.org", to=hub.mailbox, attachments=[photo])
    call = {"source": "hylafax", "call": "full-1", "caller": "+982188880000", "status": "SUCCESS", "pages": "1"}
    page = fax(12, compression=None)
    assert len(page) > 64 * 1024

    def post_fax(client: httpx.Client) -> int:
        headers = {"Authorization": f"Bearer {hub.fax_token}"}
        files = {"file": ("a.tif", page, "image/tiff")}
        return client.post("/hooks/fax", data=call, files=files, headers=headers).status_code

    filler = fill(hub)
    with httpx.Client(base_url=hub.web, timeout=60, trust_env=False) as client:
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            send(hub.smtp_port, mail, sender="full@example.org", recipients=[hub.mailbox])
        assert (refusal.value.smtp_code, refusal.value.smtp_error[:5]) == (452, b"4.3.1")
        assert post_fax(client) == 503
        assert client.get("/readyz").status_code == 503, "an operator is told"
        # A neighbour who needs no room there is served.
        small = compose(subject="x", text="short", sender="small@example.org", to=hub.mailbox)
        assert send(hub.smtp_port, small, sender="small@example.org", recipients=[hub.mailbox]) == {}
        taken = client.post("/api/contacts", json={"text": "short"}, headers={"Idempotency-Key": "small"})
        assert taken.status_code == 201
        filler.unlink()
        assert send(hub.smtp_port, mail, sender="full@example.org", recipients=[hub.mailbox]) == {}
        assert post_fax(client) == 200
    heal(hub)
    came = "SELECT count(*) FROM contacts WHERE direction = 'in' AND address = ANY(%s)"
    assert hub.ask(came, ["full@example.org", "small@example.org", "+982188880000"]) == [(3,)]
    hold_to_truth(hub, sink=installation.sink)


def test_a_mail_that_is_received_but_whose_files_find_no_room_waits(installation: SmallInstallation) -> None:
    """Small enough for the row, but its attachment goes to the blob store when it is filed."""
    hub = installation.hub
    note = Attachment("note.txt", "text/plain", b"see attached" * 100)
    mail = compose(subject="x", text="with a note", sender="waits@example.org", to=hub.mailbox, attachments=[note])
    filler = fill(hub)
    assert send(hub.smtp_port, mail, sender="waits@example.org", recipients=[hub.mailbox]) == {}
    neighbour = compose(subject="x", text="short", sender="next@example.org", to=hub.mailbox)
    assert send(hub.smtp_port, neighbour, sender="next@example.org", recipients=[hub.mailbox]) == {}
    filed = "SELECT count(*) FROM contacts WHERE direction = 'in' AND address = %s"
    wait_until(lambda: hub.ask(filed, "next@example.org") == [(1,)], "the neighbour to be filed", 60)
    put_off = "SELECT count(*) FROM outbox WHERE topic = 'file' AND error = 'StoreFull'"
    wait_until(lambda: hub.ask(put_off) == [(1,)], "the other to be put off", 60)
    filler.unlink()
    heal(hub)
    assert hub.ask(filed, "waits@example.org") == [(1,)]
    hold_to_truth(hub, sink=installation.sink)
