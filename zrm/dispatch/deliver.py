"""T4: an answer leaves. `sending` is committed before the provider is called.

A crash in the middle leaves `sending` behind; whoever finds it makes it `unknown` and shows it to a person, because
sending again might send twice and forgetting might never send.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, LiteralString, Protocol
from uuid import UUID

from psycopg import sql

from zrm.casestore import contact as contacts
from zrm.casestore import live, outbox
from zrm.casestore.delivery import PROOF_LINK, DeliveryState
from zrm.casestore.outbox import Task, Topic
from zrm.casestore.person import mark_undeliverable, opted_out
from zrm.config import Settings
from zrm.contract import OutcomeUnknown, RecipientOptedOut, RecipientUnreachable, Reply, SendError, Sent, StoredFile
from zrm.dispatch.task_runner import backoff, leave_failed
from zrm.kit import log
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database, insert_rows, records
from zrm.kit.ids import new_id
from zrm.kit.mail_addresses import own_message_id
from zrm.ui.i18n import _

_log = log.get(__name__)
_MOST_TRIES = 12
_REFERENCES = 20
PROOF_LIFE = timedelta(minutes=30)
_STOPPED = _("stopped while sending; it may have left")
OPTED_OUT = _("The citizen has asked not to get messages here. Choose another way to answer.")


class Sends(Protocol):
    """The part of a channel that delivers."""

    def send(self, reply: Reply) -> Sent:
        """Errors: SendError and nothing else."""


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """A delivery of a case's contact, or (without a case) an answer the installation gives by itself."""

    table: Literal["deliveries", "self_answers"]
    id: UUID
    state: str
    attempts: int
    channel: str
    case_id: UUID | None
    reply: Reply
    contact_id: UUID | None = None
    last_word: bool = False  # the confirmation of "stop" itself


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
        """The worker died at it too often: a person looks."""
        leave_failed(self._database, task, "sending was begun too often and never finished")

    def _deliver(self, task: Task) -> None:
        with self._database.cursor() as cursor:
            outgoing = _load(cursor, task.ref) or _load_self_answer(cursor, task.ref)
            if outgoing is None or outgoing.state not in (DeliveryState.QUEUED, DeliveryState.SENDING):
                outbox.done(cursor, [task])
                return
            if outgoing.state == DeliveryState.SENDING:
                self._record(cursor, outgoing, DeliveryState.UNKNOWN, _STOPPED)
                outbox.done(cursor, [task])
                return
            if not outgoing.last_word and opted_out(cursor, outgoing.channel, outgoing.reply.to):
                self._record(cursor, outgoing, DeliveryState.FAILED, OPTED_OUT, RecipientOptedOut.__name__)
                outbox.done(cursor, [task])
                return
            outgoing = self._named(cursor, outgoing)
            self._record(cursor, outgoing, DeliveryState.SENDING)
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

    def _send(self, outgoing: _Outgoing) -> Sent | SendError:
        channel = self._channels.get(outgoing.channel)
        if channel is None:
            return SendError(f"the channel {outgoing.channel} is not configured")
        try:
            return channel.send(self._with_link(outgoing.reply))
        except SendError as error:
            return error
        except Exception as error:  # noqa: BLE001  # a broken channel must not take the worker along
            # A channel that breaks its contract may have broken it after the message left.
            _log.exception("channel broke its contract", channel=outgoing.channel)
            return OutcomeUnknown(f"internal error while sending: {type(error).__name__}")

    def _named(self, cursor: Cursor, outgoing: _Outgoing) -> _Outgoing:
        """The answer with the Message-ID it leaves under, if it is a mail, which is known before it leaves: whatever we
        send, an answer to it finds its case.
        """
        if outgoing.channel != "email":
            return outgoing
        reply = outgoing.reply
        message_id = reply.message_id or own_message_id(outgoing.id, self._settings.mail_domain)
        if outgoing.case_id is not None and outgoing.contact_id is not None:
            contacts.name_message(cursor, outgoing.contact_id, outgoing.case_id, message_id)
        return replace(outgoing, reply=replace(reply, message_id=message_id))

    def _with_link(self, reply: Reply) -> Reply:
        if PROOF_LINK not in reply.text:
            return reply
        token = secrets.token_urlsafe(24)
        with self._database.cursor() as cursor:
            cursor.execute(
                "INSERT INTO proof_tokens (token_hash, code, made_at, ends_at) VALUES (%s, %s, %s, %s)",
                [hashlib.sha256(token.encode()).hexdigest(), reply.code, now(), now() + PROOF_LIFE],
            )
        link = f"{self._settings.public_url}/proof/{token}"
        return replace(reply, text=reply.text.replace(PROOF_LINK, link))

    def _settle(self, cursor: Cursor, task: Task, outgoing: _Outgoing, outcome: Sent | SendError) -> None:
        cursor.execute(_sql("SELECT state FROM {} WHERE id = %s FOR UPDATE", outgoing), [outgoing.id])
        row = cursor.fetchone()
        if row is None or row[0] != DeliveryState.SENDING:
            self._settle_late(cursor, outgoing, row[0] if row else "", outcome)
            outbox.done(cursor, [task])
            return
        match outcome:
            case Sent(provider_ref, final, part_refs):
                self._keep_parts(cursor, outgoing, provider_ref, part_refs)
                cursor.execute(
                    _sql("UPDATE {} SET provider_ref = %s WHERE id = %s", outgoing), [provider_ref, outgoing.id]
                )
                self._record(cursor, outgoing, DeliveryState.DELIVERED if final else DeliveryState.SENT)
            case OutcomeUnknown():
                self._record(cursor, outgoing, DeliveryState.UNKNOWN, str(outcome), outcome.code)
            case _ if outcome.retryable and outgoing.attempts + 1 < _MOST_TRIES:
                wait = outcome.retry_after or backoff(outgoing.attempts + 1)
                self._record(cursor, outgoing, DeliveryState.QUEUED, str(outcome), outcome.code)
                outbox.retry_later(cursor, task, after=wait, error=type(outcome).__name__)
                outbox.reset_attempts(cursor, task)
                return
            case _:
                self._record(cursor, outgoing, DeliveryState.FAILED, str(outcome), outcome.code)
                if isinstance(outcome, RecipientUnreachable):
                    mark_undeliverable(cursor, outgoing.reply.to)
        outbox.done(cursor, [task])

    def _settle_late(self, cursor: Cursor, outgoing: _Outgoing, state: str, outcome: Sent | SendError) -> None:
        """While we sent, a report came, or our lease ran out and somebody wrote `unknown`: add what we know.

        Nothing goes back, and nothing is queued again: a person may have acted on `unknown` already.
        """
        if isinstance(outcome, Sent):
            reference = _sql("UPDATE {} SET provider_ref = %s WHERE id = %s", outgoing)
            cursor.execute(reference, [outcome.provider_ref, outgoing.id])
        if state != DeliveryState.UNKNOWN:
            return
        match outcome:
            case Sent(provider_ref, final, part_refs):
                self._keep_parts(cursor, outgoing, provider_ref, part_refs)
                self._record(cursor, outgoing, DeliveryState.DELIVERED if final else DeliveryState.SENT)
            case OutcomeUnknown():
                pass
            case _:
                self._record(cursor, outgoing, DeliveryState.FAILED, str(outcome), outcome.code)

    def _keep_parts(self, cursor: Cursor, outgoing: _Outgoing, provider_ref: str, part_refs: Sequence[str]) -> None:
        """Networks use their ids again after some months: the newest message has them, also one that is whole."""
        if not part_refs:
            cursor.execute(
                "DELETE FROM delivery_parts WHERE channel = %s AND provider_ref = %s", [outgoing.channel, provider_ref]
            )
            return
        rows = [(outgoing.channel, ref, outgoing.id, number) for number, ref in enumerate(part_refs, 1)]
        cursor.executemany(
            "INSERT INTO delivery_parts (channel, provider_ref, delivery_id, number) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (channel, provider_ref) DO UPDATE SET delivery_id = excluded.delivery_id, "
            "number = excluded.number, state = 'sent'",
            rows,
        )

    def _record(
        self, cursor: Cursor, outgoing: _Outgoing, state: DeliveryState, detail: str = "", code: str = ""
    ) -> None:
        detail = log.redact(detail)[:500]
        update = "UPDATE {} SET state = %s, error = %s, error_code = %s, changed_at = now(), attempts = attempts + %s WHERE id = %s"
        cursor.execute(_sql(update, outgoing), [state, detail, code, int(state is DeliveryState.SENDING), outgoing.id])
        if outgoing.case_id is None:
            return
        insert_rows(
            cursor,
            "delivery_events",
            ("id", "delivery_id", "at", "state", "detail"),
            [(new_id(), outgoing.id, now(), state, detail)],
        )
        if state in (DeliveryState.FAILED, DeliveryState.UNKNOWN):
            outbox.add(cursor, Topic.NOTIFY, [(outgoing.id, "")])
        live.publish_change(cursor, "delivery", [outgoing.id])
        live.publish_change(cursor, "case", [outgoing.case_id])


def _sql(statement: LiteralString, outgoing: _Outgoing) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(outgoing.table))


def _load_self_answer(cursor: Cursor, answer_id: UUID) -> _Outgoing | None:
    cursor.execute(
        "SELECT state, attempts, channel, account, address, text, language, wish, title, in_reply_to "
        "FROM self_answers WHERE id = %s FOR UPDATE",
        [answer_id],
    )
    row = cursor.fetchone()
    if row is None:
        return None
    state, attempts, channel, account, address, text, language, wish, title, in_reply_to = row
    reply = Reply(answer_id, account, address, text, language, title=title, in_reply_to=in_reply_to, automatic=True)
    return _Outgoing("self_answers", answer_id, state, attempts, channel, None, reply, last_word=wish == "stop")


def _load(cursor: Cursor, delivery_id: UUID) -> _Outgoing | None:
    cursor.execute(
        """
        SELECT d.state, d.attempts, d.channel, d.account, d.address, d.case_id, c.id, c.text, c.title, c.language,
               c.message_id, c.automatic, k.code, k.reply_token, k.language
        FROM deliveries d JOIN contacts c ON c.id = d.contact_id JOIN cases k ON k.id = d.case_id
        WHERE d.id = %s FOR UPDATE OF d
        """,
        [delivery_id],
    )
    row = cursor.fetchone()
    if row is None:
        return None
    state, attempts, channel, account, address, case_id, contact_id, text, title, language, *rest = row
    message_id, automatic, code, reply_token, case_language = rest
    cursor.execute(  # an answer by another channel has nothing to quote that the citizen's program there would know
        "SELECT message_id, direction FROM contacts WHERE case_id = %s AND message_id <> '' AND id <> %s "
        "AND (direction = 'out' OR channel = %s) ORDER BY at DESC, id DESC LIMIT %s",
        [case_id, contact_id, channel, _REFERENCES],
    )
    thread = cursor.fetchall()[::-1]
    cursor.execute(
        "SELECT blob_key AS key, size, name, media_type, role FROM attachments WHERE contact_id = %s ORDER BY position",
        [contact_id],
    )
    reply = Reply(
        id=delivery_id,
        account=account,
        to=address,
        text=text,
        language=language or case_language,
        title=title,
        code=code,
        message_id=message_id,
        in_reply_to=next((ref for ref, direction in reversed(thread) if direction == "in"), ""),
        references=tuple(ref for ref, _ in thread),
        reply_token=reply_token,
        automatic=automatic,
        files=tuple(records(cursor, StoredFile)),
    )
    return _Outgoing("deliveries", delivery_id, state, attempts, channel, case_id, reply, contact_id)
