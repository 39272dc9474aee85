"""T4: sends an answer. `sending` is committed before the provider is called.

A crash in the middle leaves `sending` behind; the next worker that finds it makes it `unknown` and shows it to a
person, because sending again might send twice and dropping it might never send.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from zrm.casestore import contact as contacts
from zrm.casestore import outbox, proof
from zrm.casestore.delivery import PROOF_LINK, DeliveryState
from zrm.casestore.outbox import Task
from zrm.casestore.outgoing import set_parts, set_reference, set_state
from zrm.casestore.person import mark_undeliverable, opted_out
from zrm.config import Settings
from zrm.contract.capabilities import kind_of_address, of_channel
from zrm.contract.errors import OutcomeUnknown, RecipientOptedOut, RecipientUnreachable, SendError
from zrm.contract.files import StoredFile
from zrm.contract.outbound import Reply, Sent
from zrm.contract.reasons import declare
from zrm.dispatch.task_runner import NO_CHANNEL, backoff, leave_failed
from zrm.kit import log
from zrm.kit.db import Cursor, Database, record, records
from zrm.kit.mail_addresses import own_message_id

_log = log.get(__name__)
_MOST_TRIES = 12
_REFERENCES = 20
_STOPPED: Final = declare("delivery.stopped", "stopped while sending; it may have left")
INTERNAL: Final = declare("delivery.internal", "internal error while sending: %(error)s")
_NEVER_FINISHED: Final = declare("delivery.never_finished", "sending was started too often and never finished")
OPTED_OUT: Final = declare(
    "delivery.opted_out", "The citizen has asked not to get messages here. Choose another way to answer."
)
_WORDLESS: Final = declare("delivery.wordless", "Its text is no longer kept, so it was not sent.")


class Sends(Protocol):
    """The part of a channel that delivers."""

    def send(self, reply: Reply) -> Sent:
        """Errors: SendError and nothing else."""


@dataclass(frozen=True, slots=True)
class _LoadedDelivery:
    """A delivery with its text. `contact_id` is the contact that holds the text, if there is one."""

    id: UUID
    state: str
    attempts: int
    channel: str
    case_id: UUID | None
    contact_id: UUID | None
    reply: Reply
    last_word: bool  # the confirmation of "stop" itself
    wordless: bool  # its text is gone


class Deliver:
    """The handler of the topic `deliver`; `channels` by kind."""

    def __init__(self, database: Database, channels: Mapping[str, Sends], settings: Settings) -> None:
        self._database = database
        self._channels = channels
        self._settings = settings

    def __call__(self, tasks: Sequence[Task]) -> None:
        """Send each task's delivery, or record why not."""
        for task in tasks:
            self._deliver(task)

    def give_up(self, task: Task) -> None:
        """Workers died at it too often: show it to a person."""
        leave_failed(self._database, task, _NEVER_FINISHED)

    def _deliver(self, task: Task) -> None:
        with self._database.cursor() as cursor:
            outgoing = _load(cursor, task.ref)
            if outgoing is None or outgoing.state not in (DeliveryState.QUEUED, DeliveryState.SENDING):
                outbox.done(cursor, [task])
                return
            if outgoing.state == DeliveryState.SENDING:
                set_state(cursor, outgoing.id, DeliveryState.UNKNOWN, _STOPPED)
                outbox.done(cursor, [task])
                return
            if outgoing.wordless:  # its contact's partition was detached
                set_state(cursor, outgoing.id, DeliveryState.FAILED, _WORDLESS)
                outbox.done(cursor, [task])
                return
            if not outgoing.last_word and opted_out(cursor, outgoing.channel, outgoing.reply.to):
                set_state(cursor, outgoing.id, DeliveryState.FAILED, OPTED_OUT, RecipientOptedOut.__name__)
                outbox.done(cursor, [task])
                return
            outgoing = self._named(cursor, outgoing)
            set_state(cursor, outgoing.id, DeliveryState.SENDING)
        outcome = self._send(outgoing)
        with self._database.cursor() as cursor:
            self._settle(cursor, task, outgoing, outcome)
        _log.info(
            "delivered",
            delivery=str(outgoing.id),
            case=str(outgoing.case_id or ""),
            trace=task.trace,
            channel=outgoing.channel,
            outcome=type(outcome).__name__,
            code=outcome.code if isinstance(outcome, SendError) else "",
        )

    def _send(self, outgoing: _LoadedDelivery) -> Sent | SendError:
        channel = self._channels.get(outgoing.channel)
        if channel is None:
            return SendError(NO_CHANNEL(channel=outgoing.channel))
        try:
            return channel.send(self._with_link(outgoing.reply))
        except SendError as error:
            return error
        except Exception as error:  # noqa: BLE001  # a broken channel must not take the worker along
            # A channel that raises anything else may have failed after the message left.
            _log.exception("channel broke its contract", channel=outgoing.channel)
            return OutcomeUnknown(INTERNAL(error=type(error).__name__))

    def _named(self, cursor: Cursor, outgoing: _LoadedDelivery) -> _LoadedDelivery:
        """The answer with the Message-ID it leaves under, if it is a mail. It is known before the mail leaves, so a
        reply to it always finds its case.
        """
        if not of_channel(outgoing.channel).message_ids:
            return outgoing
        reply = outgoing.reply
        message_id = reply.message_id or own_message_id(outgoing.id, self._settings.mail_domain)
        if outgoing.case_id is not None and outgoing.contact_id is not None:
            contacts.name_message(cursor, outgoing.contact_id, outgoing.case_id, message_id)
        elif outgoing.case_id is not None:
            contacts.lead(cursor, [(message_id, outgoing.case_id)])
        return replace(outgoing, reply=replace(reply, message_id=message_id))

    def _with_link(self, reply: Reply) -> Reply:
        if PROOF_LINK not in reply.text:
            return reply
        with self._database.cursor() as cursor:
            token = proof.issue(cursor, reply.code)
        link = f"{self._settings.public_url}/proof/{token}"
        return replace(reply, text=reply.text.replace(PROOF_LINK, link))

    def _settle(self, cursor: Cursor, task: Task, outgoing: _LoadedDelivery, outcome: Sent | SendError) -> None:
        cursor.execute("SELECT state FROM deliveries WHERE id = %s FOR UPDATE", [outgoing.id])
        row = cursor.fetchone()
        if row is None or row[0] != DeliveryState.SENDING:
            self._settle_late(cursor, outgoing, row[0] if row else "", outcome)
            outbox.done(cursor, [task])
            return
        match outcome:
            case Sent(provider_ref, final, part_refs):
                set_parts(cursor, outgoing.id, outgoing.channel, provider_ref, part_refs)
                set_reference(cursor, outgoing.id, provider_ref)
                set_state(cursor, outgoing.id, DeliveryState.DELIVERED if final else DeliveryState.SENT)
            case OutcomeUnknown():
                set_state(cursor, outgoing.id, DeliveryState.UNKNOWN, outcome.reason, outcome.code)
            case _ if outcome.retryable and outgoing.attempts + 1 < _MOST_TRIES:
                wait = outcome.retry_after or backoff(outgoing.attempts + 1)
                set_state(cursor, outgoing.id, DeliveryState.QUEUED, outcome.reason, outcome.code)
                outbox.retry_later(cursor, task, after=wait, error=type(outcome).__name__)
                outbox.reset_attempts(cursor, task)
                return
            case _:
                set_state(cursor, outgoing.id, DeliveryState.FAILED, outcome.reason, outcome.code)
                if isinstance(outcome, RecipientUnreachable):
                    mark_undeliverable(cursor, kind_of_address(outgoing.channel, outgoing.reply.to), outgoing.reply.to)
        outbox.done(cursor, [task])

    def _settle_late(self, cursor: Cursor, outgoing: _LoadedDelivery, state: str, outcome: Sent | SendError) -> None:
        """While we sent, a report came, or our lease expired and another worker wrote `unknown`: add what we know.

        The state never goes back, and nothing is queued again: a person may have acted on `unknown` already.
        """
        if isinstance(outcome, Sent):
            set_reference(cursor, outgoing.id, outcome.provider_ref)
        if state != DeliveryState.UNKNOWN:
            return
        match outcome:
            case Sent(provider_ref, final, part_refs):
                set_parts(cursor, outgoing.id, outgoing.channel, provider_ref, part_refs)
                set_state(cursor, outgoing.id, DeliveryState.DELIVERED if final else DeliveryState.SENT)
            case OutcomeUnknown():
                pass
            case _:
                set_state(cursor, outgoing.id, DeliveryState.FAILED, outcome.reason, outcome.code)


class _Stored(NamedTuple):
    """A delivery with what its contact and its case say; `text` None where it is gone."""

    state: str
    attempts: int
    channel: str
    account: str
    address: str
    case_id: UUID | None
    contact_id: UUID | None
    last_word: bool
    text: str | None
    title: str
    language: str
    message_id: str
    automatic: bool
    in_reply_to: str
    code: str
    reply_token: str


def _load(cursor: Cursor, delivery_id: UUID) -> _LoadedDelivery | None:
    cursor.execute(
        """
        SELECT d.state, d.attempts, d.channel, d.account, d.address, d.case_id, d.contact_id,
               d.command = 'stop' AS last_word, coalesce(c.text, d.text) AS text, coalesce(c.title, d.title) AS title,
               coalesce(nullif(c.language, ''), nullif(d.language, ''), k.language) AS language,
               coalesce(c.message_id, '') AS message_id, coalesce(c.automatic, true) AS automatic, d.in_reply_to,
               coalesce(k.code, '') AS code, coalesce(k.reply_token, '') AS reply_token
        FROM deliveries d LEFT JOIN contacts c ON c.id = d.contact_id LEFT JOIN cases k ON k.id = d.case_id
        WHERE d.id = %s FOR UPDATE OF d
        """,
        [delivery_id],
    )
    stored = record(cursor, _Stored)
    if stored is None:
        return None
    thread = _thread(cursor, stored)
    reply = Reply(
        id=delivery_id,
        account=stored.account,
        to=stored.address,
        text=stored.text or "",
        language=stored.language,
        title=stored.title,
        code=stored.code,
        message_id=stored.message_id,
        # A delivery of a case answers the newest message that came in, any other the one that it names.
        in_reply_to=stored.in_reply_to if stored.case_id is None else _newest_inbound(thread),
        references=tuple(ref for ref, _ in thread),
        reply_token=stored.reply_token,
        automatic=stored.automatic,
        files=_files(cursor, stored.contact_id) if stored.contact_id is not None else (),
    )
    return _LoadedDelivery(
        id=delivery_id,
        state=stored.state,
        attempts=stored.attempts,
        channel=stored.channel,
        case_id=stored.case_id,
        contact_id=stored.contact_id,
        reply=reply,
        last_word=stored.last_word,
        wordless=stored.text is None,
    )


def _thread(cursor: Cursor, stored: _Stored) -> list[tuple[str, str]]:
    """The messages of the case that the answer may name, the oldest first, as (Message-ID, direction)."""
    if stored.case_id is None:
        return []
    # An answer by another channel has nothing to quote that the citizen's mail program would know.
    cursor.execute(
        "SELECT message_id, direction FROM contacts WHERE case_id = %s AND message_id <> '' "
        "AND id IS DISTINCT FROM %s AND (direction = 'out' OR channel = %s) ORDER BY at DESC, id DESC LIMIT %s",
        [stored.case_id, stored.contact_id, stored.channel, _REFERENCES],
    )
    return cursor.fetchall()[::-1]


def _newest_inbound(thread: Sequence[tuple[str, str]]) -> str:
    return next((reference for reference, direction in reversed(thread) if direction == "in"), "")


def _files(cursor: Cursor, contact_id: UUID) -> tuple[StoredFile, ...]:
    cursor.execute(
        "SELECT blob_key AS key, size, name, media_type, role FROM attachments WHERE contact_id = %s ORDER BY position",
        [contact_id],
    )
    return tuple(records(cursor, StoredFile))
