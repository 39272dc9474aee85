"""A further language is a row of the table: pages, dates, numbers and names follow it, from right to left too."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import BaseModel, ValidationError

from tests.ui import gallery
from zrm.config import Name
from zrm.kit.direction import isolate_numbers
from zrm.languages import FALLBACK, LANGUAGES, SOURCE, Language, LanguageTraits, language_for_answers
from zrm.ui import labels
from zrm.ui.calendars import date_time_text
from zrm.ui.i18n import accepted_language, digits, format_code, language_name, reader_language
from zrm.ui.pages import Pages
from zrm.ui.viewer import Viewer

URDU = LanguageTraits("اردو", "rtl", "gregorian", "ur-PK", digits="۰۱۲۳۴۵۶۷۸۹", comma="، ")
TURKISH = LanguageTraits("Türkçe", "ltr", "gregorian", "tr-TR", decimal_point=",")


@pytest.fixture(autouse=True)
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LANGUAGES, "ur", URDU)
    monkeypatch.setitem(LANGUAGES, "tr", TURKISH)


def test_dates_and_numbers_follow_the_row() -> None:
    moment = datetime(2026, 11, 23, 15, 22, tzinfo=UTC)
    assert date_time_text(moment, Viewer("tr", "gregorian", timezone="UTC").reader) == "23 Kasım 2026, 15:22"
    assert date_time_text(moment, Viewer("ur", "gregorian", timezone="UTC").reader) == "۲۳ نومبر ۲۰۲۶، ۱۵:۲۲"
    assert (digits(14, "ur"), digits(14, "tr")) == ("۱۴", "14")
    assert format_code("123456789012", "ur") == "\u200e۱۲۳۴-۵۶۷۸-۹۰۱۲"
    assert format_code("123456789012", "tr") == "1234-5678-9012"
    assert labels.byte_size(1200, "tr") == "1,2 kB"
    assert isolate_numbers("کیس 1234-5678", "ur") == "کیس \u20661234-5678\u2069"
    assert (language_name("tr", "fa"), language_name("fa", "tr")) == ("ترکی استانبولی", "Farsça")


def test_readers_are_offered_the_language_and_get_it() -> None:
    assert accepted_language("tr-TR,tr;q=0.9,en;q=0.5") == "tr"
    assert reader_language("ur", "en", "") == "ur"
    assert language_for_answers("ur", "fa") == "ur"
    assert language_for_answers("de", "fa") == SOURCE
    assert language_for_answers("", "fa") == "fa"


@pytest.mark.parametrize("language", ["ur", "tr"])
def test_a_page_is_written_in_it(language: Language) -> None:
    frame, demo = gallery.portal_frame("en"), gallery.demo("en")
    pages = Pages()
    pages.add_folder("tests", gallery.TEMPLATES)
    page = pages.render("tests/gallery_portal.html", Viewer(language, "gregorian"), frame=frame, demo=demo)
    assert f'<html lang="{language}" dir="{LANGUAGES[language].direction}"' in page
    assert f'data-locale="{LANGUAGES[language].locale}"' in page
    assert f'<span lang="{language}" aria-current="true">{LANGUAGES[language].name}</span>' in page


def test_input_names_a_language_of_the_table() -> None:
    class Form(BaseModel):
        language: Language

    assert Form(language="fa").language == "fa"
    with pytest.raises(ValidationError, match="literal_error"):
        Form(language="xx")
    with pytest.raises(ValidationError, match="missing"):
        Name(**{FALLBACK[0]: "Roads"})
