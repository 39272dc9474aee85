"""Proof that a case is the citizen's own: by the end of their telephone number, or by a link to their address."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from zrm.channels.web.body import Posted
from zrm.channels.web.form_validation import FieldError, latin_digits
from zrm.channels.web.kept_forms import KeptForm
from zrm.channels.web.matter_pages import MATTER_PATH, TRACK_PATH, MatterPages, of_holder
from zrm.channels.web.page_renderer import PageRenderer, peer_of
from zrm.channels.web.signed_tokens import Pass
from zrm.contract.ports import TrackingPort
from zrm.errors import NotFound, StoreUnavailable, TooManyTries
from zrm.kit import log
from zrm.ui.i18n import _

_log = log.get(__name__)


class ProveMatter:
    """The forms by which a citizen proves who they are, and the page of the link."""

    def __init__(self, site: PageRenderer, pages: MatterPages, tracking: TrackingPort) -> None:
        self._site = site
        self._pages = pages
        self._tracking = tracking

    @of_holder
    async def prove_by_phone(self, request: Request, posted: Posted, held: Pass) -> Response:
        """`POST /track/phone`: proof by the last four digits of the telephone number the citizen gave us."""
        typed = "".join(c for c in latin_digits(posted.one("digits")) if c.isdecimal())
        if len(typed) != 4:
            return await self._pages.refuse(
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
            return await self._pages.refuse(request, held, problem)
        return self._pages.admit(Pass(held.code, proven=True))

    @of_holder
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
            return self._site.foreign(request, TRACK_PATH)
        try:
            code = await run_in_threadpool(self._tracking.redeem, request.path_params["token"][:500])
        except NotFound:
            note = _("This link cannot be used any more: it works once and for a limited time. "
                     "Enter your code and ask for a new one.")  # fmt: skip
            return await self._pages.ask_again(request, KeptForm(note=note), status=404)
        except TooManyTries as wait:
            return self._site.wait(request, wait.retry_after, TRACK_PATH)
        except StoreUnavailable:
            return self._site.unavailable(request, TRACK_PATH)
        return self._pages.admit(Pass(code, proven=True))
