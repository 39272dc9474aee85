"""Tracking: the holder of a code sees where the matter stands, and after proof the conversation.

The proof is the last digits of the phone, or a one-time link sent to the e-mail address, both of the case's own person.
Tries are counted per peer and per code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from zrm.casestore import outgoing, proof
from zrm.casestore.delivery import PROOF_LINK, DeliveryKind
from zrm.casestore.outgoing import NewDelivery, OwnWords
from zrm.casework.reply_routes import SendingAccount
from zrm.config import Settings
from zrm.contract.addresses import EMAIL, PHONE
from zrm.contract.files import StoredFile
from zrm.contract.tracking import Tracking
from zrm.errors import NotFound
from zrm.frontdesk.store import DeskStore
from zrm.frontdesk.tracking import addresses_of, public_file, tracking_of
from zrm.inbox import code as codes
from zrm.kit import throttle
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Cursor, record
from zrm.kit.peers import peer_of
from zrm.languages import Language
from zrm.ui.i18n import gettext

_PROOF_DIGITS: Final = 4


class _ProvableCase(NamedTuple):
    """The case behind a code, its person and its language."""

    case_id: UUID
    person_id: UUID | None
    language: Language


class TrackingDesk:
    """The front desk's `TrackingPort`. A proof link leaves by the first of `senders` that writes to e-mail addresses."""

    def __init__(
        self, store: DeskStore, blobs: BlobStore, settings: Settings, senders: Sequence[SendingAccount]
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._settings = settings
        self._email_account = next((sender for sender in senders if sender.reaches == "email"), None)

    def track(self, code: str, peer: str, *, proven: bool = False) -> Tracking:
        """The case behind a code as its holder may see it. Errors: NotFound, TooManyTries.

        Only misses count: a whole town of honest citizens may share one peer. A code with a wrong check digit, as
        nearly all mistyped ones have, does not count either: an attacker computes the digit, and learns nothing without
        it.
        """
        rates = self._settings.rates
        key = self._store.keyed_hash("track", peer_of(peer))
        throttle.look(self._store.database, key, tries=rates.track_tries, window=rates.track_window)
        read = codes.read(code)
        if read is None:
            raise NotFound("no such code")
        try:
            with self._store.cursor() as cursor:
                return tracking_of(
                    cursor,
                    read,
                    proven=proven,
                    default_language=self._settings.organisation.language,
                    writes_mail=self._email_account is not None,
                    body_of=self._blobs.get,
                )
        except NotFound:
            throttle.count_try(self._store.database, key, tries=rates.track_tries, window=rates.track_window)
            raise

    def public_file(self, code: str, file_id: UUID) -> tuple[StoredFile, Path]:
        """A file of the public conversation. Errors: NotFound."""
        with self._store.cursor() as cursor:
            file = public_file(cursor, codes.read(code) or "", file_id)
        return file, self._blobs.path(file.key)

    def prove_by_phone(self, code: str, last_digits: str, peer: str) -> bool:
        """Whether the last four digits are right. Errors: NotFound, TooManyTries."""
        with self._only_misses_count(code, peer) as right:
            case = self._provable(code)
            digits = "".join(character for character in last_digits if character.isdecimal())
            wanted = str(int(digits)).zfill(len(digits)) if digits else ""  # digits of any script as 0-9
            with self._store.cursor() as cursor:
                phones = [value for kind, value in addresses_of(cursor, case.case_id, case.person_id) if kind == PHONE]
            if len(wanted) == _PROOF_DIGITS and any(phone.endswith(wanted) for phone in phones):
                right.append(True)
        return bool(right)

    @contextmanager
    def _only_misses_count(self, code: str, peer: str) -> Iterator[list[bool]]:
        """A try to prove, within its limits; the block reports success by adding to the list. Errors: TooManyTries.

        A try at a code is counted before it is checked, and given back if it was right, so that parallel tries cannot
        exceed the limit; strangers' misses stay counted. For a peer only misses count.
        """
        rates, read = self._settings.rates, codes.read(code) or ""
        peer_key = self._store.keyed_hash("prove-peer", peer_of(peer))
        code_keys = [
            (self._store.keyed_hash("prove", read), rates.proof_tries, rates.track_window),
            (self._store.keyed_hash("prove-long", read), rates.proof_code_tries, rates.proof_code_window),
        ]
        right: list[bool] = []
        throttle.look(self._store.database, peer_key, tries=rates.proof_peer_tries, window=rates.track_window)
        for key, tries, window in code_keys:
            throttle.count_try(self._store.database, key, tries=tries, window=window)
        try:
            yield right
        finally:
            if right:
                for key, _tries, _window in code_keys:
                    throttle.give_back(self._store.database, key)
            else:
                throttle.count(self._store.database, peer_key, window=rates.track_window)

    def prove_by_email(self, code: str, peer: str) -> None:
        """Send a one-time link to the case's e-mail address, if there is one. Errors: NotFound, TooManyTries."""
        rates, read = self._settings.rates, codes.read(code) or ""
        for key, tries in (
            (self._store.keyed_hash("link-peer", peer_of(peer)), rates.link_peer_tries),
            (self._store.keyed_hash("link", read), rates.link_tries),
        ):
            throttle.count_try(self._store.database, key, tries=tries, window=rates.link_window)
        case = self._provable(code)
        account = self._email_account
        with self._store.cursor() as cursor:
            emails = [value for kind, value in addresses_of(cursor, case.case_id, case.person_id) if kind == EMAIL]
            if emails and account is not None:
                self._send_link(cursor, case.case_id, case.language, account, emails[0])

    def redeem(self, token: str) -> str:
        """The code behind a one-time link. Errors: NotFound."""
        with self._store.cursor() as cursor:
            code = proof.redeem(cursor, token)
        if code is None:
            raise NotFound("unknown, used or too old")
        return code

    def _provable(self, code: str) -> _ProvableCase:
        """The case behind a code. Errors: NotFound."""
        with self._store.cursor() as cursor:
            cursor.execute(
                "SELECT k.id AS case_id, k.person_id, k.language FROM tracking_codes r JOIN cases k ON k.id = r.case_id "
                "WHERE r.code = %s",
                [codes.read(code)],
            )
            found = record(cursor, _ProvableCase)
        if found is None:
            raise NotFound("no such code")
        return found

    def _send_link(
        self, cursor: Cursor, case_id: UUID, language: Language, account: SendingAccount, address: str
    ) -> None:
        text = gettext(
            language,
            "With this link you can read your case for the next half hour. If you did not ask for it, do nothing.\n\n"
            "%(link)s",
            link=PROOF_LINK,
        )
        says = OwnWords(text, language, title=gettext(language, "Your link"))
        link = NewDelivery(
            DeliveryKind.PROOF_LINK, account.channel, account.account, address, case_id=case_id, says=says
        )
        outgoing.queue(cursor, [link])
