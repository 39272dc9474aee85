"""Templates at the desk: written and looked after by who may, chosen and previewed at a case in the citizen's language."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import DeskRequest, Guard
from zrm.agent_api.layout import Shell
from zrm.casestore import directory, template, timeline
from zrm.casestore.agent import Permission
from zrm.casestore.template import KINDS, LONGEST_NAME, LONGEST_TEXT, Template, Wording
from zrm.casestore.timeline import CaseHead
from zrm.casework import templating
from zrm.casework.templating import Filled
from zrm.errors import Conflict, NotFound
from zrm.kit import log
from zrm.kit.db import Cursor
from zrm.kit.direction import isolated
from zrm.security.grants import covers
from zrm.ui.i18n import LANGUAGES, Language, _, in_fours

KIND_NAMES = {
    "answer": _("Answer"),
    "greeting": _("Greeting"),
    "signature": _("Signature"),
    "acknowledgement": _("First word with the code"),
}
_EVERY = "every"  # the form's word for a template of all units
_FIELDS = ("name_fa", "name_en", "text_fa", "text_en")
_BEGINNING = 70  # characters of a template in the list
_log = log.get(__name__)
Errors = list[tuple[str, str]]


def add(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    """Put the pages of templates on the router."""
    pages = _TemplatePages(context)

    @router.get("/desk/cases/{case_id}/templates")
    def choose(request: Request, case_id: UUID, visit: DeskRequest = Depends(guard.visit)) -> Response:
        """The templates of a case's unit, filled in for it; `?lang=` shows the other language."""
        with context.database.cursor() as cursor:
            return pages.choose(cursor, visit, case_id, request.query_params.get("lang", ""))

    @router.get("/desk/templates")
    def listing(visit: DeskRequest = Depends(guard.visit)) -> Response:
        visit.grants.require_anywhere(Permission.MANAGE_TEMPLATES)
        with context.database.cursor() as cursor:
            return pages.listing(cursor, visit)

    @router.post("/desk/templates")
    def create(visit: DeskRequest = Depends(guard.visit)) -> Response:
        return pages.write(visit, None)

    @router.get("/desk/templates/{template_id}")
    def edit(template_id: UUID, visit: DeskRequest = Depends(guard.visit)) -> Response:
        with context.database.cursor() as cursor:
            found = pages.find(cursor, visit, template_id)
            return pages.form(cursor, visit, found, found.wording)

    @router.post("/desk/templates/{template_id}")
    def change(template_id: UUID, visit: DeskRequest = Depends(guard.visit)) -> Response:
        return pages.write(visit, template_id)


def insertion(context: DeskContext, cursor: Cursor, visit: DeskRequest, head: CaseHead, wanted: str) -> str:
    """The answer a template makes for a case, with its unit's greeting and signature; empty if it is no such template."""
    chosen = _citizens_language(head)
    return next(
        (text for found, text, _ in _answers(context, cursor, visit, head, chosen) if str(found.id) == wanted), ""
    )


def _citizens_language(head: CaseHead) -> Language:
    wish = head.preferred_language or head.language
    return "en" if wish == "en" else "fa"


def _answers(
    context: DeskContext, cursor: Cursor, visit: DeskRequest, head: CaseHead, language: Language
) -> list[tuple[Template, str, Filled]]:
    """Every answer for a case: the template, the whole text to insert, and its own part filled in."""
    persian, organisation = language == "fa", context.settings.organisation.name
    values = {
        "name": head.person,
        "code": in_fours(head.code, language),
        "track": f"{context.settings.public_url.rstrip('/')}/track",
        "unit": head.unit_fa if persian else head.unit_en,
        "subject": head.subject_fa if persian else head.subject_en,
        "title": head.title,
        "agent": visit.agent.name_fa if persian else visit.agent.name_en,
        "organisation": organisation.fa if persian else organisation.en,
    }
    usable = template.usable(cursor, head.unit_id)
    # A unit's own greeting and signature take the place of every unit's; they come last in the order of the store.
    frame = {one.wording.kind: templating.fill(one.wording.text(language), values).text for one in usable}
    found = []
    for one in usable:
        if one.wording.kind == "answer":
            filled = templating.fill(one.wording.text(language), values)
            whole = templating.with_greeting_and_signature(
                frame.get("greeting", ""), filled.text, frame.get("signature", "")
            )
            found.append((one, whole, filled))
    return found


class _TemplatePages:
    """Draws and does."""

    def __init__(self, context: DeskContext) -> None:
        self._context = context
        self._shell = Shell(context)

    def choose(self, cursor: Cursor, visit: DeskRequest, case_id: UUID, language: str) -> Response:
        """The page of a case's templates. Errors: NotFound."""
        head = timeline.head(cursor, case_id)
        if head is None or not covers(visit.visible, head.unit_id):
            raise NotFound("no such case")
        shown: Language = "en" if language == "en" else "fa" if language == "fa" else _citizens_language(head)
        return self._shell.page(
            "desk/case_templates.html",
            visit,
            cursor,
            "",
            search=False,
            head=head,
            isolated=isolated,
            answers=_answers(self._context, cursor, visit, head, shown),
            shown=shown,
            theirs=_citizens_language(head),
            languages=LANGUAGES,
            manages=visit.may(Permission.MANAGE_TEMPLATES, head.unit_id),
        )

    def listing(
        self, cursor: Cursor, visit: DeskRequest, new: Wording | None = None, errors: Errors | None = None
    ) -> Response:
        """What the agent looks after, and a form for another one."""
        units = visit.grants.units(Permission.MANAGE_TEMPLATES)
        names = {unit.id: unit.name(visit.viewer.language) for unit in directory.units(cursor)}
        return self._shell.page(
            "desk/templates.html",
            visit,
            cursor,
            "templates",
            status=422 if errors else 200,
            own_address="/desk/templates",
            rows=template.of_units(cursor, units),
            unit_name=lambda unit_id: names.get(unit_id, "") if unit_id else visit.say(_("All units")),
            choices=self._choices(cursor, visit),
            beginning=lambda text: templating.beginning(text, _BEGINNING),
            wording=new or Wording(None, "answer", "", "", "", ""),
            errors=errors or [],
        )

    def form(
        self, cursor: Cursor, visit: DeskRequest, found: Template, wording: Wording, errors: Errors | None = None
    ) -> Response:
        """One template to be changed."""
        return self._shell.page(
            "desk/template.html",
            visit,
            cursor,
            "templates",
            status=422 if errors else 200,
            own_address=f"/desk/templates/{found.id}",
            found=found,
            wording=wording,
            choices=self._choices(cursor, visit),
            errors=errors or [],
        )

    def find(self, cursor: Cursor, visit: DeskRequest, template_id: UUID) -> Template:
        """A template the agent looks after. Errors: NotFound."""
        found = template.get(cursor, template_id)
        if found is None or not _manages(visit, found.wording.unit_id):
            raise NotFound("no such template")
        return found

    def write(self, visit: DeskRequest, template_id: UUID | None) -> Response:
        """Keep a new template, or change or retire one. Errors: NotFound, Conflict."""
        visit.grants.require_anywhere(Permission.MANAGE_TEMPLATES)
        with self._context.database.cursor() as cursor:
            found = self.find(cursor, visit, template_id) if template_id else None
            if found and visit.form.get("step") == "retire":
                done = template.retire(cursor, found.id, _version(visit), visit.agent.id)
            else:
                wording, errors = self._read(cursor, visit)
                if errors:
                    return self.form(cursor, visit, found, wording, errors) if found else self.listing(
                        cursor, visit, wording, errors
                    )  # fmt: skip
                if found:
                    done = template.change(cursor, found.id, _version(visit), wording, visit.agent.id)
                else:
                    done = bool(template.add(cursor, wording, visit.agent.id))
            if not done:
                raise Conflict("changed since")
        _log.info("template written", agent=str(visit.agent.id), template=str(template_id or "new"))
        return RedirectResponse("/desk/templates", status_code=303)

    def _read(self, cursor: Cursor, visit: DeskRequest) -> tuple[Wording, Errors]:
        form, errors = visit.form, []
        given = {name: form.get(name, "").strip() for name in _FIELDS}
        automatic = form.get("kind") == "acknowledgement"
        known = templating.IN_ACKNOWLEDGEMENTS if automatic else tuple(templating.VARIABLES)
        for name, text in given.items():
            longest = LONGEST_TEXT if name.startswith("text") else LONGEST_NAME
            if not text:
                errors.append((name, visit.say(_("Write this in both languages."))))
            elif len(text) > longest:
                errors.append((name, visit.say(_("That is too long."))))
            elif name.startswith("text") and (strange := templating.unknown_placeholders(text, known)):
                message = _("These braces name nothing we know: %(braces)s")
                errors.append((name, visit.say(message, braces=" ".join(map(isolated, strange)))))
            elif name.startswith("text") and automatic and "{code}" not in text:
                errors.append((name, visit.say(_("The first word must tell the code: write {code}."))))
        units = {str(unit_id or _EVERY): unit_id for unit_id, _name in self._units(cursor, visit)}
        unit = form.get("unit", "")
        if unit not in units:
            errors.append(("unit", visit.say(_("Choose a unit from the list."))))
        kind = form.get("kind", "")
        if kind not in KINDS:
            errors.append(("kind", visit.say(_("Choose what the text is for."))))
        return Wording(units.get(unit), kind if kind in KINDS else "answer", **given), errors

    def _units(self, cursor: Cursor, visit: DeskRequest) -> list[tuple[UUID | None, str]]:
        units = visit.grants.units(Permission.MANAGE_TEMPLATES)
        everyone = [(None, visit.say(_("All units")))] if units is None else []
        named = [
            (unit.id, unit.name(visit.viewer.language)) for unit in directory.units(cursor) if covers(units, unit.id)
        ]
        return [*everyone, *named]

    def _choices(self, cursor: Cursor, visit: DeskRequest) -> dict[str, object]:
        return {
            "units": [(str(unit_id or _EVERY), name) for unit_id, name in self._units(cursor, visit)],
            "kinds": [(kind, visit.say(KIND_NAMES[kind])) for kind in KINDS],
            "kind_names": KIND_NAMES,
            "variables": templating.VARIABLES,
        }


def _manages(visit: DeskRequest, unit_id: UUID | None) -> bool:
    units = visit.grants.units(Permission.MANAGE_TEMPLATES)
    return units is None if unit_id is None else covers(units, unit_id)


def _version(visit: DeskRequest) -> int:
    text = visit.form.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1
