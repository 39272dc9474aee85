"""What a fax says without being looked at."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels.fax.faxes import claims, fax, tiff
from tests.channels.sms.hub import installation
from zrm.channels.fax.channel import FaxChannel
from zrm.channels.fax.config import FaxConfig
from zrm.channels.fax.parse import BROKE_OFF, NO_PAGE, PAGES
from zrm.channels.fax.record import contact
from zrm.contract.addresses import PHONE, Sender
from zrm.contract.errors import ReplyInvalid, Unparseable
from zrm.contract.inbound import Ignored, Inbound, RawContact
from zrm.contract.outbound import Reply
from zrm.kit.ids import new_id
from zrm.ui.descriptions import worded

CHANNEL = FaxChannel(FaxConfig(), installation())
CALL = {"source": "hylafax", "call": "000000042", "caller": "02188776655", "called": "150"}


def raw(tiff: bytes | None, **fields: str) -> RawContact:
    return contact(CALL | fields, tiff, line="fax")


def read(tiff: bytes | None, **fields: str) -> Inbound:
    (inbound,) = CHANNEL.parse(raw(tiff, **fields))
    assert isinstance(inbound, Inbound)
    return inbound


def test_fax_is_read() -> None:
    inbound = read(fax(2), name="شهروند")
    assert (inbound.title, inbound.text, inbound.description) == ("", "", (PAGES(num=2),))
    assert inbound.senders == (Sender(PHONE, "02188776655", "شهروند"),)
    (file,) = inbound.files
    assert (file.role, file.media_type, file.data) == ("pages", "image/tiff", fax(2))
    assert {("Caller", "02188776655"), ("Called", "150"), ("Resolution", "204x98")} <= set(inbound.headers)
    assert inbound.labels == set()


def test_each_reader_reads_of_it_in_their_language() -> None:
    description = read(fax(2), error="No carrier").description
    assert worded(description, "fa") == "نمابر، ۲ صفحه\nارسال نیمه‌کاره ماند: No carrier"
    assert worded(description, "en") == "Fax, 2 pages\nThe transmission broke off: No carrier"


@pytest.mark.parametrize(
    ("caller", "station", "sender"),
    [
        ("02188776655", "+98 21 1", "02188776655"),
        ("", "+98 21 3000 1", "+98 21 3000 1"),
        ("P", "+98 (21) 3000-1", "+98 (21) 3000-1"),
        ("anonymous", "ACME Ltd", None),
        ("", "", None),
    ],
)
def test_network_is_believed_before_the_machine(caller: str, station: str, sender: str | None) -> None:
    expected = () if sender is None else (Sender(PHONE, sender, claimed=sender != caller),)
    assert read(fax(1), caller=caller, station=station).senders == expected
    if not caller:
        assert read(fax(1, station=station), caller="").senders == expected


@pytest.mark.parametrize(
    ("fields", "error"), [({"error": "No carrier"}, "No carrier"), ({"status": "FAILED"}, "FAILED")]
)
def test_fax_that_broke_off_is_kept_and_says_so(fields: dict[str, str], error: str) -> None:
    inbound = read(fax(1), **fields)
    assert inbound.description == (PAGES(num=1), BROKE_OFF(error=error))
    assert inbound.labels == {"cut_short"}


@pytest.mark.parametrize("content", [None, b"", b"II*\0\0\0\0\0"], ids=["no file", "empty file", "no page"])
def test_call_without_a_page_is_ignored_with_its_reason(content: bytes | None) -> None:
    assert CHANNEL.parse(raw(content, error="No carrier")) == [Ignored(NO_PAGE(words="No carrier"))]


@pytest.mark.parametrize("content", [b"", b"%PDF", tiff(claims(height=50_000)), fax(1)[:100]])
def test_what_is_no_fax_goes_to_quarantine(content: bytes) -> None:
    with pytest.raises(Unparseable):
        CHANNEL.parse(raw(content))


def test_same_fax_by_both_ways_is_one_contact() -> None:
    by_http = contact(CALL | {"name": "a\x01b"}, fax(1), line="fax")
    by_spool = contact(CALL | {"name": "ab", "file": "yes"}, fax(1), line="fax", note=b"{}")
    assert by_http.external_id == by_spool.external_id
    assert by_http.envelope == by_spool.envelope
    assert by_http.account == by_spool.account == "150"


def test_different_faxes_are_different_contacts() -> None:
    ids = {
        raw(fax(1)).external_id,
        raw(fax(2)).external_id,
        raw(fax(1), call="43").external_id,
        raw(fax(1), source="asterisk").external_id,
        raw(None, stamp="1").external_id,
        raw(None, stamp="2").external_id,
    }
    assert len(ids) == 6


def test_unknown_line_is_the_installation_line() -> None:
    assert raw(fax(1), called="").account == "fax"
    assert raw(fax(1), called="'; DROP").account == "fax"


def test_answers_do_not_go_by_fax_yet() -> None:
    assert not CHANNEL.can.reply
    with pytest.raises(ReplyInvalid):
        CHANNEL.send(Reply(id=new_id(), account="fax", to="021", text="x", language="en"))


@given(
    st.one_of(st.none(), st.binary(max_size=200), st.binary(max_size=200).map(lambda tail: b"II*\0\x08\0\0\0" + tail)),
    st.dictionaries(st.sampled_from(["caller", "name", "error", "station", "call", "called"]), st.text(max_size=30)),
)
def test_no_bytes_do_harm(content: bytes | None, fields: dict[str, str]) -> None:
    with contextlib.suppress(Unparseable):
        CHANNEL.parse(contact(fields, content, line="fax"))
