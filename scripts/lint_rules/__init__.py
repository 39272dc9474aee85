"""Rules of this repository that no other linter knows, a file each; `make lint` runs them (`python -m scripts.lint_rules`).

`tests/test_lint_rules.py` proves that each bites.
"""

from __future__ import annotations

from collections.abc import Mapping

from scripts.lint_rules.commits import COMMITS, check_commits
from scripts.lint_rules.languages import check_languages
from scripts.lint_rules.names import check_names
from scripts.lint_rules.rows import check_rows
from scripts.lint_rules.sources import Finding, Sources
from scripts.lint_rules.tables import OWNERS, check_owners


def check(
    sources: Sources,
    owners: Mapping[str, str] = OWNERS,
    commits: Mapping[str, str] = COMMITS,
) -> list[Finding]:
    """Everything that is wrong, in order."""
    return sorted(
        [
            *check_owners(sources, owners),
            *check_commits(sources, commits),
            *check_names(sources),
            *check_rows(sources),
            *check_languages(sources),
        ]
    )
