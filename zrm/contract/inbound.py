"""What comes in: the raw contact that the inbox (T1) keeps, its receipt, and the results of a channel's `parse`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from zrm.contract.addresses import Sender
from zrm.contract.descriptions import Description
from zrm.contract.files import InboundFile, StoredFile
from zrm.contract.reasons import Reason

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]


TEXT_LIMIT = 1_000_000
"""Characters of a contact's text that are kept in the record and shown at the desk; a longer text is also kept as a
file."""


REPEATED_ID: Final = "repeated_id"
"""In the envelope: the sender or provider had already used the contact's id for another content."""


@dataclass(frozen=True, slots=True)
class RawContact:
    """What a door received, not yet interpreted.

    `(channel, account, external_id)` identifies it for ever: a repeated delivery has the same three values. `account`
    is our address (mailbox, short code, form name); `body` is the payload as received; `envelope` is what only the door
    knew (JSON values). `kind` "report" is a provider's report on something we sent.

    An id that returns with another content is another contact: it is kept under an id of its own, with `REPEATED_ID` in
    its envelope. `content` is a digest of what the contact says, for channels whose repeated deliveries differ in
    insignificant bytes; without it the body and the files count.
    """

    channel: str
    account: str
    external_id: str
    body: bytes
    media_type: str
    envelope: Mapping[str, JSON] = field(default_factory=dict)
    files: tuple[StoredFile, ...] = ()
    kind: Literal["contact", "report"] = "contact"
    trace: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a contact is durable. `code` is the 12-digit tracking code; `repeated` if the contact had come
    before.
    """

    contact_id: UUID
    code: str
    received_at: datetime
    repeated: bool


@dataclass(frozen=True, slots=True)
class Thread:
    """What the contact says about its conversation; none of it is believed without a check of the sender.

    `references` come nearest ancestor first. `conversation` is a tracking code that the door itself has proven
    (tracking page after proof); `open_line` asks to join the sender's open case on the same account (SMS).
    """

    message_id: str = ""
    references: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    conversation: str = ""
    open_line: bool = False
    returned: UUID | None = None  # the delivery of ours whose return address received it


@dataclass(frozen=True, slots=True)
class Inbound:
    """One contact, interpreted as far as the channel alone can. The text is as written; it is folded later.

    `senders` are the addresses that the contact itself states; `zrm.normalizer.origin` decides which of them to
    believe.
    """

    senders: tuple[Sender, ...]
    text: str
    title: str = ""
    description: Description = ()  # what the channel says of a contact without text; then it has no title either
    html: str = ""
    language: str = ""  # the citizen's choice, if they made one
    sent_at: datetime | None = None  # the sender's claim
    files: tuple[InboundFile, ...] = ()
    thread: Thread = field(default_factory=Thread)
    headers: tuple[tuple[str, str], ...] = ()
    labels: frozenset[str] = frozenset()  # automatic, bounce, list, cut_short …
    nature: str = ""  # the nature's key, if the citizen chose one; an unknown key is ignored
    subject_key: str = ""  # key in the subject tree, if the citizen chose one
    senders_proven: bool = False  # the provider vouches that all senders are addresses of one person
    code_told: bool = False  # the door has told the tracking code: no acknowledgement is needed
    reply_to: tuple[Sender, ...] = ()  # where the writer wants the answer (a mail's Reply-To)
    copied: tuple[Sender, ...] = ()  # the other addressees (a mail's To and Cc)
    profile_language: str = ""  # of the sender's program; used when neither the citizen's choice nor the text tells
    name: str = ""  # the citizen's name, if no sender has it
    taken_by: UUID | None = None  # the agent who entered it, for a taken contact


@dataclass(frozen=True, slots=True)
class Report:
    """A provider's report on a delivery of ours, found by the reference the provider gave when it took the message.

    `reply_id` is our own `Reply.id`, where the provider carries it back: it also finds a delivery whose reference is
    unknown (OutcomeUnknown) or not yet stored. `unreachable`: the failure is permanent for this address (no such
    mailbox), not temporary. `perhaps` are other possible references; they are believed only for a delivery to the
    address `to`, and only if nothing has the first. `otherwise` is what the contact is if it is no report: then the
    first reference, too, is believed only for a delivery to `to`.
    """

    provider_ref: str
    state: Literal["sent", "delivered", "failed"]
    reason: Reason | None = None
    reply_id: UUID | None = None
    unreachable: bool = False
    perhaps: tuple[str, ...] = field(default=(), compare=False)
    to: str = field(default="", compare=False)
    otherwise: Inbound | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event from a known sender that we do not use: recorded with its reason, nothing else happens."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class SelfServiceCommand:
    """A citizen's command to the installation, given by a word, a code or a digit: executed without an agent, answered
    once.

    help; stop and start (messages to them); status of the case behind `code`; codes of the citizen's own cases; rate
    the case closed last, or the case behind `code`, with `score`, 1 to 5. `language` as far as the words show it.

    `answered`: the provider has answered, and we send nothing. `sender` None: the door knows only the code (tracking
    page) and answers itself. A claimed `sender` may be another person's address: it can ask only for codes, and gets
    them only if it was proven before. `otherwise` is what the message is when the command does not apply, such as a
    digit when no case awaits a rating.
    """

    kind: Literal["help", "stop", "start", "status", "codes", "rate"]
    sender: Sender | None
    language: str = ""
    code: str = ""
    score: int = 0
    answered: bool = False
    otherwise: Inbound | None = None


@dataclass(frozen=True, slots=True)
class MessagePart:
    """One part of a message that arrives in parts, in any order and perhaps twice; each part is a raw contact of its
    own.

    `key` is the same for all parts, `number` counts from 1 to `total`, `digest` tells a repetition from another part
    with the same number. After `wait` seconds the message is filed with the parts that came.
    """

    key: str
    number: int
    total: int
    digest: str
    wait: float


Parsed = Inbound | Report | Ignored | SelfServiceCommand | MessagePart
