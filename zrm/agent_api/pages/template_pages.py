"""Templates at the desk: written by agents who manage them, chosen and previewed at a case in the citizen's language."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from zrm.agent_api.context import Desk, DeskContext
from zrm.agent_api.desk_request import DeskRequest, SignedIn
from zrm.agent_api.pages.error_pages import page_router
from zrm.agent_api.pages.input_problems import sentences
from zrm.agent_api.pages.layout import Shell
from zrm.casestore import directory
from zrm.casestore.template import KINDS, Template, Wording
from zrm.casework import template_actions, templating
from zrm.casework.context import InputFlaw, InvalidInput
from zrm.kit import log
from zrm.kit.db import Cursor
from zrm.kit.direction import isolated
from zrm.languages import LANGUAGES
from zrm.ui.i18n import _

KIND_NAMES = {
    "answer": _("Answer"),
    "greeting": _("Greeting"),
    "signature": _("Signature"),
    "acknowledgement": _("Acknowledgement with the tracking code"),
}
_EVERY = "every"  # the form's value for a template of all units
_FIELDS = tuple(f"{what}_{language}" for what in ("name", "text") for language in LANGUAGES)
_BEGINNING = 70  # characters of a template in the list
_SENTENCES: Final = {
    **{(name, InputFlaw.EMPTY): _("Write this in every language.") for name in _FIELDS},
    ("kind", InputFlaw.UNKNOWN_CHOICE): _("Choose what the text is for."),
}
_log = log.get(__name__)
Errors = list[tuple[str, str]]


router = page_router()


@router.get("/desk/cases/{case_id}/templates")
def choose(request: Request, case_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """The templates of a case's unit, filled in for it; `?lang=` shows another language."""
    asked = request.query_params.get("lang", "")
    wanted = asked if asked in LANGUAGES else None
    with context.database.cursor() as cursor:
        found = template_actions.answers(cursor, desk_request.actor, case_id, context.settings, wanted)
        return Shell(context).page(
            "desk/case_templates.html",
            desk_request,
            cursor,
            "",
            search=False,
            found=found,
            isolated=isolated,
            manages=template_actions.manages(desk_request.actor, found.case.unit_id),
        )


@router.get("/desk/templates")
def listing(context: Desk, desk_request: SignedIn) -> Response:
    """The templates the agent manages, and a form for a new one."""
    with context.database.cursor() as cursor:
        return _listing(context, cursor, desk_request)


@router.post("/desk/templates")
def create(context: Desk, desk_request: SignedIn) -> Response:
    """Store a new template."""
    wording = _wording(desk_request)
    with context.database.cursor() as cursor:
        try:
            template_id = template_actions.add(cursor, desk_request.actor, wording)
        except InvalidInput as error:
            errors = sentences(error.problems, desk_request.viewer.language, _SENTENCES)
            return _listing(context, cursor, desk_request, wording, errors)
    return _written(desk_request, template_id)


@router.get("/desk/templates/{template_id}")
def edit(template_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """One template to edit."""
    with context.database.cursor() as cursor:
        found = template_actions.find(cursor, desk_request.actor, template_id)
        return _form(context, cursor, desk_request, found, found.wording)


@router.post("/desk/templates/{template_id}")
def change(template_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """Change or retire a template."""
    wording, version = _wording(desk_request), _version(desk_request)
    with context.database.cursor() as cursor:
        try:
            if desk_request.form.get("step") == "retire":
                template_actions.retire(cursor, desk_request.actor, template_id, version)
            else:
                template_actions.change(cursor, desk_request.actor, template_id, version, wording)
        except InvalidInput as error:
            errors = sentences(error.problems, desk_request.viewer.language, _SENTENCES)
            found = template_actions.find(cursor, desk_request.actor, template_id)
            return _form(context, cursor, desk_request, found, wording, errors)
    return _written(desk_request, template_id)


def _written(desk_request: DeskRequest, template_id: UUID) -> Response:
    _log.info("template written", agent=str(desk_request.agent.id), template=str(template_id))
    return RedirectResponse("/desk/templates", status_code=303)


def _listing(
    context: DeskContext,
    cursor: Cursor,
    desk_request: DeskRequest,
    new: Wording | None = None,
    errors: Errors | None = None,
) -> Response:
    names = {unit.id: unit.name(desk_request.viewer.language) for unit in directory.units(cursor)}
    return Shell(context).page(
        "desk/templates.html",
        desk_request,
        cursor,
        "templates",
        status=422 if errors else 200,
        own_address="/desk/templates",
        rows=template_actions.listing(cursor, desk_request.actor),
        unit_name=lambda unit_id: names.get(unit_id, "") if unit_id else desk_request.say(_("All units")),
        choices=_choices(cursor, desk_request),
        beginning=lambda text: templating.beginning(text, _BEGINNING),
        wording=new or Wording(None, "answer", {}, {}),
        errors=errors or [],
    )


def _form(
    context: DeskContext,
    cursor: Cursor,
    desk_request: DeskRequest,
    found: Template,
    wording: Wording,
    errors: Errors | None = None,
) -> Response:
    return Shell(context).page(
        "desk/template.html",
        desk_request,
        cursor,
        "templates",
        status=422 if errors else 200,
        own_address=f"/desk/templates/{found.id}",
        found=found,
        wording=wording,
        choices=_choices(cursor, desk_request),
        errors=errors or [],
    )


def _choices(cursor: Cursor, desk_request: DeskRequest) -> dict[str, object]:
    every: list[tuple[UUID | None, str]] = [(None, desk_request.say(_("All units")))]
    named = [(unit.id, unit.name(desk_request.viewer.language)) for unit in directory.units(cursor)]
    return {
        "units": [
            (str(unit_id or _EVERY), name)
            for unit_id, name in [*every, *named]
            if template_actions.manages(desk_request.actor, unit_id)
        ],
        "kinds": [(kind, desk_request.say(KIND_NAMES[kind])) for kind in KINDS],
        "kind_names": KIND_NAMES,
        "variables": templating.VARIABLES,
    }


def _wording(desk_request: DeskRequest) -> Wording:
    form = desk_request.form
    unit = form.get("unit", "")
    names, texts = (
        {language: form.get(f"{what}_{language}", "").strip() for language in LANGUAGES} for what in ("name", "text")
    )
    return Wording(None if unit == _EVERY else _uuid(unit), form.get("kind", ""), names, texts)


def _uuid(text: str) -> UUID:
    """An id from a form; an unreadable one becomes an id that belongs to nothing."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def _version(desk_request: DeskRequest) -> int:
    text = desk_request.form.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1
