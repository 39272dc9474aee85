"""Interprets contacts in a child process with bounds (`kit.bounded`), so that no contact can block the others.

The child also fetches large originals and puts the files it finds into the blob store, so neither passes through the
worker's memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from zrm.contract.errors import Unparseable
from zrm.contract.files import InboundFile
from zrm.contract.inbound import Ignored, Parsed, RawContact, Report
from zrm.errors import NotFound, StoreUnavailable
from zrm.kit.blobs import BlobStore
from zrm.kit.bounded import Bounded, Exceeded, Hung, Slow
from zrm.normalizer import reasons
from zrm.normalizer.case_matching import StoredAttachment
from zrm.normalizer.interpretation import Interpretation, Parse, PartOf, PerhapsReport, Raw, ReceivedCommand, read

Join = Callable[[Sequence[RawContact | None]], list[Parsed]]
InterpretationOutcome = Interpretation | ReceivedCommand | PartOf | PerhapsReport | list[Report] | Ignored | Unparseable

SECONDS: Final = 10.0
"""Seconds of processor time; a mail of 25 MB takes less than one."""
MEMORY: Final = 1 << 30
"""Bytes of memory for interpreting one contact; a mail of 50 MB takes a third of it."""
_PATIENCE: Final = 1.0
"""Seconds after which the other contacts no longer wait for a slow one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A contact to interpret, with the key of its body if that is in the blob store; or parts to interpret as one
    message.
    """

    raw: Raw
    key: str | None = None
    parts: tuple[RawContact | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class Understood:
    """What a contact says, and its files, which are durable before any transaction refers to them."""

    outcome: InterpretationOutcome
    files: list[StoredAttachment]


@dataclass(frozen=True, slots=True)
class NotNow:
    """The blob store is full or does not answer, which is not the contact's fault. `error` is the error's class name."""

    error: str


ChildAnswer = Understood | NotNow
T = TypeVar("T", bound=InterpretationOutcome)


class BoundedInterpretation:
    """Interprets contacts. `parsers` are the channels' `parse` by kind, `joiners` their `join` where messages have
    parts, `own` our own addresses.
    """

    def __init__(
        self,
        blobs: BlobStore,
        parsers: Mapping[str, Parse],
        joiners: Mapping[str, Join],
        *,
        region: str,
        own: Collection[str] = (),
        seconds: float = SECONDS,
        memory: int = MEMORY,
    ) -> None:
        self._blobs = blobs
        self._parsers = parsers
        self._joiners = joiners
        self._region = region
        self._own = own
        self._calls: Bounded[Asked, ChildAnswer] = Bounded(self._read, seconds=seconds, memory=memory)

    def read(
        self, asked: Sequence[Asked], *, budget: float
    ) -> tuple[dict[int, ChildAnswer], dict[int, Callable[[], ChildAnswer]], list[int]]:
        """By position: the contacts that are interpreted, those still running (wait for them), and those left over
        because `budget` seconds passed or too many are slow already.
        """
        found = self._calls.ask([_sent(one) for one in asked], patience=_PATIENCE, budget=budget)
        read = {place: _answer(asked[place], answer) for place, answer in found.answers.items()}
        slow = {one.place: _waiting(asked[one.place], one) for one in found.slow}
        return read, slow, found.left

    def join(self, raw: Raw, parts: Sequence[RawContact | None]) -> InterpretationOutcome:
        """Parts interpreted as one message. Errors: StoreUnavailable, a passing failure."""
        if raw.contact.channel not in self._joiners:
            return Unparseable(reasons.JOINS_NO_PARTS(channel=raw.contact.channel))
        asked = Asked(raw, parts=tuple(parts))
        try:
            answer = _answer(asked, self._calls.one(_sent(asked)))
        except Hung:
            answer = NotNow("Hung")
        if isinstance(answer, NotNow):
            raise StoreUnavailable(answer.error)
        return answer.outcome

    def close(self) -> None:
        """End the child processes."""
        self._calls.close()

    # ------------------------------------------------------------------ in the child

    def _read(self, asked: Asked) -> ChildAnswer:
        raw = asked.raw
        try:
            outcome = self._outcome(asked)
            if not isinstance(outcome, Interpretation):
                return Understood(_without(raw, outcome), [])
            return Understood(_without(raw, replace(outcome, files=())), [self._keep(file) for file in outcome.files])
        except (StoreUnavailable, OSError) as error:
            return NotNow(type(error).__name__)

    def _outcome(self, asked: Asked) -> InterpretationOutcome:
        raw, channel, parts = asked.raw, asked.raw.contact.channel, asked.parts
        try:
            if parts is not None:
                return read(raw, lambda _: self._joiners[channel](parts), region=self._region, own=self._own)
            parse = self._parsers.get(channel)
            if parse is None:
                return Unparseable(reasons.NO_CHANNEL(channel=channel))
            if asked.key is not None:
                raw = replace(raw, contact=replace(raw.contact, body=self._blobs.get(asked.key)))
            return read(raw, parse, region=self._region, own=self._own)
        except Unparseable as error:
            return error
        except NotFound:
            return Unparseable(reasons.ORIGINAL_GONE)

    def _keep(self, file: InboundFile) -> StoredAttachment:
        if file.remote:
            return StoredAttachment(file, "", 0)
        if file.stored is not None:
            return StoredAttachment(file, file.stored.key, file.stored.size)
        key, size = self._blobs.put(file.data or b"")
        return StoredAttachment(replace(file, data=None), key, size)


def _answer(asked: Asked, answer: ChildAnswer | Exceeded) -> ChildAnswer:
    match answer:
        case Exceeded():
            return Understood(Unparseable(answer.reason), [])
        case Understood():
            return Understood(_with(asked.raw, answer.outcome), answer.files)
        case NotNow():
            return answer


def _waiting(asked: Asked, slow: Slow[ChildAnswer]) -> Callable[[], ChildAnswer]:
    def wait() -> ChildAnswer:
        try:
            return _answer(asked, slow.answer())
        except Hung:
            return NotNow("Hung")

    return wait


def _sent(asked: Asked) -> Asked:
    """The request as it goes to the child, without the body of parts that the child already has."""
    return asked if asked.parts is None else replace(asked, raw=_bare(asked.raw))


def _bare(raw: Raw) -> Raw:
    return replace(raw, contact=replace(raw.contact, body=b"", envelope={}, files=()))


def _without(raw: Raw, outcome: T) -> T:
    """The result as it comes back from the child, without what the worker already has."""
    return _with(_bare(raw), outcome)


def _with(raw: Raw, outcome: T) -> T:
    match outcome:
        case Interpretation() | PartOf():
            return replace(outcome, raw=raw)
        case PerhapsReport():
            return replace(outcome, raw=raw, otherwise=replace(outcome.otherwise, raw=raw))
        case ReceivedCommand():
            otherwise = None if outcome.otherwise is None else replace(outcome.otherwise, raw=raw)
            return replace(outcome, raw=raw, otherwise=otherwise)
    return outcome
