"""The bot's messages and button labels, and the reasons shown to agents when an answer did not leave.

All are message ids, shown in the citizen's or the agent's language.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zrm.contract.descriptions import describe
from zrm.contract.reasons import declare
from zrm.languages import LANGUAGES, Language
from zrm.ui.i18n import _, gettext

# ---------------------------------------------------------------- the dialogue

CHOOSE_LANGUAGE: Final = _("Please choose your language.")

WELCOME: Final = _(
    "Welcome to %(name)s. Press “New case” and we will ask you what it is about, or simply write it here. "
    "With a tracking code you can ask how far it is."
)
HELP: Final = _(
    "/new – open a new case\n/track – ask how far a case is\n/language – change the language\n"
    "/cancel – stop the questions\n/stop – no more messages from us\nAnything else you write here reaches our staff."
)
WHICH_NATURE: Final = _("What is it?")
WHICH_SUBJECT: Final = _("What is it about?")
DESCRIBE: Final = _(
    "Please describe it: where, since when, and what you ask for. You may write, speak, or send photos, files and a place."
)
ADDED: Final = _("Added. Send more, or press “Go on”.")
ADDED_PHONE: Final = _("Thank you, your number is noted. Send more, or press “Go on”.")
SUMMARY: Final = _("This is what we will register:\n\n%(summary)s\n\nIs that all?")
FILES_COUNT: Final = _("Files: %(count)s")
REGISTERED: Final = _(
    "Registered. Your tracking code:\n%(code)s\n\nWe answer here. With this code you can also ask by telephone, by "
    "text message, or at\n%(track)s"
)
REGISTERED_UNFINISHED: Final = _(
    "You had not finished; so that nothing is lost, we registered what you had sent. Your tracking code:\n%(code)s"
)
CANCELLED: Final = _("Cancelled. Nothing was registered.")
STOPPED: Final = _("We will not write to you here any more. If you change your mind: /start")
CANNOT_READ: Final = _("We cannot read this kind of message. Please write it, or send a photo or a voice message.")
TOO_BIG: Final = _("The file %(name)s is too large for this messenger's bots (20 MB); please send it another way.")
NOT_FETCHED: Final = _("The file %(name)s did not reach us; please send it again.")
ONLY_PRIVATE: Final = _("This bot works in private chats only. Please write to it there.")
WHICH_CODE: Final = _("Please send the tracking code: twelve digits.")
NO_SUCH_CODE: Final = _("We know no such tracking code. Please check the digits.")
TOO_MANY_TRIES: Final = _("Too many tries. Please try again later.")
STATE: Final = _("%(code)s: %(state)s\nlast change: %(date)s")
HOW_CONTENT: Final = _("How satisfied are you with how we handled your case? 1 is not at all, 5 is very.")
RATED: Final = _("Thank you for your rating.")
NOT_RATED: Final = _("This case cannot be rated now.")
AWAY: Final = _("We cannot look that up at this moment. Please try again in a few minutes.")

STATES: Final = {
    "received": _("Received"),
    "in_progress": _("In progress"),
    "answered": _("Answered"),
    "closed": _("Closed"),
}

NEW: Final = _("New case")
TRACK: Final = _("Track a case")
LANGUAGE: Final = _("زبان / Language")
GO_ON: Final = _("Go on")
SHARE_PHONE: Final = _("Share my phone number")
CANCEL: Final = _("Leave it")
SEND: Final = _("Yes, register it")
MORE: Final = _("Add more")
SOMETHING_ELSE: Final = _("Something else")

_PHOTO: Final = describe("messenger.photo", "Photo")
_VIDEO: Final = describe("messenger.video", "Video")
FILE: Final = describe("messenger.file", "File")
DESCRIPTIONS: Final = {
    "photo": _PHOTO,
    "voice": describe("messenger.voice", "Voice message"),
    "audio": describe("messenger.audio", "Audio"),
    "video": _VIDEO,
    "video_note": _VIDEO,
    "animation": _VIDEO,
    "live_photo": _PHOTO,
    "document": FILE,
}
"""The description of a message without words."""

COMMANDS: Final = {
    "/start": "start",
    "/help": "help",
    "/new": "new",
    "/track": "track",
    "/status": "track",
    "/language": "language",
    "/cancel": "cancel",
    "/stop": "stop",
}
_LABELS: Final = {NEW: "new", TRACK: "track", LANGUAGE: "language", GO_ON: "go_on", CANCEL: "cancel"}


def command_of(text: str) -> tuple[str, str]:
    """The command in a text and the text after it; empty if it is none. Button labels are commands too."""
    word, _sep, rest = text.strip().partition(" ")
    if word.startswith("/"):
        return COMMANDS.get(word.partition("@")[0].lower(), ""), rest.strip()
    for label, command in _LABELS.items():
        if any(text.strip() == gettext(language, label) for language in LANGUAGES):
            return command, ""
    return "", ""


# ---------------------------------------------------------------- the bot's messages


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message of the bot. `buttons` are rows of (label, data) below it; `keys` rows of labels in place of the
    keyboard.

    A key that equals `phone_key` asks the citizen's messenger for their number. With neither, the current keys stay.
    """

    text: str
    buttons: tuple[tuple[tuple[str, str], ...], ...] = ()
    keys: tuple[tuple[str, ...], ...] = ()
    phone_key: str = ""


def menu(language: Language) -> tuple[tuple[str, ...], ...]:
    """The keys shown outside a dialogue."""
    return ((gettext(language, NEW), gettext(language, TRACK)), (gettext(language, LANGUAGE),))


def in_columns(buttons: Sequence[tuple[str, str]], columns: int) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Buttons in rows of this many."""
    return tuple(tuple(buttons[start : start + columns]) for start in range(0, len(buttons), columns))


# ---------------------------------------------------------------- reasons for agents

NO_BOT: Final = declare("telegram.no_bot", "This bot of ours is no longer in the configuration.")
NO_CHAT: Final = declare("telegram.no_chat", "This is not the number of a chat.")
NO_TEXT: Final = declare("telegram.no_text", "A message needs a text or a file.")
TOO_LONG: Final = declare("telegram.too_long", "The answer is too long for a chat (16,000 characters).")
FILE_GONE: Final = declare("telegram.file_gone", "A file of this answer is no longer in the store.")
FILE_TOO_BIG: Final = declare("telegram.file_too_big", "A file of this answer is over 50 MB, which bots may not send.")
FILE_AWAY: Final = declare("telegram.file_away", "A file of this answer cannot be read at the moment.")
BLOCKED: Final = declare("telegram.blocked", "The citizen has blocked the bot or never wrote to it.")
NO_SUCH_CHAT: Final = declare("telegram.no_such_chat", "The messenger does not know this chat any more.")
WAIT: Final = declare("telegram.wait", "The messenger asks us to wait.")
TOKEN_WRONG: Final = declare(
    "telegram.token_wrong", "The messenger does not accept this bot's token. An operator must correct it."
)
REFUSED: Final = declare("telegram.refused", "The messenger refused the message.")
NOT_REACHED: Final = declare("telegram.not_reached", "The messenger could not be reached.")
UNKNOWN: Final = declare("telegram.unknown", "The connection broke after the message had left; it may have been sent.")
HALF_SENT: Final = declare(
    "telegram.half_sent", "Only a part of the answer was certainly sent; the connection or the messenger broke off."
)

NOT_OURS: Final = declare("telegram.not_ours", "not an update of a bot of ours")
NOT_AN_UPDATE: Final = declare("telegram.not_an_update", "not an update of the Bot API")
NOT_JSON: Final = declare("telegram.not_json", "not readable as JSON")
UNKNOWN_KIND: Final = declare("telegram.unknown_kind", "a message of a kind this channel does not know")
NO_PARTS: Final = declare("telegram.no_parts", "a gathered contact without its parts")
SILENT_PART: Final = declare("telegram.silent_part", "a gathered contact with a part that says nothing")
SEVERAL_CHATS: Final = declare("telegram.several_chats", "a gathered contact of several chats")

STEP: Final = declare(
    "telegram.step", "a step of the guided dialogue or of an album; its words are in the contact that ends it"
)
BUTTON: Final = declare("telegram.button", "a button of the dialogue")
NOTHING: Final = declare("telegram.nothing", "an update that says nothing")
WORDLESS: Final = declare("telegram.wordless", "a message without words or files (%(kind)s)")


def choose_language() -> str:
    """The question for the language, in every language."""
    return "\n".join(gettext(language, CHOOSE_LANGUAGE) for language in LANGUAGES)
