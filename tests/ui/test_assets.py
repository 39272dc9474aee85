"""What the pages name is in what was built, though the build leaves out whatever they do not name."""

from __future__ import annotations

import json
import re
from pathlib import Path

from zrm.ui.pages import BUILT_ASSETS

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "zrm/ui/static/src"
FONT_WEIGHTS = (400, 750)
"""Those of scripts/build_assets.mjs and ui/fonts.css."""


def built(ending: str) -> str:
    names = json.loads((BUILT_ASSETS / "manifest.json").read_text(encoding="utf-8")).values()
    return "\n".join((BUILT_ASSETS / name).read_text(encoding="utf-8") for name in names if name.endswith(ending))


def test_every_class_of_a_page_has_a_rule() -> None:
    known = set(re.findall(r"\.(-?[_a-zA-Z][\w-]*)", built(".css")))
    nowhere = set()
    for page in (ROOT / "zrm").rglob("templates/**/*.html"):
        text = re.sub(r"\{#.*?#\}", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for named in re.findall(r'\bclass="((?:\{\{.*?\}\}|\{%.*?%\}|[^"])*)"', text):
            plain = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " \0", named)  # what is put together when the page is drawn
            nowhere |= {f"{page.name}: {one}" for one in plain.split() if "\0" not in one and not one.endswith("-")} - {
                f"{page.name}: {one}" for one in known
            }
    assert nowhere == set()


def test_the_fonts_have_every_weight_that_is_used() -> None:
    weights = {
        int(found)
        for sheet in SOURCES.rglob("*.css")
        for found in re.findall(r"font-weight: (\d+)(?![ \d])", sheet.read_text())
    }
    lightest, heaviest = FONT_WEIGHTS
    assert weights
    assert {weight for weight in weights if not lightest <= weight <= heaviest} == set()
    assert f"font-weight:{lightest} {heaviest}" in built("desk.css") + built(".css")


def test_texts_lie_there_compressed() -> None:
    for name in json.loads((BUILT_ASSETS / "manifest.json").read_text(encoding="utf-8")).values():
        file = BUILT_ASSETS / name
        if name.endswith((".css", ".js", ".svg")):
            assert 0 < (BUILT_ASSETS / f"{name}.br").stat().st_size < file.stat().st_size
