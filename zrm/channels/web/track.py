"""Tracking: a case found by its code and shown, with the files of its conversation."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from zrm.channels.web.form_validation import FieldError
from zrm.channels.web.kept_forms import KeptForm, KeptForms
from zrm.channels.web.matter_pages import LONGEST_CODE, MATTER_PATH, TRACK_PATH, MatterPages
from zrm.channels.web.page_renderer import PageRenderer, typed_code
from zrm.channels.web.signed_tokens import Pass
from zrm.contract.ports import TrackingPort
from zrm.errors import NotFound, StoreUnavailable
from zrm.kit.file_names import file_name
from zrm.languages import LANGUAGES
from zrm.ui.headers import PAGE
from zrm.ui.i18n import _


class FollowMatter:
    """The pages for a citizen who follows a case."""

    def __init__(self, site: PageRenderer, pages: MatterPages, tracking: TrackingPort, forms: KeptForms) -> None:
        self._site = site
        self._pages = pages
        self._tracking = tracking
        self._forms = forms

    async def ask(self, request: Request) -> Response:
        """`GET /track`: the field for the code, or the form that is shown again."""
        try:
            kept = await self._forms.kept(request)
        except StoreUnavailable:
            return self._site.unavailable(request, TRACK_PATH)
        return self._pages.code_page(request, kept or KeptForm())

    async def show(self, request: Request) -> Response:
        """`POST /track`: the state of the case behind the typed code."""
        posted = await self._pages.read_small(request)
        if isinstance(posted, Response):
            return posted
        typed = {"code": posted.one("code")[:LONGEST_CODE]}
        switch = posted.one("switch")
        if switch in LANGUAGES:
            return await self._pages.ask_again(request, KeptForm(typed), language=switch)
        code = typed_code(typed["code"])
        if not code:
            problem = FieldError("code", _("Enter your tracking code"))
            return await self._pages.ask_again(request, KeptForm(typed, problems=(problem,)), status=400)
        held = self._pages.holder(request)
        looking = Pass(code, held is not None and held.code == code and held.proven)
        tracking = await self._pages.look_up(request, looking, typed)
        if isinstance(tracking, Response):
            return tracking
        if not self._site.keeps_cookies(request):
            return self._pages.matter_page(request, tracking)
        holder = Pass(tracking.code, tracking.proven)
        return self._pages.admit(holder, renew=held != holder)

    async def matter(self, request: Request) -> Response:
        """`GET /track/matter`: the same page again, for a browser that may see it."""
        held = self._pages.holder(request)
        try:
            kept = await self._forms.kept(request) or KeptForm()
        except StoreUnavailable:
            return self._site.unavailable(request, MATTER_PATH)
        if held is None:
            note = _("For your safety this page closes after a while. Enter the code again.")
            return self._pages.code_page(request, KeptForm(kept.fields, note=note))
        return await self._pages.matter(request, held, kept, sent=request.query_params.get("sent", ""))

    async def file(self, request: Request) -> Response:
        """`GET /track/files/{id}`: a file of the conversation, as a download, for a citizen who has proven who they
        are.
        """
        held = self._pages.holder(request)
        if held is None or not held.proven:
            return self._site.go(MATTER_PATH)
        try:
            file_id = UUID(request.path_params["file_id"])
            file, path = await run_in_threadpool(self._tracking.public_file, held.code, file_id)
        except (NotFound, ValueError):
            return self._site.problem(
                request, 404, _("There is no such file"), _("It may belong to another case, or is still being checked."),
                back=MATTER_PATH, back_label=_("Your case"),
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

    async def leave(self, request: Request) -> Response:
        """`POST /track/leave`: forget the case on this device."""
        if self._site.is_foreign(request):
            return self._site.foreign(request, TRACK_PATH)
        return self._pages.forget_case()
