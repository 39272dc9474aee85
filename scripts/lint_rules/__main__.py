"""Prints what is wrong in `zrm`; exit 1 if anything is."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.lint_rules import check
from scripts.lint_rules.languages import check_pages
from scripts.lint_rules.sources import read


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    package = Path(__file__).parents[2] / "zrm"
    found = [*check(read(package)), *check_pages(package)]
    for finding in found:
        print(finding)
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main())
