"""What every channel's contact becomes before it is filed."""

from __future__ import annotations

from zrm.contract import AddressKind, Inbound, InboundFile, RawContact, Sender, Thread
from zrm.kit.clock import now
from zrm.kit.ids import new_id
from zrm.normalizer.reading import Raw, Reading, read


def reading(inbound: Inbound) -> Reading:
    raw = Raw(new_id(), now(), RawContact("x", "info", "1", b"", "text/plain"), "123456789012")
    found = read(raw, lambda _: [inbound], region="IR")
    assert isinstance(found, Reading)
    return found


def test_the_names_of_files_are_plain_whatever_the_channel_was_told() -> None:
    files = (InboundFile(r"C:\Users\ali\photo.jpg", "image/jpeg", b"x"), InboundFile("../a\u202egpj.exe", "x/y", b"x"))
    assert [file.name for file in reading(Inbound((), "x", files=files)).files] == ["photo.jpg", "agpj.exe"]


def test_an_address_has_one_value_however_it_is_spelled_and_by_whatever_door() -> None:
    spellings = ("Ali@XN--FSQ.example", "ali@例.example", "ali@例。example.")
    for thread in (Thread(), Thread(message_id="<m@x>")):
        found = [reading(Inbound((Sender(AddressKind.EMAIL, one),), "x", thread=thread)) for one in spellings]
        assert {one.addresses[0].value for one in found} == {"ali@例.example"}
        assert [one.addresses[0].raw for one in found] == list(spellings)
