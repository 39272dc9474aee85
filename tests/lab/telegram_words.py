"""The words the Bot API stand-in is spoken to with: citizens, how it shall behave, what the product's bots said."""

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
        """As the API shows a sender."""
        last = {"last_name": self.last_name} if self.last_name else {}
        head = {"id": self.id, "is_bot": False, "first_name": self.first_name, **last}
        return {**head, "language_code": self.language_code}

    def as_chat(self) -> dict[str, Any]:
        """As the API shows the chat with them."""
        return {"id": self.id, "type": "private", "first_name": self.first_name}


@dataclass(frozen=True)
class Flood:
    """429, with so many seconds to wait."""

    seconds: int


@dataclass(frozen=True)
class Fail:
    """An error of this status and description."""

    status: int
    description: str = "Bad Gateway"


@dataclass(frozen=True)
class Cut:
    """Break the connection without an answer, after taking the message or without."""

    accepted: bool


@dataclass(frozen=True)
class Hold:
    """Take the message, answer only when `release` is called."""

    released: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Let the answer go out."""
        self.released.set()


Behaviour = Flood | Fail | Cut | Hold


@dataclass(frozen=True)
class Upload:
    """A file the product sent."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Said:
    """A message of the product's bot; `fields` as they were given to the method."""

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
        """The keys it put in place of the keyboard."""
        rows = self.fields.get("reply_markup", {}).get("keyboard", [])
        return [key["text"] for row in rows for key in row]

    @property
    def upload(self) -> Upload:
        """The file it carried. Errors: AssertionError if it carried none."""
        found = self.fields.get("document")
        assert isinstance(found, Upload)
        return found
