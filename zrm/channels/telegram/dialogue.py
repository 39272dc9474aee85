"""The short guided dialogue, as one pure step: a dialogue state and an update in; the next state and the actions out.

    language → (menu) → nature → subject → describe ⇄ attach → confirm → registered
                      → track → (closed) rate

No message is lost between two steps: text where a button was expected becomes the description; text outside any
dialogue is a message of its own; an unfinished draft is filed when its time is over.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from zrm.channels.channel import Installation
from zrm.channels.telegram import messages
from zrm.channels.telegram.dialogue_state import DialogueState, SentPart
from zrm.channels.telegram.incoming_update import IncomingUpdate
from zrm.channels.telegram.messages import OutgoingMessage, in_columns, menu
from zrm.contract.ports import Nature, Subject
from zrm.kit.text import latin_digits
from zrm.languages import LANGUAGES, Language
from zrm.localized import in_language
from zrm.ui.i18n import digits, gettext

Role = Literal["message", "step"]

_CODE: Final = re.compile(r"\d(?:[\s.-]*\d){11}")
_MOST_PARTS: Final = 40
_SHOWN: Final = 600


@dataclass(frozen=True, slots=True)
class DialogueContext:
    """What the dialogue depends on. `subjects` parents before children; times in seconds."""

    installation: Installation
    begins_in: Language | None
    natures: Sequence[Nature]
    subjects: Sequence[Subject]
    draft_life: float
    album_wait: float


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that only the front desk can answer: the state of the case behind a code, or a rating of it."""

    kind: Literal["track", "rate"]
    code: str
    score: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """The result of an update: the next state, the role in which it is received, the messages, the request to the desk.

    `repeated`: the update came before and has no further effect.
    """

    note: DialogueState
    role: Role = "step"
    says: tuple[OutgoingMessage, ...] = ()
    ask: Ask | None = None
    repeated: bool = False


def language_of(note: DialogueState, told: IncomingUpdate | None, setting: DialogueContext) -> Language:
    """The dialogue's language: chosen, else the bot's, else that of the citizen's messenger, else the
    installation's.
    """
    for known in (note.language, setting.begins_in or "", (told.language_code if told else "")[:2].lower()):
        if known in LANGUAGES:
            return known
    return setting.installation.language


def advance(
    note: DialogueState, told: IncomingUpdate, part: SentPart | None, setting: DialogueContext, now: float
) -> Turn:
    """One step. `part` is the update with its files, if it brought anything to keep."""
    role = note.role_of(told.named)
    if role is not None:
        return Turn(note, "step" if role == "step" else "message", repeated=True)
    dialogue = _ChatDialogue(note, told, setting, now)
    match told.kind:
        case "button":
            turn = dialogue.button()
        case "message":
            turn = dialogue.message(part)
        case "edited":
            turn = dialogue.edited(part)
        case _:
            turn = Turn(note, "message")
    return replace(turn, note=turn.note.saw(told.named, turn.role))


def prompt(note: DialogueState, setting: DialogueContext) -> OutgoingMessage:
    """The bot's question at this point of the dialogue."""
    return _ChatDialogue(note, None, setting, 0).prompt()


def read_code(text: str) -> str:
    """The twelve digits of a tracking code in a text, in any script and with any dashes; empty if there are none."""
    match = _CODE.search(latin_digits(text))
    return "".join(character for character in match.group() if character.isdigit()) if match else ""


class _ChatDialogue:
    """One update applied to one dialogue state."""

    def __init__(self, note: DialogueState, told: IncomingUpdate | None, setting: DialogueContext, now: float) -> None:
        self._note = note
        self._told = told
        self._setting = setting
        self._now = now
        self._language = language_of(note, told, setting)

    # ------------------------------------------------------------ messages

    def message(self, part: SentPart | None) -> Turn:
        """A message: a command, something for a draft or an album, or a contact of its own."""
        told, note = self._told, self._note
        if told is None:
            raise ValueError("no update")
        command, rest = messages.command_of(told.text) if not told.attached else ("", "")
        if command in ("go_on", "cancel") and not note.step and not told.text.startswith("/"):
            command = ""  # plain words, when no question is open
        if command:
            return self._command(command, rest)
        if part is None:
            says = (self._say(messages.CANNOT_READ),) if told.unread or told.unknown else ()
            return Turn(note, "message", says)
        if note.drafting:
            return self._add(part)
        if note.step == "track" and not told.attached:
            if code := read_code(told.text):
                return Turn(replace(note, step="", due=0), "step", ask=Ask("track", code))
            if sum(character.isdigit() for character in told.text) > len(told.text) // 2:
                return Turn(note, "step", (self._say(messages.NO_SUCH_CODE),))
        note = replace(note, step="", due=0)
        if told.album:
            return self._gather(note, part)
        return Turn(note.seal_album(), "message", self._missing(part))

    def edited(self, part: SentPart | None) -> Turn:
        """A changed message replaces the one that still waits here; otherwise it is a message about an earlier one."""
        note = self._note
        if part is None:
            return Turn(note, "message")
        for field in ("parts", "album"):
            waiting: tuple[SentPart, ...] = getattr(note, field)
            if any(known.message_id == part.message_id for known in waiting):
                changed = tuple(part if known.message_id == part.message_id else known for known in waiting)
                # The first part names the bundle: it must not change with its text.
                changed = (replace(changed[0], name=waiting[0].name), *changed[1:])
                return Turn(replace(note, parts=changed) if field == "parts" else replace(note, album=changed), "step")
        return Turn(note, "message")

    def _add(self, part: SentPart) -> Turn:
        note = self._note
        again = bool(part.album and note.parts and note.parts[-1].album == part.album)
        note = replace(note, step="attach", parts=(*note.parts, part), due=self._due())
        if len(note.parts) >= _MOST_PARTS:
            return Turn(note.seal_draft(finished=True), "step")
        told = self._told
        text = messages.ADDED_PHONE if told is not None and told.phone else messages.ADDED
        says = () if again else (self._ask_more(gettext(self._language, text)),)
        return Turn(note, "step", (*self._missing(part), *says))

    def _gather(self, note: DialogueState, part: SentPart) -> Turn:
        if note.album and note.album[0].album != part.album:
            note = note.seal_album()
        note = replace(note, album=(*note.album, part), album_due=self._now + self._setting.album_wait)
        return Turn(note, "step", self._missing(part))

    # ------------------------------------------------------------ commands

    def _command(self, command: str, rest: str) -> Turn:
        note = self._note
        match command:
            case "start":
                return self._ask_language() if not note.language else self._welcome(note)
            case "language":
                return self._ask_language()
            case "new":
                return self._at(replace(note.seal_draft(finished=True), step="nature", due=self._due()))
            case "go_on" if note.drafting:
                return self._at(replace(note, step="confirm" if note.parts else "describe", due=self._due()))
            case "track":
                note = note.seal_draft(finished=True)
                if code := read_code(rest):
                    return Turn(note, "step", ask=Ask("track", code))
                return self._at(replace(note, step="track", due=self._due()))
            case "stop":
                return Turn(note, "step", (self._say(messages.STOPPED),))
            case "cancel":
                note = replace(note, step="", parts=(), nature="", subject="", due=0)
                return Turn(note, "step", (self._say(messages.CANCELLED, keys=menu(self._language)),))
        return Turn(note, "step", (self._say(messages.HELP, keys=menu(self._language)),))

    def _ask_language(self) -> Turn:
        note = self._note if self._note.drafting else replace(self._note, step="language", due=self._due())
        return Turn(note, "step", (_languages(),))

    def _welcome(self, note: DialogueState) -> Turn:
        name = in_language(self._setting.installation.name, self._language)
        return Turn(note, "step", (self._say(messages.WELCOME, keys=menu(self._language), name=name),))

    # ------------------------------------------------------------ buttons

    def button(self) -> Turn:
        """A button below one of our messages, perhaps an old one: one that no longer fits gets the current question."""
        told, note = self._told, self._note
        if told is None:
            raise ValueError("no update")
        kind, _, value = told.data.partition(":")
        match kind:
            case "l" if value in LANGUAGES:
                self._note = note = replace(note, language=value)
                self._language = value
                return self._at(note) if note.drafting else self._welcome(replace(note, step="", due=0))
            case "n" if note.step == "nature" and self._nature(value):
                return self._at(replace(note, nature=value, step="subject" if self._branches("") else "describe"))
            case "s" if note.step == "subject":
                return self._subject(value)
            case "send" if note.step == "confirm" and note.parts:
                return Turn(note.seal_draft(finished=True))
            case "more" if note.drafting:
                return self._at(replace(note, step="attach" if note.parts else "describe", due=self._due()))
            case "cancel":
                return self._command("cancel", "")
            case "r":
                code, _, score = value.partition(":")
                if score in ("1", "2", "3", "4", "5"):
                    return Turn(note, ask=Ask("rate", code, int(score)))
        return Turn(note, says=(self.prompt(),))

    def _nature(self, key: str) -> str:
        """The name of a nature; empty if no nature has that key."""
        names = {one.key: in_language(one.names, self._language) for one in self._setting.natures}
        return names.get(key, "")

    def _subject(self, value: str) -> Turn:
        note = self._note
        chosen = next((subject for subject in self._setting.subjects if _short(subject.key) == value), None)
        if chosen is None:  # otherwise: the branch we are in, if any
            return self._at(replace(note, step="describe", due=self._due()))
        note = replace(note, subject=chosen.key, due=self._due())
        return self._at(note if self._branches(chosen.key) else replace(note, step="describe"))

    def _branches(self, parent: str) -> list[Subject]:
        return [subject for subject in self._setting.subjects if subject.parent_key == parent]

    # ------------------------------------------------------------ messages of the bot

    def prompt(self) -> OutgoingMessage:
        """The bot's message at this step."""
        note, language = self._note, self._language
        match note.step:
            case "language":
                return _languages()
            case "nature":
                buttons = [(in_language(one.names, language), f"n:{one.key}") for one in self._setting.natures]
                rows = (*in_columns(buttons, 2), ((gettext(language, messages.CANCEL), "cancel"),))
                return OutgoingMessage(gettext(language, messages.WHICH_NATURE), rows)
            case "subject":
                choices = self._branches(note.subject)
                buttons = [(in_language(subject.names, language), f"s:{_short(subject.key)}") for subject in choices]
                rows = (*in_columns(buttons, 2), ((gettext(language, messages.SOMETHING_ELSE), "s:-"),))
                return OutgoingMessage(gettext(language, messages.WHICH_SUBJECT), rows)
            case "describe":
                return self._say(messages.DESCRIBE, keys=((gettext(language, messages.CANCEL),),))
            case "attach":
                return self._ask_more(gettext(language, messages.ADDED))
            case "confirm":
                return self._summary()
            case "track":
                return self._say(messages.WHICH_CODE)
        return self._say(messages.HELP, keys=menu(language))

    def _summary(self) -> OutgoingMessage:
        note, language = self._note, self._language
        subject = next((one for one in self._setting.subjects if one.key == note.subject), None)
        lines = [
            self._nature(note.nature),
            in_language(subject.names, language) if subject else "",
            _shown_text(note.parts),
        ]
        if files := sum(len(part.files) for part in note.parts):
            lines.append(gettext(language, messages.FILES_COUNT, count=digits(files, language)))
        text = gettext(language, messages.SUMMARY, summary="\n".join(line for line in lines if line))
        buttons = ((messages.SEND, "send"), (messages.MORE, "more"), (messages.CANCEL, "cancel"))
        return OutgoingMessage(text, tuple(((gettext(language, label), data),) for label, data in buttons))

    def _ask_more(self, text: str) -> OutgoingMessage:
        phone = gettext(self._language, messages.SHARE_PHONE)
        keys = ((gettext(self._language, messages.GO_ON),), (phone,), (gettext(self._language, messages.CANCEL),))
        return OutgoingMessage(text, keys=keys, phone_key=phone)

    def _say(self, message: str, *, keys: tuple[tuple[str, ...], ...] = (), **values: object) -> OutgoingMessage:
        return OutgoingMessage(gettext(self._language, message, **values), keys=keys)

    def _missing(self, part: SentPart) -> tuple[OutgoingMessage, ...]:
        sentences = {"too_big": messages.TOO_BIG}
        return tuple(
            self._say(sentences.get(missing.why, messages.NOT_FETCHED), name=missing.name) for missing in part.missing
        )

    def _at(self, note: DialogueState) -> Turn:
        self._note = note
        return Turn(note, says=(self.prompt(),))

    def _due(self) -> float:
        return self._now + self._setting.draft_life


def _languages() -> OutgoingMessage:
    buttons = tuple((traits.name, f"l:{code}") for code, traits in LANGUAGES.items())
    return OutgoingMessage(messages.choose_language(), (buttons,))


def _shown_text(parts: Sequence[SentPart]) -> str:
    """The beginning of the citizen's text, for them to check."""
    texts = []
    for part in parts:
        update = part.update if isinstance(part.update, dict) else {}
        message = update.get("message") or update.get("edited_message")
        if isinstance(message, dict):
            texts += [text for key in ("text", "caption") if isinstance(text := message.get(key), str)]
    text = "\n".join(texts)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _short(key: str) -> str:
    """A subject's key as a button can carry it: at most 64 bytes."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]
