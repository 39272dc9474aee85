"""Both languages are complete: every sentence in code and templates has its Persian, with the same places to fill."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_dir

from zrm.languages import LANGUAGES, Language
from zrm.ui import i18n

ROOT = Path(__file__).parents[2]
PLACES = re.compile(r"%\(\w+\)s")

METHODS = [
    ("**.py", "python"),
    ("**/templates/**.html", "jinja2.ext:babel_extract"),
    ("**/templates/**.txt", "jinja2.ext:babel_extract"),
]
OPTIONS = {
    name: {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
    for name, method in METHODS
    if "jinja2" in method
}


def sentences() -> dict[str, str]:
    """Each msgid in the project → where it first stands. Our own functions take the language first, hence no keyword."""
    found: dict[str, str] = {}
    keywords: dict[str, Any] = {"_": None, "ngettext": None, "declare": (2,), "describe": {2: (2,), 3: (2, 3)}}
    for file, line, message, _comments, _context in extract_from_dir(
        ROOT / "zrm", method_map=METHODS, options_map=OPTIONS, keywords=keywords, directory_filter=lambda _folder: True
    ):
        texts = [message] if isinstance(message, str) else [text for text in message if text]
        # Templates call ngettext(one, many, n); Python calls ngettext(language, one, many, n): strings alone are kept.
        found.setdefault(texts[0], f"{file}:{line}")
    return found


def texts_of(part: str | tuple[str, ...] | list[str] | None) -> list[str]:
    """The one or several texts of a message's id or string."""
    return [part] if isinstance(part, str) else list(part or ())


def test_every_sentence_has_its_persian() -> None:
    catalog, _conflicts = i18n.merge("fa")
    missing = [f"{place}: {text}" for text, place in sentences().items() if catalog.get(text) is None]
    assert not missing, "without Persian:\n" + "\n".join(missing)


def test_no_two_part_files_disagree() -> None:
    assert i18n.merge("fa")[1] == []


def test_a_translation_fills_the_same_places() -> None:
    catalog, _conflicts = i18n.merge("fa")
    for message in catalog:
        if message.id:
            wanted = {place for text in texts_of(message.id) for place in PLACES.findall(text)}
            for result in texts_of(message.string):
                assert set(PLACES.findall(result)) == wanted, message.id


def test_persian_is_written_with_persian_letters() -> None:
    catalog, _conflicts = i18n.merge("fa")
    for message in catalog:
        if message.id:
            text = "".join(texts_of(message.string))
            assert not set(text) & set("يكىة٠١٢٣٤٥٦٧٨٩"), f"Arabic letters in: {text}"


TERMS = [
    ("file", "فایل", "پروند"),
    ("tracking code", "کد پیگیری", "رهگیری"),
    ("mail server", "سرور ایمیل", "کارساز"),
    ("bot", "ربات", "بازو"),
]


@pytest.mark.parametrize(("english", "persian", "never"), TERMS)
def test_one_thing_has_one_persian_name(english: str, persian: str, never: str) -> None:
    """«پرونده» is a case: a file that is called so as well makes a sentence about files one about cases."""
    catalog, _conflicts = i18n.merge("fa")
    named = re.compile(rf"\b{english}s?\b", re.IGNORECASE)
    texts = [
        "".join(texts_of(message.string))
        for message in catalog
        if message.id and any(named.search(text) and "case" not in text for text in texts_of(message.id))
    ]
    assert any(persian in text for text in texts)
    assert [text for text in texts if never in text] == []


def test_english_is_the_sentence_itself() -> None:
    assert i18n.gettext("en", "Open the case") == "Open the case"
    assert i18n.gettext("fa", "Open the case") == "باز کردن پرونده"


@pytest.mark.parametrize(("count", "english", "persian"), [(1, "1 page", "۱ صفحه"), (12, "12 pages", "۱۲ صفحه")])
def test_counted_things(count: int, english: str, persian: str) -> None:
    assert i18n.ngettext("en", "%(num)s page", "%(num)s pages", count) == english
    assert i18n.ngettext("fa", "%(num)s page", "%(num)s pages", count) == persian


def test_the_first_part_file_wins_and_the_quarrel_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "fa"
    folder.mkdir()
    (folder / "a.po").write_text('msgid "Yes"\nmsgstr "بله"\n\n#, fuzzy\nmsgid "No"\nmsgstr "شاید"\n', encoding="utf-8")
    (folder / "b.po").write_text('msgid "Yes"\nmsgstr "آری"\n', encoding="utf-8")
    catalog, conflicts = i18n.merge("fa", [tmp_path])
    yes = catalog.get("Yes")
    assert yes is not None
    assert yes.string == "بله"
    assert catalog.get("No") is None
    assert [(quarrel.msgid, quarrel.dropped.name) for quarrel in conflicts] == [("Yes", "b.po")]


def test_digits_follow_the_language() -> None:
    assert i18n.digits(2045, "fa") == "۲۰۴۵"
    assert i18n.digits(2045, "en") == "2045"


def test_a_code_is_shown_in_groups_of_four() -> None:
    assert i18n.format_code("283541907624", "en") == "2835-4190-7624"
    assert i18n.format_code("283541907624", "fa") == "\u200e۲۸۳۵-۴۱۹۰-۷۶۲۴"


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_nothing_in_every_language(language: Language) -> None:
    assert i18n.gettext(language, "") == ""
