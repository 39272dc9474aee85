"""Fax servers: the hook posts a TIFF over HTTP, and drops it into the spool folder when the hub does not accept it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
from pathlib import Path
from typing import ClassVar, Final

import httpx

from zrm.kit.clock import now
from zrm.simulate.corpus import Citizen
from zrm.simulate.files import fax_pages
from zrm.simulate.scenario import Acknowledged, NotYet, Refused, TryAgain

PATH: Final = "/hooks/fax"


class FaxDoor:
    """Faxes to one line. `spooled` is the share that goes to the spool at once, as where the hook has no web
    address.
    """

    kind: ClassVar[str] = "fax"

    def __init__(
        self, web: httpx.Client, *, token: str | None, spool: Path | None, line: str, run: str, spooled: float = 0.3
    ) -> None:
        self.web, self.token, self.spool, self.line = web, token, spool, line
        self._run = run
        self._spooled = spooled if token else 1.0
        self._count = 0

    def scenario(self, citizen: Citizen, chance: random.Random) -> Sheet:
        """A fax of one to three pages."""
        self._count += 1
        tiff = fax_pages(chance, chance.choice((1, 1, 1, 2, 3)))
        fields = {
            "source": "hylafax",
            "call": f"{self._run}{self._count:06}",
            "caller": citizen.phone,
            "called": self.line,
            "station": citizen.phone[-8:],
            "status": "SUCCESS",
            "pages": "1",
            "device": "ttyIAX0",
            "stamp": str(int(now().timestamp())),
        }
        by_spool = self.spool is not None and chance.random() < self._spooled
        return Sheet(self, tiff, fields, by_spool=by_spool)

    def close(self) -> None:
        """Closes nothing: the web client is its owner's."""


class Sheet:
    """One fax as its server holds it."""

    def __init__(self, door: FaxDoor, tiff: bytes, fields: dict[str, str], *, by_spool: bool) -> None:
        self._door = door
        self._tiff = tiff
        self._fields = fields
        self._by_spool = by_spool
        self._dropped = 0.0

        self.reference = f"{fields['source']}/{fields['call']}/{hashlib.sha256(tiff).hexdigest()}"
        """Its external id at the hub: the fax server's own id of the call, and the file's digest."""

    def go(self) -> Acknowledged:
        """Post it, or look whether the hub has taken it from the spool. Errors: TryAgain, Refused."""
        if not self._by_spool:
            return self._post()
        if not self._dropped:
            self._drop()
            self._dropped = time.monotonic()
        if not (self._spool / "done" / f"{self._name}.tif").exists():
            raise NotYet("in the spool")
        return Acknowledged(self.reference, time.monotonic() - self._dropped)

    def _post(self) -> Acknowledged:
        began = time.monotonic()
        door = self._door
        try:
            answer = door.web.post(
                PATH,
                data=self._fields,
                files={"file": ("fax.tif", self._tiff, "image/tiff")},
                headers={"Authorization": f"Bearer {door.token}"},
            )
        except httpx.TransportError as error:
            self._by_spool = door.spool is not None
            raise TryAgain(type(error).__name__) from None
        if answer.status_code == 200:
            return Acknowledged(self.reference, time.monotonic() - began)
        if answer.status_code < 500:
            raise Refused(f"{answer.status_code} {answer.text[:200]}")
        self._by_spool = door.spool is not None
        raise TryAgain(str(answer.status_code))

    @property
    def _name(self) -> str:
        return f"fax-{self._fields['call']}"

    @property
    def _spool(self) -> Path:
        if self._door.spool is None:
            raise Refused("there is no spool")
        return self._door.spool

    def _drop(self) -> None:
        """Write the TIFF, then the note, each under a temporary name first. Errors: TryAgain."""
        note = json.dumps({**self._fields, "file": "yes"}).encode()
        try:
            for kind, content in (("tif", self._tiff), ("json", note)):
                part = self._spool / f".{self._name}.{kind}"
                with part.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                part.rename(self._spool / f"{self._name}.{kind}")
        except OSError as error:
            raise TryAgain(type(error).__name__) from None
