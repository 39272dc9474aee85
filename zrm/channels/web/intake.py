"""From a validated form or JSON body to a durable contact; the one place of the web door that calls T1."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal, cast

from starlette.concurrency import run_in_threadpool

from zrm.channels.web.body import Upload
from zrm.contract.addresses import EMAIL, PHONE, AddressKind
from zrm.contract.files import StoredFile
from zrm.contract.inbound import JSON, RawContact, Receipt
from zrm.contract.ports import FilesPort, Nature, OpenDoor, ReceptionPort, SelfServicePort, Subject
from zrm.errors import StoreUnavailable
from zrm.kit import log
from zrm.kit.digests import digest_of
from zrm.kit.ids import new_trace
from zrm.kit.mail_addresses import comparable
from zrm.kit.phones import e164
from zrm.kit.text import digits

_log = log.get(__name__)
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode
_TYPED: Final = frozenset({EMAIL, PHONE})
_FRESH: Final = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Choices:
    """What a citizen can choose from; without natures if the store could not be read yet."""

    natures: Sequence[Nature] = ()
    subjects: Sequence[Subject] = ()

    def require_known(self) -> None:
        """Errors: StoreUnavailable if the choices are not known yet."""
        if not self.natures:
            raise StoreUnavailable("the choices are not known yet")

    def knows_nature(self, key: str) -> bool:
        """Whether the nature exists."""
        return any(key == one.key for one in self.natures)

    def knows_subject(self, key: str) -> bool:
        """Whether the subject exists and can be chosen."""
        return any(key == one.key for one in self.subjects)


class Intake:
    """Gives files and contacts to the front desk; returns only when they are durable."""

    def __init__(
        self, reception: ReceptionPort, files: FilesPort, self_service: SelfServicePort, account: str, region: str
    ) -> None:
        self._reception = reception
        self._files = files
        self._self_service = self_service
        self._account = account
        self._region = region
        self._choices = Choices()
        self._read_at = 0.0

    def admit(self, door: Literal["form", "json"], peer: str, *, size: int = 0) -> None:
        """Count one post, before anything of it is kept. Errors: OverQuota."""
        self._reception.admit(door, peer, size=size)

    def admit_addresses(self, door: Literal["form", "json"], peer: str, *, phone: str, email: str) -> None:
        """Count the typed sender addresses, in any spelling. Errors: OverQuota."""
        if phone:
            self._reception.admit_address(door, peer, "phone", e164(phone, self._region) or digits(phone) or phone)
        if email:
            self._reception.admit_address(door, peer, "email", comparable(email))

    async def keep(self, uploads: Sequence[Upload]) -> list[StoredFile]:
        """Make uploaded files durable, in their order. Errors: StoreUnavailable, StoreFull."""
        return [
            await run_in_threadpool(
                self._files.store, cast("BinaryIO", upload.file), name=upload.name, media_type=upload.media_type
            )
            for upload in uploads
        ]

    async def still_kept(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        """Those of the files kept with an earlier showing of the form that still exist. Errors: StoreUnavailable."""
        return await run_in_threadpool(self._files.still_stored, files) if files else []

    async def submit(
        self, external_id: str, body: bytes, *, said: str, envelope: dict[str, JSON], files: Sequence[StoredFile] = ()
    ) -> Receipt:
        """Make one contact durable; `said` are the citizen's own words in it. Errors: StoreUnavailable, StoreFull."""
        trace = new_trace()
        contact = RawContact(
            channel="web",
            account=self._account,
            external_id=external_id,
            body=body,
            media_type="application/json",
            envelope=envelope,
            files=tuple(files),
            trace=trace,
            content=digest_of(said, *(file.key for file in files)),
        )
        receipt = await self._reception.receive_async(contact)
        _log.info("received", channel="web", contact=str(receipt.contact_id), trace=trace, repeated=receipt.repeated)
        return receipt

    def code_goes_to(self, *, email: str, phone: str) -> str:
        """Which of these typed addresses also get the code; empty if none."""
        typed = ((EMAIL, email), (PHONE, phone))
        return self._self_service.code_goes_to([(kind, value) for kind, value in typed if value])

    def doors(self) -> Sequence[OpenDoor]:
        """The channels that are open here."""
        return self._self_service.doors()

    def writes_to(self) -> frozenset[AddressKind]:
        """The kinds of address a citizen can type to which one of the open channels can write."""
        return frozenset(door.reaches for door in self._self_service.doors() if door.reaches) & _TYPED

    async def choices(self) -> Choices:
        """The choices, at most `_FRESH` old, because every form needs them.

        While the store is away, the last known ones, perhaps none: what the citizen typed must still be shown.
        """
        if self._choices.natures and time.monotonic() - self._read_at < _FRESH:
            return self._choices
        try:
            self._choices = await run_in_threadpool(self._read_choices)
            self._read_at = time.monotonic()
        except StoreUnavailable:
            _log.warning("choices not read", channel="web", known=len(self._choices.natures))
        return self._choices

    def _read_choices(self) -> Choices:
        return Choices(self._self_service.natures(), self._self_service.subjects())


def body_of(fields: Mapping[str, str | int]) -> bytes:
    """A payload's bytes; empty fields are left out."""
    kept = {name: value for name, value in fields.items() if value}
    return _encode(kept).encode("utf-8", "replace")
