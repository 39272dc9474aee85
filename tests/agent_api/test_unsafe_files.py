"""A file with a virus is not given out in passing, and a mail's pictures are shown as far as the agent wants them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.agent_api.conftest import Browser
from tests.casework.installation import file_case
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.kit.ids import new_id

SignIn = Callable[[str], Browser]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def attach(database: Database, blobs: BlobStore, contact_id: object, data: bytes, **columns: str) -> str:
    key, size = blobs.put(data)
    values = {
        "role": "attachment",
        "name": "a.png",
        "media_type": "image/png",
        "content_id": "",
        "scan": "",
        "threat": "",
    }
    values |= columns
    file_id = new_id()
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO attachments (id, contact_id, role, name, media_type, size, blob_key, content_id, scan, threat)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [file_id, contact_id, values["role"], values["name"], values["media_type"], size, key,
             values["content_id"], values["scan"], values["threat"]],
        )  # fmt: skip
    return str(file_id)


@pytest.mark.parametrize(("scan", "threat", "said"), [("infected", "Eicar", "Eicar"), ("waiting", "", "not yet")])
def test_the_deliberate_step(
    sign_in: SignIn, database: Database, blobs: BlobStore, scan: str, threat: str, said: str
) -> None:
    case = file_case(database)
    file_id = attach(database, blobs, case.contact_id, PNG, scan=scan, threat=threat)
    browser = sign_in("daniel")
    page = browser.get(f"/desk/cases/{case.id}").text
    assert said in page
    assert f'href="/desk/files/{file_id}"' in page
    for query in ("", "?save"):
        warning = browser.get(f"/desk/files/{file_id}{query}")
        assert warning.status_code == 409
        assert PNG not in warning.content
        assert threat in warning.text
    original = browser.get(f"/desk/contacts/{case.contact_id}/original")
    assert original.status_code == 409, "the virus is in the original too"
    assert browser.get(f"/desk/contacts/{case.contact_id}/original?text").status_code == 200
    saved = browser.post(f"/desk/files/{file_id}")
    assert saved.content == PNG
    assert saved.headers["content-disposition"].startswith("attachment;")
    assert saved.headers["content-type"] == "application/octet-stream"
    assert browser.post(f"/desk/contacts/{case.contact_id}/original").content == b"Since Monday."
    assert browser.get(f"/desk/cases/{case.id}").text.count("despite the virus warning") == 2
    assert browser.client.post(f"/desk/files/{file_id}").status_code == 403, "not without the form's token"
    outsider = sign_in("sara")
    assert outsider.get(f"/desk/files/{file_id}").status_code == 404
    assert outsider.post(f"/desk/files/{file_id}").status_code == 404
    assert outsider.post(f"/desk/contacts/{case.contact_id}/original").status_code == 404


def test_the_warning_in_persian(sign_in: SignIn, database: Database, blobs: BlobStore) -> None:
    case = file_case(database)
    file_id = attach(database, blobs, case.contact_id, PNG, scan="infected", threat="Eicar")
    browser = sign_in("maryam")
    assert "ویروس: Eicar" in browser.get(f"/desk/cases/{case.id}").text
    warning = browser.get(f"/desk/files/{file_id}").text
    assert "این فایل را باز نکنید" in warning
    assert "با این همه ذخیره شود" in warning
    browser.post(f"/desk/files/{file_id}")
    assert "با وجود هشدار ویروس" in browser.get(f"/desk/cases/{case.id}").text


def test_a_clean_file_is_given_out_as_ever(sign_in: SignIn, database: Database, blobs: BlobStore) -> None:
    case = file_case(database)
    file_id = attach(database, blobs, case.contact_id, PNG, scan="clean")
    browser = sign_in("daniel")
    assert browser.get(f"/desk/files/{file_id}").content == PNG
    assert browser.post(f"/desk/files/{file_id}").content == PNG
    assert "virus" not in browser.get(f"/desk/cases/{case.id}").text


def test_the_mails_own_pictures_are_shown_in_their_place_and_named_below(
    sign_in: SignIn, database: Database, blobs: BlobStore
) -> None:
    html = '<p>Look: <img src="cid:hole@mail"><img src="cid:bad@mail"><img src="cid:none@mail"></p>'
    case = file_case(database, html=html)
    attach(database, blobs, case.contact_id, PNG, role="inline", name="hole.png", content_id="hole@mail")
    attach(database, blobs, case.contact_id, PNG, role="inline", content_id="bad@mail", scan="infected", threat="x")
    browser = sign_in("daniel")
    shown = browser.get(f"/desk/contacts/{case.contact_id}/html").text
    assert shown.count('src="data:image/png;base64,iVBORw0KGgo') == 1
    assert "cid:" not in shown
    assert "hole.png" in browser.get(f"/desk/cases/{case.id}").text, "no file is hidden"


def test_pictures_from_elsewhere_are_loaded_only_for_who_asks(sign_in: SignIn, database: Database) -> None:
    case = file_case(database, html='<img src="https://spy.example/p.gif" onerror="x()"><script>x()</script>')
    plain = file_case(database, html="<p>x</p>")
    browser = sign_in("daniel")
    assert "?pictures" in browser.get(f"/desk/cases/{case.id}").text
    assert "?pictures" not in browser.get(f"/desk/cases/{plain.id}").text
    quiet = browser.get(f"/desk/contacts/{case.contact_id}/html")
    assert "spy.example" not in quiet.text
    assert "https:" not in quiet.headers["content-security-policy"]
    asked = browser.get(f"/desk/contacts/{case.contact_id}/html?pictures")
    assert 'src="https://spy.example/p.gif"' in asked.text
    assert "script" not in asked.text
    assert "onerror" not in asked.text
    policy = asked.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none';")
    assert "img-src data: https: http:;" in policy
    assert asked.headers["referrer-policy"] == "no-referrer"
