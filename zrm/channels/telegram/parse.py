"""What a stored contact says. Pure: the bytes of the update, or of the updates collected into one contact."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from zrm.channels.telegram import messages
from zrm.channels.telegram.dialogue_state import Missing, missing_from, part_from
from zrm.channels.telegram.incoming_update import IncomingUpdate, Malformed, read_update
from zrm.channels.telegram.platform import Platform
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.errors import Unparseable
from zrm.contract.files import InboundFile, StoredFile
from zrm.contract.inbound import JSON, Ignored, Inbound, RawContact, SelfServiceCommand, Thread
from zrm.kit.text import latin_digits

_SCORES = ("1", "2", "3", "4", "5")


@dataclass(frozen=True, slots=True)
class _ParsedText:
    """One message with its files."""

    told: IncomingUpdate
    files: tuple[StoredFile, ...]
    missing: tuple[Missing, ...]


def read_contact(raw: RawContact, platform: Platform) -> Inbound | Ignored | SelfServiceCommand:
    """The contact. Errors: Unparseable and nothing else."""
    try:
        value: JSON = json.loads(raw.body)
        role = raw.envelope.get("role")
        if role in ("matter", "album"):
            return _bundle(raw, value, platform)
        told = read_update(value)
        missing = raw.envelope.get("missing")
        gone = tuple(missing_from(item) for item in missing) if isinstance(missing, list) else ()
    except Malformed as error:
        raise Unparseable(messages.NOT_AN_UPDATE(words=str(error))) from None
    except (ValueError, RecursionError) as error:
        raise Unparseable(messages.NOT_JSON(words=type(error).__name__)) from None
    if role == "step":
        return Ignored(messages.STEP)
    match told.kind:
        case "elsewhere" | "other":
            return Ignored(told.what or messages.NOTHING)
        case "button":
            return Ignored(messages.BUTTON)
    if told.unread:
        return Ignored(messages.WORDLESS(kind=told.unread))
    if not told.content:
        raise Unparseable(messages.UNKNOWN_KIND)
    inbound = _inbound([_ParsedText(told, raw.files, gone)], raw, platform, open_line=True)
    digit = latin_digits(told.text.strip())
    if digit in _SCORES and not told.attached and told.kind == "message" and not told.robot:
        # An answer to the rating question of a closed case; if none was asked, it is an ordinary message.
        return SelfServiceCommand("rate", inbound.senders[0], inbound.language, score=int(digit), otherwise=inbound)
    return inbound


def _bundle(raw: RawContact, value: JSON, platform: Platform) -> Inbound:
    if not isinstance(value, dict) or not isinstance(value.get("parts"), list):
        raise Unparseable(messages.NO_PARTS)
    listed = value["parts"]
    parts = [part_from(item) for item in (listed if isinstance(listed, list) else [])]
    said = [_ParsedText(read_update(part.update), part.files, part.missing) for part in parts]
    if not said or any(one.told.kind not in ("message", "edited") or not one.told.content for one in said):
        raise Unparseable(messages.SILENT_PART)
    if len({one.told.chat for one in said}) != 1:
        raise Unparseable(messages.SEVERAL_CHATS)
    matter = raw.envelope.get("role") == "matter"
    return _inbound(
        said,
        raw,
        platform,
        open_line=not matter,
        nature=_string(value.get("nature")) if matter else "",
        subject=_string(value.get("subject")) if matter else "",
        unfinished=matter and value.get("finished") is False,
    )


def _inbound(
    said: Sequence[_ParsedText],
    raw: RawContact,
    platform: Platform,
    *,
    open_line: bool,
    nature: str = "",
    subject: str = "",
    unfinished: bool = False,
) -> Inbound:
    first = said[0].told
    chosen = _string(raw.envelope.get("language"))
    phones = tuple(dict.fromkeys(one.told.phone for one in said if one.told.phone))
    missing = [gone for one in said for gone in one.missing]
    text = "\n".join(one.told.text for one in said if one.told.text)
    attached = [file for one in said for file in one.told.attached]
    description = () if text else (messages.DESCRIPTIONS.get(attached[0].kind, messages.FILE)(),)
    kind = platform.address
    return Inbound(
        senders=(
            Sender(kind, str(first.chat), first.name),
            *(Sender(PHONE, phone, first.name) for phone in phones),
        ),
        text=text,
        description=description,
        language=chosen,
        sent_at=moment(first.date),
        files=tuple(
            InboundFile(file.name, file.media_type, stored=file, role=file.role) for one in said for file in one.files
        ),
        thread=_thread(said, raw.account, platform, open_line=open_line),
        headers=(
            ("Message", ", ".join(str(one.told.message_id) for one in said)),
            *(("Link", link) for one in said for link in one.told.links),
            *(("File not kept", f"{gone.name} ({gone.size} bytes): {gone.why}") for gone in missing),
        ),
        labels=_labels(said, open_line=open_line, unfinished=unfinished),
        nature=nature,
        subject_key=subject,
        senders_proven=bool(phones),
        code_told=not open_line,
        profile_language=next((code for one in said[::-1] if (code := one.told.language_code[:2].lower())), ""),
    )


def _thread(said: Sequence[_ParsedText], account: str, platform: Platform, *, open_line: bool) -> Thread:
    """The conversation: what the messages answer, and the message that was edited."""
    chat, last = said[0].told.chat, said[-1].told
    earlier = [last.message_id] if last.kind == "edited" else []
    earlier += [one.told.reply_to for one in said if one.told.reply_to]
    return Thread(
        message_id=message_id(platform, account, chat, last.message_id) if last.kind != "edited" else "",
        references=tuple(message_id(platform, account, chat, number) for number in earlier),
        open_line=open_line,
    )


def _labels(said: Sequence[_ParsedText], *, open_line: bool, unfinished: bool) -> frozenset[str]:
    labels = {
        "edited": any(one.told.kind == "edited" for one in said) and open_line,
        "forwarded": any(one.told.forwarded for one in said),
        "robot": any(one.told.robot for one in said),
        "file_missing": any(one.missing for one in said),
        "unfinished_dialogue": unfinished,
    }
    return frozenset(label for label, applies in labels.items() if applies)


def message_id(platform: Platform, bot: str, chat: int, number: int) -> str:
    """A message's name in our store: message numbers count anew in every chat with every bot."""
    return f"{platform.kind}:{bot}:{chat}:{number}"


def message_number(name: str, platform: Platform, bot: str, chat: int) -> int:
    """The messenger's own number of a message of that name; 0 if it is not one of this chat with this bot.

    The same number is another message in any other chat: a case may hold messages to two bots, by two messengers.
    """
    ours, _colon, number = name.rpartition(":")
    known = ours == f"{platform.kind}:{bot}:{chat}" and number.isascii() and number.isdigit() and len(number) < 12
    return int(number) if known else 0


def moment(seconds: int) -> datetime | None:
    """The messenger's seconds since 1970 as a moment; None if invalid."""
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < 2**33 else None


def _string(value: JSON) -> str:
    return value.replace("\0", "")[:200] if isinstance(value, str) else ""
