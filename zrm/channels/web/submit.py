"""New contacts: the first page, the form, and its receipt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from zrm.channels.web.body import BadForm, Limits, Posted, WrongType, read_form
from zrm.channels.web.form_validation import (
    Entry,
    FieldError,
    check_entry,
    fields_of,
    read_entry,
)
from zrm.channels.web.intake import Intake, body_of
from zrm.channels.web.kept_forms import KeptForm, KeptForms
from zrm.channels.web.page_renderer import PageRenderer, peer_of
from zrm.channels.web.signed_tokens import ReceiptNote, Seals, contact_id
from zrm.channels.web.view_models import (
    chosen_again,
    come_later,
    files_problems,
    gone_problems,
    nature_options,
    shown_problems,
    subject_options,
)
from zrm.contract.addresses import EMAIL, PHONE
from zrm.contract.files import StoredFile
from zrm.errors import OverQuota, StoreUnavailable
from zrm.kit import log
from zrm.languages import LANGUAGES, Language
from zrm.ui.i18n import _

_log = log.get(__name__)
RECEIPT_COOKIE: Final = "zrm_receipt"
RECEIPT_PATH: Final = "/receipt"


class RaiseMatter:
    """The pages for a citizen's new contact."""

    def __init__(self, site: PageRenderer, intake: Intake, seals: Seals, forms: KeptForms) -> None:
        self._site = site
        self._forms = forms
        self._cookie = site.cookie(RECEIPT_COOKIE, RECEIPT_PATH)
        self._intake = intake
        self._seals = seals
        config = site.config
        self._limits = Limits(total=config.max_total_bytes, file=config.max_file_bytes)

    async def landing(self, request: Request) -> Response:
        """`GET /`: links to the form and to tracking, and the other ways to reach us."""
        return self._site.page(request, "landing.html", doors={door.kind: door for door in self._intake.doors()})

    async def form(self, request: Request) -> Response:
        """`GET /new`: an empty form with an identity of its own, or the one that is shown again."""
        try:
            kept = await self._forms.kept(request)
        except StoreUnavailable:
            return self._site.unavailable(request, "/new")
        if kept is None:
            return await self._form_page(request, Entry(), form_id=self._seals.new_form_id())
        files = [file for file in map(self._seals.open_file, kept.files) if file is not None]
        return await self._form_page(
            request, read_entry({name: [value] for name, value in kept.fields.items()}),
            form_id=kept.fields["form_id"], files=files, problems=kept.problems,
        )  # fmt: skip

    async def send(self, request: Request) -> Response:
        """`POST /new`: the receipt, or the form again with everything that was typed."""
        if self._site.is_foreign(request):
            return self._site.foreign(request, "/new")
        try:
            posted = await read_form(request, self._limits)
        except BadForm:
            return self._site.unreadable(request, "/new")
        except WrongType:
            return self._site.wrong_type(request, "/new")
        except ClientDisconnect:
            return Response(status_code=400)  # the client has disconnected
        except StoreUnavailable:
            return self._site.unavailable(request, "/new")
        try:
            return await self._answer(request, posted)
        finally:
            posted.close()

    async def _answer(self, request: Request, posted: Posted) -> Response:
        entry = read_entry(posted.fields)
        switch = posted.one("switch")
        language: Language = switch if switch in LANGUAGES else self._site.language(request)
        form_id = posted.one("form_id")
        nonce = self._seals.open_form_id(form_id)
        if nonce is None:
            form_id = self._seals.new_form_id()
        switched: Language | None = switch if switch in LANGUAGES else None
        dropped = set(posted.fields.get("drop", ()))
        sealed = [value for value in posted.fields.get("kept", ()) if value not in dropped]
        files = [file for file in map(self._seals.open_file, sealed) if file is not None]
        file_problems = files_problems(posted, len(files), self._site.config)
        try:
            self._intake.admit("form", peer_of(request), size=posted.size)
            there = await self._intake.still_kept(files)
            file_problems += gone_problems(files, there)
            files = there
            if nonce is None:  # a client that never opened the form may not fill the disk
                file_problems += chosen_again(posted)
            if not file_problems:
                files += await self._intake.keep(posted.uploads)
            if switch in LANGUAGES or "attach" in posted.fields:
                return await self._again(
                    request, entry, form_id=form_id, files=files, problems=file_problems, language=switched
                )
            choices = await self._intake.choices()
            problems = check_entry(
                entry,
                natures={nature.key for nature in choices.natures},
                subject_keys={subject.key for subject in choices.subjects},
                max_text=self._site.config.max_text,
                region=self._site.installation.region,
            )
            problems += file_problems
            if nonce is None:
                problems.append(
                    FieldError(
                        "send", _("This form did not come from our site, or it was changed. Please send it again")
                    )
                )
            if problems or nonce is None:
                status = 413 if posted.too_large or any(u.too_large for u in posted.uploads) else 400
                return await self._again(request, entry, form_id=form_id, files=files, problems=problems, status=status)
            self._intake.admit_addresses("form", peer_of(request), phone=entry.phone, email=entry.email)
            return await self._receive(request, entry, nonce, files, language)
        except OverQuota as over:  # shown at once: nothing more is written for a sender over its quota
            problems = [come_later(over), *([] if over.bound in ("phone", "email") else chosen_again(posted))]
            return await self._form_page(
                request, entry, form_id=form_id, files=files, problems=problems, status=429, language=language,
                headers={"Retry-After": str(over.retry_after)},
            )  # fmt: skip
        except StoreUnavailable:
            _log.warning("refused for now", channel="web")
            problem = FieldError(
                "send", _("We cannot take your message at this moment. Please press Send again in a few minutes")
            )
            return await self._form_page(
                request, entry, form_id=form_id, files=files, problems=[problem], status=503, language=language,
                headers={"Retry-After": "60"},
            )  # fmt: skip

    async def _receive(
        self, request: Request, entry: Entry, nonce: str, files: Sequence[StoredFile], language: Language
    ) -> Response:
        fields = {
            "nature": entry.nature, "subject": entry.subject, "text": entry.text,
            "name": entry.name, "phone": entry.phone, "email": entry.email,
        }  # fmt: skip
        external_id = contact_id("form", nonce, [*fields.values(), *(f"{file.key}/{file.name}" for file in files)])
        receipt = await self._intake.submit(
            external_id,
            body_of({**fields, "language": language}),
            said=entry.text,
            envelope={"trap": True} if entry.trap else {},
            files=files,
        )
        await self._forms.forget(request, nonce)
        given = {PHONE: entry.phone, EMAIL: entry.email}
        answered = any(door.reaches in given and given[door.reaches] for door in self._intake.doors())
        sent_to = "" if entry.trap else self._intake.code_goes_to(email=entry.email, phone=entry.phone)
        note = ReceiptNote(receipt.code, receipt.received_at, not entry.anonymous, answered, sent_to)
        if not self._site.keeps_cookies(request):
            # A redirect would lose the code. Reloading this page sends the same form again, which gives the same
            # receipt.
            return self._receipt_page(request, note)
        response = self._site.go(RECEIPT_PATH)
        self._site.set_cookie(
            response, self._cookie.name, self._seals.seal_receipt(note),
            path=self._cookie.path, seconds=self._seals.receipt_seconds,
        )  # fmt: skip
        return response

    async def receipt(self, request: Request) -> Response:
        """`GET /receipt`: the code, for as long as the cookie lasts."""
        note = self._seals.open_receipt(request.cookies.get(self._cookie.name, ""))
        if note is None:
            return self._site.problem(
                request, 404, _("This receipt is no longer shown here"),
                _("For your safety the page with the tracking code closes after a while. "
                  "If you noted the code, you can follow your case with it."),
                back="/track", back_label=_("Follow your case"),
            )  # fmt: skip
        return self._receipt_page(request, note)

    def _receipt_page(self, request: Request, note: ReceiptNote) -> Response:
        return self._site.page(request, "receipt.html", here=RECEIPT_PATH, note=note)

    async def _again(
        self,
        request: Request,
        entry: Entry,
        *,
        form_id: str,
        files: Sequence[StoredFile],
        problems: Sequence[FieldError],
        status: int = 200,
        language: Language | None = None,
    ) -> Response:
        """The form again: by a redirect, or at once with `status` where it cannot be kept. Errors: StoreUnavailable."""
        kept = KeptForm(
            {**fields_of(entry), "form_id": form_id},
            tuple(map(self._seals.seal_file, files)),
            tuple(problems),
        )  # fmt: skip
        nonce = self._seals.open_form_id(form_id) or ""
        return await self._forms.show(request, "/new", kept, nonce=nonce, language=language) or await self._form_page(
            request, entry, form_id=form_id, files=files, problems=problems, status=status, language=language
        )

    async def _form_page(
        self,
        request: Request,
        entry: Entry,
        *,
        form_id: str,
        files: Sequence[StoredFile] = (),
        problems: Sequence[FieldError] = (),
        status: int = 200,
        language: Language | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        shown = language or self._site.language(request)
        choices = await self._intake.choices()
        return self._site.page(
            request, "new.html", status=status, language=shown, here="/new", headers=headers,
            entry=entry, form_id=form_id, natures=nature_options(choices.natures, shown),
            kept=[(self._seals.seal_file(file), file) for file in files],
            errors=shown_problems(problems, shown), insist=next((p.insist for p in problems if p.insist), ""),
            subjects=subject_options(choices.subjects, shown),
        )  # fmt: skip
