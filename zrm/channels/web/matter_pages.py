"""The pages of a case that a browser follows: which case it may see, its forms read, its page drawn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final, Protocol, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from zrm.channels.web.body import BadForm, Limits, Posted, WrongType, read_form
from zrm.channels.web.form_validation import FieldError
from zrm.channels.web.intake import Intake
from zrm.channels.web.kept_forms import KeptForm, KeptForms
from zrm.channels.web.page_renderer import PageRenderer, peer_of
from zrm.channels.web.signed_tokens import Pass, Seals
from zrm.channels.web.view_models import shown_on_the_way, shown_problems
from zrm.contract.ports import TrackingPort
from zrm.contract.tracking import Tracking
from zrm.errors import NotFound, OverQuota, StoreUnavailable, TooManyTries
from zrm.languages import Language
from zrm.ui.i18n import _

MATTER_COOKIE: Final = "zrm_matter"
TRACK_PATH: Final = "/track"
MATTER_PATH: Final = "/track/matter"
LONGEST_CODE: Final = 60  # characters, as typed
_SMALL: Final = Limits(total=65_536, file=1)
_NOTHING_KEPT: Final = KeptForm()


class OnMatterPages(Protocol):
    """Handlers of requests that stand on these pages."""

    _pages: MatterPages


H = TypeVar("H", bound=OnMatterPages)


def of_holder(
    step: Callable[[H, Request, Posted, Pass], Awaitable[Response]],
) -> Callable[[H, Request], Awaitable[Response]]:
    """A small form about this browser's case: read first; without a case the page asks for the code."""

    @wraps(step)
    async def read_first(self: H, request: Request) -> Response:
        posted = await self._pages.read_small(request)
        if isinstance(posted, Response):
            return posted
        held = self._pages.holder(request)
        return self._pages.go_to_matter() if held is None else await step(self, request, posted, held)

    return read_first


class MatterPages:
    """The page of the case and the page that asks for a code."""

    def __init__(
        self, site: PageRenderer, tracking: TrackingPort, intake: Intake, seals: Seals, forms: KeptForms
    ) -> None:
        self._site = site
        self._forms = forms
        self._cookie = site.cookie(MATTER_COOKIE, TRACK_PATH)
        self._tracking = tracking
        self._intake = intake
        self._seals = seals

    def go_to_matter(self) -> Response:
        """To the page of the case."""
        return self._site.go(MATTER_PATH)

    def forget_case(self) -> Response:
        """To the page that asks for a code, and nothing of the case stays in the browser."""
        response = self._site.go(TRACK_PATH)
        self._site.drop_cookie(response, self._cookie.name, path=self._cookie.path)
        return response

    def holder(self, request: Request) -> Pass | None:
        """Which case this browser may see, and whether it has proven that it is its own."""
        return self._seals.open_pass(request.cookies.get(self._cookie.name, ""))

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

    def admit(self, holder: Pass, *, renew: bool = True) -> Response:
        """To the page of the case, which this browser may see from now on."""
        response = self._site.go(MATTER_PATH)
        self._give_pass(response, holder, renew=renew)
        return response

    async def read_small(self, request: Request) -> Posted | Response:
        """The posted form of a page with a field or two, or the page that says why there is none."""
        return await self.read(request, _SMALL)

    async def read(self, request: Request, limits: Limits) -> Posted | Response:
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

    async def look_up(self, request: Request, held: Pass, typed: dict[str, str]) -> Tracking | Response:
        """The case behind a code, or the page that says why there is none."""
        try:
            return await run_in_threadpool(self._tracking.track, held.code, peer_of(request), proven=held.proven)
        except NotFound:
            problem = FieldError("code", _("There is no case with this code. Please compare it with your receipt"))
            return await self.ask_again(request, KeptForm(typed, problems=(problem,)), status=404)
        except TooManyTries as wait:
            return self._site.wait(request, wait.retry_after, TRACK_PATH)
        except StoreUnavailable:
            return self._site.unavailable(request, TRACK_PATH)

    async def matter(
        self,
        request: Request,
        held: Pass,
        kept: KeptForm,
        *,
        status: int = 200,
        sent: str = "",
        language: Language | None = None,
    ) -> Response:
        """The page of the case, or the page that says why it cannot be shown."""
        tracking = await self.look_up(request, held, {})
        if isinstance(tracking, Response):
            return tracking
        return self.matter_page(request, tracking, kept, status=status, sent=sent, language=language)

    def matter_page(
        self,
        request: Request,
        tracking: Tracking,
        kept: KeptForm = _NOTHING_KEPT,
        *,
        status: int = 200,
        sent: str = "",
        language: Language | None = None,
    ) -> Response:
        """The page of the case as it was just looked up."""
        shown = language or self._site.language(request)
        files = [(seal, file) for seal in kept.files if (file := self._seals.open_file(seal)) is not None]
        response = self._site.page(
            request, "matter.html", status=status, language=shown, here=MATTER_PATH, tracking=tracking, sent=sent,
            text=kept.fields.get("text", ""), errors=shown_problems(kept.problems, shown), kept=files,
            on_the_way=shown_on_the_way(tracking.on_the_way), form_id=kept.fields.get("form_id") or self._seals.new_form_id(),
        )  # fmt: skip
        # The desk decides on proof: it may open a case by its code alone.
        holder = Pass(tracking.code, tracking.proven)
        self._give_pass(response, holder, renew=self.holder(request) != holder)
        return response

    async def refuse(self, request: Request, held: Pass, problem: FieldError) -> Response:
        """The case again, with the errors of a small form on it."""
        kept = KeptForm(problems=(problem,))
        return await self.show_kept(request, MATTER_PATH, kept) or await self.matter(request, held, kept, status=400)

    def code_page(
        self, request: Request, kept: KeptForm, *, status: int = 200, language: Language | None = None
    ) -> Response:
        """The page that asks for a code."""
        shown = language or self._site.language(request)
        return self._site.page(
            request, "track.html", status=status, language=shown, here=TRACK_PATH,
            typed=kept.fields.get("code", "")[:LONGEST_CODE], note=kept.note, draft=kept.fields.get("text", ""),
            errors=shown_problems(kept.problems, shown), sends_codes=bool(self._intake.writes_to()),
        )  # fmt: skip

    async def ask_again(
        self, request: Request, kept: KeptForm, *, status: int = 200, language: Language | None = None
    ) -> Response:
        """The field for the code again."""
        shown = await self.show_kept(request, TRACK_PATH, kept, language)
        return shown or self.code_page(request, kept, status=status, language=language)

    async def show_kept(
        self, request: Request, path: str, kept: KeptForm, language: Language | None = None
    ) -> Response | None:
        """The redirect to the kept form, None where it is shown at once."""
        try:
            return await self._forms.show(request, path, kept, language=language)
        except StoreUnavailable:
            return None  # the page can be shown without the store
