"""The fax channel: what `zrm.channels.registry` builds."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event
from typing import ClassVar, Final

from fastapi import APIRouter

from zrm.channels.channel import ChannelConfig, Installation
from zrm.channels.fax.config import FaxConfig, read_token
from zrm.channels.fax.door import HandOff
from zrm.channels.fax.parse import NOT_A_FAX, read_fax
from zrm.channels.fax.spool import FaxSpool
from zrm.contract.addresses import PHONE
from zrm.contract.capabilities import Capabilities
from zrm.contract.errors import ReplyInvalid, Unparseable
from zrm.contract.inbound import Parsed, RawContact
from zrm.contract.outbound import Reply, Sent
from zrm.contract.ports import FrontDesk
from zrm.contract.reasons import declare
from zrm.errors import ConfigError

_NO_ANSWERS: Final = declare(
    "fax.no_answers", "Answers cannot be sent by fax yet; choose another way to reach this person."
)


class FaxChannel:
    """Faxes in, from HylaFAX or Asterisk. Answers by fax are not sent yet."""

    kind: ClassVar[str] = "fax"
    Config: ClassVar[type[ChannelConfig]] = FaxConfig
    can: ClassVar[Capabilities] = Capabilities(
        names={"fa": "نمابر", "en": "Fax"},
        in_sentence={"fa": "با نمابر", "en": "by fax"},
        icon="printer",
        address_kind=PHONE,
        original_suffix="tif",
        renderer="zrm.channels.fax.render:fax_pages",
    )

    def __init__(self, config: FaxConfig, installation: Installation) -> None:
        self._config = config
        self._installation = installation

    @property
    def spool(self) -> Path | None:
        """The spool folder for faxes, if there is one."""
        return Path(self._installation.data_dir) / self._config.spool if self._config.spool else None

    def routes(self, desk: FrontDesk) -> APIRouter:
        """The HTTP door; no route without a secret. Errors: ConfigError for an unfit token file."""
        token = read_token(self._config)
        if token is None:
            return APIRouter()
        return HandOff(desk.reception, token=token, max_bytes=self._config.max_bytes, line=self._config.line).router()

    def listen(self, desk: FrontDesk, stop: Event) -> None:
        """Watch the spool folder until `stop` is set. Errors: OSError if the folder cannot be made."""
        if self.spool is None:
            stop.wait()
            return
        FaxSpool(
            self.spool,
            desk.reception,
            line=self._config.line,
            max_bytes=self._config.max_bytes,
            orphan_seconds=self._config.orphan_seconds,
            keep_days=self._config.keep_days,
        ).serve(stop, self._config.poll)

    def parse(self, raw: RawContact) -> list[Parsed]:
        """The fax. Errors: Unparseable."""
        if raw.channel != self.kind or raw.kind != "contact":
            raise Unparseable(NOT_A_FAX)
        return [read_fax(raw)]

    def send(self, reply: Reply) -> Sent:
        """Not implemented. Errors: ReplyInvalid."""
        raise ReplyInvalid(_NO_ANSWERS)

    def redact(self) -> list[str]:
        """The HTTP door's secret."""
        try:
            token = read_token(self._config)
        except ConfigError:
            return []  # `check` and `routes` report what is wrong with it
        return [token] if token else []

    def check(self) -> list[str]:
        """What prevents faxes from being received."""
        problems = []
        try:
            if read_token(self._config) is None:
                problems.append("channels.fax: neither token nor token_file is given: faxes come by the spool only")
        except ConfigError as error:
            problems.append(str(error))
        spool = self.spool
        if spool is not None and spool.exists() and not os.access(spool, os.R_OK | os.W_OK | os.X_OK):
            problems.append("channels.fax.spool: this user may not read and write there")
        return problems
