"""A citizen's PDF, made still: whatever acts is gone wherever it hides, and what leads somewhere and shows is there."""

from __future__ import annotations

import io

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pikepdf import Array, Dictionary, Name, String

from zrm.kit.still_pdf import still_pdf


def document(*, packed: bool = False) -> bytes:
    """A page with every kind of action there is, at every place where one can hang."""
    pdf = pikepdf.new()
    page = pdf.add_blank_page(page_size=(300, 300)).obj
    script = Dictionary(S=Name.JavaScript, JS=String("app.alert('ran')"))
    leads = Dictionary(S=Name.URI, URI=String("https://city.example/kept"))
    page.Contents = pdf.make_stream(b"BT /F1 24 Tf 50 150 Td (words stay) Tj ET")
    page.AA = Dictionary(O=script)
    field = pdf.make_indirect(
        Dictionary(Type=Name.Annot, Subtype=Name.Widget, FT=Name.Tx, T=String("f"), Rect=[0, 0, 9, 9], AA=Dictionary(K=script),
                   A=Dictionary(S=Name.SubmitForm, F=String("https://bad.example/take")))
    )  # fmt: skip
    page.Annots = Array([
        Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=[0, 0, 9, 9], A=leads),
        Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=[0, 0, 9, 9], A=pdf.make_indirect(script)),
        Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=[0, 0, 9, 9],
                   A=Dictionary(S=Name.URI, URI=String("https://city.example/first"), Next=Array([script]))),
        field,
        Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=[0, 0, 9, 9], PA=Dictionary(S=Name.Launch, F=String("calc.exe"))),
    ])  # fmt: skip
    root = pdf.Root
    root.OpenAction = pdf.make_indirect(Dictionary(S=Name.JavaScript, JS=pdf.make_stream(b"app.alert('ran')")))
    root.AA = Dictionary(WC=script)
    root.Names = Dictionary(JavaScript=Dictionary(Names=Array([String("a"), script])))
    root.AcroForm = Dictionary(
        Fields=Array([field]), XFA=pdf.make_stream(b"<script>xfa.host.messageBox('ran')</script>")
    )
    written = io.BytesIO()
    mode = pikepdf.ObjectStreamMode.generate if packed else pikepdf.ObjectStreamMode.disable
    pdf.save(written, object_stream_mode=mode)
    return written.getvalue()


def plain(data: bytes) -> bytes:
    """The same PDF with nothing packed, to look for words in it."""
    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        pdf.save(written, object_stream_mode=pikepdf.ObjectStreamMode.disable, stream_decode_level=pikepdf.StreamDecodeLevel.all, compress_streams=False)  # fmt: skip
    return written.getvalue()


@pytest.mark.parametrize("packed", [False, True])
def test_nothing_acts_and_all_is_shown(packed: bool) -> None:
    data = document(packed=packed)
    for acts in (b"JavaScript", b"Launch", b"SubmitForm", b"/XFA", b"/AA", b"/OpenAction", b"app.alert"):
        assert acts in plain(data), "the given one acts"
    (still,) = still_pdf(data)
    shown = plain(still)
    for acts in (b"JavaScript", b"Launch", b"SubmitForm", b"/XFA", b"/AA", b"/OpenAction", b"app.alert", b"messageBox"):
        assert acts not in shown, acts
    for kept in (b"words stay", b"city.example/kept", b"city.example/first"):
        assert kept in shown


def test_a_locked_one_is_refused() -> None:
    written = io.BytesIO()
    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        pdf.save(written, encryption=pikepdf.Encryption(owner="a", user="b"))
    with pytest.raises(pikepdf.PasswordError):
        list(still_pdf(written.getvalue()))


def test_what_is_nested_without_end_is_refused() -> None:
    with pytest.raises(pikepdf.PdfError):
        list(still_pdf(document().replace(b"/Fields [", b"/Deep " + b"[" * 900 + b"]" * 900 + b" /Fields [")))


@pytest.mark.filterwarnings("ignore::pikepdf.PageCopyWarning")  # of this test's own reading
@given(st.integers(0, 4_000), st.binary(max_size=30))
def test_a_damaged_one_is_still_or_refused(at: int, noise: bytes) -> None:
    data = document()
    try:
        (still,) = still_pdf(data[:at] + noise + data[at + len(noise) :])
    except pikepdf.PdfError:
        return
    assert b"app.alert" not in plain(still)
