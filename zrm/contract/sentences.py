"""Sentences that are stored as a code with values: any version may read what another has stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

MISSING: Final = "…"
"""Stands where the stored values have none for a place of the sentence."""

_PLACE: Final = re.compile(r"%(?:%|\((\w+)\)s)")


def fill(sentence: str, values: Mapping[str, object]) -> str:
    """The sentence with its `%(name)s` places filled. It never fails: a missing value is `MISSING`, others are ignored."""
    return _PLACE.sub(lambda place: str(values.get(place[1], MISSING)) if place[1] else "%", sentence)
