"""The front desk: what every door is handed. Receiving is T1; tracking shows the least that helps.

The holder of a code sees where the matter stands. What was said is shown after proof: the last digits of the phone,
or a one-time link sent to the e-mail address, both of the case's own person. Tries are counted per peer and per code.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal
from uuid import UUID

import psycopg
from sqlalchemy.exc import TimeoutError as PoolTimeout

from zrm.casestore import outgoing, proof, rating, uploads
from zrm.casestore.case import case_of
from zrm.casestore.delivery import PROOF_LINK, DeliveryKind
from zrm.casestore.outgoing import NewDelivery, OwnWords
from zrm.casestore.person import opt, opted_out
from zrm.casework.reply_routes import WEB, SendingAccount, automatic_route
from zrm.config import Settings
from zrm.contract import JSON, AddressKind, OpenDoor, RawContact, Receipt, StoredFile, Subject, Tracking
from zrm.errors import NotFound, StoreUnavailable
from zrm.frontdesk.doors_book import DoorsBook
from zrm.frontdesk.quotas import QuotaCounter
from zrm.frontdesk.tracking import addresses_of, public_file, tracking_of
from zrm.inbox import code as codes
from zrm.inbox import door_records
from zrm.inbox.receive import Inbox
from zrm.kit import throttle
from zrm.kit.blobs import BlobStore
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database, records
from zrm.kit.peers import peer_of
from zrm.kit.phones import e164
from zrm.ui.i18n import Language, gettext

_PROOF_DIGITS = 4


class Desk:
    """The installation's `FrontDesk`; one per process. `senders` are the accounts that can write to an e-mail address; `answers`
    is the doors' book, without which the conservation law knows of receipts alone; without `quotas` all are admitted.
    """

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        inbox: Inbox,
        settings: Settings,
        secret: bytes,
        senders: Sequence[SendingAccount],
        answers: DoorsBook | None = None,
        doors: Sequence[OpenDoor] = (),
        quotas: QuotaCounter | None = None,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._inbox = inbox
        self._settings = settings
        self._secret = secret
        self._senders = senders
        self._answers = answers
        self._doors = doors
        self._quotas = quotas

    # ------------------------------------------------------------------ receive

    def admit(self, door: str, peer: str, *, size: int = 0) -> None:
        """Count one post at a door. Errors: OverQuota."""
        if self._quotas is not None:
            self._quotas.admit(door, peer, size=size)

    def admit_address(self, door: str, peer: str, kind: Literal["phone", "email"], address: str) -> None:
        """Count one post that names the address as its sender's. Errors: OverQuota."""
        if self._quotas is not None:
            self._quotas.admit_address(door, peer, kind, address)

    def submit(self, contact: RawContact) -> Future[Receipt]:
        """T1; see `zrm.inbox.receive`."""
        kept = self._inbox.submit(contact)
        if self._answers is None:
            return kept
        answer: Future[Receipt] = Future()
        answer.set_running_or_notify_cancel()

        def noted(kept: Future[Receipt]) -> None:
            if (error := kept.exception()) is not None:
                answer.set_exception(error)
            else:
                answer.set_result(self._noted(contact, kept.result()))

        kept.add_done_callback(noted)
        return answer

    async def take(self, contact: RawContact) -> Receipt:
        """T1 on an event loop. Errors: StoreUnavailable, StoreFull."""
        return self._noted(contact, await self._inbox.take(contact))

    def receive(self, contact: RawContact) -> Receipt:
        """T1, waiting for the commit. Errors: StoreUnavailable, StoreFull."""
        return self._noted(contact, self._inbox.submit(contact).result())

    def _noted(self, contact: RawContact, receipt: Receipt) -> Receipt:
        """The receipt, once it is in the doors' book."""
        if self._answers is not None:
            self._answers.note(contact, receipt)
        return receipt

    def keep(
        self,
        data: bytes | BinaryIO,
        *,
        name: str = "",
        media_type: str = "application/octet-stream",
        role: str = "attachment",
    ) -> StoredFile:
        """Make a file durable; a day later it goes again if no contact came with it. Errors: StoreUnavailable, StoreFull."""
        key, size = self._blobs.put(data, announce=self._register)
        return StoredFile(key, size, name, media_type, role)

    def _register(self, blob_key: str) -> None:
        with self._cursor() as cursor:
            uploads.register(cursor, blob_key)

    def still_kept(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Those that are still there; each stays another day. Errors: StoreUnavailable."""
        return [file for file in files if self._blobs.touch(file.key)]

    def refuse(self, channel: str, account: str, reason: str, peer: str) -> None:
        """Record an anomalous attempt; of one peer's only the first in a while."""
        if self._quotas is not None and not self._quotas.worth_recording(peer):
            return
        with self._cursor() as cursor:
            door_records.refuse(cursor, channel, account, reason, self._hash("refuse", peer_of(peer)))

    # ------------------------------------------------------------------ track

    def track(self, code: str, peer: str, *, proven: bool = False) -> Tracking:
        """The case behind a code as its holder may see it. Errors: NotFound, TooManyTries.

        Only misses count: behind one address there may be a whole town of honest citizens. Nor does a code whose check
        digit is wrong, as nearly all mistyped ones are: whoever guesses computes it, and learns nothing without.
        """
        rates = self._settings.rates
        key = self._hash("track", peer_of(peer))
        with _store():
            throttle.look(self._database, key, tries=rates.track_tries, window=rates.track_window)
            read = codes.read(code)
            if read is None:
                raise NotFound("no such code")
            try:
                with self._cursor() as cursor:
                    return tracking_of(
                        cursor,
                        read,
                        proven=proven,
                        default_language=self._settings.organisation.language,
                        writes_mail=self._email_account() is not None,
                        body_of=self._blobs.get,
                    )
            except NotFound:
                throttle.count_try(self._database, key, tries=rates.track_tries, window=rates.track_window)
                raise

    def public_file(self, code: str, file_id: UUID) -> tuple[StoredFile, Path]:
        """A file of the public conversation. Errors: NotFound."""
        with self._cursor() as cursor:
            file = public_file(cursor, codes.read(code) or "", file_id)
        return file, self._blobs.path(file.key)

    # ------------------------------------------------------------------ prove

    def prove_by_phone(self, code: str, last_digits: str, peer: str) -> bool:
        """Whether the last four digits are right. Errors: NotFound, TooManyTries."""
        with self._only_misses_count(code, peer) as right:
            case_id, person_id, _ = self._provable(code)
            digits = "".join(character for character in last_digits if character.isdecimal())
            wanted = str(int(digits)).zfill(len(digits)) if digits else ""  # any script's digits as 0-9
            with self._cursor() as cursor:
                phones = [
                    value for kind, value in addresses_of(cursor, case_id, person_id) if kind == AddressKind.PHONE
                ]
            if len(wanted) == _PROOF_DIGITS and any(phone.endswith(wanted) for phone in phones):
                right.append(True)
        return bool(right)

    @contextmanager
    def _only_misses_count(self, code: str, peer: str) -> Iterator[list[bool]]:
        """A try to prove, within its bounds; the block says that it was right by adding to the list. Errors: TooManyTries.

        A try at a code is counted before it is looked at, and given back if it was right, so that no number of tries at
        once gets through; what strangers missed stays counted. Of a peer's only the misses count.
        """
        rates, read = self._settings.rates, codes.read(code) or ""
        peer_key = self._hash("prove-peer", peer_of(peer))
        code_keys = [
            (self._hash("prove", read), rates.proof_tries, rates.track_window),
            (self._hash("prove-long", read), rates.proof_code_tries, rates.proof_code_window),
        ]
        right: list[bool] = []
        with _store():
            throttle.look(self._database, peer_key, tries=rates.proof_peer_tries, window=rates.track_window)
            for key, tries, window in code_keys:
                throttle.count_try(self._database, key, tries=tries, window=window)
            try:
                yield right
            finally:
                if right:
                    for key, _tries, _window in code_keys:
                        throttle.give_back(self._database, key)
                else:
                    throttle.count(self._database, peer_key, window=rates.track_window)

    def prove_by_email(self, code: str, peer: str) -> None:
        """Send a one-time link to the case's e-mail address, if there is one. Errors: NotFound, TooManyTries."""
        rates, read = self._settings.rates, codes.read(code) or ""
        with _store():
            for key, tries in (
                (self._hash("link-peer", peer_of(peer)), rates.link_peer_tries),
                (self._hash("link", read), rates.link_tries),
            ):
                throttle.count_try(self._database, key, tries=tries, window=rates.link_window)
        case_id, person_id, language = self._provable(code)
        account = self._email_account()
        with self._cursor() as cursor:
            emails = [value for kind, value in addresses_of(cursor, case_id, person_id) if kind == AddressKind.EMAIL]
            if emails and account is not None:
                self._send_link(cursor, case_id, language, account, emails[0])

    def redeem(self, token: str) -> str:
        """The code behind a one-time link. Errors: NotFound."""
        with self._cursor() as cursor:
            code = proof.redeem(cursor, token)
        if code is None:
            raise NotFound("unknown, used or too old")
        return code

    def _provable(self, code: str) -> tuple[UUID, UUID | None, Language]:
        """The case behind a code, its person and language. Errors: NotFound."""
        with self._cursor() as cursor:
            cursor.execute(
                "SELECT k.id, k.person_id, k.language FROM receipts r JOIN contacts c ON c.id = r.contact_id "
                "JOIN cases k ON k.id = c.case_id WHERE r.code = %s",
                [codes.read(code)],
            )
            row = cursor.fetchone()
        if row is None:
            raise NotFound("no such code")
        case_id, person_id, language = row
        return case_id, person_id, language

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

    def _email_account(self) -> SendingAccount | None:
        return next((sender for sender in self._senders if sender.reaches == "email"), None)

    # ------------------------------------------------------------------ choices

    def subjects(self) -> list[Subject]:
        """The subject tree, parents before children, in the order they were made."""
        with self._cursor() as cursor:
            cursor.execute(
                "SELECT s.key, s.name_fa, s.name_en, coalesce(p.key, '') AS parent_key FROM subjects s "
                "LEFT JOIN subjects p ON p.id = s.parent_id ORDER BY s.parent_id IS NOT NULL, s.id"
            )
            return records(cursor, Subject)

    def code_goes_to(self, addresses: Iterable[tuple[AddressKind, str]]) -> str:
        """Which of these typed addresses the code is also sent to."""
        if WEB not in self._settings.acknowledge:
            return ""
        region = self._settings.organisation.region
        typed = [(kind, e164(value, region) or "" if kind is AddressKind.PHONE else value) for kind, value in addresses]
        way = automatic_route(typed, self._senders, region)
        return way.address if way is not None else ""

    def doors(self) -> Sequence[OpenDoor]:
        """The channels that are open."""
        return self._doors

    # ------------------------------------------------------------------ self-service

    def rate(self, code: str, score: int, channel: str, peer: str) -> bool:
        """Record how content the citizen was with a closed case. Errors: NotFound, TooManyTries."""
        tracking = self.track(code, peer)
        with self._cursor() as cursor:
            case_id = case_of(cursor, tracking.code)
            return case_id is not None and rating.rate(cursor, case_id, channel=channel, score=score)

    def count_asking_for_codes(self, peer: str) -> None:
        """As asking for a link to prove a case by, each is a message that somebody gets. Errors: TooManyTries."""
        rates = self._settings.rates
        with _store():
            key = self._hash("codes-peer", peer_of(peer))
            throttle.count_try(self._database, key, tries=rates.link_peer_tries, window=rates.link_window)

    def opt(self, channel: str, account: str, address: str, *, out: bool, at: datetime | None = None) -> None:
        """Remember whether we may write to an address; the same word of the same moment is kept once."""
        with self._cursor() as cursor:
            opt(cursor, channel, account, address, out=out, at=at or now())

    def opted_out(self, channel: str, address: str) -> bool:
        """Whether the citizen asked us not to write there."""
        with self._cursor() as cursor:
            return opted_out(cursor, channel, address)

    def cursor(self, channel: str, key: str) -> JSON:
        """How far a door has read a source, None if it never did."""
        with self._cursor() as cursor:
            return door_records.checkpoint(cursor, channel, key)

    def move_cursor(self, channel: str, key: str, position: JSON) -> None:
        """Keep how far a door has read, durably."""
        with self._cursor() as cursor:
            door_records.save_checkpoint(cursor, channel, key, position)

    def recall(self, channel: str, key: str) -> JSON:
        """The note kept for a dialogue."""
        with self._cursor() as cursor:
            return door_records.dialogue(cursor, channel, self._hash("dialogue", key))

    def remember(self, channel: str, key: str, note: JSON, *, seconds: float) -> None:
        """Keep a dialogue's note for a while; None forgets it."""
        with self._cursor() as cursor:
            door_records.save_dialogue(cursor, channel, self._hash("dialogue", key), note, seconds=seconds)

    def revise(self, channel: str, key: str, change: Callable[[JSON], tuple[JSON, float]]) -> None:
        """Rewrite a note in one step; a note that is not there yet is waited for as well."""
        key = self._hash("dialogue", key)
        with self._cursor() as cursor:
            door_records.hold_dialogue(cursor, channel, key)
            note, seconds = change(door_records.dialogue(cursor, channel, key))
            door_records.save_dialogue(cursor, channel, key, note, seconds=seconds)

    def ending(self, channel: str, *, within: float) -> list[JSON]:
        """The notes that end soon."""
        with self._cursor() as cursor:
            return door_records.ending_dialogues(cursor, channel, within=within)

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        """A cursor that commits when the block ends well. Errors: StoreUnavailable, which every door can say politely."""
        with _store(), self._database.cursor() as cursor:
            yield cursor

    def _hash(self, purpose: str, value: str) -> str:
        digest = hmac.new(self._secret, f"{purpose}:{value}".encode("utf-8", "replace"), hashlib.sha256)
        return f"{purpose}:{digest.hexdigest()}"


@contextmanager
def _store() -> Iterator[None]:
    try:
        yield
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise StoreUnavailable("the store is away") from error
