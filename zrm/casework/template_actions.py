"""Templates: managed by agents with the permission, and filled in for a case.

A template of one unit is managed by agents who manage that unit's; a template of all units by agents who manage them
everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from uuid import UUID

from zrm.casestore import directory, template
from zrm.casestore.agent import Permission
from zrm.casestore.template import KINDS, LONGEST_NAME, LONGEST_TEXT, Template, Wording
from zrm.casestore.timeline import CaseHead
from zrm.casework import case_reading, templating
from zrm.casework.context import ActingAgent, InputFlaw, InputProblem, InvalidInput
from zrm.casework.templating import Filled
from zrm.config import Settings
from zrm.errors import Conflict, NotFound
from zrm.kit.db import Cursor
from zrm.languages import LANGUAGES, Language
from zrm.localized import in_language
from zrm.security.grants import covers
from zrm.ui.descriptions import title_of
from zrm.ui.i18n import format_code


@dataclass(frozen=True, slots=True)
class TemplateAnswer:
    """A template filled in for a case: the whole text to insert, and the template's own part of it."""

    template: Template
    whole: str
    filled: Filled


@dataclass(frozen=True, slots=True)
class CaseAnswers:
    """The answers that templates make for a case in the language `shown`; `theirs` is the citizen's."""

    case: CaseHead
    shown: Language
    theirs: Language
    answers: tuple[TemplateAnswer, ...]


def listing(cursor: Cursor, actor: ActingAgent) -> list[Template]:
    """The templates the agent manages. Errors: NotFound for an agent who manages none."""
    actor.grants.require_anywhere(Permission.MANAGE_TEMPLATES)
    return template.of_units(cursor, actor.grants.units(Permission.MANAGE_TEMPLATES))


def manages(actor: ActingAgent, unit_id: UUID | None) -> bool:
    """Whether the agent manages the templates of a unit, or (None) those of all units."""
    units = actor.grants.units(Permission.MANAGE_TEMPLATES)
    return units is None if unit_id is None else covers(units, unit_id)


def find(cursor: Cursor, actor: ActingAgent, template_id: UUID) -> Template:
    """A template the agent manages. Errors: NotFound."""
    found = template.get(cursor, template_id)
    if found is None or not manages(actor, found.wording.unit_id):
        raise NotFound("no such template")
    return found


def add(cursor: Cursor, actor: ActingAgent, wording: Wording) -> UUID:
    """Store a new template; returns its id. Errors: NotFound for an agent who manages none, InvalidInput."""
    actor.grants.require_anywhere(Permission.MANAGE_TEMPLATES)
    _check(cursor, actor, wording)
    return template.add(cursor, wording, actor.agent_id)


def change(cursor: Cursor, actor: ActingAgent, template_id: UUID, version: int, wording: Wording) -> None:
    """Change a template's texts. Errors: NotFound; InvalidInput; Conflict if it was changed or retired since `version`."""
    find(cursor, actor, template_id)
    _check(cursor, actor, wording)
    if not template.change(cursor, template_id, version, wording, actor.agent_id):
        raise Conflict("changed since")


def retire(cursor: Cursor, actor: ActingAgent, template_id: UUID, version: int) -> None:
    """Take a template out of use. Errors: NotFound; Conflict as with `change`."""
    find(cursor, actor, template_id)
    if not template.retire(cursor, template_id, version, actor.agent_id):
        raise Conflict("changed since")


def answers(
    cursor: Cursor, actor: ActingAgent, case_id: UUID, settings: Settings, language: Language | None = None
) -> CaseAnswers:
    """Every answer of the case's unit, in a language (None: the citizen's). Errors: NotFound."""
    case = case_reading.head(cursor, actor, case_id)
    theirs = case.preferred_language or case.language
    shown = language or theirs
    values = _values(cursor, actor, case, settings, shown)
    usable = template.usable(cursor, case.unit_id)
    # A unit's own greeting and signature replace those of all units; the store returns them last.
    frame = {one.wording.kind: templating.fill(one.wording.text(shown), values).text for one in usable}
    found = []
    for one in usable:
        if one.wording.kind == "answer":
            filled = templating.fill(one.wording.text(shown), values)
            whole = templating.with_greeting_and_signature(
                frame.get("greeting", ""), filled.text, frame.get("signature", "")
            )
            found.append(TemplateAnswer(one, whole, filled))
    return CaseAnswers(case, shown, theirs, tuple(found))


def insertion(cursor: Cursor, actor: ActingAgent, case_id: UUID, settings: Settings, template_id: UUID) -> str:
    """The answer that one template makes for a case in the citizen's language; empty if the unit has no such template.

    Errors: NotFound.
    """
    found = answers(cursor, actor, case_id, settings).answers
    return next((answer.whole for answer in found if answer.template.id == template_id), "")


def _values(
    cursor: Cursor, actor: ActingAgent, case: CaseHead, settings: Settings, language: Language
) -> dict[str, str]:
    writer = directory.agents_by_id(cursor, [actor.agent_id]).get(actor.agent_id)
    return {
        "name": case.person,
        "code": format_code(case.code, language),
        "track": f"{settings.public_url.rstrip('/')}/track",
        "unit": in_language(case.unit_names, language),
        "subject": in_language(case.subject_names, language),
        "title": title_of(case, language),
        "agent": writer.name(language) if writer else "",
        "organisation": settings.organisation.name.in_language(language),
    }


def _check(cursor: Cursor, actor: ActingAgent, wording: Wording) -> None:
    """Errors: InvalidInput with everything that must be corrected."""
    problems = []
    for is_text, language in product((False, True), LANGUAGES):
        name = f"{'text' if is_text else 'name'}_{language}"
        text = (wording.texts if is_text else wording.names).get(language, "")
        longest = LONGEST_TEXT if is_text else LONGEST_NAME
        if not text:
            problems.append(InputProblem(name, InputFlaw.EMPTY))
        elif len(text) > longest:
            problems.append(InputProblem(name, InputFlaw.TOO_LONG, {"most": longest}))
        elif is_text:
            problems += _check_text(name, text, automatic=wording.kind == "acknowledgement")
    units = [None, *(unit.id for unit in directory.units(cursor))]
    if wording.unit_id not in units or not manages(actor, wording.unit_id):
        problems.append(InputProblem("unit", InputFlaw.UNKNOWN_CHOICE))
    if wording.kind not in KINDS:
        problems.append(InputProblem("kind", InputFlaw.UNKNOWN_CHOICE))
    if problems:
        raise InvalidInput(*problems)


def _check_text(name: str, text: str, *, automatic: bool) -> list[InputProblem]:
    known = templating.IN_ACKNOWLEDGEMENTS if automatic else tuple(templating.VARIABLES)
    if strange := templating.unknown_placeholders(text, known):
        return [InputProblem(name, InputFlaw.UNKNOWN_PLACEHOLDERS, {"braces": tuple(strange)})]
    return [InputProblem(name, InputFlaw.CODE_MISSING)] if automatic and "{code}" not in text else []
