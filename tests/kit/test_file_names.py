"""A file's own name, whatever path its sender's program wrote."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.kit.file_names import LONGEST, file_name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("report.pdf", "report.pdf"),
        (r"C:\Users\ali\new\report.pdf", "report.pdf"),
        (r"\\server\share\گزارش.pdf", "گزارش.pdf"),
        ("C:report.pdf", "report.pdf"),
        ("/home/ali/report.pdf", "report.pdf"),
        ("../../report.pdf", "report.pdf"),
        ("https://x.example/a/my%20report.pdf?x=1#top", "my report.pdf"),
        ("file:///C:/Temp/%D8%B3%D9%86%D8%AF.pdf", "سند.pdf"),
        ("100%25.pdf", "100%25.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("نامه\u200cها.pdf", "نامه\u200cها.pdf"),
        ("a\r\nb.pdf", "a b.pdf"),
        ("con", "_con"),
        ("LPT1.txt", "_LPT1.txt"),
        ("console.txt", "console.txt"),
        ("folder/", "folder"),
        ("report.pdf. ", "report.pdf"),
        ("..", ""),
        ("/", ""),
        ("", ""),
    ],
)
def test_the_name_without_its_path(written: str, name: str) -> None:
    assert file_name(written) == name


def test_a_long_name_keeps_its_ending() -> None:
    assert file_name("x" * 400 + ".pdf") == "x" * (LONGEST - 4) + ".pdf"
    assert file_name("x" * 400) == "x" * LONGEST


@given(st.text())
def test_any_name_is_a_plain_one(written: str) -> None:
    name = file_name(written)
    assert len(name) <= LONGEST
    assert not set(name) & set("/\\")
    assert all(sign in "\u200c\u200d" or unicodedata.category(sign) not in ("Cc", "Cf") for sign in name)
