"""Pages: escaping, the two languages, the assets' names, the colours' contrast and the components' promises."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from tests.ui import gallery
from zrm.contract.capabilities import registered
from zrm.languages import LANGUAGES, Language
from zrm.ui import labels
from zrm.ui.pages import AssetMissing, Pages
from zrm.ui.viewer import Theme, Viewer

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "zrm/ui/static/src"
NAMES = ("desk.css", "desk.js", "portal.css", "portal.js", "tabler.css", "tabler.rtl.css", "icons.svg", "favicon.svg")
INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """A renderer with a manifest of made-up hashes and a folder for the test's own templates, "mine"."""
    manifest = {name: name.replace(".", "-HASH.", 1) for name in NAMES}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (tmp_path / "mine").mkdir()
    made = Pages(tmp_path, now=lambda: gallery.NOW)
    made.add_folder("mine", tmp_path / "mine")
    made.add_folder("tests", gallery.TEMPLATES)
    return made


def draw(pages: Pages, tmp_path: Path, source: str, language: Language = "en", **context: object) -> str:
    """Render one piece of template source."""
    (tmp_path / "mine" / "piece.html").write_text(source, encoding="utf-8")
    return pages.render("mine/piece.html", Viewer(language=language, calendar="gregorian"), **context)


def show_gallery(pages: Pages, name: str, language: Language, theme: Theme = "auto") -> str:
    frame = gallery.desk_frame(language) if name == "gallery.html" else gallery.portal_frame(language)
    return pages.render(
        f"tests/{name}", Viewer(language=language, theme=theme), frame=frame, demo=gallery.demo(language)
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["gallery.html", "gallery_portal.html"])
def test_the_galleries_obey_a_strict_policy_and_escape(pages: Pages, name: str, language: Language) -> None:
    page = show_gallery(pages, name, language)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not INLINE.search(page)


def test_language_direction_and_theme_are_on_the_root(pages: Pages) -> None:
    assert '<html lang="fa" dir="rtl" data-bs-theme="dark"' in show_gallery(pages, "gallery.html", "fa", "dark")
    english = show_gallery(pages, "gallery.html", "en")
    assert '<html lang="en" dir="ltr"' in english
    assert "/static/tabler-HASH.css" in english
    assert "/static/tabler-HASH.rtl.css" in show_gallery(pages, "gallery.html", "fa")


def test_the_citizens_page_loads_no_desk(pages: Pages) -> None:
    page = show_gallery(pages, "gallery_portal.html", "fa")
    assert "tabler" not in page
    assert "desk" not in page


def test_a_name_that_is_not_there_is_refused(pages: Pages, tmp_path: Path) -> None:
    with pytest.raises(UndefinedError):
        draw(pages, tmp_path, "{{ nothing }}")


def test_values_put_into_sentences_are_escaped(pages: Pages, tmp_path: Path) -> None:
    text = draw(pages, tmp_path, '{{ _("due %(when)s", when=x) }}', x="<b>")
    assert text == "due &lt;b&gt;"


def test_two_readers_do_not_mix(pages: Pages, tmp_path: Path) -> None:
    source = "{{ moment|dt }} {{ 12|digits }} {{ code|code444 }} {{ 1240000|bytes }} {{ 125|duration }}"
    values = {"moment": gallery.NOW, "code": "482915037766"}
    assert draw(pages, tmp_path, source, "en", **values) == "23 November 2026, 15:22 12 4829-1503-7766 1.2 MB 2:05"
    assert (
        draw(pages, tmp_path, source, "fa", **values)
        == "۲۳ نوامبر ۲۰۲۶، ۱۵:۲۲ ۱۲ \u200e۴۸۲۹-۱۵۰۳-۷۷۶۶ ۱٫۲ مگابایت ۲:۰۵"
    )


def test_a_lone_link_or_code_stands_with_the_persian_words_around_it(pages: Pages, tmp_path: Path) -> None:
    text = "کد شما:\n\n۴۸۲۹-۱۵۰۳-۷۷۶۶\n\nhttp://city.example/track\n\nWith thanks"
    assert draw(pages, tmp_path, "{{ text|paragraphs }}", text=text) == (
        '<p dir="auto">کد شما:</p><p dir="rtl"><bdi dir="ltr">\u2066۴۸۲۹-۱۵۰۳-۷۷۶۶\u2069</bdi></p>'
        '<p dir="rtl"><bdi dir="ltr">http://city.example/track</bdi></p><p dir="auto">With thanks</p>'
    )
    assert (
        draw(pages, tmp_path, "{{ text|paragraphs }}", text="Code:\n\n1")
        == '<p dir="auto">Code:</p><p dir="auto">1</p>'
    )


def test_a_text_of_very_many_paragraphs_keeps_its_words_and_its_blank_lines() -> None:
    shown = str(labels.paragraphs("<a>\n\n" * 5000))
    assert shown.count("&lt;a&gt;") == 5000
    assert 1000 < shown.count("<p ") < 3000
    assert shown.endswith("&lt;a&gt;<br><br>&lt;a&gt;</p>")


def test_a_refused_field_is_tied_to_its_message(pages: Pages, tmp_path: Path) -> None:
    source = (
        '{% from "components.html" import field, error_summary %}{{ error_summary([("phone", "Too short")]) }}'
        '{{ field("phone", "Phone", "tel", value=value, hint="With code", error="Too short") }}'
    )
    page = draw(pages, tmp_path, source, value='"><img>')
    assert '<a href="#f-phone">Too short</a>' in page
    assert 'id="f-phone" value="&#34;&gt;&lt;img&gt;"' in page
    assert 'aria-describedby="f-phone-hint f-phone-error"' in page
    assert 'aria-invalid="true"' in page
    assert '<label class="z-label" for="f-phone">' in page


@pytest.mark.parametrize("vocabulary", [labels.CASE_STATUS, labels.DELIVERY_STATE, labels.QUARANTINE_STATE])
def test_a_code_from_a_newer_version_is_shown_as_it_is(vocabulary: dict[str, labels.Word]) -> None:
    assert labels.word(vocabulary, "teleported").label == "teleported"


def test_a_channel_that_is_gone_is_shown_by_its_kind() -> None:
    assert [labels.channel_name("telex", language) for language in LANGUAGES] == ["telex", "telex"]


def test_every_channel_has_a_name_in_each_language() -> None:
    for kind, can in registered().items():
        assert can.names.keys() == can.in_sentence.keys() == set(LANGUAGES), kind


def test_an_asset_that_is_not_built_is_named(pages: Pages, tmp_path: Path) -> None:
    with pytest.raises(AssetMissing, match=r"nothing\.css"):
        pages.asset("nothing.css")
    with pytest.raises(AssetMissing, match="not built"):
        Pages(tmp_path / "empty").asset("desk.css")


def test_a_folder_is_registered_once(pages: Pages, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="already registered"):
        pages.add_folder("mine", tmp_path)
    with pytest.raises(ValueError, match="does not exist"):
        pages.add_folder("yours", tmp_path / "nowhere")


def test_every_icon_used_is_in_the_sprite() -> None:
    listed = {line for line in (SOURCES / "icons.txt").read_text().splitlines() if line and not line.startswith("#")}
    templates = [path.read_text(encoding="utf-8") for path in (ROOT / "zrm").rglob("templates/**/*.html")]
    used = set(re.findall(r"icon(?:_name)?(?:\(|=)\"([a-z0-9-]+)\"", "\n".join(templates)))
    for vocabulary in (
        labels.CASE_STATUS,
        labels.DELIVERY_STATE,
        labels.QUARANTINE_STATE,
        labels.CITIZEN_STATE,
    ):
        used |= {word.icon for word in vocabulary.values()}
    used |= {can.icon for can in registered().values()}
    assert used <= listed


# Which colours stand on which: every pair must reach 4.5:1 (words), or 3:1 (the edges of fields and the focus ring).
WORDS = [
    *[
        (ink, ground)
        for ink in ("ink", "ink-2", "ink-3")
        for ground in ("surface", "canvas", "hover", "sunken", "raised")
    ],
    *[("accent", ground) for ground in ("surface", "canvas", "hover", "accent-soft", "raised")],
    *[(tone, f"{tone}-soft") for tone in ("good", "warn", "bad", "info", "note")],
    *[(tone, "surface") for tone in ("good", "warn", "bad", "info")],
    *[("ink", f"{tone}-soft") for tone in ("good", "warn", "bad", "info", "note", "accent")],
    ("ink-2", "accent-soft"),
    ("ink-3", "accent-soft"),
    ("ink-2", "note-soft"),
    ("ink-3", "note-soft"),
    ("ink-3", "fresh"),
    ("on-accent", "accent-fill"),
    ("on-accent", "accent-fill-hover"),
    ("#ffffff", "bad-fill"),
]
EDGES = [
    ("line-firm", "surface"),
    ("line-firm", "canvas"),
    ("accent", "surface"),
    ("accent", "canvas"),
    ("accent-fill", "surface"),
]


def palettes() -> dict[str, dict[str, str]]:
    """The light and both dark sets of tokens, name → value."""
    text = (SOURCES / "ui/tokens.css").read_text(encoding="utf-8")
    blocks = re.findall(r"(:root[^{]*)\{([^}]*)\}", text)
    return {selector.strip(): dict(re.findall(r"--z-([a-z0-9-]+): ([^;]+);", block)) for selector, block in blocks}


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb", as WCAG 2 defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("selector", [":root", ':root[data-bs-theme="dark"]'])
def test_colours_can_be_told_apart(selector: str) -> None:
    tokens = palettes()[selector]
    weak = [
        f"{ink} on {ground}: {ratio:.2f} < {least}"
        for pairs, least in ((WORDS, 4.5), (EDGES, 3.0))
        for ink, ground in pairs
        if (ratio := contrast(tokens.get(ink, ink), tokens.get(ground, ground))) < least
    ]
    assert not weak


def test_the_systems_dark_and_the_chosen_dark_are_one() -> None:
    known = palettes()
    assert known[":root:not([data-bs-theme])"] == known[':root[data-bs-theme="dark"]']


def test_a_name_is_whole_beside_its_letter(pages: Pages, tmp_path: Path) -> None:
    """Read aloud and copied, a name split into its first letter and the rest is two words."""
    rows = gallery.demo("fa")["rows"]
    assert isinstance(rows, list)
    drawn = pages.part("queue.html", "case_row", Viewer(language="fa"), **{**rows[0], "assignee": "مریم رضایی"})
    drawn += draw(
        pages, tmp_path, '{% from "components.html" import person %}{{ person("مریم رضایی", "m@x.example") }}'
    )
    for letter in re.findall(r'<span class="z-avatar"[^>]*>', drawn):
        assert 'aria-hidden="true"' in letter
        assert 'title="مریم رضایی"' in letter
    assert '<span class="z-sr">مریم رضایی</span>' in drawn
    assert '<bdi class="z-truncate" title="مریم رضایی">مریم رضایی</bdi>' in drawn
