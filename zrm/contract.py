"""The words that pass between the doors and the installation; `zrm.channels.contract` shows them to the channels.

Ground level, because T1 (inbox), T2 (normalizer), T4 (dispatch) and every channel speak them and none may import
another. Frozen records, no behaviour beyond construction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, ClassVar, Final, Literal, Protocol
from uuid import UUID

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]

# ---------------------------------------------------------------- inwards: door → T1 → parse → T2

TEXT_LIMIT = 1_000_000
"""Characters of a contact's text that the record keeps and the desk shows; a longer text is also kept whole, as a file."""


REPEATED_ID: Final = "repeated_id"
"""In the envelope: the id that the contact's sender or provider gave it had come before with another content."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A blob that is already durable: `key` in the blob store, size in bytes, media type as claimed by the sender."""

    key: str
    size: int
    name: str = ""
    media_type: str = "application/octet-stream"
    role: str = "attachment"  # attachment | recording | fax


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


class AddressKind(StrEnum):
    """How a person can be reached. `phone` values are E.164 where valid, else the digits as they came.

    `telegram` and `bale` values are the messenger's own number of the user, the same for every bot there.
    """

    EMAIL = "email"
    PHONE = "phone"
    TELEGRAM = "telegram"
    BALE = "bale"


@dataclass(frozen=True, slots=True)
class Sender:
    """An address as the channel gave it; the normalizer makes the value comparable and keeps `raw`.

    `claimed`: only stated, typed into a form or written where anybody can write anything. The contact did not come from
    it, so it proves nothing ([ADR 4](docs/adr/0004-claimed-addresses.md)).
    """

    kind: AddressKind
    raw: str
    name: str = ""
    claimed: bool = False


@dataclass(frozen=True, slots=True)
class InboundFile:
    """A file found in a contact: `data`, or `stored` when the door had already kept it, or `remote`, an address at the
    provider's from which a worker fetches it after the contact is filed.
    """

    name: str
    media_type: str
    data: bytes | None = None
    stored: StoredFile | None = None
    role: str = "attachment"  # attachment | inline | recording | fax | original
    content_id: str = ""
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A remote file as the provider gave it; `media_type` is the provider's word."""

    data: bytes
    media_type: str


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
    nature: str = ""  # complaint | request | suggestion | criticism | report, if the citizen said so
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
    detail: str = ""
    reply_id: UUID | None = None
    unreachable: bool = False
    perhaps: tuple[str, ...] = field(default=(), compare=False)
    to: str = field(default="", compare=False)
    otherwise: Inbound | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Ignored:
    """Known sender, event we do not use: recorded with its reason, nothing else happens."""

    reason: str


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


class Unparseable(Exception):
    """The contact cannot be understood: it goes to quarantine with this message as the reason."""


Parsed = Inbound | Report | Ignored | Wish | MessagePart


# ---------------------------------------------------------------- outwards: T4 → channel


@dataclass(frozen=True, slots=True)
class Reply:
    """One message to one address. `id` is the delivery's, stable over retries: providers that know idempotency get it."""

    id: UUID
    account: str
    to: str
    text: str
    language: str
    title: str = ""
    code: str = ""
    message_id: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    reply_token: str = ""
    automatic: bool = False
    files: tuple[StoredFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took it. `final`: it is where the citizen reads it, as on our own page; no report is needed.
    `provider_ref` may be empty, if the provider gives none.

    `part_refs` are the references of all parts, if the provider took a long text in several and reports on each: it has
    arrived when all have, and failed when one has.
    """

    provider_ref: str
    final: bool
    part_refs: tuple[str, ...] = ()


class SendError(Exception):
    """Why a reply did not leave; the message is for an agent's eyes, without secrets. See the subclasses."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class ConfigInvalid(SendError):
    """Our own settings are wrong or missing; an operator must act."""


class ReplyInvalid(SendError):
    """This reply cannot be sent by this channel (no address, too long, bad characters)."""


class ConnectionFailed(SendError):
    """The provider was not reached and has surely not taken the message."""

    retryable = True


class Throttled(SendError):
    """The provider asks us to wait `retry_after` seconds."""

    retryable = True


class Rejected(SendError):
    """The provider refused; `code` is its own."""


class RecipientUnreachable(SendError):
    """The address does not exist or cannot receive."""


class RecipientOptedOut(SendError):
    """The citizen asked us not to write there."""


class OutcomeUnknown(SendError):
    """The connection broke after the message left: it may have been taken. Shown to a person, never resent by us."""


# ---------------------------------------------------------------- the front desk, as the doors see it


@dataclass(frozen=True, slots=True)
class PublicFile:
    """A file of a public message, size in bytes; `id` None while its message is not filed yet.

    `withheld`: why it is not given out: it is "waiting" for the virus scan, or "infected".
    """

    id: UUID | None
    name: str
    media_type: str
    size: int
    withheld: str = ""


@dataclass(frozen=True, slots=True)
class PublicMessage:
    """One line of a case's public conversation; `text` and `files` are empty until the citizen has proven who they are.

    `closing`: it says why the case was closed without an answer.
    """

    at: datetime
    ours: bool
    channel: str
    text: str
    files: tuple[PublicFile, ...] = ()
    closing: bool = False


@dataclass(frozen=True, slots=True)
class OnTheWay:
    """A contact that was received for a case and is not filed yet, as its door wrote it (without its external id)."""

    received_at: datetime
    contact: RawContact


@dataclass(frozen=True, slots=True)
class Tracking:
    """What the holder of a code may see. Without proof: state and dates; with it, the public messages too.

    `filed`: whether there is a case already. `happened` has the moment of each state that was reached, in their order;
    a case that was closed without an answer has no "answered". `channel` is the one the case came by.
    """

    code: str
    state: Literal["received", "in_progress", "answered", "closed"]
    language: str
    opened_at: datetime
    changed_at: datetime
    proven: bool
    proofs: tuple[Literal["phone", "email"], ...]  # ways open to prove it; empty: nothing to prove by
    title: str = ""
    messages: tuple[PublicMessage, ...] = ()
    rated: bool = False  # by somebody with the code, since it was closed
    channel: str = ""
    filed: bool = True
    happened: Mapping[str, datetime] = field(default_factory=dict)
    on_the_way: tuple[OnTheWay, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """A node of the subject tree, for the citizen's choice."""

    key: str
    name_fa: str
    name_en: str
    parent_key: str = ""


@dataclass(frozen=True, slots=True)
class OpenDoor:
    """What a channel that is open here keeps: whether who comes by it is told the tracking code there, and the kind of
    address it can write an answer to (None: it cannot).
    """

    kind: str
    tells_code: bool
    reaches: AddressKind | None


class FrontDesk(Protocol):
    """The citizen's side of the installation, handed to every door. All methods may be called from any thread; they block."""

    def admit(self, door: str, peer: str, *, size: int = 0) -> None:
        """Count a post of `size` bytes at a door that anybody can reach, before anything of it is kept. Asks nobody.

        Never at the door of who cannot or will not send it again (a gateway). Errors: OverQuota, which says when to come
        again.
        """
        return None

    def admit_address(self, door: str, peer: str, kind: Literal["phone", "email"], address: str) -> None:
        """The same for the address that a post names as its sender's, in one spelling. Errors: OverQuota."""
        return None

    def submit(self, contact: RawContact) -> Future[Receipt]:
        """T1: the future resolves once the contact is durable. Errors: StoreUnavailable, StoreFull."""

    async def take(self, contact: RawContact) -> Receipt:
        """`submit` for a door on an event loop, much cheaper there. Errors: StoreUnavailable, StoreFull."""
        ...

    def receive(self, contact: RawContact) -> Receipt:
        """`submit` and wait. Errors: StoreUnavailable, StoreFull."""

    def keep(
        self,
        data: bytes | BinaryIO,
        *,
        name: str = "",
        media_type: str = "application/octet-stream",
        role: str = "attachment",
    ) -> StoredFile:
        """Make a file durable before the contact that carries it; without one it goes again after a day.
        Errors: StoreUnavailable, StoreFull.
        """

    def still_kept(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Those of earlier `keep`s that are still there, each for another day; asked before a contact carries them.
        Errors: StoreUnavailable.
        """

    def refuse(self, channel: str, account: str, reason: str, peer: str) -> None:
        """Record an anomalous attempt (bad signature, wrong secret). `peer` is kept only as a keyed hash."""

    def track(self, code: str, peer: str, *, proven: bool = False) -> Tracking:
        """State of the case behind a code. `peer` (address, caller) is rate-limited.
        Errors: NotFound (also for wrong check digits), TooManyTries.
        """

    def public_file(self, code: str, file_id: UUID) -> tuple[StoredFile, Path]:
        """A file of the public conversation behind a code whose holder has proven themselves, and where its bytes lie.
        Errors: NotFound, also for one that is withheld.
        """

    def prove_by_phone(self, code: str, last_digits: str, peer: str) -> bool:
        """Whether the last four digits are those of a phone of the case's person. Errors: NotFound, TooManyTries."""

    def prove_by_email(self, code: str, peer: str) -> None:
        """Send a one-time link to the case's e-mail address, if it has one; says nothing either way.
        Errors: NotFound, TooManyTries.
        """

    def redeem(self, token: str) -> str:
        """The tracking code behind a one-time link's token. Errors: NotFound (unknown, used or too old)."""

    def subjects(self) -> list[Subject]:
        """The subject tree's choices, parents before children."""

    def code_goes_to(self, addresses: Iterable[tuple[AddressKind, str]]) -> str:
        """Which of these typed addresses the code is also sent to; empty if to none. Asks nobody, so it cannot know of
        those who want no messages or have had too many.
        """
        return ""

    def doors(self) -> Sequence[OpenDoor]:
        """The channels that are open, so that no page promises what none of them keeps. Asks nobody."""
        return ()

    def rate(self, code: str, score: int, channel: str, peer: str) -> bool:
        """Record how content the citizen was, 1 to 5, with a closed case; False if it is not closed, or has been
        rated since it was.
        Errors: NotFound, TooManyTries.
        """

    def count_asking_for_codes(self, peer: str) -> None:
        """A citizen has lost their codes and typed an address, to which somebody may be written. Errors: TooManyTries."""

    def opt(self, channel: str, account: str, address: str, *, out: bool, at: datetime | None = None) -> None:
        """Remember that a citizen wants no messages (or wants them again) at their address on a channel.

        The newest word counts. `at` is when they said it, as far as the channel knows: the same word brought again
        later then changes nothing.
        """

    def opted_out(self, channel: str, address: str) -> bool:
        """Whether the citizen asked us not to write there."""

    def cursor(self, channel: str, key: str) -> JSON:
        """How far a door has read a source that remembers nothing for it (a mailbox), None if it never did.
        Errors: StoreUnavailable.
        """
        return None

    def move_cursor(self, channel: str, key: str, position: JSON) -> None:
        """Keep that for ever; only after everything up to there has its receipt. Errors: StoreUnavailable."""
        return None

    def recall(self, channel: str, key: str) -> JSON:
        """The note kept for a dialogue, None if there is none or its time is over."""

    def remember(self, channel: str, key: str, note: JSON, *, seconds: float) -> None:
        """Keep a dialogue's note for a while; None forgets it."""

    def revise(self, channel: str, key: str, change: Callable[[JSON], tuple[JSON, float]]) -> None:
        """Rewrite a note in one durable step that nobody can come between: `change` is given the note (None if there is
        none or its time is over) and answers the new one and its seconds. It must be quick and ask nobody.
        """

    def ending(self, channel: str, *, within: float) -> list[JSON]:
        """The notes whose time is over in so many seconds, the first to end first, at most a hundred."""
