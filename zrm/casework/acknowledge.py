"""Acknowledgement of receipt with the tracking code. Once per case, never to robots.

It contains nothing from the sender: otherwise a sender who forges an address could have us carry text to its owner.
This holds for the subject of a mail too, and for every other automatic mail (`zrm.casework.self_service_texts`).
"""

from __future__ import annotations

from typing import Final

from zrm.casework.templating import fill
from zrm.config import Settings
from zrm.contract.addresses import PHONE, AddressKind
from zrm.languages import Language
from zrm.localized import Localized, in_language
from zrm.ui.i18n import _, format_code, gettext

SUBJECT: Final = _("We have received your message")
"""The subject of an acknowledgement by mail; the code is appended where the mail is written."""

_TYPED: Final = _("This address was typed into the form on our site. If it was not you, you need not do anything.")


def acknowledgement(
    code: str,
    language: Language,
    settings: Settings,
    *,
    kind: AddressKind,
    wording: Localized | None = None,
    typed: bool = False,
) -> str:
    """The text that tells a citizen their tracking code, short enough for two text messages when `kind` is phone.

    `wording` is the unit's own, in Persian and in English, if it has one. `typed`: the address was only typed into a
    form, so it may be a stranger's, and the text explains why they get it.
    """
    text = _text(code, language, settings, kind, wording)
    if not typed or kind == PHONE:  # an SMS has no room for more
        return text
    return f"{text}\n\n{gettext(language, _TYPED)}"


def _text(code: str, language: Language, settings: Settings, kind: AddressKind, wording: Localized | None) -> str:
    shown = format_code(code, language)
    name = settings.organisation.name.in_language(language)
    track = f"{settings.public_url}/track"
    if wording is not None:
        text = in_language(wording, language)
        return fill(text, {"code": shown, "track": track, "organisation": name}).text
    if kind == PHONE:
        return gettext(
            language, "Received. Your tracking code: %(code)s\n%(name)s\n%(track)s", code=shown, name=name, track=track
        )
    return gettext(
        language,
        "Hello,\n\nyour message has reached us and has become a case with the tracking code\n\n    %(code)s\n\n"
        "You can follow it with this code, on the web or by telephone:\n\n    %(track)s\n\n"
        "To add something, simply answer this message.\n\n%(name)s",
        code=shown,
        name=name,
        track=track,
    )
