"""Taken contacts: the form "New contact" for a citizen who calls, comes in person or writes a letter, and its receipt."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import DeskRequest, Guard
from zrm.agent_api.files import keep
from zrm.agent_api.labels import NATURES, label
from zrm.agent_api.layout import Shell
from zrm.casestore.agent import Permission
from zrm.casestore.subject import NATURES as KNOWN_NATURES
from zrm.casework import taken_contacts
from zrm.casework.taken_contacts import WAYS, TakenDown
from zrm.errors import NotFound, StoreUnavailable
from zrm.kit import log
from zrm.kit.mail_addresses import is_email
from zrm.kit.phones import flaw
from zrm.kit.text import clean_line, digits
from zrm.security.grants import covers
from zrm.ui.i18n import _
from zrm.ui.labels import CHANNEL
from zrm.ui.phone_flaws import sentence_of

PAGE: Final = "/desk/new-contact"
_LONGEST: Final = {"text": 100_000, "name": 200, "phone": 40, "email": 254}  # characters
_log = log.get(__name__)


def add(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    """Put the form and its receipt on the router."""
    shell = Shell(context)
    region = context.settings.organisation.region

    @router.get(PAGE)
    def form(visit: DeskRequest = Depends(guard.visit)) -> Response:
        visit.grants.require_anywhere(Permission.TAKE_CONTACTS)
        return _form(visit, {}, uuid4(), [])

    @router.post(PAGE)
    def take(visit: DeskRequest = Depends(guard.visit)) -> Response:
        """To the receipt, or the form again with what was typed."""
        visit.grants.require_anywhere(Permission.TAKE_CONTACTS)
        typed, form_id = visit.form, _uuid(visit.form.get("form_id", "")) or uuid4()
        errors = _wrong(visit, region)
        if errors:
            return _form(visit, typed, form_id, errors, status=422)
        told = TakenDown(
            text=typed["text"].strip(),
            name=clean_line(typed.get("name", "")),
            phone=clean_line(typed.get("phone", "")),
            email=clean_line(typed.get("email", "")),
            nature=typed.get("nature", ""),
        )
        try:
            if context.receive is None:
                raise StoreUnavailable("nothing receives here")
            files = [keep(context.blobs, file) for file in visit.files]
            receipt = taken_contacts.take(
                context.receive, visit.grants, visit.agent.id, typed["way"], form_id, told, files
            )
        except StoreUnavailable:
            sentence = visit.say(
                _("It could not be kept at this moment. Nothing was recorded: please press Record again.")
            )
            return _form(visit, typed, form_id, [("text", sentence)], status=503)
        _log.info(
            "contact taken", contact=str(receipt.contact_id), agent=str(visit.agent.id), repeated=receipt.repeated
        )
        return RedirectResponse(f"{PAGE}/{receipt.contact_id}", status_code=303)

    @router.get(f"{PAGE}/{{contact_id}}")
    def receipt(contact_id: UUID, visit: DeskRequest = Depends(guard.visit)) -> Response:
        with context.database.cursor() as cursor:
            found = taken_contacts.receipt_of(cursor, visit.grants, visit.agent.id, contact_id)
            if found is None:
                raise NotFound("no such receipt")
            seen = found.unit_id is not None and covers(visit.visible, found.unit_id)
            return shell.page(
                "desk/taken_receipt.html",
                visit,
                cursor,
                "new-contact",
                taken=found,
                case_href=f"/desk/cases/{found.case_id}" if seen else "",
                track_address=f"{context.settings.public_url.rstrip('/')}/track",
            )

    def _form(
        visit: DeskRequest, typed: dict[str, str], form_id: UUID, errors: list[tuple[str, str]], *, status: int = 200
    ) -> Response:
        with context.database.cursor() as cursor:
            return shell.page(
                "desk/taken_form.html",
                visit,
                cursor,
                "new-contact",
                status=status,
                own_address=PAGE,
                typed=typed,
                form_id=form_id,
                errors=errors,
                ways=[(way, visit.say(CHANNEL[way].label)) for way in WAYS],
                natures=[(code, label(NATURES, code, visit.viewer.language)) for code in ("", *KNOWN_NATURES)],
                longest=_LONGEST,
                phone_digits=_doubted(typed.get("phone", ""), region) if "phone" in dict(errors) else "",
                files_again=bool(visit.files),
            )


def _wrong(visit: DeskRequest, region: str) -> list[tuple[str, str]]:
    """What must be put right, as (field, sentence)."""
    typed = {name: visit.form.get(name, "").strip() for name in ("way", "nature", *_LONGEST)}
    errors = []
    if typed["way"] not in WAYS:
        errors.append(("way", visit.say(_("Choose how the citizen came."))))
    errors += [
        (name, visit.say(_("This is too long: %(most)s characters at most."), most=most))
        for name, most in _LONGEST.items()
        if len(typed[name]) > most
    ]
    if not typed["text"]:
        errors.append(("text", visit.say(_("Write down what the citizen says."))))
    if typed["phone"] and (found := flaw(typed["phone"], region)):
        # Numbering plans change: who has asked the citizen and sends the same again is believed.
        if found.kind == "not_digits":
            errors.append(("phone", visit.say(_("Write one telephone number in digits, or leave it empty."))))
        elif visit.form.get("phone_as_is") != digits(typed["phone"]):
            errors.append(("phone", visit.say(sentence_of(found), count=found.digits)))
    if typed["email"] and not is_email(typed["email"]):
        errors.append(("email", visit.say(_("Write one e-mail address, such as name@example.org, or leave it empty."))))
    if typed["nature"] not in ("", *KNOWN_NATURES):
        errors.append(("nature", visit.say(_("Choose one of the list, or leave it open."))))
    return errors


def _doubted(phone: str, region: str) -> str:
    """The digits of a number that looks wrong and is believed if it is sent again; empty for any other."""
    found = flaw(phone.strip(), region)
    return digits(phone) if found and found.kind != "not_digits" else ""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
