"""The format of a voice contact: what the door writes into `RawContact.body`, and what `parse` reads from it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from zrm.channels.voice_ivr.spool import Take
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.descriptions import describe
from zrm.contract.errors import Unparseable
from zrm.contract.files import InboundFile, StoredFile
from zrm.contract.inbound import Inbound, RawContact
from zrm.contract.reasons import declare
from zrm.kit.digests import digest_of
from zrm.languages import LANGUAGES

KIND: Final = "voice_ivr"
MEDIA_TYPE: Final = "application/vnd.zrm.call+json"
SECONDS: Final = describe("voice.seconds", "Voice message, %(num)s second", "Voice message, %(num)s seconds")
ANEW: Final = describe("voice.anew", "The caller hung up during a second recording; both recordings are attached.")

_NOT_FACTS: Final = declare("voice.not_facts", "not the data of a call")
_NO_ZONE: Final = declare("voice.no_zone", "a start without a time zone")
_NO_RECORDING: Final = declare("voice.no_recording", "a call without a recording")
_NOT_A_NUMBER: Final = {"", "unknown", "anonymous", "private", "restricted", "unavailable", "withheld", "asterisk", "s"}
_RESTRICTED_BITS: Final = 0x60
_RESTRICTED: Final = 0x20


def caller_of(variables: Mapping[str, str]) -> str:
    """The caller's number from the network; "" when it gave none or the caller asked to hide it."""
    number = variables.get("agi_callerid", "").strip()
    presentation = variables.get("agi_callingpres", "")
    hidden = presentation.isdecimal() and int(presentation) & _RESTRICTED_BITS == _RESTRICTED
    if hidden or number.lower() in _NOT_A_NUMBER or len(re.findall(r"\d", number)) < 3:
        return ""
    return number[:64]


def account_of(variables: Mapping[str, str]) -> str:
    """The number that was dialled: the network's (DNID), else the extension that ran."""
    for name in ("agi_dnid", "agi_extension"):
        dialled = variables.get(name, "").strip()
        if dialled.lower() not in _NOT_A_NUMBER:
            return dialled[:64]
    return "unknown"


def facts_of(
    variables: Mapping[str, str], *, system: str, language: str, started: datetime, trace: str
) -> dict[str, Any]:
    """What is recorded of a call before the message; JSON values."""
    caller = caller_of(variables)
    name = variables.get("agi_calleridname", "").strip()
    return {
        "account": account_of(variables),
        "system": system[:64],
        "uniqueid": variables.get("agi_uniqueid", "")[:150],
        "caller": caller,
        "caller_name": name[:128] if caller and name.lower() not in {*_NOT_A_NUMBER, caller} else "",
        "language": language,
        "started": started.isoformat(),
        "trace": trace,
    }


def raw_contact(
    stem: str, facts: Mapping[str, Any], takes: Sequence[Take], files: Sequence[StoredFile], *, account: str, trace: str
) -> RawContact:
    """The contact of a recorded message. `stem` is the message's name in the spool, unique for ever."""
    told = ("uniqueid", "system", "caller", "caller_name", "language", "started", "ended_by")
    body: dict[str, Any] = {name: facts.get(name, "") for name in told}
    body["takes"] = [round(take.seconds, 2) for take in takes]
    return RawContact(
        channel=KIND,
        account=account,
        external_id=f"{facts.get('system', '')}/{stem}{facts.get('part', '')}",
        body=json.dumps(body, ensure_ascii=False).encode(),
        media_type=MEDIA_TYPE,
        files=tuple(files),
        trace=trace,
        # The sound alone: when the sweep finds the recording later, it knows less of how the call ended.
        content=digest_of(*(file.key for file in files)),
    )


def parse(raw: RawContact) -> Inbound:
    """The one Inbound of a voice contact. Errors: Unparseable."""
    try:
        call = json.loads(raw.body)
        takes = [float(seconds) for seconds in call["takes"]]
        caller, name, language, started, ended_by = (
            str(call[key]) for key in ("caller", "caller_name", "language", "started", "ended_by")
        )
        sent_at = datetime.fromisoformat(started) if started else None
    except (ValueError, KeyError, TypeError) as error:
        raise Unparseable(_NOT_FACTS(words=type(error).__name__)) from None
    if sent_at is not None and sent_at.tzinfo is None:
        raise Unparseable(_NOT_FACTS(because=_NO_ZONE))
    if not raw.files:
        raise Unparseable(_NO_RECORDING)
    return Inbound(
        senders=(Sender(PHONE, caller, name),) if caller else (),
        text="",
        description=(SECONDS(num=round(sum(takes))), *([ANEW()] if len(raw.files) > 1 else [])),
        language=language if language in LANGUAGES else "",
        sent_at=sent_at,
        files=tuple(InboundFile(file.name, file.media_type, stored=file, role="recording") for file in raw.files),
        labels=frozenset({"cut_short"}) if ended_by in {"hangup", "lost"} else frozenset(),
    )
