"""Taken contacts: the form "New contact" for a citizen who calls, comes in person or writes a letter, and its receipt."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid4

from fastapi import Response
from fastapi.responses import RedirectResponse

from zrm.agent_api.context import Desk, DeskContext
from zrm.agent_api.desk_request import DeskRequest, SignedIn
from zrm.agent_api.pages.error_pages import page_router
from zrm.agent_api.pages.files import keep
from zrm.agent_api.pages.input_problems import sentences
from zrm.agent_api.pages.layout import Shell
from zrm.casestore import nature
from zrm.casework import taken_contacts
from zrm.casework.context import InputFlaw, InvalidInput
from zrm.casework.taken_contacts import LONGEST, TakenDown, entry_channels
from zrm.contract.inbound import Receipt
from zrm.errors import StoreUnavailable
from zrm.kit import log
from zrm.kit.phones import flaw
from zrm.kit.text import digits
from zrm.localized import in_language
from zrm.ui.i18n import _
from zrm.ui.labels import channel_name

PAGE: Final = "/desk/new-contact"
_SENTENCES: Final = {
    ("channel", InputFlaw.UNKNOWN_CHOICE): _("Choose how the citizen contacted us."),
    ("text", InputFlaw.EMPTY): _("Enter what the citizen says."),
}
_log = log.get(__name__)


router = page_router()


@router.get(PAGE)
def form(context: Desk, desk_request: SignedIn) -> Response:
    """The empty form."""
    taken_contacts.require_takes(desk_request.actor)
    return _form(context, desk_request, {}, uuid4(), [])


@router.post(PAGE)
def take(context: Desk, desk_request: SignedIn) -> Response:
    """Go to the receipt, or show the form again with what was typed."""
    typed, form_id = desk_request.form, _uuid(desk_request.form.get("form_id", "")) or uuid4()
    try:
        receipt = _take(context, desk_request, form_id)
    except InvalidInput as error:
        problems = sentences(error.problems, desk_request.viewer.language, _SENTENCES)
        return _form(context, desk_request, typed, form_id, problems, status=422)
    except StoreUnavailable:
        sentence = desk_request.say(
            _("It could not be saved just now. Nothing was recorded: please press Record again.")
        )
        return _form(context, desk_request, typed, form_id, [("text", sentence)], status=503)
    _log.info(
        "contact taken", contact=str(receipt.contact_id), agent=str(desk_request.agent.id), repeated=receipt.repeated
    )
    return RedirectResponse(f"{PAGE}/{receipt.contact_id}", status_code=303)


@router.get(PAGE + "/{contact_id}")
def receipt(contact_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """The receipt with the tracking code, for its taker."""
    with context.database.cursor() as cursor:
        found = taken_contacts.receipt_of(cursor, desk_request.actor, contact_id)
        return Shell(context).page(
            "desk/taken_receipt.html",
            desk_request,
            cursor,
            "new-contact",
            taken=found,
            case_href=f"/desk/cases/{found.case_id}" if found.seen else "",
            track_address=f"{context.settings.public_url.rstrip('/')}/track",
        )


def _take(context: DeskContext, desk_request: DeskRequest, form_id: UUID) -> Receipt:
    typed, region = desk_request.form, context.settings.organisation.region
    channel, as_is = typed.get("channel", ""), typed.get("phone_as_is", "")
    told = TakenDown(**{name: typed.get(name, "") for name in ("text", "name", "phone", "email", "nature")})
    with context.database.cursor() as cursor:
        natures = {one.key for one in nature.in_use(cursor)}
    # Before the files, so that a refused form leaves none behind.
    taken_contacts.require_fit(desk_request.actor, channel, told, region=region, natures=natures, phone_as_is=as_is)
    if context.receive is None:
        raise StoreUnavailable("nothing receives here")
    files = [keep(context.blobs, file) for file in desk_request.files]
    return taken_contacts.take(
        context.receive,
        desk_request.actor,
        channel,
        form_id,
        told,
        files,
        region=region,
        natures=natures,
        phone_as_is=as_is,
    )


def _form(
    context: DeskContext,
    desk_request: DeskRequest,
    typed: dict[str, str],
    form_id: UUID,
    errors: list[tuple[str, str]],
    *,
    status: int = 200,
) -> Response:
    language, region = desk_request.viewer.language, context.settings.organisation.region
    with context.database.cursor() as cursor:
        return Shell(context).page(
            "desk/taken_form.html",
            desk_request,
            cursor,
            "new-contact",
            status=status,
            own_address=PAGE,
            typed=typed,
            form_id=form_id,
            errors=errors,
            entry_channels=[(one, channel_name(one, language)) for one in entry_channels()],
            natures=[
                ("", desk_request.say(_("Not specified"))),
                *((one.key, in_language(one.names, language)) for one in nature.in_use(cursor)),
            ],
            longest=LONGEST,
            phone_digits=_doubted(typed.get("phone", ""), region) if "phone" in dict(errors) else "",
            files_again=bool(desk_request.files),
        )


def _doubted(phone: str, region: str) -> str:
    """The digits of an unusual number, which is accepted if it is sent again; empty for any other."""
    found = flaw(phone.strip(), region)
    return digits(phone) if found and found.kind != "not_digits" else ""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
