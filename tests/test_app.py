"""The web role: health, readiness, metrics, and what is said when the store is away."""

from __future__ import annotations

import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
from fastapi import Request, Response
from prometheus_client.parser import text_string_to_metric_families

from tests.agent_api.conftest import PASSWORDS, submit
from tests.lab import axe
from tests.lab.process import free_port, wait_until
from tests.lab.serving import serving
from zrm.casestore import heartbeat, outbox, schema
from zrm.casestore.heartbeat import Heartbeat
from zrm.casestore.outbox import Topic
from zrm.channels.web.proof import ProveMatter
from zrm.channels.web.track import FollowMatter
from zrm.contract.inbound import RawContact, Receipt
from zrm.demonstration import DEMO_AGENTS
from zrm.http.app import build_app
from zrm.http.fallback_errors import again_href
from zrm.inbox.receive import Inbox
from zrm.installation import DATABASE_VARIABLE, REDIS_VARIABLE, Runtime, load_config, open_runtime
from zrm.kit.ids import new_id
from zrm.ui import headers as security
from zrm.ui.pages import AssetMissing, Pages

if TYPE_CHECKING:
    from tests.lab.browser import LabBrowser, Size
    from zrm.languages import Language

CONFIG = """\
organisation: {name: {fa: "مرکز", en: "Centre"}}
channels: {web: {}}
"""


@pytest.fixture
def installation(
    tmp_path: Path, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Runtime]:
    """An installation with the web door only, on this test's database."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    monkeypatch.setenv(DATABASE_VARIABLE, database_url)
    monkeypatch.setenv(REDIS_VARIABLE, redis_url)
    installation = open_runtime("test", load_config(path))
    yield installation
    installation.close()


@pytest.fixture
def client(installation: Runtime) -> Iterator[httpx.Client]:
    with serving(build_app(installation), lifespan="on") as address, httpx.Client(base_url=address) as client:
        yield client


NOBODY = [
    "the relay gives no heartbeat; contacts are kept but not filed",
    "no worker is alive; contacts are kept but not filed",
]
"""What is said of an installation in which nothing but the web role runs."""


def test_a_installation_without_roles_keeps_contacts_and_says_what_is_missing(
    client: httpx.Client, installation: Runtime
) -> None:
    assert client.get("/healthz").text == "ok\n"
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "problems": [], "degraded": NOBODY})
    with Heartbeat(installation.database, "relay"), Heartbeat(installation.database, "worker", list(Topic)):
        wait_until(lambda: client.get("/readyz").json()["degraded"] == [], "heartbeats", 20)


def test_a_queue_that_is_away_leaves_the_installation_ready(installation: Runtime) -> None:
    away = replace(installation, redis_url=f"redis://127.0.0.1:{free_port()}")
    with serving(build_app(away), lifespan="on") as address:
        answer = httpx.get(f"{address}/readyz")
        assert answer.status_code == 200
        assert "Redis or Valkey does not answer; contacts are kept but not filed" in answer.json()["degraded"]
        key = {"Idempotency-Key": "one"}
        assert httpx.post(f"{address}/api/contacts", json={"text": "سلام"}, headers=key).status_code == 201


def test_a_queue_that_hangs_is_said_and_waited_for_no_longer_than_a_moment(installation: Runtime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes whoever comes and says nothing
        hanging = replace(installation, redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}")
        with serving(build_app(hanging), lifespan="on") as address:
            answer = httpx.get(f"{address}/readyz", timeout=20)
    assert (answer.status_code, answer.json()["problems"]) == (200, [])
    assert "Redis or Valkey hangs; contacts are kept but not filed" in answer.json()["degraded"]


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


# After a bug the web server hangs up: who asks once more comes anew.
PERSON = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Connection": "close"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SPEAKS = [
    ("fa", {"Accept-Language": "fa-IR,en;q=0.5"}, ""),
    ("en", {"Accept-Language": "de, en;q=0.7, fa;q=0.3"}, ""),
    ("en", {"Accept-Language": "fa", "Cookie": "zrm_language=en"}, ""),
    ("fa", {"Accept-Language": "en", "Cookie": "zrm_language=en"}, "?lang=fa"),
    ("fa", {"Accept-Language": "de", "Cookie": "zrm_language=xx"}, ""),
]


@pytest.fixture
def misfortunes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page /track, the form of it and /proof/… meet an accident of the kind their query's `kind` names; asked for first."""

    async def meet(_site: object, request: Request) -> Response:
        if request.query_params.get("kind") == "away":
            raise psycopg.OperationalError("the server closed the connection")
        raise LookupError("a bug")

    monkeypatch.setattr(FollowMatter, "ask", meet)
    monkeypatch.setattr(FollowMatter, "show", meet)
    monkeypatch.setattr(ProveMatter, "proof", meet)


@pytest.mark.parametrize(("language", "headers", "query"), SPEAKS)
def test_a_last_resort_speaks_the_readers_language(
    misfortunes: None, client: httpx.Client, language: str, headers: dict[str, str], query: str
) -> None:
    words = {
        404: {"fa": "اینجا چیزی نیست", "en": "There is nothing here"},
        500: {"fa": "خطایی در سامانهٔ ما رخ داد", "en": "Something went wrong on our side"},
        503: {"fa": "اکنون نمی‌توانیم پاسخ دهیم", "en": "We cannot answer at the moment"},
    }
    for status, path in ((404, "/nwe?"), (500, "/track?kind=bug&"), (503, "/track?kind=away&")):
        answer = client.get(path + query.removeprefix("?"), headers={**PERSON, **headers})
        assert answer.status_code == status
        assert f'<html lang="{language}" dir="{"rtl" if language == "fa" else "ltr"}"' in answer.text
        assert words[status][language] in answer.text
        assert {name: answer.headers[name] for name in security.PAGE} == security.PAGE


def test_a_bug_has_a_number_for_the_reader_and_the_log(
    misfortunes: None, client: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    page = client.get("/track?kind=bug", headers=PERSON).text
    found = re.search(r'<b class="z-ltr">([0-9a-f]{16})</b>', page)
    assert found is not None
    assert f'"incident": "{found[1]}"' in capsys.readouterr().err
    assert "a bug" not in page


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/new", "application/x-www-form-urlencoded"),
        ("/track", "application/x-www-form-urlencoded"),
        ("/api/contacts", "application/json"),
        ("/desk/sign-in", "application/x-www-form-urlencoded"),
        ("/desk/sign-in", "multipart/form-data; boundary=b"),
    ],
)
def test_a_client_that_leaves_in_the_middle_of_its_form_is_no_bug(
    client: httpx.Client, capsys: pytest.CaptureFixture[str], path: str, kind: str
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nIdempotency-Key: k\r\nContent-Length: 99\r\n\r\na=b"
    with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as line:
        line.sendall(head.encode())
        time.sleep(0.2)
    assert client.get("/healthz").status_code == 200
    assert '"level": "error"' not in capsys.readouterr().err


def test_a_path_of_nothing_but_digits_is_a_line_in_the_log_like_any_other(
    misfortunes: None, client: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was looked through again from each of its digits, on the event loop: nobody was served for a minute."""
    for digit in ("1", "%DB%B1"):
        answer = client.get("/proof/" + digit * (60_000 // len(digit)) + "?kind=away", headers=PERSON)
        assert answer.status_code == 503
    told = capsys.readouterr().err
    assert told.count('"store is away"') == 2
    assert "1" * 20 not in told


@pytest.mark.parametrize(
    ("method", "headers", "again"),
    [
        ("GET", {}, "/track?kind=away&amp;x=%C3%A9"),
        ("POST", {**FORM, "Referer": "{here}/track?lang=en"}, "/track?lang=en"),
        ("POST", {**FORM, "Referer": "https://elsewhere.example/track"}, "/"),
        ("POST", {**FORM, "Referer": "http://[oops"}, None),
        ("POST", FORM, "/"),
    ],
)
def test_who_finds_the_store_away_is_led_to_try_again(
    misfortunes: None, client: httpx.Client, method: str, headers: dict[str, str], again: str | None
) -> None:
    here = str(client.base_url).rstrip("/")
    told = {name: value.format(here=here) for name, value in headers.items()}
    answer = client.request(method, "/track?kind=away&x=%C3%A9", headers={**PERSON, **told})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    if again is None:
        assert answer.headers["content-type"].startswith("text/plain"), "nonsense cannot make it fail"
    else:
        assert f'href="{again}">' in answer.text


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_programs_are_told_plainly(misfortunes: None, client: httpx.Client, accept: str) -> None:
    for kind, status in (("bug", 500), ("away", 503)):
        for method, headers in (("GET", {}), ("POST", FORM)):
            answer = client.request(method, f"/track?kind={kind}", headers={**PERSON, "Accept": accept, **headers})
            assert (answer.status_code, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    sent = client.post("/nwe", json={}, headers=PERSON)
    assert (sent.status_code, sent.json()) == (404, {"detail": "Not Found"}), "no form: no person waits for a page"


def test_an_error_page_that_cannot_be_drawn_is_plain_words(
    misfortunes: None, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> str:
        raise AssetMissing("the assets are not built")

    monkeypatch.setattr(Pages, "render", broken)
    answer = client.get("/track?kind=bug", headers=PERSON)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/plain; charset=utf-8")
    assert "Incident: " in answer.text
    assert client.get("/track?kind=away", headers=PERSON).headers["Retry-After"] == "5"
    assert client.get("/nwe", headers=PERSON).json() == {"detail": "Not Found"}


def test_a_path_that_looks_like_a_host_is_not_led_to() -> None:
    scope = {"type": "http", "method": "GET", "path": "//evil.example/x", "query_string": b"", "headers": [], "server": ("h", 80), "scheme": "http"}  # fmt: skip
    assert again_href(Request(scope)) == "/"


@pytest.mark.peer("browser")
@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("language", ["fa", "en"])
def test_error_pages_are_accessible_and_fit(
    misfortunes: None, browser: LabBrowser, client: httpx.Client, language: Language, size: Size
) -> None:
    page = browser.page(language, size)
    for path in ("nwe", "track?kind=bug", "track?kind=away"):
        page.goto(f"{client.base_url}/{path}")
        assert axe.faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    page.context.close()


def test_an_older_schema_is_not_ready(client: httpx.Client, installation: Runtime) -> None:
    with installation.database.cursor() as cursor:
        cursor.execute("DELETE FROM alembic_version")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["problems"] == ["the database does not have the newest schema; run `zrm migrate`"]
    with installation.database.cursor() as cursor:  # as a trial before the first release left it
        cursor.execute("INSERT INTO alembic_version VALUES ('2026_11_28_trigrams')")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["problems"] == [schema.NO_WAY]


NEWER = "the database has a newer schema than this version of ZRM knows"
IN_THE_WAY = [
    "ALTER TABLE receipts ADD COLUMN promised text NOT NULL",
    "ALTER TABLE raw_contacts RENAME COLUMN media_type TO kind_of_body",
    "ALTER TABLE outbox ADD CHECK (topic <> 'file')",
    "ALTER TABLE receipts DROP COLUMN content",
    "DROP TABLE outbox",
]


@pytest.mark.parametrize("another", ["INSERT INTO alembic_version VALUES ('newer')", "UPDATE alembic_version SET version_num = 'newer'"])  # fmt: skip
def test_a_newer_schema_in_which_contacts_are_kept_is_ready(
    client: httpx.Client, installation: Runtime, another: str
) -> None:
    """While a new version comes to one node after the other, the balancer must not take the rest of them away."""
    with installation.database.cursor() as cursor:
        cursor.execute(another.encode())
        cursor.execute("ALTER TABLE receipts ADD COLUMN promised text NOT NULL DEFAULT ''")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["problems"]) == (200, [])
    assert answer.json()["degraded"] == [f"{NEWER}; install the newer version here too", *NOBODY]
    with installation.database.cursor() as cursor:
        left = (
            "SELECT (SELECT count(*) FROM receipts), (SELECT count(*) FROM raw_contacts), (SELECT count(*) FROM outbox)"
        )
        assert cursor.execute(left).fetchone() == (0, 0, 0), "what was tried is not there"


@pytest.mark.parametrize("change", IN_THE_WAY)
def test_a_newer_schema_in_which_nothing_can_be_kept_is_not_ready(
    client: httpx.Client, installation: Runtime, change: str
) -> None:
    with installation.database.cursor() as cursor:
        cursor.execute("UPDATE alembic_version SET version_num = 'newer'")
        cursor.execute(change.encode())
    answer = client.get("/readyz")
    assert answer.status_code == 503
    (problem,) = answer.json()["problems"]
    assert problem.startswith(f"{NEWER}, and keeps no contact of this one (")


def test_a_database_that_takes_no_contact_is_not_ready(client: httpx.Client, installation: Runtime) -> None:
    """Such as the one of two that only follows, or one whose disk is full."""
    with installation.database.cursor() as cursor:
        cursor.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE disk_full; END$$")
        cursor.execute("CREATE TRIGGER refuse BEFORE INSERT ON receipts EXECUTE FUNCTION refuse()")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["problems"]) == (503, ["PostgreSQL keeps no contact (53100 DiskFull)"])
    with installation.database.cursor() as cursor:
        cursor.execute("DROP TRIGGER refuse ON receipts")
        cursor.execute("CREATE RULE nothing AS ON INSERT TO receipts DO INSTEAD NOTHING")
    assert client.get("/readyz").status_code == 503
    with installation.database.cursor() as cursor:
        cursor.execute("DROP RULE nothing ON receipts")
    assert client.get("/readyz").status_code == 200
    with installation.database.connect(autocommit=True) as boss:
        boss.execute("DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END$$")  # fmt: skip
        boss.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["problems"] == ["PostgreSQL keeps no contact (25006 ReadOnlySqlTransaction)"]


def test_readiness_does_not_stand_behind_the_citizens(
    client: httpx.Client, installation: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zrm.http.operations._PATIENCE", 10)
    with ExitStack() as stack:
        for _ in range(24):
            stack.enter_context(installation.database.cursor())
        assert client.get("/readyz").status_code == 200


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
    assert (answer.status_code, len(answer.json()["problems"])) == (503, 1)
    (folder / "versions" / "left.py").write_text("revision = 'left'\ndown_revision = 'nowhere'\n")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert any("migrations" in problem for problem in answer.json()["problems"])


def test_a_full_blob_folder_is_not_ready(client: httpx.Client, installation: Runtime) -> None:
    installation.blobs.root.parent.mkdir(parents=True, exist_ok=True)
    installation.blobs.root.write_text("a file is in the way")
    assert any(str(installation.blobs.root) in problem for problem in client.get("/readyz").json()["problems"])


def test_metrics_count_every_channel_and_state(client: httpx.Client, installation: Runtime) -> None:
    desk, inbox = installation.desk()
    for number in range(3):
        desk.reception.receive(RawContact("web", "portal", str(number), b"{}", "application/json"))
    inbox.close()
    with installation.database.cursor() as cursor:
        cursor.execute("INSERT INTO door_answers VALUES (uuidv7(), 'x', 'fax', now())")
    answer = client.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    samples = {tuple(sorted(sample.labels.items())): sample.value for sample in families["zrm_contacts"].samples}
    assert samples[("channel", "web"), ("state", "waiting")] == 3
    unkept = families["zrm_answers_unkept"].samples
    assert [(sample.labels, sample.value) for sample in unkept] == [({"channel": "fax"}, 1)]
    assert families["zrm_outbox_tasks"].samples[0].value == 3
    assert families["zrm_stage_lag_seconds"].samples[0].labels == {"stage": "file"}
    assert {sample.labels["queue"] for sample in families["zrm_queue_jobs"].samples} == {
        "file",
        "deliver",
        "notify",
        "render",
        "fetch",
        "status",
        "scan",
    }


def test_what_an_agent_takes_down_is_in_the_doors_book(client: httpx.Client, installation: Runtime) -> None:
    """The desk confirms a contact as any door does, so the ledger must be able to miss it."""
    assert submit(client, "daniel", PASSWORDS["daniel"]).status_code == 303
    form = client.get("/desk/new-contact").text
    fields = {
        name: found[1]
        for name in ("csrf_token", "form_id")
        if (found := re.search(rf'name="{name}" value="([^"]+)"', form))
    }
    answer = client.post("/desk/new-contact", data={**fields, "channel": "letter", "text": "The lamp is dark"})
    receipt = answer.headers["location"].rpartition("/")[2]

    def noted() -> bool:
        with installation.database.cursor() as cursor:
            cursor.execute("SELECT contact_id::text, channel FROM door_answers")
            return cursor.fetchall() == [(receipt, "letter")]

    wait_until(noted, "the door's book to be written")


def test_a_store_that_hangs_is_said_and_holds_nobody_up(
    client: httpx.Client, installation: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zrm.http.operations._PATIENCE", 0.2)
    with installation.database.connect() as elsewhere:
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
    assert client.get("/readyz").json() == {"ready": True, "problems": [], "degraded": NOBODY}


def test_heartbeats_that_cannot_be_read_leave_the_installation_ready(
    client: httpx.Client, installation: Runtime
) -> None:
    with installation.database.connect() as elsewhere:
        elsewhere.execute("LOCK TABLE heartbeats IN ACCESS EXCLUSIVE MODE")
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["problems"]) == (200, [])
    assert answer.json()["degraded"] == ["PostgreSQL hangs; whether the roles are alive is not known"]
    with installation.database.cursor() as cursor:
        cursor.execute("DROP TABLE heartbeats")
    wait_until(lambda: client.get("/readyz").json()["degraded"] != answer.json()["degraded"], "the lock to go", 20)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["degraded"] == ["whether the roles are alive cannot be read (UndefinedTable)"]


def test_metrics_tell_of_roles_and_of_what_waits(client: httpx.Client, installation: Runtime) -> None:
    with installation.database.cursor() as cursor:
        heartbeat.beat(cursor, new_id(), "relay")
        heartbeat.beat(cursor, new_id(), "worker", [Topic.FILE])
        cursor.execute("UPDATE heartbeats SET at = now() - interval '100 s' WHERE role = 'relay'")
        outbox.add(cursor, Topic.FILE, [(new_id(), "trace")])
        cursor.execute("UPDATE outbox SET due_at = now() - interval '200 s'")
    families = {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}
    alive = {sample.labels["role"]: sample.value for sample in families["zrm_roles_alive"].samples}
    assert alive == {"relay": 0, "worker": 1}
    silent = {sample.labels["role"]: sample.value for sample in families["zrm_role_silent_seconds"].samples}
    assert silent["relay"] >= 100 > silent["worker"]
    waiting = {sample.labels["stage"]: sample.value for sample in families["zrm_oldest_waiting_seconds"].samples}
    assert waiting.pop("file") >= 200
    assert set(waiting.values()) == {0}


def test_the_installation_refuses_what_it_cannot_hold(client: httpx.Client, installation: Runtime) -> None:
    installation.blobs.root.parent.mkdir(parents=True, exist_ok=True)
    installation.blobs.root.write_text("no folder can be here")
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


@pytest.mark.parametrize(("accepted", "encoding"), [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("identity", None)])
def test_pages_and_files_are_compressed_as_the_browser_can_read_them(
    client: httpx.Client, accepted: str, encoding: str | None
) -> None:
    page = client.get("/", headers={"Accept-Encoding": accepted, "Accept": "text/html"})
    sheet = re.search(r'href="(/static/portal-[^"]+\.css)"', page.text)
    assert sheet is not None
    file = client.get(sheet[1], headers={"Accept-Encoding": accepted})
    assert (page.headers.get("content-encoding"), file.headers.get("content-encoding")) == (encoding, encoding)
    assert file.headers["content-type"].startswith("text/css")
    assert "immutable" in file.headers["cache-control"]
    assert file.headers["vary"] == "Accept-Encoding"
    assert ".z-portal" in file.text
    assert client.get("/static/../../../http/app.py", headers={"Accept-Encoding": accepted}).status_code == 404


def test_an_open_desk_hears_at_once_and_its_pages_share_no_secret(client: httpx.Client) -> None:
    """Events are not gathered for compression. No two pages show the same letters for the token that guards forms (BREACH)."""
    login = next(agent for agent in DEMO_AGENTS if agent.login == "daniel")
    token = re.search(r'name="token" value="([^"]+)"', client.get("/desk/sign-in").text)
    assert token is not None
    client.post("/desk/sign-in", data={"token": token[1], "login": login.login, "password": login.password})
    shown = [re.findall(r'data-csrf="([^"]+)"', client.get("/desk/settings").text) for _ in range(2)]
    assert shown[0] != shown[1]
    for (one,) in shown:
        assert client.post("/desk/notifications/read", data={"csrf_token": one}).status_code == 303
    for wrong in ("", "AA==", shown[0][0][:-4] + "AAA=", "é", "x" * 5000):
        assert client.post("/desk/notifications/read", data={"csrf_token": wrong}).status_code == 403
    with client.stream("GET", "/desk/events", headers={"Accept-Encoding": "br, gzip"}) as stream:
        assert "content-encoding" not in stream.headers
        assert next(stream.iter_text()).startswith("retry:")
