"""Browsers: open the form, fill it in, send it with its hidden identity, read the code on the receipt."""

from __future__ import annotations

import html
import random
import re
import time
from typing import ClassVar, Final

import httpx

from zrm.kit.cookies import cookie
from zrm.simulate.corpus import Citizen
from zrm.simulate.files import picture
from zrm.simulate.scenario import Acknowledged, Refused, TryAgain
from zrm.ui.i18n import LANGUAGE_COOKIE

_FORM_ID: Final = re.compile(r'name="form_id" value="([^"]+)"')
_SUBJECTS: Final = re.compile(r'<select[^>]*name="subject".*?</select>', re.DOTALL)
_OPTION: Final = re.compile(r'<option value="([^"]+)"')
_CODE: Final = re.compile(r'data-copy="(\d{12})"')
_RECEIPT: Final = "/receipt"


class WebDoor:
    """The form for a new contact. `files` is the share with a picture, `nameless` the share who stay anonymous."""

    kind: ClassVar[str] = "web"

    def __init__(self, web: httpx.Client, *, files: float = 0.2, nameless: float = 0.1) -> None:
        self.web = web
        self._files, self._nameless = files, nameless

    def scenario(self, citizen: Citizen, chance: random.Random) -> Form:
        """One filled-in form."""
        fields = {
            "nature": citizen.nature,
            "subject": citizen.subject,
            "text": citizen.text,
            "website": "",
            "name": "",
            "phone": "",
            "email": "",
        }
        if chance.random() >= self._nameless:
            fields["name"] = citizen.name
            fields |= {"phone": citizen.phone} if chance.random() < 0.6 else {"email": citizen.email}
        files = [("photo.jpg", picture(chance))] if chance.random() < self._files else []
        return Form(self.web, citizen.language, fields, files)

    def close(self) -> None:
        """Closes nothing: the web client is its owner's."""


class Form:
    """One visit to the form; the form's identity is kept for every try."""

    def __init__(
        self, web: httpx.Client, language: str, fields: dict[str, str], files: list[tuple[str, bytes]]
    ) -> None:
        self._web = web
        self._fields = fields
        self._files = files
        # A returning browser: it has the language cookie, so the receipt is a page of its own.
        remembered = (cookie(LANGUAGE_COOKIE, "/", secure=secure).name for secure in (False, True))
        self._headers = {"Accept-Language": language, "Cookie": "; ".join(f"{name}={language}" for name in remembered)}
        self._form_id = ""

    def go(self) -> Acknowledged:
        """Get the form unless we have it, send it, read the code. Errors: TryAgain, Refused."""
        if not self._form_id:
            page = self._ask("GET", "/new")
            match = _FORM_ID.search(page.text)
            if match is None:
                raise Refused("the form has no identity")
            self._form_id = match[1]
            self._choose(page.text)
        began = time.monotonic()
        parts: list[tuple[str, tuple[str | None, str | bytes] | tuple[str, bytes, str]]] = [
            (name, (None, value)) for name, value in {"form_id": self._form_id, **self._fields}.items()
        ]
        parts += [("files", (name, content, "image/jpeg")) for name, content in self._files]
        answer = self._ask("POST", "/new", parts)
        took = time.monotonic() - began
        if answer.status_code == 303:
            cookie = answer.headers.get("set-cookie", "").partition(";")[0]
            answer = self._ask("GET", _RECEIPT, cookie=cookie)
            if answer.status_code == 404:  # the cookie has expired; sending the form again gives the same code
                raise TryAgain("the receipt is no longer shown")
        match = _CODE.search(answer.text)
        if answer.status_code != 200 or match is None:
            raise Refused(f"{answer.status_code} without a code")
        return Acknowledged(match[1], took)

    def _choose(self, page: str) -> None:
        """The citizen's own subject if the form offers it, else any of its subjects, as each organisation has its own;
        none if it offers none.
        """
        found = _SUBJECTS.search(page)
        offered = _OPTION.findall(found[0]) if found else []
        if self._fields["subject"] not in offered:
            place = len(self._fields["text"])  # the same for every try of a scenario
            self._fields["subject"] = html.unescape(offered[place % len(offered)]) if offered else ""

    def _ask(self, method: str, path: str, parts: object = None, cookie: str = "") -> httpx.Response:
        headers = dict(self._headers)
        if cookie:
            headers["Cookie"] += f"; {cookie}"
        try:
            answer = self._web.request(method, path, files=parts, headers=headers)  # type: ignore[arg-type]  # as made above
        except httpx.TransportError as error:
            raise TryAgain(type(error).__name__) from None
        if answer.status_code >= 500 or answer.status_code == 429:
            raise TryAgain(str(answer.status_code))
        return answer
