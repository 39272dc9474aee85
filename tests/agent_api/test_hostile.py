"""Whatever is thrown at the desk, it answers in words: never a 500, and never with somebody else's case."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agent_api.conftest import Browser, RunningDesk
from tests.casework.installation import file_case
from zrm.kit.db import Database
from zrm.kit.ids import new_id

SignIn = Callable[[str], Browser]
STEPS = ("claim", "release", "reopen", "close", "note", "classify", "reply", "assign", "preference", "nonsense")
FIELDS = (
    "version", "route", "title", "text", "note", "result", "to", "subject", "nature", "decision", "reason", "from",
    "language", "channel", "kind", "unit", "name_fa", "name_en", "text_fa", "text_en", "now", "new", "repeated",
)  # fmt: skip
HOSTILE = [
    "", " ", "\x00", "\ud7ff\uffff", "0" * 5000, "-1", "9" * 40, "1e309", "NaN", "٣", "%", "%s%n", "{0.__class__}",
    "{name", "}{", "' OR 1=1 --", "../../etc/passwd", "<script>", "agent:", "unit:x", "agent:\x00", "\u202eabc", "a\nb",
]  # fmt: skip
ids = st.one_of(
    st.builds(lambda: str(new_id())),
    st.sampled_from(
        ["x", "0", "00000000-0000-0000-0000-000000000000", "{urn:uuid:00000000-0000-0000-0000-000000000000}"]
    ),
    st.text(min_size=1, max_size=40).map(lambda text: quote(text, safe="")),
)
words = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60), st.builds(lambda: f"unit:{new_id()}"))
forms = st.dictionaries(st.sampled_from(FIELDS), words, max_size=6)
patient = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
marks = [
    "x", "_", "2026-01-01T00:00:00Z_", "9999-12-31T23:59:59.999999Z_00000000-0000-0000-0000-000000000000",
    "0001-01-01T00:00:00Z_00000000-0000-0000-0000-000000000000", "2026-01-01_00000000-0000-0000-0000-000000000000",
    "0001-01-01T00:00:00+23:59_00000000-0000-0000-0000-000000000000", "9" * 300, "%00",
]  # fmt: skip


@pytest.mark.parametrize("mark", marks)
def test_a_place_in_a_list(sign_in: SignIn, mark: str) -> None:
    assert sign_in("daniel").get(f"/desk/queue/open?after={quote(mark)}").status_code in (200, 404)


@pytest.mark.parametrize("since", ["nan", "inf", "-inf", "x", "9" * 400, ""])
def test_a_moment_of_the_live_events(desk: RunningDesk, sign_in: SignIn, since: str) -> None:
    browser = sign_in("daniel")
    with browser.client.stream("GET", f"/desk/events?since={since}", headers={"Last-Event-ID": since}) as answer:
        assert answer.status_code == 200
        assert next(answer.iter_bytes()).startswith(b"retry:")


def test_addresses(sign_in: SignIn, database: Database) -> None:
    browser = sign_in("daniel")
    case = file_case(database)
    pages = (
        "/desk/cases/{}", "/desk/cases/{}/templates", "/desk/files/{}", "/desk/contacts/{}/html",
        "/desk/contacts/{}/original", "/desk/contacts/{}/original?text", "/desk/queue/{}", "/desk/search?q={}",
        "/desk/templates/{}", f"/desk/cases/{case.id}?template={{}}", f"/desk/cases/{case.id}?done={{}}",
    )  # fmt: skip

    @patient
    @given(page=st.sampled_from(pages), identifier=ids)
    def ask(page: str, identifier: str) -> None:
        assert browser.client.get(page.format(identifier)).status_code in (200, 303, 307, 404)

    ask()


def test_forms(sign_in: SignIn, database: Database) -> None:
    browser = sign_in("daniel")
    case = file_case(database)
    browser.get(f"/desk/cases/{case.id}")
    targets = [f"/desk/cases/{case.id}/{step}" for step in STEPS]
    targets += [f"/desk/cases/{case.id}/relations/{{}}", "/desk/quarantine/{}/ignore", "/desk/quarantine/{}/replay"]
    targets += [
        "/desk/quarantine/{}/x",
        "/desk/failed-deliveries/deliveries/{}/again",
        "/desk/failed-deliveries/deliveries/{}/by",
    ]
    targets += [
        "/desk/failed-deliveries/tasks/{}/replay",
        "/desk/failed-deliveries/jobs/file/{}/requeue",
        "/desk/notifications/{}/read",
    ]
    targets += ["/desk/preferences", "/desk/templates", "/desk/templates/{}", "/desk/settings/password"]

    @patient
    @given(target=st.sampled_from(targets), identifier=ids, form=forms)
    def send(target: str, identifier: str, form: dict[str, str]) -> None:
        data = {key: value.encode("utf-8", "surrogatepass") for key, value in form.items()}
        answer = browser.client.post(target.format(identifier), data={"csrf_token": browser.csrf, **data})
        assert answer.status_code in (303, 307, 403, 404, 405, 409, 413, 422, 429), (target, form)

    send()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"--", b"--b\r\n", b"--b\r\n\r\n\r\n--b--", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\n\xff\xfe\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="\xff"\r\nContent-Type: \xff\r\n\r\nx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="x"\r\n' + b"A: b\r\n" * 5000,
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=b", "multipart/form-data", "multipart/form-data; boundary="]
)
def test_a_body_in_parts(sign_in: SignIn, database: Database, body: bytes, kind: str) -> None:
    case = file_case(database)
    browser = sign_in("daniel")
    headers = {"X-CSRF-Token": browser.csrf, "Content-Type": kind}
    answer = browser.client.post(f"/desk/cases/{case.id}/reply", content=body, headers=headers)
    assert answer.status_code in (404, 409, 422)
