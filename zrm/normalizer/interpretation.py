"""The pure half of T2: what does this contact say? No clock, network or database.

A channel has parsed the payload. Here the text is cleaned and folded, the quotation separated, the language detected,
and addresses are brought to one form.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from zrm.casestore.search_words import contact_key
from zrm.contract.addresses import EMAIL
from zrm.contract.capabilities import of_channel
from zrm.contract.descriptions import Description
from zrm.contract.errors import Unparseable
from zrm.contract.files import InboundFile
from zrm.contract.inbound import (
    REPEATED_ID,
    TEXT_LIMIT,
    Ignored,
    Inbound,
    MessagePart,
    Parsed,
    RawContact,
    Report,
    SelfServiceCommand,
    Thread,
)
from zrm.inbox.raw_contacts import StoredContact
from zrm.kit.file_names import file_name
from zrm.kit.text import clean, clean_line
from zrm.languages import LANGUAGES
from zrm.normalizer import reasons
from zrm.normalizer.html import sanitise
from zrm.normalizer.language import detect
from zrm.normalizer.origin import NormalizedAddress, known, origin_of
from zrm.normalizer.quoted_text.answer_signs import answers, our_addresses
from zrm.normalizer.quoted_text.split import SplitText, split_quotation, without_signature
from zrm.ui.descriptions import worded

_TITLE = 120
_DETECT = 2_000

Parse = Callable[[RawContact], list[Parsed]]


@dataclass(frozen=True, slots=True)
class Raw:
    """A raw contact as T1 stored it."""

    id: UUID
    received_at: datetime
    contact: RawContact
    code: str


@dataclass(frozen=True, slots=True)
class Interpretation:
    """An interpreted contact: everything that filing needs."""

    raw: Raw
    addresses: tuple[NormalizedAddress, ...]  # of the sender; `origin` has decided which of them prove anything
    name: str
    title: str
    description: Description
    text: str
    folded_quote: str
    html: str
    language: str
    search: str
    nature: str
    subject_key: str
    files: tuple[InboundFile, ...]
    thread: Thread
    headers: tuple[tuple[str, str], ...]
    labels: frozenset[str] = field(default_factory=frozenset)
    addresses_proven: bool = False  # all of them belong to one person, as the provider says
    code_told: bool = False
    reply_to: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    profile_language: str = ""
    taken_by: UUID | None = None

    @property
    def shown(self) -> tuple[NormalizedAddress, ...]:
        """The addresses the contact came from: they prove the sender."""
        return tuple(address for address in self.addresses if not address.claimed)

    @property
    def robot(self) -> bool:
        """Written by a machine or to many: kept and labelled, never answered, never reopens a case."""
        return bool(self.labels & {"robot", "bounce", "list", "newsletter"})


@dataclass(frozen=True, slots=True)
class ReceivedCommand:
    """A self-service command with the address it came from (None: only a code was given), and the message it is if the
    command fits nothing.
    """

    raw: Raw
    command: SelfServiceCommand
    asker: NormalizedAddress | None
    otherwise: Interpretation | None


@dataclass(frozen=True, slots=True)
class PerhapsReport:
    """A contact that is a delivery report if a delivery has its reference, else the message it is without that."""

    raw: Raw
    report: Report
    otherwise: Interpretation


@dataclass(frozen=True, slots=True)
class PartOf:
    """A part of a message; what happens to it depends on which other parts have come."""

    raw: Raw
    part: MessagePart


def read(
    raw: Raw, parse: Parse, *, region: str, own: Collection[str] = ()
) -> Interpretation | list[Report] | Ignored | ReceivedCommand | PartOf | PerhapsReport:
    """Interpret one raw contact; `region` and `own` as for `origin_of`.

    Errors: Unparseable, with the reason shown in the quarantine.
    """
    try:
        parsed = parse(raw.contact)
    except Unparseable:
        raise
    except Exception as error:
        raise Unparseable(reasons.PARSER_FAILED(channel=raw.contact.channel, words=type(error).__name__)) from error
    reports = [_storable(item) for item in parsed if isinstance(item, Report)]
    if len(parsed) == 1 and reports and reports[0].otherwise is not None:
        return PerhapsReport(raw, reports[0], _read(raw, reports[0].otherwise, region, own))
    if reports and len(reports) == len(parsed):
        return reports
    if len(parsed) != 1:
        raise Unparseable(reasons.NOT_ONE(number=len(parsed)))
    match parsed[0]:
        case Ignored() as ignored:
            return ignored
        case Inbound() as inbound:
            reading = _read(raw, inbound, region, own)
            read_command = of_channel(raw.contact.channel).command
            if read_command is None or not _is_mail(inbound) or not reading.shown:
                return reading
            command = read_command(inbound, without_signature(reading.text))
            return reading if command is None else ReceivedCommand(raw, command, reading.shown[0], reading)
        case SelfServiceCommand() as command:
            return _command(raw, command, region, own)
        case MessagePart() as part:
            return PartOf(raw, replace(part, key=clean(part.key)))
        case other:
            raise Unparseable(reasons.UNEXPECTED(kind=type(other).__name__))


def _storable(report: Report) -> Report:
    """A report without characters that the store refuses (NUL, lone surrogates): its text comes from outside."""
    return replace(
        report,
        provider_ref=clean(report.provider_ref),
        reason=report.reason and report.reason.with_texts(clean),
        perhaps=tuple(map(clean, report.perhaps)),
    )


def _storable_description(description: Description) -> Description:
    """A description without characters that the store refuses: a fax machine's words come from outside."""
    return [
        {
            "code": line["code"],
            "params": {
                gap: clean_line(value)[:_TITLE] if isinstance(value, str) else value
                for gap, value in line["params"].items()
            },
        }
        for line in description
    ]


def _read(raw: Raw, inbound: Inbound, region: str, own: Collection[str]) -> Interpretation:
    text = clean(inbound.text)
    origin = origin_of(inbound, region=region, own=own)
    labels = {*inbound.labels, *origin.labels}
    if raw.contact.envelope.get(REPEATED_ID) is True:
        labels.add(REPEATED_ID)
    files = [replace(file, name=file_name(file.name)) for file in inbound.files]
    if len(text) > TEXT_LIMIT:
        files.append(InboundFile("message.txt", "text/plain", text.encode("utf-8", "replace"), role="original"))
        text = text[:TEXT_LIMIT]
        labels.add("cut_short")
    split = _split(inbound, text, own)
    title = " ".join(clean(inbound.title).split()) or " ".join(split.new[:400].split())
    description = _storable_description(inbound.description)
    named = [worded(description, reader) for reader in LANGUAGES]  # an agent may look for it in any of them
    name = origin.name or clean_line(inbound.name)[:200]
    return Interpretation(
        raw=raw,
        addresses=origin.addresses,
        name=name,
        title=title[:_TITLE],
        description=description,
        text=split.new,
        folded_quote=split.quoted,
        html=sanitise(inbound.html, remote_pictures=True) if inbound.html else "",
        language=inbound.language or _language(inbound, title, split.new),
        search=contact_key(title, split.new, *named, name, raw.code),
        nature=inbound.nature,
        subject_key=inbound.subject_key,
        files=tuple(files),
        thread=inbound.thread,
        headers=tuple((clean(name), clean(value)) for name, value in inbound.headers),
        labels=frozenset(labels),
        addresses_proven=inbound.senders_proven,
        code_told=inbound.code_told,
        reply_to=origin.reply_to,
        copied=origin.copied,
        profile_language=inbound.profile_language,
        taken_by=inbound.taken_by,
    )


def _split(inbound: Inbound, text: str, own: Collection[str]) -> SplitText:
    """The new part of a text. Only mail repeats what it answers, and only a mail that can be an answer."""
    if not _is_mail(inbound) or not answers(inbound, text):
        return SplitText(text)
    return split_quotation(text, our_addresses(inbound, own))


def _language(inbound: Inbound, title: str, text: str) -> str:
    """Of the words it has; "" of one without words."""
    if inbound.profile_language:
        return detect(text[:_DETECT], has_profile=True)
    return detect(f"{title}\n{text[:_DETECT]}")


def _is_mail(inbound: Inbound) -> bool:
    """A messenger's message has an id too, but all of its text is new."""
    addressed = all(sender.kind == EMAIL for sender in inbound.senders)
    return addressed and bool(inbound.thread.message_id or inbound.thread.references)


def _command(raw: Raw, command: SelfServiceCommand, region: str, own: Collection[str]) -> ReceivedCommand:
    asker = None if command.sender is None else next(iter(known([command.sender], region)), None)
    if asker is None and not (command.sender is None and command.code):
        raise Unparseable(reasons.NOBODYS_COMMAND)
    return ReceivedCommand(
        raw, command, asker, _read(raw, command.otherwise, region, own) if command.otherwise is not None else None
    )


def raw_contact(stored: StoredContact) -> Raw:
    """A stored contact as T1 received it, without its body if that is in the blob store."""
    return Raw(stored.id, stored.received_at, stored.contact(stored.body or b""), stored.code)
