"""What comes in: the raw contact that T1 keeps, its receipt, and what a channel's `parse` makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from zrm.contract.addresses import Sender
from zrm.contract.files import InboundFile, StoredFile
from zrm.contract.reasons import Reason

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]


TEXT_LIMIT = 1_000_000
"""Characters of a contact's text that the record keeps and the desk shows; a longer text is also kept whole, as a file."""


REPEATED_ID: Final = "repeated_id"
"""In the envelope: the id that the contact's sender or provider gave it had come before with another content."""


@dataclass(frozen=True, slots=True)
class RawContact:
    """What a door received, before anybody understood it.

    `(channel, account, external_id)` identifies it for ever: the same delivery twice has the same three.
    `account` is our side's address (mailbox, short code, form name); `body` the payload as received;
    `envelope` what only the door knew (JSON values). `kind` "report" is a provider's word about something we sent.
    An id that has come before with another content is another contact: it is kept under an id of its own, with
    `REPEATED_ID` in its envelope. `content` is a digest of what the contact says, where one delivery may differ from
    another in bytes that say nothing; without it all of the body and the files counts.
    `earlier_id` is the external id that an earlier version gave the same contact, if another: who has a receipt under
    that one keeps it.
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
    earlier_id: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a contact is durable. `code` is the 12-digit tracking code; `repeated` if it had come before."""

    contact_id: UUID
    code: str
    received_at: datetime
    repeated: bool


@dataclass(frozen=True, slots=True)
class Thread:
    """What the contact says about the conversation it belongs to; none of it is believed without a sender check.

    `references` come nearest ancestor first. `conversation` is a tracking code that the door itself has proven (tracking
    page after proof); `open_line` asks to join the sender's open case on the same account (SMS).
    """

    message_id: str = ""
    references: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    conversation: str = ""
    open_line: bool = False
    returned: UUID | None = None  # the delivery of ours whose return address it came to


@dataclass(frozen=True, slots=True)
class Inbound:
    """One contact, understood as far as the channel alone can. Text is as written; folding comes later.

    `senders` are who the contact itself says it is from; `zrm.normalizer.origin` decides what of that is believed.
    """

    senders: tuple[Sender, ...]
    text: str
    title: str = ""
    html: str = ""
    language: str = ""  # the citizen's choice, if they made one
    sent_at: datetime | None = None  # the sender's claim
    files: tuple[InboundFile, ...] = ()
    thread: Thread = field(default_factory=Thread)
    headers: tuple[tuple[str, str], ...] = ()
    labels: frozenset[str] = frozenset()  # robot, bounce, list, cut_short …
    nature: str = ""  # the key of one, if the citizen chose; an unknown one counts as none
    subject_key: str = ""  # key in the subject tree, if the citizen chose one
    senders_proven: bool = False  # the provider itself vouches that all senders are addresses of one person
    code_told: bool = False  # the door has told the tracking code: no acknowledgement is needed
    reply_to: tuple[Sender, ...] = ()  # where its writer wants the answer (a mail's Reply-To)
    copied: tuple[Sender, ...] = ()  # whom its writer addressed beside us (a mail's To and Cc)
    profile_language: str = ""  # of the sender's own program; counts where neither choice nor words tell
    name: str = ""  # the citizen's, if no sender has it
    taken_by: UUID | None = None  # the agent who took it down, if no citizen's own hand did


@dataclass(frozen=True, slots=True)
class Report:
    """A provider's word about a delivery of ours, found by the reference it gave us when it took the message.

    `reply_id` is our own `Reply.id` where the provider carries it back: it also finds a delivery whose reference we
    never learned (OutcomeUnknown) or have not written down yet. `unreachable`: a failure that is the address's own
    fault (no such mailbox), not of the moment. `perhaps` are other references that may be meant, believed only of a
    delivery to the address `to`, once nothing has the first. `otherwise` is what the contact is if it is no report:
    then even the first is believed only of a delivery to `to`.
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
    """Known sender, event we do not use: recorded with its reason, nothing else happens."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Wish:
    """What a citizen asks of the installation itself, by a word, a code or a digit: done without an agent, answered once.

    help; stop and start (writing to them); status of the case behind `code`; codes of the citizen's own cases; rate the
    case closed last with `score`, 1 to 5, or with a `code` the case behind it. `language` as far as the words show it.
    `answered`: the provider has answered by itself, we stay silent. `sender` None: the door knows the code alone (tracking
    page), and answers itself. A claimed `sender` may be anybody's address: it can ask only for codes, and gets them only if
    it was proven before.
    `otherwise` is what the message is when the wish fits nothing, such as a digit while nothing waits to be rated.
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
    """A piece of a message that comes in pieces, in any order and perhaps twice; each is a raw contact of its own.

    `key` is the same for all of them, `number` counts from 1 to `total`, `digest` tells a repetition from a stranger
    with the same number. After `wait` seconds the message is filed as far as it came.
    """

    key: str
    number: int
    total: int
    digest: str
    wait: float


Parsed = Inbound | Report | Ignored | Wish | MessagePart
