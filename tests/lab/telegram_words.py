"""The vocabulary of the Bot API stand-in: citizens, behaviours, messages of the product's bots."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Citizen:
    """A user of the messenger; a private chat with them has their own number."""

    id: int
    first_name: str
    language_code: str = "fa"
    last_name: str = ""

    def as_user(self) -> dict[str, Any]:
        """The sender as the API shows it."""
        last = {"last_name": self.last_name} if self.last_name else {}
        head = {"id": self.id, "is_bot": False, "first_name": self.first_name, **last}
        return {**head, "language_code": self.language_code}

    def as_chat(self) -> dict[str, Any]:
        """The chat with this citizen as the API shows it."""
        return {"id": self.id, "type": "private", "first_name": self.first_name}


@dataclass(frozen=True)
class Flood:
    """429, with this many seconds to wait."""

    seconds: int


@dataclass(frozen=True)
class Fail:
    """An error of this status and description."""

    status: int
    description: str = "Bad Gateway"


@dataclass(frozen=True)
class Cut:
    """Break the connection without an answer, after accepting the message or before."""

    accepted: bool


@dataclass(frozen=True)
class Hold:
    """Accept the message, answer only when `release` is called."""

    released: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Release the answer."""
        self.released.set()


Behaviour = Flood | Fail | Cut | Hold


@dataclass(frozen=True)
class Upload:
    """A file the product sent."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Said:
    """A message of the product's bot; `fields` are the method's arguments."""

    message_id: int
    fields: dict[str, Any]

    @property
    def text(self) -> str:
        """Its text, or its file's caption."""
        return str(self.fields.get("text") or self.fields.get("caption") or "")

    @property
    def buttons(self) -> list[tuple[str, str]]:
        """(label, data) of the buttons beneath it."""
        rows = self.fields.get("reply_markup", {}).get("inline_keyboard", [])
        return [(button["text"], button.get("callback_data", "")) for row in rows for button in row]

    @property
    def keys(self) -> list[str]:
        """The keys of its reply keyboard."""
        rows = self.fields.get("reply_markup", {}).get("keyboard", [])
        return [key["text"] for row in rows for key in row]

    @property
    def upload(self) -> Upload:
        """Its file. Errors: AssertionError if it has none."""
        found = self.fields.get("document")
        assert isinstance(found, Upload)
        return found
