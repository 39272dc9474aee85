"""Reads a posted form while it arrives: limits apply from the first byte, files go to temporary files, never to memory.

An over-large request is read to its end (within a limit) and discarded, because a browser that is cut off while sending
shows "connection reset" instead of our answer. Fields before the excess are kept, so the page with the explanation also
has what the citizen typed.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Final
from urllib.parse import parse_qsl

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header
from starlette.requests import Request

from zrm.channels.web.form_validation import clean_media_type
from zrm.errors import StoreFull
from zrm.kit.file_names import file_name

_MEMORY_PER_FILE: Final = 256 * 1024
_MAX_FIELDS: Final = 100
_MAX_FIELD_BYTES: Final = 1_000_000  # all fields together; text is limited more tightly, in characters, later
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MAX_BOUNDARY: Final = 256  # characters; RFC 2046 allows 70
_PATIENCE: Final = 4  # how many times the limit is read and discarded before we disconnect


class BadForm(Exception):
    """The body is not a form: cut off, malformed, empty, or with absurdly many fields."""


class WrongType(Exception):
    """The body's media type is not one of a form."""


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
    """A form as it came, in `size` bytes. `too_large`: the whole exceeded its limit; only the fields before the excess
    are here.
    """

    fields: dict[str, list[str]] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)
    too_large: bool = False
    size: int = 0

    def one(self, name: str) -> str:
        """The first value of a field, or an empty text."""
        return next(iter(self.fields.get(name, ())), "")

    def close(self) -> None:
        """Close the temporary files."""
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
    try:
        sink = _sink_for(request.headers.get("content-type"), posted, limits)
        async for chunk in request.stream():
            posted.size += len(chunk)
            if posted.size > limits.total:
                posted.too_large = True
                if posted.size > limits.total * _PATIENCE:
                    break
            if not posted.too_large:
                sink.write(chunk)
        if posted.size == 0:
            raise BadForm("empty body")
        sink.finish(cut_off=posted.too_large)
    except MultipartError as error:
        posted.close()
        raise BadForm(str(error)) from None
    except BaseException as error:
        posted.close()
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise StoreFull("no space for temporary files") from error
        raise
    if posted.too_large:
        posted.close()
        posted.uploads.clear()
    return posted


def _sink_for(content_type: str | None, posted: Posted, limits: Limits) -> _Sink:
    media_type, options = parse_options_header(content_type or "")
    if media_type == "multipart/form-data":
        return _Multipart(options.get("boundary", ""), posted, limits)
    if media_type == "application/x-www-form-urlencoded":
        return _Urlencoded(posted)
    raise WrongType


class _Sink:
    """Receives the body's bytes."""

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
    """A part with a file name is a file, any other a field."""

    def __init__(self, boundary: str, posted: Posted, limits: Limits) -> None:
        if not boundary or len(boundary) > _MAX_BOUNDARY:
            raise BadForm("no boundary, or an absurd one")
        self._posted = posted
        self._limits = limits
        self._field = ""
        self._value = bytearray()
        self._upload: Upload | None = None
        self._field_bytes = 0
        # Latin-1 holds any byte, so that `_text` can decide on a name's encoding.
        self._parser = PushMultipartParser(
            boundary.encode("latin-1"), max_segment_count=_MAX_FIELDS, header_charset="latin-1"
        )

    def write(self, chunk: bytes) -> None:
        for event in self._parser.parse(chunk):
            if event is None:
                self._part_end()
            elif isinstance(event, bytes):
                self._part_data(event)
            else:
                self._part_begin(event)
            if self._posted.too_large:
                return

    def finish(self, *, cut_off: bool) -> None:
        if not cut_off:
            self._parser.close()

    def _part_begin(self, part: MultipartSegment) -> None:
        if not part.name:
            raise BadForm("a part without a name")
        self._field = _text(part.name.encode("latin-1"))
        self._value.clear()
        self._upload = None
        if part.filename is None:
            return
        spool: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(  # noqa: SIM115  # lives as long as the form: Posted.close
            max_size=_MEMORY_PER_FILE
        )
        name = file_name(_text(part.filename.encode("latin-1")))
        self._upload = Upload(name, clean_media_type(part.content_type or ""), spool)
        self._posted.uploads.append(self._upload)

    def _part_data(self, data: bytes) -> None:
        if self._upload is None:
            self._field_bytes += len(data)
            if self._field_bytes > _MAX_FIELD_BYTES:
                self._posted.too_large = True
                return
            self._value += data
            return
        upload = self._upload
        upload.size += len(data)
        if upload.size > self._limits.file:
            if not upload.too_large:
                upload.too_large = True
                upload.file.seek(0)
                upload.file.truncate()
            return
        upload.file.write(data)

    def _part_end(self) -> None:
        if self._upload is None:
            self._posted.fields.setdefault(self._field, []).append(_text(self._value))
            return
        self._upload.file.seek(0)
        if not self._upload.name and self._upload.size == 0:  # what a browser sends when no file was chosen
            self._posted.uploads.remove(self._upload)
            self._upload.file.close()


def _text(data: bytes | bytearray) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
