"""What a contact says, as a digest: two contacts with the same id are the same only if they say the same.

An id is not trustworthy: a provider restarts its counter, a program hashes too little, a sender makes one up. Trusting
the id alone once gave 73 different mails one receipt. So T1 keeps this digest beside each id, and so does the doors'
book. It is computed here, apart from the code that makes the ids, so that a fault there cannot hide itself.
"""

from __future__ import annotations

import re
from typing import Final

from zrm.contract.inbound import RawContact
from zrm.kit.digests import digest_of

_HEADER_END: Final = re.compile(rb"(?>\r\n|\r|\n){2}")
_BLANKS: Final = b" \t\r\n"


def content_of(contact: RawContact) -> str:
    """32 hex digits: the door's own digest, where it gives one, else that of the body and the files. Pure."""
    if contact.content:
        return contact.content
    return digest_of(_said(contact.media_type, contact.body), *(file.key for file in contact.files))


def _said(media_type: str, body: bytes) -> bytes:
    """The body. Of a mail: the part after its header, or its last line if nothing follows, without white space and line
    ends: each hop adds to the header and may rewrite the line ends.
    """
    if media_type != "message/rfc822":
        return body
    text = body.lstrip(_BLANKS)
    end = _HEADER_END.search(text)
    said = (text[end.end() :] if end is not None else b"").translate(None, _BLANKS)
    return said or text.rstrip(_BLANKS).replace(b"\r", b"\n").rpartition(b"\n")[2]
