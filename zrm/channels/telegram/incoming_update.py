"""What an update of the Bot API says. Pure and robust: every field may be missing or of any type.

Field names are those of the public Bot API description. Anything unknown is named, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from zrm.contract.inbound import JSON
from zrm.contract.reasons import Reason, declare
from zrm.kit.digests import digest_of

UpdateKind = Literal["message", "edited", "button", "elsewhere", "other"]

_DEEPEST: Final = 30
_EMPTY: Final[Mapping[str, JSON]] = {}

_UNREAD: Final = (
    "sticker", "dice", "game", "poll", "story", "paid_media", "checklist", "gift", "unique_gift", "invoice", "giveaway",
    "giveaway_winners", "passport_data",
)  # fmt: skip
"""Kinds of messages without content for us: the citizen is asked to write instead."""

_SERVICE: Final = (
    "new_chat_members", "left_chat_member", "new_chat_title", "new_chat_photo", "delete_chat_photo",
    "group_chat_created", "supergroup_chat_created", "channel_chat_created", "message_auto_delete_timer_changed",
    "migrate_to_chat_id", "migrate_from_chat_id", "pinned_message", "successful_payment", "refunded_payment",
    "users_shared", "chat_shared", "connected_website", "write_access_allowed", "proximity_alert_triggered",
    "boost_added", "chat_background_set", "video_chat_scheduled", "video_chat_started", "video_chat_ended",
    "video_chat_participants_invited", "web_app_data", "giveaway_created", "giveaway_completed",
    "forum_topic_created", "forum_topic_edited", "forum_topic_closed", "forum_topic_reopened",
)  # fmt: skip
"""Service messages that the messenger itself writes into a chat."""

_FILES: Final[Mapping[str, tuple[str, str]]] = {  # the field, and the file's name and title where it has none
    "animation": ("animation.mp4", "video/mp4"),
    "document": ("document", "application/octet-stream"),
    "audio": ("audio", "audio/mpeg"),
    "video": ("video.mp4", "video/mp4"),
    "video_note": ("video-note.mp4", "video/mp4"),
    "voice": ("voice.ogg", "audio/ogg"),
    "live_photo": ("live-photo.mp4", "video/mp4"),
}


class Malformed(Exception):
    """Not an update at all."""


_POST: Final = declare("telegram.post", "a post in a channel")
_IN_GROUP: Final = declare("telegram.in_group", "said in a group")
_BUTTON_IN_GROUP: Final = declare("telegram.button_in_group", "a button in a group")
_GROUPS: Final = declare("telegram.groups", "the bot was put into a group or taken out of it")
_BLOCKED: Final = declare("telegram.bot_blocked", "the citizen blocked the bot")
_UNBLOCKED: Final = declare("telegram.bot_unblocked", "the citizen lets the bot write again")
_PLACE: Final = declare("telegram.place", "the bot's place in a chat changed")
_NOTICE: Final = declare("telegram.notice", "a notice of the messenger (%(kind)s)")
_OTHER: Final = declare("telegram.other_kind", "an update of another kind (%(kind)s)")
_NO_UPDATE: Final = declare("telegram.empty", "an empty update")


@dataclass(frozen=True, slots=True)
class Attached:
    """A file at the messenger: `kind` the field it came in, size in bytes, 0 if not stated."""

    kind: str
    file_id: str
    name: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class IncomingUpdate:
    """An update, parsed.

    `kind` elsewhere: written in a group or channel; other: no citizen's message, `what` names it. `content` is whether
    there are words, files or a location to keep; `unread` names a message without content, `unknown` one of an unknown
    kind. `mark` tells this update from one of the same number, after the messenger has restarted its numbering;
    `digest` covers its content without what the messenger may write differently when it delivers the same update again.
    """

    update_id: int
    kind: UpdateKind
    what: Reason | None = None
    mark: str = ""
    chat: int = 0
    user: int = 0
    name: str = ""
    language_code: str = ""
    message_id: int = 0
    date: int = 0
    text: str = ""
    attached: tuple[Attached, ...] = ()
    album: str = ""
    phone: str = ""  # the sender's own, vouched for by the messenger
    reply_to: int = 0
    forwarded: bool = False
    unread: str = ""
    unknown: bool = False
    data: str = ""
    button_id: str = ""
    links: tuple[str, ...] = ()
    robot: bool = False
    digest: str = ""

    @property
    def named(self) -> str:
        """The update's permanent name: its number, its `mark`, and its digest."""
        return f"{self.update_id}/{self.mark}/{self.digest}"

    @property
    def content(self) -> bool:
        """Whether there is something to keep."""
        return bool(self.text or self.attached)


def read_update(value: JSON) -> IncomingUpdate:
    """Read one update. Errors: Malformed."""
    told = _read(value)
    files = (repr((file.kind, file.name, file.media_type, file.size)) for file in told.attached)
    said = (told.kind, str(told.what or ""), told.text, told.phone, told.data, told.unread, *told.links, *files)
    return replace(told, digest=digest_of(repr((told.chat, told.user)), *said)[:16])


def _read(value: JSON) -> IncomingUpdate:
    if not isinstance(value, dict):
        raise Malformed("not an object")
    update_id = _int(value, "update_id")
    if update_id <= 0:
        raise Malformed("no update_id")
    for field, edited in (("message", False), ("edited_message", True)):
        if field in value:
            return _message(update_id, _object(value, field), edited=edited)
    if "callback_query" in value:
        return _button(update_id, _object(value, "callback_query"))
    if "my_chat_member" in value:
        return _membership(update_id, _object(value, "my_chat_member"))
    what = next((key for key in ("channel_post", "edited_channel_post") if key in value), "")
    if what:
        return IncomingUpdate(update_id, "elsewhere", what=_POST)
    names = sorted(key for key in value if key != "update_id")
    return IncomingUpdate(update_id, "other", what=_OTHER(kind=_name(names[0])) if names else _NO_UPDATE)


def storable(value: JSON, depth: int = 0) -> JSON:
    """The value without what PostgreSQL's JSON cannot hold: NUL, half surrogates, infinities, endless nesting."""
    match value:
        case str():
            return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
        case float():
            return value if math.isfinite(value) else None
        case int():
            return value if abs(value) < 2**63 else None
        case list():
            return [storable(item, depth + 1) for item in value] if depth < _DEEPEST else None
        case dict():
            if depth >= _DEEPEST:
                return None
            return {str(storable(key)): storable(item, depth + 1) for key, item in value.items()}
    return value


def _message(update_id: int, message: Mapping[str, JSON], *, edited: bool) -> IncomingUpdate:
    sender, chat = _object(message, "from"), _object(message, "chat")
    user, room = _int(sender, "id"), _int(chat, "id")
    message_id = _int(message, "message_id")
    date = _int(message, "edit_date") if edited else _int(message, "date")
    mark = f"{room}.{message_id}.{date}"
    kind = _text(chat, "type")
    if kind and kind != "private":
        command = _text(message, "text")[:64]
        return IncomingUpdate(update_id, "elsewhere", _IN_GROUP, mark, room, user, text=command, message_id=message_id)
    if user <= 0 or room <= 0 or message_id <= 0:
        raise Malformed("a message without a sender or a number")
    text, phone = _words(message, user)
    attached = _attached(message, message_id)
    content = bool(text or attached)
    unread = "" if content else next((field for field in _UNREAD if field in message), "")
    service = "" if content or unread else next((field for field in _SERVICE if field in message), "")
    return IncomingUpdate(
        update_id,
        "other" if service else "edited" if edited else "message",
        what=_NOTICE(kind=service) if service else None,
        mark=mark,
        chat=room,
        user=user,
        name=_line(f"{_text(sender, 'first_name')} {_text(sender, 'last_name')}")[:200],
        language_code=_text(sender, "language_code")[:16],
        message_id=message_id,
        date=date,
        text=text,
        attached=attached,
        album=_text(message, "media_group_id")[:64],
        phone=phone,
        reply_to=_int(_object(message, "reply_to_message"), "message_id"),
        forwarded="forward_origin" in message or "forward_date" in message,
        unread=unread,
        unknown=not (content or unread or service),
        links=_links(message),
        robot=sender.get("is_bot") is True,
    )


def _button(update_id: int, query: Mapping[str, JSON]) -> IncomingUpdate:
    sender = _object(query, "from")
    user, identifier = _int(sender, "id"), _text(query, "id")
    if user <= 0 or not identifier:
        raise Malformed("a button without a sender or a number")
    chat = _object(_object(query, "message"), "chat")
    room, where = _int(chat, "id"), _text(chat, "type")
    if where and where != "private":
        return IncomingUpdate(update_id, "elsewhere", _BUTTON_IN_GROUP, identifier[:64])
    return IncomingUpdate(
        update_id,
        "button",
        mark=identifier[:64],
        chat=room if room > 0 else user,
        user=user,
        name=_line(f"{_text(sender, 'first_name')} {_text(sender, 'last_name')}")[:200],
        language_code=_text(sender, "language_code")[:16],
        message_id=_int(_object(query, "message"), "message_id"),
        data=_text(query, "data")[:64],
        button_id=identifier[:128],
    )


def _membership(update_id: int, change: Mapping[str, JSON]) -> IncomingUpdate:
    chat = _object(change, "chat")
    if _text(chat, "type") not in ("", "private"):
        return IncomingUpdate(update_id, "other", what=_GROUPS)
    status = _text(_object(change, "new_chat_member"), "status")
    said = {"kicked": _BLOCKED, "member": _UNBLOCKED}
    return IncomingUpdate(update_id, "other", what=said.get(status, _PLACE))


def _words(message: Mapping[str, JSON], user: int) -> tuple[str, str]:
    """The text of a message, and the sender's own phone number if it has a contact card of it."""
    lines = [_text(message, "text"), _text(message, "caption")]
    phone = ""
    venue = _object(message, "venue")
    place = _object(venue, "location") or _object(message, "location")
    lines += [_line(_text(venue, "title")), _line(_text(venue, "address"))]
    latitude, longitude = _number(place, "latitude"), _number(place, "longitude")
    if latitude is not None and longitude is not None:
        at = f"{latitude:.6f}", f"{longitude:.6f}"
        lines.append(f"{at[0]}, {at[1]}")
        lines.append(f"https://www.openstreetmap.org/?mlat={at[0]}&mlon={at[1]}#map=17/{at[0]}/{at[1]}")
    card = _object(message, "contact")
    if number := _text(card, "phone_number").strip()[:32]:
        number = number if number.startswith("+") or not number.isdecimal() else f"+{number}"
        name = _line(f"{_text(card, 'first_name')} {_text(card, 'last_name')}")
        lines.append(f"{name} {number}".strip())
        # The messenger itself fills in whose number it is; only the sender's own proves anything.
        phone = number if _int(card, "user_id") == user and "forward_origin" not in message else ""
    return "\n".join(line for line in lines if line.strip()), phone


def _attached(message: Mapping[str, JSON], message_id: int) -> tuple[Attached, ...]:
    found = []
    sizes = message.get("photo")
    if isinstance(sizes, list):
        photos = [size for size in sizes if isinstance(size, dict) and _text(size, "file_id")]
        if photos:  # the same photo in several sizes: the largest
            best = max(photos, key=lambda size: (_int(size, "width") * _int(size, "height"), _int(size, "file_size")))
            name = f"photo-{message_id}.jpg"
            found.append(Attached("photo", _text(best, "file_id"), name, "image/jpeg", _int(best, "file_size")))
    for field, (name, media_type) in _FILES.items():
        if field == "document" and "animation" in message:
            continue  # an animation comes as a document too, for old software
        file = _object(message, field)
        if identifier := _text(file, "file_id"):
            found.append(
                Attached(
                    field,
                    identifier,
                    _line(_text(file, "file_name"))[:200] or name,
                    _line(_text(file, "mime_type"))[:100] or media_type,
                    _int(file, "file_size"),
                )
            )
    return tuple(found)


def _links(message: Mapping[str, JSON]) -> tuple[str, ...]:
    """Link addresses hidden behind words of the message."""
    found = []
    for field in ("entities", "caption_entities"):
        entities = message.get(field)
        for entity in entities if isinstance(entities, list) else []:
            if isinstance(entity, dict) and _text(entity, "type") == "text_link":
                found.append(_line(_text(entity, "url"))[:500])
    return tuple(dict.fromkeys(link for link in found if link))


def _object(value: Mapping[str, JSON], key: str) -> Mapping[str, JSON]:
    found = value.get(key)
    return found if isinstance(found, dict) else _EMPTY


def _text(value: Mapping[str, JSON], key: str) -> str:
    """A string without what PostgreSQL's text cannot hold: NUL and half surrogates."""
    found = value.get(key)
    if not isinstance(found, str):
        return ""
    return found.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _int(value: Mapping[str, JSON], key: str) -> int:
    found = value.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 2**63 else 0


def _number(value: Mapping[str, JSON], key: str) -> float | None:
    found = value.get(key)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not -180 <= found <= 180:
        return None
    return float(found)


def _line(text: str) -> str:
    return " ".join(text.split())


def _name(key: str) -> str:
    return "".join(character for character in key if character.isascii() and (character.isalnum() or character == "_"))[
        :40
    ]
