"""Lost codes: a citizen types an address they have written from, and the codes of their cases are sent there.

The page reveals nothing: the answer is the same whether we know the address or not, and as fast, because T2 looks the
address up and writes to it. Codes are not sent to an address that was only typed, nor to one that several people share.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from zrm.channels.web.body import Posted
from zrm.channels.web.form_validation import MAX_EMAIL, FieldError, clean_line
from zrm.channels.web.intake import Intake, body_of
from zrm.channels.web.kept_forms import KeptForm, KeptForms
from zrm.channels.web.page_renderer import PageRenderer, peer_of
from zrm.channels.web.payload import CODES
from zrm.channels.web.signed_tokens import Seals, contact_id
from zrm.channels.web.view_models import shown_problems
from zrm.contract.addresses import EMAIL, PHONE
from zrm.contract.ports import SelfServicePort
from zrm.errors import StoreUnavailable, TooManyTries
from zrm.kit.mail_addresses import is_email
from zrm.kit.phones import flaw, is_mobile
from zrm.languages import LANGUAGES, Language
from zrm.ui.i18n import _
from zrm.ui.phone_flaws import sentence_of

LOST_PATH: Final = "/track/lost"


class WritesTo(NamedTuple):
    """Whether an open channel can write to e-mail addresses, and to mobile numbers."""

    email: bool
    phone: bool


_ENTER: Final[dict[WritesTo, str]] = {
    WritesTo(email=True, phone=True): _("Enter a mobile number or an e-mail address"),
    WritesTo(email=True, phone=False): _("Enter an e-mail address, such as name@example.org"),
    WritesTo(email=False, phone=True): _("Enter a mobile number, such as 0912 345 6789"),
}


class LostCode:
    """The page that asks for the address. `read` gives the small posted form, or the page that says why there is
    none.
    """

    def __init__(
        self,
        site: PageRenderer,
        self_service: SelfServicePort,
        intake: Intake,
        seals: Seals,
        forms: KeptForms,
        read: Callable[[Request], Awaitable[Posted | Response]],
    ) -> None:
        self._site = site
        self._self_service = self_service
        self._intake = intake
        self._seals = seals
        self._forms = forms
        self._read = read

    async def ask(self, request: Request) -> Response:
        """`GET /track/lost`: the field for the address, or the form that is shown again."""
        if not any(self._writes_to):
            return self._site.go("/track")
        try:
            kept = await self._forms.kept(request)
        except StoreUnavailable:
            return self._site.unavailable(request, LOST_PATH)
        return self._page(request, kept or KeptForm(), sent=request.query_params.get("sent", ""))

    async def send(self, request: Request) -> Response:
        """`POST /track/lost`: have the codes sent."""
        posted = await self._read(request)
        if isinstance(posted, Response):
            return posted
        if not any(self._writes_to):
            return self._site.go("/track")
        address = clean_line(posted.one("address")[: 2 * MAX_EMAIL])
        switch = posted.one("switch")
        if switch in LANGUAGES:
            return await self._again(request, address, language=switch)
        problem = self._flaw(address)
        if problem is not None:
            return await self._again(request, address, problem, status=400)
        nonce = self._seals.open_form_id(posted.one("form_id"))
        if nonce is None:
            message = _("This form did not come from our site, or it was changed. Please send it again")
            return await self._again(request, address, FieldError("send", message), status=400)
        kind = EMAIL if "@" in address else PHONE
        try:
            await run_in_threadpool(self._self_service.count_asking_for_codes, peer_of(request))
            await self._intake.submit(
                contact_id("codes", nonce, [address]),
                body_of({kind: address, "language": self._site.language(request)}),
                said=address,
                envelope={"asks": CODES},
            )
        except TooManyTries as wait:
            return self._site.wait(request, wait.retry_after, LOST_PATH)
        except StoreUnavailable:
            return self._site.unavailable(request, LOST_PATH)
        return self._site.go(f"{LOST_PATH}?sent=codes")

    @property
    def _writes_to(self) -> WritesTo:
        writes_to = self._intake.writes_to()
        return WritesTo(EMAIL in writes_to, PHONE in writes_to)

    def _flaw(self, address: str) -> FieldError | None:
        """What is wrong with the address's form; whether we know it is never told."""
        by_mail, by_phone = self._writes_to
        enter = FieldError("address", _ENTER[self._writes_to])
        if "@" in address:
            return None if by_mail and is_email(address) else enter
        if not by_phone:
            return enter
        region = self._site.installation.region
        found = flaw(address, region)
        if found is not None:
            if found.kind == "not_digits":
                return enter
            return FieldError("address", sentence_of(found), {"count": found.digits} if found.digits > 1 else None)
        if not is_mobile(address, region):
            return FieldError("address", _("We can send a text message to a mobile number of this country only"))
        return None

    async def _again(
        self,
        request: Request,
        address: str,
        *problems: FieldError,
        status: int = 200,
        language: Language | None = None,
    ) -> Response:
        """The field for the address again: by a redirect, or at once with `status` where it cannot be kept."""
        kept = KeptForm({"address": address}, problems=problems)
        try:
            shown = await self._forms.show(request, LOST_PATH, kept, language=language)
        except StoreUnavailable:
            shown = None  # the page can be shown without the store
        return shown or self._page(request, kept, status=status, language=language)

    def _page(
        self, request: Request, kept: KeptForm, *, status: int = 200, language: Language | None = None, sent: str = ""
    ) -> Response:
        shown = language or self._site.language(request)
        by_mail, by_phone = self._writes_to
        return self._site.page(
            request, "lost.html", status=status, language=shown, here=LOST_PATH, by_mail=by_mail, by_phone=by_phone,
            typed=kept.fields.get("address", ""), sent=sent, form_id=self._seals.new_form_id(),
            errors=shown_problems(kept.problems, shown),
        )  # fmt: skip
