"""Codes inside Persian sentences, looked at where a citizen sees them: on a rendered page.

Field 2.33: right-to-left text breaks in composed or templated messages (frappe/helpdesk#2671, zammad#5819).
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest

from tests.ui.test_i18n import sentences
from zrm.languages import LANGUAGES, Language
from zrm.ui.i18n import format_code, gettext

if TYPE_CHECKING:
    from tests.lab.browser import LabBrowser

pytestmark = pytest.mark.peer("browser")

CODE = "283541907624"
PLACES = re.compile(r"%\((\w+)\)s")
LEFT_EDGES = """paragraph => {
    const node = paragraph.firstChild;
    return [...node.data.matchAll(/[0-9۰-۹]{4}(?=[-\\s.،,:\\]]|$)/g)].slice(-3).map(group => {
        const range = document.createRange();
        range.setStart(node, group.index);
        range.setEnd(node, group.index + 4);
        return range.getBoundingClientRect().left;
    });
}"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_groups_of_a_code_stand_in_their_order_in_every_sentence(language: Language, browser: LabBrowser) -> None:
    """A citizen who reads the groups last to first types a code that nobody knows."""
    code = format_code(CODE, language)
    told = [gettext(language, one) for one in sentences() if "%(code)s" in one]
    lines = [PLACES.sub(lambda place: code if place[1] == "code" else "…", line) for text in told for line in text.split("\n") if "%(code)s" in line]  # fmt: skip
    lines.append(f"Re: چراغ خیابان [\u200e{format_code(CODE, 'en')}]")  # as the subject of an answer has it
    page = browser.page(language)
    page.set_content("".join(f'<p dir="auto" style="white-space: nowrap">{html.escape(line)}</p>' for line in lines))
    try:
        for line, paragraph in zip(lines, page.locator("p").all(), strict=True):
            edges = paragraph.evaluate(LEFT_EDGES)
            assert len(edges) == 3, line
            assert edges == sorted(edges), line
    finally:
        page.context.close()
