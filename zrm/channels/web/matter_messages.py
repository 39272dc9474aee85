"""What a citizen sends in a case that they follow: a further message, or a rating of how it was handled."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from zrm.channels.web.body import Limits, Posted
from zrm.channels.web.form_validation import FieldError, check_text, clean_text, latin_digits
from zrm.channels.web.intake import Intake, body_of
from zrm.channels.web.kept_forms import KeptForm, KeptForms
from zrm.channels.web.matter_pages import MATTER_PATH, MatterPages, of_holder
from zrm.channels.web.page_renderer import PageRenderer, peer_of
from zrm.channels.web.signed_tokens import Pass, Seals, contact_id
from zrm.channels.web.view_models import chosen_again, come_later, files_problems, gone_problems
from zrm.contract.files import StoredFile
from zrm.errors import OverQuota, StoreUnavailable
from zrm.languages import LANGUAGES, Language
from zrm.ui.i18n import _


class WriteInMatter:
    """The forms on the page of the case whose content becomes a contact."""

    def __init__(self, site: PageRenderer, pages: MatterPages, intake: Intake, seals: Seals, forms: KeptForms) -> None:
        self._site = site
        self._pages = pages
        self._intake = intake
        self._seals = seals
        self._forms = forms
        self._limits = Limits(total=site.config.max_total_bytes, file=site.config.max_file_bytes)

    async def write(self, request: Request) -> Response:
        """`POST /track/message`: a further message of a citizen who has proven who they are."""
        posted = await self._pages.read(request, self._limits)
        if isinstance(posted, Response):
            return posted
        try:
            return await self._take_message(request, posted)
        finally:
            posted.close()

    @of_holder
    async def rate(self, request: Request, posted: Posted, held: Pass) -> Response:
        """`POST /track/rating`: the citizen's rating of a closed case; a contact like any other, processed by T2."""
        form_id, score = posted.one("form_id"), latin_digits(posted.one("score").strip())
        nonce = self._seals.open_form_id(form_id)
        if score not in ("1", "2", "3", "4", "5"):
            return await self._pages.refuse(request, held, FieldError("score", _("Choose a number from 1 to 5")))
        if nonce is None:
            problem = FieldError(
                "score", _("This form did not come from our site, or it was changed. Please send it again")
            )
            return await self._pages.refuse(request, held, problem)
        try:
            # Only the case in the cookie can be rated. T2 knows whether it is closed and not rated yet.
            await self._intake.submit(
                contact_id("rating", nonce, [held.code, score]),
                body_of({"score": int(score)}),
                said=score,
                envelope={"rates": held.code},
            )
        except StoreUnavailable:
            return self._site.unavailable(request, MATTER_PATH)
        return self._site.go(f"{MATTER_PATH}?sent=rating")

    async def _take_message(self, request: Request, posted: Posted) -> Response:
        text = clean_text(posted.one("text"))
        dropped = set(posted.fields.get("drop", ()))
        sealed = [value for value in posted.fields.get("kept", ()) if value not in dropped]
        files = [file for file in map(self._seals.open_file, sealed) if file is not None]
        held = self._pages.holder(request)
        form_id = posted.one("form_id")
        nonce = self._seals.open_form_id(form_id)
        try:
            self._intake.admit("form", peer_of(request), size=posted.size)
        except OverQuota as over:
            kept = self._kept(text, files, form_id if nonce else "", [come_later(over), *chosen_again(posted)])
            return await self._later(request, held, kept, over)
        if held is None or not held.proven:
            problem = FieldError(
                "send", _("For your safety this page has closed. Prove again that this case is yours, then send")
            )
            return await self._lost_pass(request, held, self._kept(text, files, "", [problem]))
        switch = posted.one("switch")
        switched: Language | None = switch if switch in LANGUAGES else None
        problems = files_problems(posted, len(files), self._site.config)
        status = 413 if posted.too_large or any(upload.too_large for upload in posted.uploads) else 400
        try:
            there = await self._intake.still_kept(files)
            problems += gone_problems(files, there)
            files = there
            if nonce is None:  # a client that never opened the form may not fill the disk
                problems += chosen_again(posted)
            if not problems:
                files += await self._intake.keep(posted.uploads)
            if not (switch or "attach" in posted.fields):
                if text or not files:  # a message may consist of files only
                    problems = check_text(text, self._site.config.max_text) + problems
                if nonce is not None and not problems:
                    await self._receive(held, nonce, text, files, self._site.language(request))
                    await self._forms.forget(request, nonce)
                    return self._site.go(f"{MATTER_PATH}?sent=message")
                if nonce is None:
                    problems.append(
                        FieldError(
                            "send", _("This form did not come from our site, or it was changed. Please send it again")
                        )
                    )
            kept = self._kept(text, files, form_id if nonce else "", problems)
            shown = await self._forms.show(request, MATTER_PATH, kept, nonce=nonce or "", language=switched)
            if shown is not None:
                return shown
        except StoreUnavailable:
            problem = FieldError(
                "send", _("We cannot take your message at this moment. Please press Send again in a few minutes")
            )
            kept = self._kept(text, files, form_id if nonce else "", [problem])
            status = 503
        return await self._pages.matter(
            request, held, kept, status=status if kept.problems else 200, language=switched
        )  # fmt: skip

    async def _later(self, request: Request, held: Pass | None, kept: KeptForm, over: OverQuota) -> Response:
        """The message is shown again at once: nothing more is written for a sender over its quota."""
        shown = (
            self._pages.code_page(request, kept, status=429)
            if held is None
            else await self._pages.matter(request, held, kept, status=429)
        )
        shown.headers["Retry-After"] = str(over.retry_after)
        return shown

    async def _receive(
        self, held: Pass, nonce: str, text: str, files: Sequence[StoredFile], language: Language
    ) -> None:
        content = [held.code, text, *(f"{file.key}/{file.name}" for file in files)]
        await self._intake.submit(
            contact_id("message", nonce, content),
            body_of({"text": text, "language": language}),
            said=text,
            envelope={"conversation": held.code},
            files=files,
        )

    def _kept(self, text: str, files: Sequence[StoredFile], form_id: str, problems: Sequence[FieldError]) -> KeptForm:
        fields = {"text": text, "form_id": form_id}
        return KeptForm(fields, tuple(map(self._seals.seal_file, files)), tuple(problems))

    async def _lost_pass(self, request: Request, held: Pass | None, kept: KeptForm) -> Response:
        """The proof expired while the citizen was typing: the text is shown again, to be copied or sent after a new
        proof.
        """
        if held is None:
            return await self._pages.ask_again(request, kept, status=403)
        shown = await self._pages.show_kept(request, MATTER_PATH, kept)
        return shown or await self._pages.matter(request, held, kept, status=403)
