"""Tracking: the state of a case by its code, the proof of identity, our answers, and further messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Final
from urllib.parse import quote
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response

from zrm.channels.web.body import BadForm, Limits, Posted, WrongType, read_form
from zrm.channels.web.form_validation import FieldError, check_text, clean_text, latin_digits
from zrm.channels.web.intake import Intake, body_of
from zrm.channels.web.kept_forms import KeptForm, KeptForms
from zrm.channels.web.page_renderer import PageRenderer, peer_of, typed_code
from zrm.channels.web.signed_tokens import Pass, Seals, contact_id
from zrm.channels.web.view_models import (
    chosen_again,
    come_later,
    files_problems,
    gone_problems,
    shown_on_the_way,
    shown_problems,
)
from zrm.contract.files import StoredFile
from zrm.contract.ports import TrackingPort
from zrm.contract.tracking import Tracking
from zrm.errors import NotFound, OverQuota, StoreUnavailable, TooManyTries
from zrm.kit import log
from zrm.kit.file_names import file_name
from zrm.languages import LANGUAGES, Language
from zrm.ui.headers import PAGE
from zrm.ui.i18n import _

_log = log.get(__name__)
MATTER_COOKIE: Final = "zrm_matter"
TRACK_PATH: Final = "/track"
MATTER_PATH: Final = "/track/matter"
_SMALL: Final = Limits(total=65_536, file=1)
_LONGEST_CODE: Final = 60  # characters, as typed
_NOTHING_KEPT: Final = KeptForm()

_Step = Callable[["FollowMatter", Request, Posted, Pass], Awaitable[Response]]


def _of_holder(step: _Step) -> Callable[[FollowMatter, Request], Awaitable[Response]]:
    """A small form about this browser's case: read first; without a case the page asks for the code."""

    @wraps(step)
    async def read_first(self: FollowMatter, request: Request) -> Response:
        posted = await self._read(request, _SMALL)
        if isinstance(posted, Response):
            return posted
        held = self._holder(request)
        return self._site.go(MATTER_PATH) if held is None else await step(self, request, posted, held)

    return read_first


class FollowMatter:
    """The pages for a citizen who follows a case."""

    def __init__(
        self, site: PageRenderer, tracking: TrackingPort, intake: Intake, seals: Seals, forms: KeptForms
    ) -> None:
        self._site = site
        self._forms = forms
        self._cookie = site.cookie(MATTER_COOKIE, TRACK_PATH)
        self._tracking = tracking
        self._intake = intake
        self._seals = seals
        self._limits = Limits(total=site.config.max_total_bytes, file=site.config.max_file_bytes)

    async def ask(self, request: Request) -> Response:
        """`GET /track`: the field for the code, or the form that is shown again."""
        try:
            kept = await self._forms.kept(request)
        except StoreUnavailable:
            return self._site.unavailable(request, TRACK_PATH)
        return self._ask_page(request, kept or KeptForm())

    async def show(self, request: Request) -> Response:
        """`POST /track`: the state of the case behind the typed code."""
        posted = await self._read(request, _SMALL)
        if isinstance(posted, Response):
            return posted
        typed = {"code": posted.one("code")[:_LONGEST_CODE]}
        switch = posted.one("switch")
        if switch in LANGUAGES:
            return await self._ask_again(request, KeptForm(typed), language=switch)
        code = typed_code(typed["code"])
        if not code:
            problem = FieldError("code", _("Enter your tracking code"))
            return await self._ask_again(request, KeptForm(typed, problems=(problem,)), status=400)
        held = self._holder(request)
        looking = Pass(code, held is not None and held.code == code and held.proven)
        tracking = await self._track(request, looking, typed)
        if isinstance(tracking, Response):
            return tracking
        if not self._site.keeps_cookies(request):
            return self._matter_page(request, tracking)
        holder = Pass(tracking.code, tracking.proven)
        return self._admit(holder, renew=held != holder)

    async def matter(self, request: Request) -> Response:
        """`GET /track/matter`: the same page again, for a browser that may see it."""
        held = self._holder(request)
        try:
            kept = await self._forms.kept(request) or KeptForm()
        except StoreUnavailable:
            return self._site.unavailable(request, MATTER_PATH)
        if held is None:
            note = _("For your safety this page closes after a while. Enter the code again.")
            return self._ask_page(request, KeptForm(kept.fields, note=note))
        return await self._matter(request, held, kept, sent=request.query_params.get("sent", ""))

    async def file(self, request: Request) -> Response:
        """`GET /track/files/{id}`: a file of the conversation, as a download, for a citizen who has proven who they
        are.
        """
        held = self._holder(request)
        if held is None or not held.proven:
            return self._site.go(MATTER_PATH)
        try:
            file_id = UUID(request.path_params["file_id"])
            file, path = await run_in_threadpool(self._tracking.public_file, held.code, file_id)
        except (NotFound, ValueError):
            return self._site.problem(
                request, 404, _("There is no such file"), _("It may belong to another matter, or is still being checked."),
                back=MATTER_PATH, back_label=_("Your matter"),
            )  # fmt: skip
        except StoreUnavailable:
            return self._site.unavailable(request, MATTER_PATH)
        name = quote(file_name(file.name) or "file", safe="")
        return FileResponse(
            path,
            media_type="application/octet-stream",
            headers={**PAGE, "Content-Disposition": f"attachment; filename*=UTF-8''{name}"},
        )

    async def step(self, _request: Request) -> Response:
        """`GET` of an address that only accepts forms: a browser requests it when its address line is entered again."""
        return self._site.go(MATTER_PATH)

    @_of_holder
    async def prove_by_phone(self, request: Request, posted: Posted, held: Pass) -> Response:
        """`POST /track/phone`: proof by the last four digits of the telephone number the citizen gave us."""
        typed = "".join(c for c in latin_digits(posted.one("digits")) if c.isdecimal())
        if len(typed) != 4:
            return await self._refuse(
                request, held, FieldError("digits", _("Enter the last four digits of your telephone number"))
            )
        try:
            proven = await run_in_threadpool(self._tracking.prove_by_phone, held.code, typed, peer_of(request))
        except TooManyTries as wait:
            return self._site.wait(request, wait.retry_after, MATTER_PATH)
        except NotFound:
            proven = False
        except StoreUnavailable:
            return self._site.unavailable(request, MATTER_PATH)
        if not proven:
            problem = FieldError("digits", _("These are not the last four digits of the number we have"))
            return await self._refuse(request, held, problem)
        return self._admit(Pass(held.code, proven=True))

    @_of_holder
    async def prove_by_email(self, request: Request, _posted: Posted, held: Pass) -> Response:
        """`POST /track/email`: request a link to the address the citizen gave us; the answer is the same in any
        case.
        """
        try:
            await run_in_threadpool(self._tracking.prove_by_email, held.code, peer_of(request))
        except TooManyTries as wait:
            return self._site.wait(request, wait.retry_after, MATTER_PATH)
        except StoreUnavailable:
            return self._site.unavailable(request, MATTER_PATH)
        except NotFound:
            _log.info("link asked for a code that is gone", channel="web")
        return self._site.go(f"{MATTER_PATH}?sent=link")

    async def proof(self, request: Request) -> Response:
        """`GET /proof/{token}`: a button. Programs that scan mail follow links, but do not press buttons."""
        return self._site.page(request, "proof.html")

    async def redeem(self, request: Request) -> Response:
        """`POST /proof/{token}`: use the link and show the case."""
        if self._site.is_foreign(request):
            return self._site.foreign(request, "/track")
        try:
            code = await run_in_threadpool(self._tracking.redeem, request.path_params["token"][:500])
        except NotFound:
            note = _("This link cannot be used any more: it works once and for a limited time. "
                     "Enter your code and ask for a new one.")  # fmt: skip
            return await self._ask_again(request, KeptForm(note=note), status=404)
        except TooManyTries as wait:
            return self._site.wait(request, wait.retry_after, "/track")
        except StoreUnavailable:
            return self._site.unavailable(request, "/track")
        return self._admit(Pass(code, proven=True))

    async def write(self, request: Request) -> Response:
        """`POST /track/message`: a further message of a citizen who has proven who they are."""
        posted = await self._read(request, self._limits)
        if isinstance(posted, Response):
            return posted
        try:
            return await self._take_message(request, posted)
        finally:
            posted.close()

    @_of_holder
    async def rate(self, request: Request, posted: Posted, held: Pass) -> Response:
        """`POST /track/rating`: the citizen's rating of a closed case; a contact like any other, processed by T2."""
        form_id, score = posted.one("form_id"), latin_digits(posted.one("score").strip())
        nonce = self._seals.open_form_id(form_id)
        if score not in ("1", "2", "3", "4", "5"):
            return await self._refuse(request, held, FieldError("score", _("Choose a number from 1 to 5")))
        if nonce is None:
            problem = FieldError("score", _("This form was not made by us or has been changed. Please send it again"))
            return await self._refuse(request, held, problem)
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

    async def leave(self, request: Request) -> Response:
        """`POST /track/leave`: forget the case on this device."""
        if self._site.is_foreign(request):
            return self._site.foreign(request, TRACK_PATH)
        response = self._site.go(TRACK_PATH)
        self._site.drop_cookie(response, self._cookie.name, path=self._cookie.path)
        return response

    async def _take_message(self, request: Request, posted: Posted) -> Response:
        text = clean_text(posted.one("text"))
        dropped = set(posted.fields.get("drop", ()))
        sealed = [value for value in posted.fields.get("kept", ()) if value not in dropped]
        files = [file for file in map(self._seals.open_file, sealed) if file is not None]
        held = self._holder(request)
        form_id = posted.one("form_id")
        nonce = self._seals.open_form_id(form_id)
        try:
            self._intake.admit("form", peer_of(request), size=posted.size)
        except OverQuota as over:
            kept = self._kept(text, files, form_id if nonce else "", [come_later(over), *chosen_again(posted)])
            return await self._later(request, held, kept, over)
        if held is None or not held.proven:
            problem = FieldError(
                "send", _("For your safety this page has closed. Prove again that this matter is yours, then send")
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
                        FieldError("send", _("This form was not made by us or has been changed. Please send it again"))
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
        return await self._matter(
            request, held, kept, status=status if kept.problems else 200, language=switched
        )  # fmt: skip

    async def _later(self, request: Request, held: Pass | None, kept: KeptForm, over: OverQuota) -> Response:
        """The message is shown again at once: nothing more is written for a sender over its quota."""
        shown = (
            self._ask_page(request, kept, status=429)
            if held is None
            else await self._matter(request, held, kept, status=429)
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
            return await self._ask_again(request, kept, status=403)
        shown = await self._show(request, MATTER_PATH, kept)
        return shown or await self._matter(request, held, kept, status=403)

    async def _refuse(self, request: Request, held: Pass, problem: FieldError) -> Response:
        """The case again, with the errors of a small form on it."""
        kept = KeptForm(problems=(problem,))
        return await self._show(request, MATTER_PATH, kept) or await self._matter(request, held, kept, status=400)

    async def _ask_again(
        self, request: Request, kept: KeptForm, *, status: int = 200, language: Language | None = None
    ) -> Response:
        """The field for the code again."""
        shown = await self._show(request, TRACK_PATH, kept, language)
        return shown or self._ask_page(request, kept, status=status, language=language)

    async def _show(
        self, request: Request, path: str, kept: KeptForm, language: Language | None = None
    ) -> Response | None:
        """The redirect to the kept form, None where it is shown at once."""
        try:
            return await self._forms.show(request, path, kept, language=language)
        except StoreUnavailable:
            return None  # the page can be shown without the store

    async def _track(self, request: Request, held: Pass, typed: dict[str, str]) -> Tracking | Response:
        """The case behind a code, or the page that says why there is none."""
        try:
            return await run_in_threadpool(self._tracking.track, held.code, peer_of(request), proven=held.proven)
        except NotFound:
            problem = FieldError("code", _("We find no matter with this code. Please compare it with your receipt"))
            return await self._ask_again(request, KeptForm(typed, problems=(problem,)), status=404)
        except TooManyTries as wait:
            return self._site.wait(request, wait.retry_after, TRACK_PATH)
        except StoreUnavailable:
            return self._site.unavailable(request, TRACK_PATH)

    async def _matter(
        self,
        request: Request,
        held: Pass,
        kept: KeptForm,
        *,
        status: int = 200,
        sent: str = "",
        language: Language | None = None,
    ) -> Response:
        tracking = await self._track(request, held, {})
        if isinstance(tracking, Response):
            return tracking
        return self._matter_page(request, tracking, kept, status=status, sent=sent, language=language)

    def _matter_page(
        self,
        request: Request,
        tracking: Tracking,
        kept: KeptForm = _NOTHING_KEPT,
        *,
        status: int = 200,
        sent: str = "",
        language: Language | None = None,
    ) -> Response:
        shown = language or self._site.language(request)
        files = [(seal, file) for seal in kept.files if (file := self._seals.open_file(seal)) is not None]
        response = self._site.page(
            request, "matter.html", status=status, language=shown, here=MATTER_PATH, tracking=tracking, sent=sent,
            text=kept.fields.get("text", ""), errors=shown_problems(kept.problems, shown), kept=files,
            on_the_way=shown_on_the_way(tracking.on_the_way), form_id=kept.fields.get("form_id") or self._seals.new_form_id(),
        )  # fmt: skip
        # The desk decides on proof: it may open a case by its code alone.
        holder = Pass(tracking.code, tracking.proven)
        self._give_pass(response, holder, renew=self._holder(request) != holder)
        return response

    def _admit(self, holder: Pass, *, renew: bool = True) -> Response:
        response = self._site.go(MATTER_PATH)
        self._give_pass(response, holder, renew=renew)
        return response

    def _give_pass(self, response: Response, holder: Pass, *, renew: bool) -> None:
        """Looking does not prolong the access: it ends some minutes after the code was typed or the proof given."""
        if renew:
            self._site.set_cookie(
                response,
                self._cookie.name,
                self._seals.seal_pass(holder),
                path=self._cookie.path,
                seconds=self._seals.proof_seconds,
            )

    def _holder(self, request: Request) -> Pass | None:
        return self._seals.open_pass(request.cookies.get(self._cookie.name, ""))

    async def read_small(self, request: Request) -> Posted | Response:
        """The posted form of a page with a field or two, or the page that says why there is none."""
        return await self._read(request, _SMALL)

    async def _read(self, request: Request, limits: Limits) -> Posted | Response:
        """The posted form, or the page that says why there is none."""
        back = TRACK_PATH if limits is _SMALL else MATTER_PATH
        if self._site.is_foreign(request):
            return self._site.foreign(request, TRACK_PATH)
        try:
            posted = await read_form(request, limits)
        except BadForm:
            return self._site.unreadable(request, back)
        except WrongType:
            return self._site.wrong_type(request, back)
        except ClientDisconnect:
            return Response(status_code=400)  # the client has disconnected
        except StoreUnavailable:
            return self._site.unavailable(request, back)
        if limits is _SMALL:
            posted.close()
            try:
                self._intake.admit("form", peer_of(request), size=posted.size)
            except OverQuota as over:
                return self._site.wait(request, over.retry_after, back)
        return posted

    def _ask_page(
        self, request: Request, kept: KeptForm, *, status: int = 200, language: Language | None = None
    ) -> Response:
        shown = language or self._site.language(request)
        return self._site.page(
            request, "track.html", status=status, language=shown, here=TRACK_PATH,
            typed=kept.fields.get("code", "")[:_LONGEST_CODE], note=kept.note, draft=kept.fields.get("text", ""),
            errors=shown_problems(kept.problems, shown), sends_codes=bool(self._intake.writes_to()),
        )  # fmt: skip
