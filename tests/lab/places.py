"""The lab's folders: a cache folder per user for unpacked software, and `var/lab` for records about this checkout."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
"""The root of this checkout."""

MISSING_FILE = REPOSITORY / "var" / "lab" / "missing.json"
"""The record of missing peers, written by `tests.lab.setup`, read by the pytest plugin."""


def cache_folder() -> Path:
    """The folder that holds software unpacked for the lab; shared by all checkouts of one user."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "zrm-lab"
