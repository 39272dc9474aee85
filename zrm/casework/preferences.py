"""An agent chooses how their own pages are written. It needs no grant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from zrm.casestore import agent as agents
from zrm.casework.context import ActingAgent, InputFlaw, InputProblem, InvalidInput
from zrm.kit.db import Cursor
from zrm.languages import LANGUAGES, Calendar
from zrm.ui.viewer import Theme

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "language": tuple(LANGUAGES),
    "calendar": get_args(Calendar),
    "theme": get_args(Theme),
}
"""What can be chosen for each preference."""


def set_preferences(cursor: Cursor, actor: ActingAgent, chosen: Mapping[str, str]) -> None:
    """Store the agent's preferences, one for each of `CHOICES`. Errors: InvalidInput, naming each that cannot be chosen."""
    wrong = [name for name, possible in CHOICES.items() if chosen.get(name) not in possible]
    if wrong:
        raise InvalidInput(*(InputProblem(name, InputFlaw.UNKNOWN_CHOICE) for name in wrong))
    agents.set_preferences(cursor, actor.agent_id, **{name: chosen[name] for name in CHOICES})
