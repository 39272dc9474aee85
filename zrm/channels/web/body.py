"""Reading a posted form while it arrives: limits hold from the first byte, files go to temporary files, never to memory.

An over-large request is read to its end (within reason) and thrown away, because a browser that is cut off in the
middle of sending shows "connection reset" instead of our answer. Fields that came before the excess are still there,
so the page with the explanation also holds what was typed.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from tempfile import SpooledTemporaryFile
from typing import Final
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from zrm.channels.web.entry import clean_file_name, clean_media_type
from zrm.errors import StoreFull

_MEMORY_PER_FILE: Final = 256 * 1024
_MAX_FIELDS: Final = 100
_MAX_FIELD_BYTES: Final = 1_000_000  # all fields together; text is limited more tightly, in characters, later
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# The headers of a form's parts are the same few each time: read once, for they were a fifth of reading a form.
_part_header: Final = lru_cache(maxsize=256)(parse_options_header)
_PATIENCE: Final = 4  # how many times the limit is read and thrown away before we hang up


class BadForm(Exception):
    """The body is not a form: cut off, malformed, empty, or with absurdly many fields."""


class WrongType(Exception):
    """The body is not of a type a form can have."""


@dataclass
class Upload:
    """One file of a posted form, `size` in bytes. `too_large`: it passed the limit for one file, `file` is empty."""

    name: str
    media_type: str
    file: SpooledTemporaryFile[bytes]
    size: int = 0
    too_large: bool = False


@dataclass
class Posted:
    """A form as it came. `too_large`: the whole passed its limit; only the fields before the excess are here."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)
    too_large: bool = False

    def one(self, name: str) -> str:
        """The first value of a field, or an empty text."""
        return next(iter(self.fields.get(name, ())), "")

    def close(self) -> None:
        """Let the temporary files go."""
        for upload in self.uploads:
            upload.file.close()


@dataclass(frozen=True, slots=True)
class Limits:
    """The most a request and a single file in it may hold, in bytes."""

    total: int
    file: int


async def read_form(request: Request, limits: Limits) -> Posted:
    """The posted form. Errors: BadForm, WrongType, StoreFull; Starlette's ClientDisconnect. The caller closes it."""
    posted = Posted()
    received = 0
    try:
        sink = _sink_for(request.headers.get("content-type"), posted, limits)
        async for chunk in request.stream():
            received += len(chunk)
            if received > limits.total:
                posted.too_large = True
                if received > limits.total * _PATIENCE:
                    break
            if not posted.too_large:
                sink.write(chunk)
        if received == 0:
            raise BadForm("empty body")
        sink.finish(cut_off=posted.too_large)
    except FormParserError as error:
        posted.close()
        raise BadForm(str(error)) from None
    except BaseException as error:
        posted.close()
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise StoreFull("no room for temporary files") from error
        raise
    if posted.too_large:
        posted.close()
        posted.uploads.clear()
    return posted


def _sink_for(content_type: str | None, posted: Posted, limits: Limits) -> _Sink:
    media_type, options = parse_options_header(content_type)
    if media_type == b"multipart/form-data":
        return _Multipart(options.get(b"boundary", b""), posted, limits)
    if media_type == b"application/x-www-form-urlencoded":
        return _Urlencoded(posted)
    raise WrongType


class _Sink:
    """Where the body's bytes go."""

    def write(self, chunk: bytes) -> None:
        raise NotImplementedError

    def finish(self, *, cut_off: bool) -> None:
        raise NotImplementedError


class _Urlencoded(_Sink):
    def __init__(self, posted: Posted) -> None:
        self._posted = posted
        self._body = bytearray()

    def write(self, chunk: bytes) -> None:
        self._body += chunk
        if len(self._body) > _MAX_FIELD_BYTES:
            self._posted.too_large = True

    def finish(self, *, cut_off: bool) -> None:
        whole = self._body.rpartition(b"&")[0] if cut_off else self._body
        try:
            pairs = parse_qsl(whole.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
        except ValueError as error:
            raise BadForm(str(error)) from None
        for name, value in pairs:
            self._posted.fields.setdefault(name, []).append(value)


class _Multipart(_Sink):
    """Callbacks of the streaming parser; a part with a file name is a file, any other a field."""

    def __init__(self, boundary: bytes, posted: Posted, limits: Limits) -> None:
        if not boundary:
            raise BadForm("no boundary")
        self._posted = posted
        self._limits = limits
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._field = ""
        self._value = bytearray()
        self._upload: Upload | None = None
        self._field_bytes = 0
        self._parts = 0
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_field": self._into(self._header_name),
                "on_header_value": self._into(self._header_value),
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def write(self, chunk: bytes) -> None:
        self._parser.write(chunk)

    def finish(self, *, cut_off: bool) -> None:
        if cut_off:
            return
        self._parser.finalize()
        if not self._ended:
            raise BadForm("cut off before the last boundary")

    @staticmethod
    def _into(buffer: bytearray) -> Callable[[bytes, int, int], None]:
        def add(data: bytes, start: int, end: int) -> None:
            buffer.extend(data[start:end])

        return add

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_FIELDS:
            raise BadForm("too many parts")
        self._headers = {}
        self._value = bytearray()
        self._upload = None

    def _header_end(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _headers_finished(self) -> None:
        kind, options = _part_header(self._headers.get(b"content-disposition"))
        if kind != b"form-data" or b"name" not in options:
            raise BadForm("a part without a name")
        self._field = _text(options[b"name"])
        if b"filename" not in options:
            return
        claimed = parse_options_header(self._headers.get(b"content-type"))[0].decode("latin-1")
        spool: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(  # noqa: SIM115  # lives as long as the form: Posted.close
            max_size=_MEMORY_PER_FILE
        )
        self._upload = Upload(clean_file_name(_text(options[b"filename"])), clean_media_type(claimed), spool)
        self._posted.uploads.append(self._upload)

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._upload is None:
            self._field_bytes += end - start
            if self._field_bytes > _MAX_FIELD_BYTES:
                self._posted.too_large = True
                return
            self._value += data[start:end]
            return
        upload = self._upload
        upload.size += end - start
        if upload.size > self._limits.file:
            if not upload.too_large:
                upload.too_large = True
                upload.file.seek(0)
                upload.file.truncate()
            return
        upload.file.write(data[start:end])

    def _part_end(self) -> None:
        if self._upload is None:
            self._posted.fields.setdefault(self._field, []).append(_text(bytes(self._value)))
            return
        self._upload.file.seek(0)
        if not self._upload.name and self._upload.size == 0:  # what a browser sends when no file was chosen
            self._posted.uploads.remove(self._upload)
            self._upload.file.close()

    def _end(self) -> None:
        self._ended = True


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
