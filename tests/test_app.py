"""The web role: health, readiness, metrics, and what is said when the store is away."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.lab.serving import serving
from zrm.app import build_app
from zrm.casestore import schema
from zrm.contract import RawContact, Receipt
from zrm.house import DATABASE_VARIABLE, REDIS_VARIABLE, OpenHouse, open_house, read_blueprint
from zrm.inbox.receive import Inbox

CONFIG = """\
organisation: {name: {fa: "مرکز", en: "Centre"}}
channels: {web: {}}
"""


@pytest.fixture
def house(tmp_path: Path, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenHouse]:
    """A house with the web door only, on this test's database."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    monkeypatch.setenv(DATABASE_VARIABLE, database_url)
    monkeypatch.setenv(REDIS_VARIABLE, redis_url)
    house = open_house("test", read_blueprint(path))
    yield house
    house.close()


@pytest.fixture
def client(house: OpenHouse) -> Iterator[httpx.Client]:
    with serving(build_app(house), lifespan="on") as address, httpx.Client(base_url=address) as client:
        yield client


def test_alive_and_ready_are_two_things(client: httpx.Client) -> None:
    assert client.get("/healthz").text == "ok\n"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["problems"] == ["no worker is alive; contacts are kept but not filed"]


@pytest.mark.parametrize(("language", "words"), [("fa", "اینجا چیزی نیست"), ("en", "There is nothing here")])
def test_a_mistyped_address_is_a_page_for_people_and_json_for_programs(
    client: httpx.Client, language: str, words: str
) -> None:
    answer = client.get("/nwe", headers={"Accept": "text/html,*/*", "Accept-Language": language})
    assert answer.status_code == 404
    assert f'lang="{language}"' in answer.text
    assert words in answer.text
    assert 'href="/"' in answer.text
    assert client.get("/nwe").json() == {"detail": "Not Found"}


def test_a_schema_this_code_does_not_know_is_not_ready(client: httpx.Client, house: OpenHouse) -> None:
    stale = "the database does not have the newest schema; run `zrm migrate`"
    with house.database.cursor() as cursor:
        cursor.execute("INSERT INTO alembic_version VALUES ('of another branch')")
    assert stale in client.get("/readyz").json()["problems"]
    with house.database.cursor() as cursor:
        cursor.execute("DELETE FROM alembic_version WHERE version_num <> 'of another branch'")
    assert stale in client.get("/readyz").json()["problems"]


@pytest.mark.filterwarnings("ignore:Revision nowhere:UserWarning")  # Alembic's own remark
def test_migrations_with_several_heads_are_a_problem_and_no_error(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("left", "right"):
        (folder / "versions" / f"{name}.py").write_text(f"revision = {name!r}\ndown_revision = None\n")
    monkeypatch.setattr(schema, "MIGRATIONS", folder)
    answer = client.get("/readyz")
    assert (answer.status_code, len(answer.json()["problems"])) == (503, 2)
    (folder / "versions" / "left.py").write_text("revision = 'left'\ndown_revision = 'nowhere'\n")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert any("migrations" in problem for problem in answer.json()["problems"])


def test_a_full_blob_folder_is_not_ready(client: httpx.Client, house: OpenHouse) -> None:
    house.blobs.root.parent.mkdir(parents=True, exist_ok=True)
    house.blobs.root.write_text("a file is in the way")
    assert any("blob folder" in problem for problem in client.get("/readyz").json()["problems"])


def test_metrics_count_every_channel_and_state(client: httpx.Client, house: OpenHouse) -> None:
    desk, inbox = house.desk()
    for number in range(3):
        desk.receive(RawContact("web", "portal", str(number), b"{}", "application/json"))
    inbox.close()
    answer = client.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    samples = {tuple(sorted(sample.labels.items())): sample.value for sample in families["zrm_contacts"].samples}
    assert samples[("channel", "web"), ("state", "waiting")] == 3
    assert families["zrm_outbox_tasks"].samples[0].value == 3
    assert families["zrm_stage_lag_seconds"].samples[0].labels == {"stage": "file"}
    assert {sample.labels["queue"] for sample in families["zrm_queue_jobs"].samples} == {
        "file",
        "deliver",
        "notify",
        "render",
        "fetch",
        "scan",
    }


def test_a_store_that_hangs_is_said_and_holds_nobody_up(
    client: httpx.Client, house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zrm.app._PATIENCE", 0.2)
    with house.database.connect() as elsewhere:
        elsewhere.execute("LOCK TABLE alembic_version, contact_counts IN ACCESS EXCLUSIVE MODE")
        for _ in range(3):
            answer = client.get("/readyz")
            assert (answer.status_code, answer.json()["ready"]) == (503, False)
            assert client.get("/metrics").status_code == 503
        waiting = elsewhere.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ).fetchone()
        assert waiting == (2,), "whoever asks again waits with the first, and takes no thread of its own"
    monkeypatch.undo()
    assert client.get("/metrics").status_code == 200
    assert client.get("/readyz").json()["problems"] == ["no worker is alive; contacts are kept but not filed"]


def test_the_house_refuses_what_it_cannot_hold(client: httpx.Client, house: OpenHouse) -> None:
    house.blobs.root.parent.mkdir(parents=True, exist_ok=True)
    house.blobs.root.write_text("no folder can be here")
    key = {"Idempotency-Key": "one"}
    small = client.post("/api/contacts", json={"text": "سلام"}, headers=key)
    assert small.status_code == 201
    large = client.post(
        "/api/contacts", json={"text": "سلام", "name": "x" * 70_000}, headers={"Idempotency-Key": "two"}
    )
    assert large.status_code in (413, 422, 400, 503), "refused in words, not with a 500"


def test_a_busy_door_is_led_to_straight_and_everything_else_as_ever(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(key: str) -> httpx.Response:
        return client.post("/api/contacts", json={"text": "The lights are out"}, headers={"Idempotency-Key": key})

    assert (send("1").status_code, send("1").status_code) == (201, 200)
    assert client.get("/new").status_code == 200
    assert client.delete("/api/contacts").status_code == 405
    assert client.post("/api/contacts/nowhere").status_code == 404

    async def away(*_: object) -> Receipt:
        raise psycopg.OperationalError("the server closed the connection")

    monkeypatch.setattr(Inbox, "take", away)
    answer = send("2")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")

    async def broken(*_: object) -> Receipt:
        raise LookupError("a bug")

    monkeypatch.setattr(Inbox, "take", broken)
    answer = send("3")
    assert answer.status_code == 500
    assert "Incident" in answer.text
    assert "a bug" not in answer.text
