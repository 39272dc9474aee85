"""Tokens that a browser stores and we verify: all signed, each purpose with its own salt.

Signed is not encrypted: citizens can read their own cookies, but cannot change them, and a token made for one purpose
is invalid for all others.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from itsdangerous import BadData, Signer, TimestampSigner, URLSafeSerializer, URLSafeTimedSerializer
from itsdangerous.signer import SigningAlgorithm

from zrm.contract.files import StoredFile
from zrm.kit.digests import digest_of

_NONCE_BYTES: Final = 16


class ReceiptNote(NamedTuple):
    """What the receipt page needs again: the tracking code, when it was given, whether an address was given with it
    (`reachable`), whether one of our channels can write there (`answered`), and where the code is also sent.
    """

    code: str
    received_at: datetime
    reachable: bool
    answered: bool = False
    sent_to: str = ""


class Pass(NamedTuple):
    """The case this browser may see, and whether its citizen has proven who they are."""

    code: str
    proven: bool


class _OneKey(SigningAlgorithm):
    """HMAC with SHA-256 under one key, prepared once: preparing it took longer than signing."""

    def __init__(self, key: bytes) -> None:
        self._ready = hmac.new(key, digestmod=hashlib.sha256)

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        mac = self._ready.copy()
        mac.update(value)
        return mac.digest()


class _FormSigner(Signer):
    """Derives its key once, not for every form."""

    def __init__(self, secret: str, salt: str) -> None:
        super().__init__(secret, salt=salt, digest_method=hashlib.sha256)
        self._derived = super().derive_key()
        self.algorithm = _OneKey(self._derived)

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        return self._derived


class _ReceiptSigner(_FormSigner, TimestampSigner):
    """The same for tokens that expire."""


class Seals:
    """Makes and reads tokens with the installation's secret. Reading gives None for anything forged, foreign or
    expired.
    """

    def __init__(self, secret: str, *, receipt_seconds: int, proof_seconds: int) -> None:
        self.receipt_seconds = receipt_seconds
        self.proof_seconds = proof_seconds
        options = {"digest_method": hashlib.sha256}
        self._form = _FormSigner(secret, "zrm.web.form")
        self._file = URLSafeSerializer(secret, salt="zrm.web.file", signer_kwargs=options)
        self._receipt = _ReceiptSigner(secret, "zrm.web.receipt-note")
        self._pass = URLSafeTimedSerializer(secret, salt="zrm.web.pass", signer_kwargs=options)

    def new_form_id(self) -> str:
        """A fresh identity for one showing of a form. It does not expire: a form may be open for days."""
        return self._form.sign(secrets.token_hex(_NONCE_BYTES)).decode()

    def open_form_id(self, sealed: str) -> str | None:
        """The identity itself, 32 hex digits."""
        try:
            return self._form.unsign(sealed.encode("ascii", "replace")).decode("ascii", "replace")
        except BadData:
            return None

    def seal_file(self, file: StoredFile) -> str:
        """A file that is already kept, as a hidden field's value."""
        return _text(self._file.dumps([file.key, file.size, file.name, file.media_type]))

    def open_file(self, sealed: str) -> StoredFile | None:
        """The kept file behind a hidden field."""
        try:
            key, size, name, media_type = self._file.loads(sealed)
        except BadData:
            return None
        return StoredFile(key=key, size=size, name=name, media_type=media_type)

    def seal_receipt(self, note: ReceiptNote) -> str:
        """The receipt page's cookie."""
        # Plain words: as JSON, compressed and encoded, each receipt cost 10 µs more.
        return self._receipt.sign(
            f"{note.code}~{note.received_at.isoformat()}~{note.reachable:d}~{note.answered:d}~{quote(note.sent_to)}"
        ).decode()

    def open_receipt(self, sealed: str) -> ReceiptNote | None:
        """What the receipt page shows; None after `receipt_seconds`."""
        try:
            note = self._receipt.unsign(sealed.encode("ascii", "replace"), max_age=self.receipt_seconds)
        except BadData:
            return None
        code, at, reachable, *later = note.decode().split("~", 4)  # sealed before December 2026: three or four
        answered, sent_to = [*later, "", ""][:2]
        return ReceiptNote(code, datetime.fromisoformat(at), reachable == "1", answered == "1", unquote(sent_to))

    def seal_pass(self, holder: Pass) -> str:
        """The tracking pages' cookie, bound to one code."""
        return _text(self._pass.dumps([holder.code, holder.proven]))

    def open_pass(self, sealed: str) -> Pass | None:
        """The case this browser may see; None after `proof_seconds`."""
        try:
            code, proven = self._pass.loads(sealed, max_age=self.proof_seconds)
        except BadData:
            return None
        return Pass(code, proven)


def contact_id(purpose: str, nonce: str, content: Iterable[str]) -> str:
    """The external id of a contact: from the showing of the form and what was typed into it.

    The same form sent twice (double click, retry, reload) is the same contact; a form that was sent, reopened with the
    browser's back button, changed and sent again is another one, which must not be lost behind the first receipt.
    """
    return f"{purpose}:{nonce}:{digest_of(*content)}"


def _text(sealed: str | bytes) -> str:
    return sealed.decode() if isinstance(sealed, bytes) else sealed
