"""Pictures that came with a mail stand where its HTML names them.

Field: tmail-flutter#363, #364, freescout#3616 (a picture marked as attachment), chatwoot#11948 (without a disposition).
"""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.email.corpus import Mail
from tests.channels.email.test_parse import understand
from zrm.channels.email.pictures import Picture, put_in_place
from zrm.contract.files import InboundFile

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def mail(source: str, head: str, kind: str = "related") -> Mail:
    return Mail(
        f"From: A <a@people.example>\r\nSubject: picture\r\nMIME-Version: 1.0\r\nContent-Type: multipart/{kind}; boundary=rr\r\n\r\n"
        f"--rr\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>See</p><img {source}><p>end</p>\r\n--rr\r\n{head}\r\n"
        f"Content-Transfer-Encoding: base64\r\n\r\n{base64.b64encode(PNG).decode()}\r\n--rr--\r\n".encode()
    )


NAMED = 'Content-Type: image/png; name="image001.png"'


@pytest.mark.parametrize(
    ("source", "head"),
    [
        ('src="cid:i@p"', 'Content-Type: image/png; name="i.png"\r\nContent-Disposition: attachment; filename="i.png"\r\nContent-ID: <i@p>'),
        ('src="cid:i@p"', "Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=i.png\r\nContent-ID: <i@p>"),
        ('src="cid:I@P"', "Content-Type: image/png\r\nContent-ID: <i@p>"),
        ('SRC = "CID:i%40p"', "Content-Type: image/png\r\nContent-ID: i@p"),
        ("src='cid:i@p'", "Content-Type: image/png\r\nContent-ID: <i@p>"),
        ("src=cid:i@p", "Content-Type: image/png\r\nContent-ID: <i@p>"),
        ('alt="a" src=" cid:i@p"', "Content-Type: image/jpg\r\nContent-ID: <i@p>"),
        ('src="cid:i 1@p"', "Content-Type: image/png\r\nContent-ID: <i 1@p>"),
        ('src="cid:image001.png"', f"{NAMED}\r\nContent-ID: <image001.png@01DC.5F>"),
        ('src="cid:image001.png"', NAMED),
        ('src="image001.png"', NAMED),
        ('src="i@p"', "Content-Type: image/png\r\nContent-ID: <i@p>"),
        ('src="cid:i@p"', "Content-Type: image/png\r\nContent-ID: < i@p >"),
        ('src="./mail_files/image001.png"', NAMED),
        ('src="file:///C:/Temp/image001.png"', 'Content-Type: image/png; name="C:\\Temp\\image001.png"'),
        ('src="http://x.example/a.png"', "Content-Type: image/png\r\nContent-Location: http://x.example/a.png"),
        ('src="pics/a.png"', "Content-Type: image/png\r\nContent-Location: pics/a.png"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["related", "mixed"])
def test_a_picture_is_found_by_whatever_the_page_calls_it(source: str, head: str, kind: str) -> None:
    found = understand(mail(source, head, kind))
    (file,) = found.files
    assert (file.role, file.data, file.media_type) == ("inline", PNG, "image/png")
    assert f"cid:{file.content_id}" in found.html
    assert found.html.count("cid:") == 1


@pytest.mark.parametrize(
    "source",
    ['src="https://x.example/image001.png"', 'data-src="image001.png"', 'src="other.png"', 'src="cid:other@p"', ""],
)
def test_a_picture_from_elsewhere_is_none_of_the_mails_own(source: str) -> None:
    found = understand(mail(source, f"{NAMED}\r\nContent-Disposition: attachment\r\nContent-ID: <i@p>"))
    assert found.files[0].role == "attachment"
    assert f"<img {source}>" in found.html, "the page stays as it was written"


def test_two_pictures_of_one_name_and_a_program_called_a_picture() -> None:
    files = [InboundFile("image.png", "image/png", b"x", content_id=identity) for identity in ("a@x", "b@x")]
    pictures = [Picture(0, "a@x", "", "image.png"), Picture(1, "b@x", "", "image.png")]
    html = put_in_place('<img src="cid:b@x"><img src="image.png">', files, pictures)
    assert html == '<img src="cid:b@x"><img src="cid:a@x">'
    program = mail('src="cid:i@p"', "Content-Type: image/png\r\nContent-ID: <i@p>").body
    program = program.replace(
        base64.b64encode(PNG),
        base64.b64encode(b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0L\x01" + bytes(99)),
    )
    (file,) = understand(Mail(program)).files
    assert (file.role, file.media_type) == ("attachment", "application/x-dosexec")


@given(
    st.lists(
        st.sampled_from(["<img ", "src", "=", '"', "'", "cid:", "i@p", ">", "<", " ", "a.png", "%40"]), max_size=30
    ).map("".join)
)
def test_any_page_keeps_its_words(html: str) -> None:
    files = [InboundFile("a.png", "image/png", b"x", content_id="i@p")]
    shown = put_in_place(html, files, [Picture(0, "i@p", "", "a.png")])
    assert shown.count("<") == html.count("<")


def test_a_page_of_open_brackets_takes_one_pass() -> None:
    html = "<img src=" * 200_000
    assert put_in_place(html, [], [Picture(0, "i@p", "", "a.png")]) == html
