"""Mailboxes fetched by IMAP: no mail is missed, none blocks the others, none comes twice.

One thread a mailbox. Its checkpoint (UIDVALIDITY and the last UID that became a contact) is kept by the front desk and
moved only after the receipts: after an outage of any length, ours or the server's, fetching continues from there. When
the server gives the mailbox a new UIDVALIDITY, all of it is read again; a mail's identity is its content (identity.py),
so a mail that is a contact already stays that contact.

A mail the server cannot deliver becomes a contact too, shown in the quarantine, and the mailbox continues.
"""

from __future__ import annotations

import contextlib
import random
import ssl
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Any, Final

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from zrm.channels.email.config import Imap
from zrm.channels.email.identity import external_id
from zrm.channels.email.oauth import TokenSource, TokenUnavailable
from zrm.contract.inbound import JSON, RawContact, Receipt
from zrm.contract.ports import CheckpointsPort, ReceptionPort
from zrm.errors import StoreFull, StoreUnavailable
from zrm.kit import log
from zrm.kit.clock import now
from zrm.kit.ids import new_trace

_log = log.get(__name__)
_BATCH: Final = 32  # mails fetched before the checkpoint moves
_BATCH_BYTES: Final = 8_388_608
_FIRST_PIECE: Final = 1_048_576  # bytes taken of a mail that is over the limit
_LONGEST_BACKOFF: Final = 300.0
_STEP: Final = 0.5  # seconds between checks whether to stop
_TRIES: Final = 4  # tries for one mail that the server does not deliver; the connection may have broken by chance
_CAREFUL: Final = 32  # mails fetched one by one after a failure, to find the one that causes it


class _OneMail(Exception):
    """The server would not deliver one mail, or broke the connection over it."""


@dataclass(slots=True)
class _Place:
    """A mailbox's checkpoint. `begun` is when it was first read, for mailboxes that take only new mail."""

    uidvalidity: int = 0
    uid: int = 0
    begun: str = ""

    @staticmethod
    def read(note: JSON) -> _Place | None:
        if not isinstance(note, dict):
            return None
        uidvalidity, uid, begun = note.get("uidvalidity"), note.get("uid"), note.get("begun")
        if not isinstance(uidvalidity, int) or not isinstance(uid, int):
            return None
        return _Place(uidvalidity, uid, begun if isinstance(begun, str) else "")

    def note(self) -> JSON:
        return {"uidvalidity": self.uidvalidity, "uid": self.uid, "begun": self.begun}


class Fetcher:
    """Fetches one mailbox until told to stop. `account` is the mailbox's key in the configuration."""

    def __init__(
        self,
        account: str,
        config: Imap,
        max_size: int,
        reception: ReceptionPort,
        checkpoints: CheckpointsPort,
        *stops: Event,
    ) -> None:
        self._account = account
        self._config = config
        self._max_size = max_size
        self._reception = reception
        self._checkpoints = checkpoints
        self._stops = stops
        self._key = f"{account} {config.username} {config.host} {config.folder}"
        self._tokens = TokenSource(config.oauth) if config.oauth is not None else None
        self._failures: dict[int, int] = {}  # by UID, of mails that were fetched alone
        self._careful = 0
        self._place = _Place()

    def run(self) -> None:
        """Fetch, wait for more, and reconnect after any error."""
        failures = 0
        while not self._stopping():
            began = time.monotonic()
            try:
                self._session()
                failures = 0
            except _OneMail as error:
                _log.warning("mail not handed over yet", channel="email", account=self._account, reason=str(error))
                self._pause(2.0 ** max(self._failures.values(), default=0))
            except (OSError, ssl.SSLError, IMAPClientError, StoreFull, StoreUnavailable, TokenUnavailable) as error:
                failures = 1 if time.monotonic() - began > _LONGEST_BACKOFF else failures + 1
                self._trouble(error, failures)
            except Exception as error:  # noqa: BLE001  # whatever it is, the mailbox must be read again
                failures += 1
                _log.exception("mailbox failed", channel="email", account=self._account)
                self._trouble(error, failures)

    def _trouble(self, error: Exception, failures: int) -> None:
        wait = min(_LONGEST_BACKOFF, 2.0 ** min(failures, 9)) * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
        if failures == 1:
            wait = min(wait, 1.0)  # a server that closed an idle connection answers again at once
        reason = "sign-in refused" if isinstance(error, LoginError) else type(error).__name__
        _log.warning(
            "mailbox unreachable", channel="email", account=self._account, reason=reason, again_in=round(wait, 1)
        )
        self._pause(wait)

    def _stopping(self) -> bool:
        return any(stop.is_set() for stop in self._stops)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stopping() and (left := end - time.monotonic()) > 0:
            self._stops[0].wait(min(left, _STEP))

    # ------------------------------------------------------------ one connection

    def _session(self) -> None:
        client = self._connect()
        try:
            uidnext = self._open(client)
            while not self._stopping():
                while self._take(client) and not self._stopping():
                    pass
                # A server may announce a new mail at the end of any answer, where no code reads it, and then not again.
                # Selected anew, it states its next number, and IDLE announces everything from there on.
                known, uidnext = uidnext, self._open(client)
                if uidnext == known:
                    self._await_more(client)
            client.logout()
        finally:
            with contextlib.suppress(OSError, IMAPClientError):  # it may be gone already
                client.shutdown()

    def _connect(self) -> IMAPClient:
        config = self._config
        context = ssl.create_default_context(cafile=config.trust or None)
        client = IMAPClient(
            config.host,
            port=config.port,
            ssl=config.security == "tls",
            ssl_context=context,
            timeout=SocketTimeout(connect=config.timeout, read=config.timeout),
        )
        try:
            if config.security == "starttls":
                client.starttls(context)
            if self._tokens is not None:
                client.oauth2_login(config.username, self._tokens.token())
            else:
                client.login(config.username, config.password)
        except BaseException as error:
            if isinstance(error, LoginError) and self._tokens is not None:
                self._tokens.forget()  # the server may have revoked it before its time
            client.shutdown()
            raise
        return client

    def _open(self, client: IMAPClient) -> int:
        """Select the folder and find our checkpoint in it; the number of the next mail, 0 if the server does not state
        it.
        """
        found = client.select_folder(self._config.folder)
        uidvalidity = int(found[b"UIDVALIDITY"])
        place = _Place.read(self._checkpoints.load("email", self._key))
        if place is None:
            place = _Place(uidvalidity, 0, now().isoformat())
            if self._config.begin == "new":
                place.uid = int(found.get(b"UIDNEXT", 1)) - 1
            self._place = place
            self._checkpoints.save("email", self._key, place.note())
        elif place.uidvalidity != uidvalidity:
            _log.warning("mailbox renumbered", channel="email", account=self._account)
            place = _Place(uidvalidity, 0, place.begun)
        self._place = place
        return int(found.get(b"UIDNEXT", 0))

    def _await_more(self, client: IMAPClient) -> None:
        """Wait until the server announces a change, a check is due, or we are to stop."""
        end = time.monotonic() + self._config.look_every
        if not client.has_capability("IDLE"):
            self._pause(self._config.look_every)
            client.noop()
            return
        client.idle()
        told = False
        while not told and not self._stopping() and time.monotonic() < end:
            told = bool(client.idle_check(timeout=_STEP))
        client.idle_done()

    # ------------------------------------------------------------ fetching mail

    def _take(self, client: IMAPClient) -> bool:
        """Make contacts of the next mails and move the checkpoint; False if there was none."""
        uids = self._waiting(client)[: 1 if self._careful else _BATCH]
        if not uids:
            return False
        sizes = self._ask(client, uids, "RFC822.SIZE")
        taken: list[int] = []
        receipts: list[tuple[RawContact, Future[Receipt]]] = []
        held = 0
        for uid in uids:
            size = int(sizes.get(uid, {}).get(b"RFC822.SIZE") or 0)
            if taken and held + min(size, self._max_size) > _BATCH_BYTES:
                break
            contact = self._fetch(client, uid, size)
            if contact is not None:
                receipts.append((contact, self._reception.submit(contact)))
            held += size
            taken.append(uid)
        for contact, future in receipts:
            receipt = future.result()
            _log.info(
                "received",
                channel="email",
                contact=str(receipt.contact_id),
                trace=contact.trace,
                repeated=receipt.repeated,
            )
        self._settle(client, [uid for uid in taken if uid not in self._failures])
        self._place.uid = taken[-1]
        self._checkpoints.save("email", self._key, self._place.note())
        self._careful = max(0, self._careful - 1)
        return True

    def _waiting(self, client: IMAPClient) -> list[int]:
        criteria: list[Any] = ["UID", f"{self._place.uid + 1}:*"]
        if self._config.begin == "new" and self._place.begun:
            # After a renumbering only this shows which mails were there before we began.
            criteria += ["SINCE", datetime.fromisoformat(self._place.begun).date()]
        # `n:*` always names the last mail, also when its UID is below n.
        return sorted(uid for uid in client.search(criteria) if uid > self._place.uid)

    def _ask(self, client: IMAPClient, uids: Sequence[int], item: str) -> dict[int, dict[bytes, Any]]:
        """The server's data on these mails. Errors: _OneMail if it gives none for a single one.

        A server may break the connection over a mail it cannot read, even when asked for its size: then the mails are
        fetched one by one until the faulty one is found, which is skipped after some tries.
        """
        if len(uids) == 1 and self._failures.get(uids[0], 0) >= _TRIES:
            return {uids[0]: {}}
        try:
            found: dict[int, dict[bytes, Any]] = client.fetch(uids, [item])
            return found
        except (OSError, IMAPClientError, ValueError, TypeError, LookupError) as error:
            if not self._careful:
                self._careful = _CAREFUL
            else:
                self._failures[uids[0]] = self._failures.get(uids[0], 0) + 1
            raise _OneMail(type(error).__name__) from error

    def _fetch(self, client: IMAPClient, uid: int, size: int) -> RawContact | None:
        """One mail as a contact; None if it no longer exists. Errors: _OneMail."""
        whole = size <= self._max_size
        item = "BODY.PEEK[]" if whole else f"BODY.PEEK[]<0.{_FIRST_PIECE}>"
        found = self._ask(client, [uid], item).get(uid)
        if found is None:
            return None
        content = next((value for key, value in found.items() if key.startswith(b"BODY[]")), None)
        if isinstance(content, bytes):
            self._failures.pop(uid, None)
            return self._contact(content, uid, {}, None if whole else size)
        if self._failures.get(uid, 0) < _TRIES:
            self._failures[uid] = self._failures.get(uid, 0) + 1
            raise _OneMail("nothing came")
        _log.error("mail not handed over", channel="email", account=self._account, uid=uid)
        return self._contact(b"", uid, {"not_handed_over": uid})

    def _contact(self, content: bytes, uid: int, more: dict[str, JSON], whole_size: int | None = None) -> RawContact:
        """A mail, or its beginning where it exceeds our limit (`whole_size` bytes)."""
        if whole_size is not None:
            more = {**more, "whole_size": whole_size}
        identity = external_id(self._account, content, whole_size)
        if not content:
            identity = f"imap {self._key} {self._place.uidvalidity} {uid}"
        return RawContact(
            channel="email",
            account=self._account,
            external_id=identity,
            body=content,
            media_type="message/rfc822",
            envelope={"imap": self._config.folder, **more},
            trace=new_trace(),
        )

    def _settle(self, client: IMAPClient, uids: Sequence[int]) -> None:
        """Flag or move mails that have become contacts; a failure is logged and changes nothing: the checkpoint
        counts.
        """
        if not uids:
            return
        try:
            if self._config.then == "seen":
                client.add_flags(uids, [b"\\Seen"], silent=True)
            elif self._config.then == "move":
                self._move(client, uids)
        except IMAPClientError as error:
            if not isinstance(error, IMAPClientAbortError):
                _log.warning("mail not moved", channel="email", account=self._account, reason=type(error).__name__)
                return
            raise

    def _move(self, client: IMAPClient, uids: Sequence[int]) -> None:
        target = self._config.move_to
        if not client.folder_exists(target):
            client.create_folder(target)
        if client.has_capability("MOVE"):
            client.move(uids, target)
            return
        client.copy(uids, target)
        client.delete_messages(uids, silent=True)
        if client.has_capability("UIDPLUS"):
            client.uid_expunge(uids)
