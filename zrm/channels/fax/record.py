"""From a hook's fields and a TIFF to the stored contact; the same by HTTP and by the spool.

A hook that got no answer drops the fax into the spool although the hub may have it: both ways must give one identity.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from zrm.contract.inbound import JSON, RawContact
from zrm.contract.reasons import declare
from zrm.kit.digests import digest_of
from zrm.kit.ids import new_trace

TIFF: Final = "image/tiff"
NOTE: Final = "application/json"  # the body when there is no TIFF: the spool's note as it was found
FIELDS: Final = (
    "source", "call", "caller", "name", "called", "station", "status", "error", "pages", "device", "stamp",
)  # fmt: skip
_LONGEST: Final = 500  # characters of a field's value
_LINE: Final = re.compile(r"[A-Za-z0-9+*#_-]{1,32}")
_NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9._:-]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

NO_NOTE: Final = declare("fax.no_note", "no note came with the fax")
NOTE_UNREADABLE: Final = declare("fax.note_unreadable", "the note cannot be read")
FILE_MISSING: Final = declare("fax.file_missing", "the note's file is missing")
FAULTS: Final = {fault.code: fault for fault in (NO_NOTE, NOTE_UNREADABLE, FILE_MISSING)}
"""What can be wrong with the transfer itself, by the code in the envelope."""


def clean(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields we know, without control characters and of bounded length; missing ones become empty."""
    return {name: _CONTROL.sub("", fields.get(name, ""))[:_LONGEST].strip() for name in FIELDS}


def contact(
    fields: Mapping[str, str], tiff: bytes | None, *, line: str, note: bytes = b"", fault: str = ""
) -> RawContact:
    """The contact of one fax call. `tiff` None: the call left no file.

    `line` names our line when the hook does not know the called number; `note` is the spool's sidecar; `fault` is the
    code of what was wrong with the transfer itself.
    """
    known = clean(fields)
    envelope: dict[str, JSON] = {name: value for name, value in known.items() if value}
    envelope["file"] = tiff is not None
    if fault:
        envelope["fault"] = fault
    if tiff is not None:
        content = hashlib.sha256(tiff).hexdigest()
    else:
        # Call ids restart when a fax server is installed anew; the time of the call tells two failures apart.
        content = "nothing-" + (_id(known["stamp"]) or hashlib.sha256(note).hexdigest())
    return RawContact(
        channel="fax",
        account=known["called"] if _LINE.fullmatch(known["called"]) else line,
        external_id=f"{_id(known['source']) or 'other'}/{_id(known['call']) or '-'}/{content}",
        body=note if tiff is None else tiff,
        media_type=NOTE if tiff is None else TIFF,
        envelope=envelope,
        trace=new_trace(),
        # A repeated transfer has another time and may have more fields; the fax's owner stays the same.
        content=digest_of(
            known["caller"], content, *(("" if tiff is not None else known[name]) for name in ("status", "error"))
        ),
    )


def _id(value: str) -> str:
    return _NOT_IN_IDS.sub("", value)[:80]
