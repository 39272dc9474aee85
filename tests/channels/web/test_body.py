"""Reading posted forms byte by byte: whatever the network cuts and whoever sends, the same form or a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from zrm.channels.web.body import BadForm, Limits, read_form

# What a form says: its fields, its files (name, media type, bytes, whether too large), whether it is too large itself.
Told = tuple[dict[str, list[str]], list[tuple[str, str, bytes, bool]], bool]

LIMITS = Limits(total=2_000_000, file=1_000_000)
TYPE = "multipart/form-data; boundary=B"
DELIMITER = b"\r\n--B"


def told(chunks: Iterable[bytes], content_type: str = TYPE, limits: Limits = LIMITS) -> Told:
    """What is read of a body that arrives in these chunks. Errors: as read_form."""
    arriving = iter(chunks)

    async def receive() -> Message:
        chunk = next(arriving, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    headers = [(b"content-type", content_type.encode("latin-1"))]

    async def read() -> Told:
        posted = await read_form(Request({"type": "http", "headers": headers}, receive), limits)
        try:
            files = [(file.name, file.media_type, file.file.read(), file.too_large) for file in posted.uploads]
            return posted.fields, files, posted.too_large
        finally:
            posted.close()

    return asyncio.run(read())


def told_or_refused(chunks: Iterable[bytes]) -> Told | None:
    """As `told`; None for what is no form."""
    try:
        return told(chunks)
    except BadForm:
        return None


def cut(body: bytes, *places: int) -> list[bytes]:
    """The body in pieces, cut at these places."""
    marks = [0, *sorted(place for place in places if 0 < place < len(body)), len(body)]
    return [body[start:end] for start, end in pairwise(marks)]


def bytewise(body: bytes) -> list[bytes]:
    """The body one byte at a time."""
    return cut(body, *range(len(body)))


def part(disposition: str | bytes, content: bytes, *more: str) -> bytes:
    """One part with its delimiter in front; `more` are further header lines."""
    head = disposition.encode() if isinstance(disposition, str) else disposition
    lines = [b"Content-Disposition: form-data; " + head, *(line.encode() for line in more)]
    return b"--B\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """A whole body."""
    return b"".join(parts) + b"--B--\r\n"


FULL = form(
    part('name="nature"', b"report"),
    part('name="text"', "چراغ\r\n--\r\n--خاموش است.\r\n\r\n".encode()),
    part('name="website"', b""),
    part('name="files"; filename="عکس.jpg"', b"\xff\xd8\r\n--\r\r\n--C\r\n-", "Content-Type: image/jpeg"),
    part('name="files"; filename=""', b"", "Content-Type: application/octet-stream"),
    part('name="kept"', b"one"),
    part('name="kept"', b"two"),
)
FULL_TOLD: Told = (
    {"nature": ["report"], "text": ["چراغ\r\n--\r\n--خاموش است.\r\n\r\n"], "website": [""], "kept": ["one", "two"]},
    [("عکس.jpg", "image/jpeg", b"\xff\xd8\r\n--\r\r\n--C\r\n-", False)],
    False,
)


def test_a_form_says_the_same_wherever_the_network_cuts_it() -> None:
    assert told([FULL]) == FULL_TOLD
    assert told(bytewise(FULL)) == FULL_TOLD
    for place in range(len(FULL)):
        assert told(cut(FULL, place)) == FULL_TOLD, place


def test_a_form_that_ends_early_is_refused_wherever_it_ends() -> None:
    for end in range(1, FULL.rindex(b"--\r\n") + 2):
        with pytest.raises(BadForm):
            told([FULL[:end]])


CRUMB = st.sampled_from([b"\r", b"\n", b"-", b"--", b"B", b"\r\n--", b"x", b"\x00"])
CRUMBS = st.lists(CRUMB, max_size=12).map(b"".join)


@given(st.lists(CRUMBS.filter(lambda data: DELIMITER not in data + b"\r\n"), max_size=4), st.data())
def test_content_that_looks_like_a_boundary_arrives_as_it_was_sent(contents: list[bytes], data: st.DataObject) -> None:
    body = form(*(part(f'name="f"; filename="{n}"', content) for n, content in enumerate(contents)))
    places = data.draw(st.lists(st.integers(0, len(body)), max_size=8))
    read = [(name, content) for name, _, content, _ in told(cut(body, *places))[1]]
    assert read == [(str(n), content) for n, content in enumerate(contents)]


@given(st.data())
def test_a_damaged_form_is_refused_or_says_the_same_however_it_is_cut(data: st.DataObject) -> None:
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(FULL))] * 2)))
    damaged = FULL[:start] + data.draw(st.binary(max_size=6) | CRUMBS) + FULL[end:]
    places = data.draw(st.lists(st.integers(0, len(damaged)), max_size=8))
    whole, pieces = told_or_refused([damaged]), told_or_refused(cut(damaged, *places))
    assert whole is None or pieces is None or whole == pieces


@given(st.lists(st.binary(max_size=40) | CRUMBS, max_size=6))
def test_rubbish_is_a_form_or_none_and_nothing_else(chunks: list[bytes]) -> None:
    told_or_refused([*chunks, FULL])
    told_or_refused([b"--B\r\n", *chunks, FULL])
    told_or_refused([b'--B\r\nContent-Disposition: form-data; name="a"', *chunks, FULL])


@pytest.mark.parametrize("split", [lambda body: [body], bytewise], ids=["whole", "bytewise"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"--B\nContent-Disposition: form-data; name=\"a\"\n\nx\n--B--\n", id="line feeds only"),
        pytest.param(b"--B\r\nContent-Disposition: form-data; name=\"a\"\n\nx\r\n--B--\r\n", id="line feeds in a head"),
        pytest.param(b"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx--B--\r\n", id="no line end before the boundary"),
        pytest.param(b"--BContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--B--\r\n", id="no line end after the boundary"),
        pytest.param(b"--B\r\nContent-Disposition: form-data; name=\"a\"\r\nx\r\n--B--\r\n", id="no end of the head"),
        pytest.param(form(part('name="a"', b"x\r\n--Bx")), id="a line that only begins with the boundary"),
        pytest.param(form(b"--B\r\nContent-Type: text/plain\r\n\r\nx\r\n"), id="no disposition"),
        pytest.param(form(b"--B\r\n\r\nx\r\n"), id="no head"),
        pytest.param(form(part('filename="a"', b"x")), id="no name"),
        pytest.param(form(part('name=""', b"x")), id="an empty name"),
        pytest.param(form(part('name="a"', b"x", ": x")), id="a header without a name"),
        pytest.param(form(part('name="a"', b"x", "no colon")), id="a header without a colon"),
        pytest.param(form(part('name="a"', b"x", *["X: y"] * 20)), id="many headers"),
        pytest.param(form(part('name="a"', b"x", "X: " + "y" * 5000)), id="a long header"),
        pytest.param(form(part('name="' + "a" * 5000 + '"', b"x")), id="a long name"),
        pytest.param(b"--B\r\n" + b"y" * 10_000, id="a head without an end"),
        pytest.param(form(*[part('name="a"', b"")] * 101), id="many parts"),
        pytest.param(b"--B", id="only a boundary"),
        pytest.param(b"\r\n" * 1000, id="only empty lines"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_refused_in_one_piece_and_in_many(
    body: bytes, split: Callable[[bytes], Sequence[bytes]]
) -> None:
    with pytest.raises(BadForm):
        told(split(body))


def test_a_flood_of_headers_is_refused_before_it_ends() -> None:
    taken = 0

    def flood() -> Iterable[bytes]:
        nonlocal taken
        yield b"--B\r\n"
        while taken < 1000:
            taken += 1
            yield b"X" * 1000

    with pytest.raises(BadForm):
        told(flood())
    assert taken < 10


def test_what_stands_before_the_first_and_after_the_last_boundary_is_left_aside() -> None:
    body = b"for old mail programs\r\n" + FULL + b"and more\r\n--B\r\nX"
    assert told([body]) == told(bytewise(body)) == FULL_TOLD


@pytest.mark.parametrize("split", [lambda body: [body], bytewise], ids=["whole", "bytewise"])
def test_a_form_without_parts_is_an_empty_form(split: Callable[[bytes], Sequence[bytes]]) -> None:
    assert told(split(form())) == ({}, [], False)


@pytest.mark.parametrize(
    ("boundary", "read"),
    [
        ("b" * 200, True),
        ("b" * 300, False),
        ("", False),
        ('""', False),
        ('"a b:c=d"', True),
        ("----WebKitFormBoundary7MA4YWxkTrZu0gW", True),
        ("----geckoformboundary1a2b", True),
    ],
)
def test_boundaries(boundary: str, read: bool) -> None:
    body = FULL.replace(b"--B", b"--" + boundary.strip('"').encode())
    if read:
        assert told([body], f"multipart/form-data; boundary={boundary}") == FULL_TOLD
    else:
        with pytest.raises(BadForm):
            told([body], f"multipart/form-data; boundary={boundary}")


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        pytest.param('filename="گزارش نهایی.pdf"'.encode(), "گزارش نهایی.pdf", id="utf-8"),
        pytest.param('filename="Grüße.pdf"'.encode("latin-1"), "Grüße.pdf", id="latin-1"),
        pytest.param(b'filename="the %22new%22 plan.pdf"', 'the "new" plan.pdf', id="a browser's quote"),
        pytest.param(b'filename="two%0D%0Alines.pdf"', "two lines.pdf", id="a browser's line end"),
        pytest.param(b'filename="100%.pdf"', "100%.pdf", id="a percent sign is itself"),
        pytest.param(b'filename="%D8%A7.pdf"', "%D8%A7.pdf", id="nothing else is decoded"),
        pytest.param(b'filename="the \\"new\\" plan.pdf"', 'the "new" plan.pdf', id="an old browser's quote"),
        pytest.param(b'filename="a;b=c.pdf"', "a;b=c.pdf", id="a semicolon"),
        pytest.param(b'filename="C:\\Users\\Sara\\plan.pdf"', "plan.pdf", id="a Windows path"),
        pytest.param(b'filename="\\\\server\\share\\plan.pdf"', "plan.pdf", id="a Windows share"),
        pytest.param(b"filename=plan.pdf", "plan.pdf", id="without quotes"),
        pytest.param(b"filename=\"plan.pdf\"; filename*=UTF-8''other.exe", "plan.pdf", id="filename* is ignored"),
        pytest.param(b'FileName="plan.pdf"; size=3', "plan.pdf", id="other letters, other words"),
    ],
)
def test_the_names_of_files_are_read_as_browsers_write_them(disposition: bytes, name: str) -> None:
    body = form(part(b'name="files"; ' + disposition, b"x"))
    for chunks in ([body], bytewise(body)):
        assert [file[0] for file in told(chunks)[1]] == [name]


def test_a_file_over_its_limit_says_so_and_the_rest_is_read() -> None:
    large = part('name="files"; filename="film.mp4"', b"x" * 5000)
    body = form(part('name="text"', b"before"), large, part('name="files"; filename="a.txt"', b"a"))
    expected = (
        {"text": ["before"]},
        [
            ("film.mp4", "application/octet-stream", b"", True),
            ("a.txt", "application/octet-stream", b"a", False),
        ],
        False,
    )
    for chunks in ([body], bytewise(body)):
        assert told(chunks, limits=Limits(total=10_000, file=4999)) == expected


def test_of_a_form_over_its_limit_the_fields_before_the_excess_stay_and_no_file() -> None:
    fields = part('name="text"', b"before") + part('name="files"; filename="a.txt"', b"a")
    body = form(fields, part('name="late"', b"x" * 5000))
    limits = Limits(total=len(fields) + 1000, file=1000)
    assert told(cut(body, len(fields) + 100), limits=limits) == ({"text": ["before"]}, [], True)
    assert told(bytewise(body), limits=limits) == ({"text": ["before"]}, [], True)


def test_of_fields_over_their_limit_those_before_the_excess_stay() -> None:
    body = form(part('name="text"', b"before"), part('name="long"', b"x" * 1_000_001), part('name="late"', b"after"))
    for chunks in ([body], cut(body, 100, 500_000, 1_000_050), cut(body, *range(0, len(body), 4096))):
        assert told(chunks) == ({"text": ["before"]}, [], True)


def test_what_is_sent_on_and_on_is_hung_up_on() -> None:
    taken = 0

    def endless() -> Iterable[bytes]:
        nonlocal taken
        yield part('name="text"', b"before") + part('name="late"', b"").removesuffix(b"\r\n")
        while True:
            taken += 1
            yield b"x" * 1000

    assert told(endless(), limits=Limits(total=10_000, file=1000)) == ({"text": ["before"]}, [], True)
    assert taken < 50
