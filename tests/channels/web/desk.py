"""A front desk for tests of the web door alone: it keeps what it is given, and has one case to track."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Literal
from uuid import UUID

from tests.channels.desk import UnaskedDesk
from zrm.contract.addresses import EMAIL, PHONE, AddressKind
from zrm.contract.files import StoredFile
from zrm.contract.inbound import JSON, RawContact, Receipt
from zrm.contract.ports import Nature, OpenDoor, Subject
from zrm.contract.reasons import Reason
from zrm.contract.tracking import OnTheWay, PublicFile, PublicMessage, Tracking
from zrm.errors import NotFound, StoreUnavailable, TooManyTries
from zrm.kit.ids import new_id

CASE = "283541907624"
OPENED = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
ANSWER_FILE = new_id()
FILES = (
    PublicFile(ANSWER_FILE, "نقشه.pdf", "application/pdf", 20_480),
    PublicFile(new_id(), "virus.exe", "application/octet-stream", 1_000, withheld="infected"),
    PublicFile(new_id(), "new.jpg", "image/jpeg", 300_000, withheld="waiting"),
)
NATURES = [
    Nature("complaint", {"fa": "شکایت", "en": "Complaint"}),
    Nature("request", {"fa": "درخواست", "en": "Request"}),
    Nature("report", {"fa": "گزارش", "en": "Report"}),
    Nature("praise", {"fa": "قدردانی", "en": "Praise"}),
]
SUBJECTS = [
    Subject("roads", {"fa": "معابر و خیابان‌ها", "en": "Streets and roads"}),
    Subject("water", {"fa": "آب و فاضلاب", "en": "Water and sewage"}),
    Subject("potholes", {"fa": "چاله و آسفالت", "en": "Potholes and asphalt"}, "roads"),
]


@dataclass
class KeepingDesk(UnaskedDesk):
    """Obeys the front desk's contract in memory. `away` makes the store unavailable, `tries` limits tracking,
    `open_to_code` asks for no proof, `rated` says that a closed case has been.
    """

    contacts: dict[tuple[str, str, str], tuple[RawContact, Receipt]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    peers: set[str] = field(default_factory=set)
    tokens: dict[str, str] = field(default_factory=lambda: {"good-token": CASE})
    state: Literal["received", "in_progress", "answered", "closed"] = "answered"
    proofs: tuple[Literal["phone", "email"], ...] = ("phone", "email")
    title: str = "چالهٔ بزرگ در خیابان بهار"
    away: bool = False
    tries: int = 1000
    open_to_code: bool = False
    rated: bool = False
    answered: bool = True
    notes: dict[str, JSON] = field(default_factory=dict)
    folder: Path = Path("/nonexistent")
    open_doors: Sequence[OpenDoor] = (
        OpenDoor("sms", True, PHONE),
        OpenDoor("email", True, EMAIL),
        OpenDoor("fax", False, None),
        OpenDoor("voice_ivr", True, None),
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def raws(self) -> list[RawContact]:
        """The contacts in the order they came."""
        return [raw for raw, _ in self.contacts.values()]

    def receive(self, contact: RawContact) -> Receipt:
        self._open()
        key = (contact.channel, contact.account, contact.external_id)
        with self._lock:
            if key in self.contacts:
                first = self.contacts[key][1]
                return Receipt(first.contact_id, first.code, first.received_at, repeated=True)
            receipt = Receipt(new_id(), f"{910000000000 + len(self.contacts)}", OPENED, repeated=False)
            self.contacts[key] = (contact, receipt)
            return receipt

    def store(
        self,
        data: bytes | BinaryIO,
        *,
        name: str = "",
        media_type: str = "application/octet-stream",
        role: str = "attachment",
    ) -> StoredFile:
        self._open()
        content = data if isinstance(data, bytes) else data.read()
        key = hashlib.sha256(content).hexdigest()
        self.blobs[key] = content
        return StoredFile(key, len(content), name, media_type, role)

    def still_stored(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        self._open()
        return [file for file in files if file.key in self.blobs]

    def refuse(self, channel: str, account: str, reason: Reason, peer: str) -> None:
        self.refusals.append(reason.code)

    def track(self, code: str, peer: str, *, proven: bool = False) -> Tracking:
        self._open()
        self._count(peer)
        proven = proven or self.open_to_code
        if code != CASE:
            raise NotFound("no such code")
        messages = (
            ("سلام، جلوی پلاک ۱۲ چاله‌ای هست.\n\nدیشب چرخ ماشینم در آن افتاد.", False, 0),
            ("سلام. گزارش شما به ناحیهٔ ۳ رسید و فردا پر می‌شود.\n\n<script>alert(1)</script>", True, 26),
        )
        return Tracking(
            code=CASE,
            state=self.state,
            language="fa",
            opened_at=OPENED,
            changed_at=OPENED + timedelta(hours=26),
            proven=proven,
            proofs=self.proofs,
            title=self.title if proven else "",
            messages=tuple(
                PublicMessage(
                    OPENED + timedelta(hours=hours),
                    ours,
                    "web",
                    text if proven else "",
                    files=FILES if proven and ours else (),
                    closing=ours and not self.answered,
                )
                for text, ours, hours in messages
            ),
            rated=self.rated,
            channel="web",
            happened=dict.fromkeys(self._happened(), OPENED),
            on_the_way=tuple(
                OnTheWay(OPENED, raw) for raw in self.raws if proven and raw.envelope.get("conversation") == CASE
            ),
        )

    def _happened(self) -> list[str]:
        states = ["received", "in_progress", *(["answered"] if self.answered else []), "closed"]
        return states[: states.index(self.state) + 1]

    def public_file(self, code: str, file_id: UUID) -> tuple[StoredFile, Path]:
        if (code, file_id) != (CASE, ANSWER_FILE):
            raise NotFound("no such file")
        return StoredFile("", 4, "plan \u202egpj.pdf", "application/pdf"), self.folder / "plan.pdf"

    def prove_by_phone(self, code: str, last_digits: str, peer: str) -> bool:
        self._count(peer)
        return code == CASE and last_digits == "6789"

    def prove_by_email(self, code: str, peer: str) -> None:
        self._count(peer)
        self.links.append(code)

    def count_asking_for_codes(self, peer: str) -> None:
        self._open()
        self._count(peer)

    def redeem(self, token: str) -> str:
        try:
            return self.tokens.pop(token)
        except KeyError:
            raise NotFound("unknown, used or too old") from None

    def code_goes_to(self, addresses: Iterable[tuple[AddressKind, str]]) -> str:
        return next((value for _, value in addresses), "")

    def doors(self) -> Sequence[OpenDoor]:
        return self.open_doors

    def natures(self) -> list[Nature]:
        self._open()
        return NATURES

    def subjects(self) -> list[Subject]:
        self._open()
        return SUBJECTS

    def load_state(self, channel: str, key: str) -> JSON:
        self._open()
        return self.notes.get(f"{channel}:{key}")

    def save_state(self, channel: str, key: str, state: JSON, *, seconds: float) -> None:
        self._open()
        self.notes[f"{channel}:{key}"] = json.loads(json.dumps(state))
        if state is None:
            del self.notes[f"{channel}:{key}"]

    def id_of(self, place: int) -> UUID:
        """The contact id of the receipt given at a place in the order."""
        return list(self.contacts.values())[place][1].contact_id

    def _open(self) -> None:
        if self.away:
            raise StoreUnavailable("the store is away")

    def _count(self, peer: str) -> None:
        self.peers.add(peer)
        self.tries -= 1
        if self.tries < 0:
            raise TooManyTries(601)
