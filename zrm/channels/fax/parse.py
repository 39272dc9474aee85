"""What a stored fax says without decoding its pages: the caller, the number of pages, whether it broke off. Pure."""

from __future__ import annotations

import re
from typing import Final

from zrm.channels.fax.record import FAULTS, TIFF
from zrm.channels.fax.tiff import NoPages, NotAFax, Outline, outline
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.descriptions import describe
from zrm.contract.errors import Unparseable
from zrm.contract.files import InboundFile
from zrm.contract.inbound import Ignored, Inbound, RawContact
from zrm.contract.reasons import declare

_PHONE: Final = re.compile(r"\+?[0-9][0-9 ().-]{2,24}")
_FINE: Final = ("", "SUCCESS", "OK")
_SHOWN: Final = {
    "caller": "Caller",
    "name": "Caller-Name",
    "station": "Station",
    "called": "Called",
    "call": "Call-Id",
    "device": "Device",
    "error": "Error",
    "fault": "Fault",
}

NOT_A_FAX: Final = declare("fax.not_a_fax", "not a fax")
NO_PAGE: Final = declare("fax.no_page", "a fax call without a page")
NO_PAGE_NO_WORD: Final = declare("fax.no_page_no_word", "a fax without a page and without a reason")

PAGES: Final = describe("fax.pages", "Fax, %(num)s page", "Fax, %(num)s pages")
BROKE_OFF: Final = describe("fax.broke_off", "The transmission broke off: %(error)s")


def read_fax(raw: RawContact) -> Inbound | Ignored:
    """The fax, its TIFF checked but not decoded; a call without a page is ignored. Errors: Unparseable."""
    facts = {name: value for name, value in raw.envelope.items() if isinstance(value, str)}
    error = facts.get("error", "") or ("" if facts.get("status", "") in _FINE else facts["status"])
    if raw.media_type != TIFF:
        if facts.get("fault"):
            raise Unparseable(FAULTS.get(facts["fault"], NOT_A_FAX(words=facts["fault"])))
        return Ignored(NO_PAGE(words=error))
    try:
        fax = outline(raw.body)
    except NoPages:
        if error:
            return Ignored(NO_PAGE(words=error))
        raise Unparseable(NO_PAGE_NO_WORD) from None
    except NotAFax as reason:
        raise Unparseable(NOT_A_FAX(words=str(reason))) from None
    return _inbound(raw, facts, fax, error)


def _inbound(raw: RawContact, facts: dict[str, str], fax: Outline, error: str) -> Inbound:
    pages = len(fax.pages)
    description = (PAGES(num=pages), *([BROKE_OFF(error=error)] if error else []))
    station = facts.get("station", "") or fax.description
    if facts.get("fault") in FAULTS:
        facts["fault"] = str(FAULTS[facts["fault"]])
    headers = [(shown, facts[name]) for name, shown in _SHOWN.items() if facts.get(name)]
    if station and "station" not in facts:
        headers.append(("Station", station))
    first = fax.pages[0]
    headers.append(("Resolution", f"{first.x_dpi:.0f}x{first.y_dpi:.0f}"))
    return Inbound(
        senders=_senders(facts.get("caller", ""), station, facts.get("name", "")),
        text="",
        description=description,
        files=(InboundFile(name="fax.tif", media_type=TIFF, data=raw.body, role="pages"),),
        headers=tuple(headers),
        labels=frozenset({"cut_short"} if error else ()),
    )


def _senders(caller: str, station: str, name: str) -> tuple[Sender, ...]:
    """The number from the network, else the one set in the machine; none if neither is a number."""
    for number, claimed in ((caller, False), (station, True)):
        if _PHONE.fullmatch(number.strip()):
            return (Sender(PHONE, number.strip(), name, claimed),)
    return ()
