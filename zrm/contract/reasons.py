"""Why something was not done, as it is kept for ever: a code and the values for its gaps, worded where it is shown.

Each room declares its own reasons, with the English sentence that the catalogue translates:

    NO_TEXT: Final = declare("sms.no_text", "A text message needs a text.")
    NO_SENDER: Final = declare("gateway.no_sender", "the message does not say who sent it (no %(field)s)")
    raise Unparseable(NO_SENDER(field="from"))

Two values have a meaning everywhere. `words` are a program's or a provider's own words: a sentence without a gap for
them shows them as its technical detail. `because` is a further reason, shown after a colon.

What another version has stored may have values that do not fit this version's sentence: it is worded without them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from zrm.contract.sentences import fill

_declared: Final[dict[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Reason:
    """A declared reason; `params` are text, numbers, or (as `because`) a further reason."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, **params: str | int | Reason) -> Reason:
        """This reason with the values for its gaps."""
        return Reason(self.code, {**self.params, **params})

    @property
    def sentence(self) -> str:
        """Its English msgid; empty for a code of another version."""
        return _declared.get(self.code, "")

    @property
    def because(self) -> Reason | None:
        """The further reason."""
        further = self.params.get("because")
        return further if isinstance(further, Reason) else None

    @property
    def words(self) -> str:
        """A program's own words for which the sentence has no gap."""
        return "" if "%(words)s" in self.sentence else str(self.params.get("words", ""))

    def __str__(self) -> str:
        """In English, for logs and for the person who fixes the cause."""
        told = fill(self.sentence, self.params) if self.sentence else self.code
        return ": ".join(str(part) for part in (told, self.because or "", self.words) if part)

    def with_texts(self, change: Callable[[str], str]) -> Reason:
        """The same reason with each of its texts changed, also those of further reasons."""
        changed = {
            name: value.with_texts(change)
            if isinstance(value, Reason)
            else change(value)
            if isinstance(value, str)
            else value
            for name, value in self.params.items()
        }
        return Reason(self.code, changed)

    def stored_params(self) -> dict[str, Any]:
        """The values as JSON."""
        return {
            name: {"code": value.code, "params": value.stored_params()} if isinstance(value, Reason) else value
            for name, value in self.params.items()
        }


def declare(code: str, sentence: str) -> Reason:
    """Declare a reason by its code, "room.what", and its English msgid. Errors: ValueError for a code that is taken."""
    if _declared.setdefault(code, sentence) != sentence:
        raise ValueError(f"the reason {code} is declared already: {_declared[code]!r}")
    return Reason(code)


def declared() -> Mapping[str, str]:
    """Every declared reason's sentence by its code."""
    return _declared


@dataclass(frozen=True, slots=True)
class KeptReason:
    """A row that may hold a reason, in the columns `reason_code` and `reason_params`."""

    reason_code: str
    reason_params: Mapping[str, Any]

    @property
    def reason(self) -> Reason | None:
        """The reason; None if there is none."""
        return stored(self.reason_code, self.reason_params)


def stored(code: str, params: Any) -> Reason | None:
    """The reason from its stored columns; None for an empty code. Any JSON is read: another version may have stored it."""
    if not code:
        return None
    values = params if isinstance(params, dict) else {"words": str(params)}
    return Reason(code, {name: _further(value) for name, value in values.items()})


def _further(value: Any) -> Any:
    """The further reason that a stored value is; any other value as it is."""
    if isinstance(value, dict) and isinstance(value.get("code"), str):
        return stored(value["code"], value.get("params", {}))
    return value
