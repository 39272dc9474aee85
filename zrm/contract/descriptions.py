"""What the installation itself says of a contact without words (a recording, a fax, a photo), as it is stored: codes and
the values for their gaps, worded in the reader's language where it is shown.

Each channel declares its own lines, with the English sentence that the catalogue translates:

PAGES: Final = describe("fax.pages", "Fax, %(num)s page", "Fax, %(num)s pages")
Inbound(senders, text="", description=(PAGES(num=3),))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypedDict


class Sentence(NamedTuple):
    """A sentence's msgid; of a counted one the msgids for one and for many, where `num` is the number."""

    one: str
    many: str = ""


class DescriptionLine(TypedDict):
    """One line, as it is stored."""

    code: str
    params: dict[str, str | int]


Description = Sequence[DescriptionLine]
"""The lines of one contact, the first of which is its title; empty if the contact has words of its own."""

_declared: Final[dict[str, Sentence]] = {}


@dataclass(frozen=True, slots=True)
class Describes:
    """A declared line; called with the values for its gaps."""

    code: str

    def __call__(self, **params: str | int) -> DescriptionLine:
        """The line to store."""
        return {"code": self.code, "params": params}


def describe(code: str, one: str, many: str = "") -> Describes:
    """Declare a line by its code, "room.what", and its English msgids. Errors: ValueError for a code that is taken."""
    if _declared.setdefault(code, Sentence(one, many)) != Sentence(one, many):
        raise ValueError(f"the description {code} is declared already: {_declared[code].one!r}")
    return Describes(code)


def described() -> Mapping[str, Sentence]:
    """Every declared line's sentence by its code."""
    return _declared
