"""A dialogue's state, as it is kept between two messages of a citizen: durable before the bot answers.

What a citizen sends within a dialogue, or as one album of several photos, is collected here as `Part`s until it is
complete; then it is sealed into a `Bundle`, received as one contact, and removed from the state. A bundle never changes
once sealed, so however often it is received, the contact is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

from zrm.contract.files import StoredFile
from zrm.contract.inbound import JSON

KEEP: Final = 90 * 86400.0
"""Seconds a state is kept beyond its due time, so that it is found while it waits and after any outage."""

_SEEN: Final = 60

DialogueStep = Literal["", "language", "nature", "subject", "describe", "attach", "confirm", "track"]


@dataclass(frozen=True, slots=True)
class Missing:
    """A file that could not be fetched: over the messenger's limit (`too_big`) or not given to us (`not_fetched`)."""

    name: str
    size: int
    why: str


@dataclass(frozen=True, slots=True)
class SentPart:
    """One update of a bundle with the files it brought, which lie in the store already."""

    update: JSON
    name: str
    message_id: int
    album: str = ""
    files: tuple[StoredFile, ...] = ()
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A contact to be. `key` identifies it for ever."""

    key: str
    role: Literal["matter", "album"]
    parts: tuple[SentPart, ...]
    nature: str = ""
    subject: str = ""
    finished: bool = True


@dataclass(frozen=True, slots=True)
class DialogueState:
    """A chat with one bot. `language` as the citizen chose it; times are seconds since 1970.

    `due`: when the draft is filed without the citizen's confirmation; `album_due`: when the album counts as complete.
    """

    bot: str
    chat: int
    language: str = ""
    step: DialogueStep = ""
    nature: str = ""
    subject: str = ""
    parts: tuple[SentPart, ...] = ()
    due: float = 0
    album: tuple[SentPart, ...] = ()
    album_due: float = 0
    sealed: tuple[Bundle, ...] = ()
    seen: tuple[tuple[str, str], ...] = ()  # names of the last updates, with the role each was received in
    code: str = ""

    @property
    def drafting(self) -> bool:
        """Whether the citizen's next message belongs to a draft."""
        return self.step in ("nature", "subject", "describe", "attach", "confirm")

    def role_of(self, name: str) -> str | None:
        """The role in which this update was received before; None if it is new."""
        return next((role for known, role in self.seen if known == name), None)

    def saw(self, name: str, role: str) -> DialogueState:
        """The state with one more update recorded."""
        return replace(self, seen=(*self.seen, (name, role))[-_SEEN:])

    def seal_draft(self, *, finished: bool) -> DialogueState:
        """Close the draft, if it has any content; the dialogue is over."""
        done = replace(self, step="", nature="", subject="", parts=(), due=0)
        if not self.parts:
            return done
        key = f"{self.bot}/matter/{self.parts[0].name}"
        bundle = Bundle(key, "matter", self.parts, self.nature, self.subject, finished)
        return replace(done, sealed=(*self.sealed, bundle))

    def seal_album(self) -> DialogueState:
        """Close the album that is being collected, if there is one."""
        if not self.album:
            return self
        bundle = Bundle(f"{self.bot}/album/{self.album[0].name}", "album", self.album)
        return replace(self, album=(), album_due=0, sealed=(*self.sealed, bundle))

    def seal_due(self, now: float) -> DialogueState:
        """Close what has expired."""
        note = self.seal_album() if self.album and self.album_due <= now else self
        return note.seal_draft(finished=False) if note.step and 0 < note.due <= now else note

    def seconds(self, now: float) -> float:
        """How long to keep the state: it is due for a look when `KEEP` seconds of this are left."""
        moments = [moment for moment in (self.due, self.album_due) if moment > 0]
        if self.sealed:
            moments.append(now + 5)  # the process that sealed it files it at once; if that one died, another must
        return KEEP + max(0.5, min(moments) - now) if moments else 2 * KEEP


def to_json(note: DialogueState) -> JSON:
    """The state as the store keeps it."""
    value: JSON = asdict(note)
    return value


def from_json(value: JSON, bot: str, chat: int) -> DialogueState:
    """The stored state; a fresh one if there is none."""
    if not isinstance(value, dict):
        return DialogueState(bot, chat)
    nowhere: DialogueStep = ""
    step = next((step for step in _STEPS if step == value.get("step")), nowhere)
    return DialogueState(
        bot=bot,
        chat=chat,
        language=_str(value, "language"),
        step=step,
        nature=_str(value, "nature"),
        subject=_str(value, "subject"),
        parts=tuple(part_from(item) for item in _list(value, "parts")),
        due=_float(value, "due"),
        album=tuple(part_from(item) for item in _list(value, "album")),
        album_due=_float(value, "album_due"),
        sealed=tuple(_bundle(item) for item in _list(value, "sealed")),
        seen=tuple((str(pair[0]), str(pair[1])) for pair in _list(value, "seen") if isinstance(pair, list)),
        code=_str(value, "code"),
    )


_STEPS: Final[tuple[DialogueStep, ...]] = ("language", "nature", "subject", "describe", "attach", "confirm", "track")


def part_from(value: JSON) -> SentPart:
    """A part as stored, in a state or in a contact's body. Errors: ValueError."""
    if not isinstance(value, dict):
        raise ValueError("not a part")
    return SentPart(
        update=value.get("update"),
        name=_str(value, "name"),
        message_id=int(_float(value, "message_id")),
        album=_str(value, "album"),
        files=tuple(_file(item) for item in _list(value, "files")),
        missing=tuple(missing_from(item) for item in _list(value, "missing")),
    )


def missing_from(value: JSON) -> Missing:
    """A missing file as stored. Errors: ValueError."""
    if not isinstance(value, dict):
        raise ValueError("not a missing file")
    return Missing(_str(value, "name"), int(_float(value, "size")), _str(value, "why"))


def _file(value: JSON) -> StoredFile:
    if not isinstance(value, dict):
        raise ValueError("not a file")
    return StoredFile(
        _str(value, "key"),
        int(_float(value, "size")),
        _str(value, "name"),
        _str(value, "media_type"),
        _str(value, "role"),
    )


def _bundle(value: JSON) -> Bundle:
    if not isinstance(value, dict):
        raise ValueError("not a bundle")
    return Bundle(
        _str(value, "key"),
        "album" if value.get("role") == "album" else "matter",
        tuple(part_from(item) for item in _list(value, "parts")),
        _str(value, "nature"),
        _str(value, "subject"),
        bool(value.get("finished")),
    )


def _str(value: Mapping[str, JSON], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""


def _float(value: Mapping[str, JSON], key: str) -> float:
    found = value.get(key)
    return float(found) if isinstance(found, (int, float)) and abs(found) < 2**62 else 0.0


def _list(value: Mapping[str, JSON], key: str) -> list[JSON]:
    found = value.get(key)
    return list(found) if isinstance(found, (list, tuple)) else []
