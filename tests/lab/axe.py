"""Runs axe-core in a page of the lab's browser: finds barriers for people who cannot see, point or read well."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page

from tests.lab.process import PeerError

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""WCAG 2.2 to level AA, and axe's best practices: one main element, headings in order, landmarks."""

_RUN = """async (tags) => (await axe.run(document, {runOnly: tags, resultTypes: ["violations"], preload: false})).violations.map((one) =>
    `${one.id} (${one.impact}): ${one.help}\\n` + one.nodes.map((node) => `    ${node.html}\\n    ${node.failureSummary}`).join("\\n"))"""


def faults(page: Page, rules: Sequence[str] = RULES) -> list[str]:
    """The rules of these tags that the page breaks, with the elements at fault. Fetches nothing and leaves nothing in the page."""
    if not AXE.is_file():
        raise PeerError("axe-core is not installed; run: make setup-dev")
    page.evaluate("document.fonts.ready.then(() => true)")
    # The browser itself injects the script, so the page's content security policy stays in force.
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[str] = page.evaluate(_RUN, list(rules))
    return found
