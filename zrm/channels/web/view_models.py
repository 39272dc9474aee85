"""From the door's own records to template values: errors as sentences, subjects as a list of choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from zrm.channels.web.body import Posted
from zrm.channels.web.config import WebConfig
from zrm.channels.web.form_validation import NATURE_HINTS, FieldError
from zrm.channels.web.payload import parse_payload
from zrm.contract.errors import Unparseable
from zrm.contract.files import StoredFile
from zrm.contract.inbound import Inbound
from zrm.contract.ports import Nature, Subject
from zrm.contract.tracking import OnTheWay, PublicFile, PublicMessage
from zrm.errors import OverQuota
from zrm.languages import Language
from zrm.localized import in_language
from zrm.ui.i18n import _, digits, gettext
from zrm.ui.labels import byte_size

_LATER: Final = {
    "peer": (
        "send",
        _(
            "Too many messages have come from your network in a short time. Yours was not accepted; it stays here, please press Send again in %(minutes)s minutes"
        ),
    ),
    "door": (
        "send",
        _(
            "We are receiving too many messages at the moment. Your message was not accepted; it stays here, please press Send again in %(minutes)s minutes"
        ),
    ),
    "phone": (
        "phone",
        _(
            "Too many messages have come with this number in a short time. Leave it empty, or press Send again in %(minutes)s minutes"
        ),
    ),
    "email": (
        "email",
        _(
            "Too many messages have come with this address in a short time. Leave it empty, or press Send again in %(minutes)s minutes"
        ),
    ),
}


def shown_problems(problems: Sequence[FieldError], language: Language) -> list[tuple[str, str]]:
    """(field, sentence) in the reader's language, in the given order. Sizes are values of type `Size`."""
    return [(problem.field, _sentence(problem, language)) for problem in problems]


class Size(int):
    """A number of bytes, which is shown as "20 MB" and not as a count."""


def _sentence(problem: FieldError, language: Language) -> str:
    values = {
        name: byte_size(value, language) if isinstance(value, Size)
        else digits(value, language) if isinstance(value, int) else value
        for name, value in (problem.values or {}).items()
    }  # fmt: skip
    return gettext(language, problem.message, **values)


def files_problems(posted: Posted, kept: int, config: WebConfig) -> list[FieldError]:
    """What is wrong with the files of a posted form that already holds `kept` earlier ones; if anything is, none is
    kept.
    """
    if posted.too_large:
        return [
            FieldError(
                "files",
                _(
                    "All together must be %(limit)s or smaller. These files were not accepted; choose fewer or smaller ones"
                ),
                {"limit": Size(config.max_total_bytes)},
            )
        ]
    problems = [
        FieldError(
            "files",
            _("“%(name)s” is larger than %(limit)s. These files were not accepted; choose again without it"),
            {"name": upload.name, "limit": Size(config.max_file_bytes)},
        )
        for upload in posted.uploads
        if upload.too_large
    ]
    problems += [
        FieldError("files", _("“%(name)s” is empty. Please choose the files again without it"), {"name": upload.name})
        for upload in posted.uploads
        if upload.size == 0
    ]
    if kept + len(posted.uploads) > config.max_files:
        problems.append(
            FieldError(
                "files", _("You can attach at most %(limit)s files. Please choose fewer"), {"limit": config.max_files}
            )
        )
    return problems


def gone_problems(files: Sequence[StoredFile], kept: Sequence[StoredFile]) -> list[FieldError]:
    """Which files of an earlier showing are not `kept` any more: a form may be open for days."""
    return [
        FieldError("files", _("“%(name)s” is not kept here any more. Please choose it again"), {"name": file.name})
        for file in files
        if file not in kept
    ]


def come_later(over: OverQuota) -> FieldError:
    """The notice when a form is shown again because its sender is over a quota."""
    place, message = _LATER[over.bound]
    return FieldError(place, message, {"minutes": max(2, -(-over.retry_after // 60))})  # so that it is always "minutes"


def chosen_again(posted: Posted) -> list[FieldError]:
    """The notice when files came with a form that is not ours; none of them is kept."""
    return [FieldError("files", _("Please choose the files again"))] if posted.uploads else []


def shown_on_the_way(waiting: Sequence[OnTheWay]) -> list[PublicMessage]:
    """The message just sent, as the conversation will show it; a rating has no words."""
    found = []
    for one in waiting:
        try:
            parsed = parse_payload(one.contact)
        except Unparseable:
            continue  # it is in quarantine because of that, for an agent to check
        if isinstance(parsed, Inbound):
            files = tuple(PublicFile(None, file.name, file.media_type, file.size) for file in one.contact.files)
            found.append(PublicMessage(one.received_at, ours=False, channel="web", text=parsed.text, files=files))
    return found


def nature_options(natures: Sequence[Nature], language: Language) -> list[tuple[str, str, str]]:
    """The natures in order as (key, name, explanation)."""
    hints = {key: gettext(language, hint) for key, hint in NATURE_HINTS.items()}
    return [(one.key, in_language(one.names, language), hints.get(one.key, "")) for one in natures]


def subject_options(subjects: Sequence[Subject], language: Language) -> list[tuple[str, str]]:
    """(key, "Roads › Potholes") for a list of choices, children under their parents."""
    names = {subject.key: in_language(subject.names, language) for subject in subjects}
    parents = {subject.key: subject.parent_key for subject in subjects}
    return [(key, " › ".join(reversed(_path(key, names, parents)))) for key in names]


def _path(key: str, names: dict[str, str], parents: dict[str, str]) -> list[str]:
    path: list[str] = []
    while key in names and names[key] not in path:
        path.append(names[key])
        key = parents[key]
    return path
