"""What every channel's contact becomes before it is filed."""

from __future__ import annotations

import pytest

from zrm.contract.addresses import EMAIL, PHONE, AddressKind, Sender
from zrm.contract.files import InboundFile
from zrm.contract.inbound import TEXT_LIMIT, Inbound, RawContact, Thread
from zrm.kit.clock import now
from zrm.kit.ids import new_id
from zrm.normalizer.interpretation import Interpretation, Raw, read


def reading(inbound: Inbound) -> Interpretation:
    raw = Raw(new_id(), now(), RawContact("x", "info", "1", b"", "text/plain"), "123456789012")
    found = read(raw, lambda _: [inbound], region="IR")
    assert isinstance(found, Interpretation)
    return found


@pytest.mark.parametrize("kind", [PHONE, "telegram", EMAIL])
def test_a_text_within_the_limit_is_kept_whole_and_a_longer_one_is_a_file_as_well(kind: AddressKind) -> None:
    sender = (Sender(kind, "09121234567"),)
    fits = reading(Inbound(sender, "و" * TEXT_LIMIT))
    assert (len(fits.text), fits.files, fits.labels) == (TEXT_LIMIT, (), frozenset())
    text = "و" * TEXT_LIMIT + " آخرین کلمه"
    longer = reading(Inbound(sender, text))
    assert longer.text == text[:TEXT_LIMIT]
    assert longer.labels == {"cut_short"}
    (whole,) = longer.files
    assert (whole.name, whole.media_type, whole.role) == ("message.txt", "text/plain", "original")
    assert whole.data == text.encode()


def test_search_and_language_read_the_beginning_only() -> None:
    found = reading(Inbound((), "words " * 150_000))
    assert len(found.text) == 900_000
    assert len(found.search) <= 21_000


def test_the_names_of_files_are_plain_whatever_the_channel_was_told() -> None:
    files = (InboundFile(r"C:\Users\ali\photo.jpg", "image/jpeg", b"x"), InboundFile("../a\u202egpj.exe", "x/y", b"x"))
    assert [file.name for file in reading(Inbound((), "x", files=files)).files] == ["photo.jpg", "agpj.exe"]


def test_an_address_has_one_value_however_it_is_spelled_and_by_whatever_door() -> None:
    spellings = ("Ali@XN--FSQ.example", "ali@例.example", "ali@例。example.")
    for thread in (Thread(), Thread(message_id="<m@x>")):
        found = [reading(Inbound((Sender(EMAIL, one),), "x", thread=thread)) for one in spellings]
        assert {one.addresses[0].value for one in found} == {"ali@例.example"}
        assert [one.addresses[0].raw for one in found] == list(spellings)
