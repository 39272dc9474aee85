"""What every action is called with: the agent, their grants, the case, the version they saw, and how answers leave.

An action of this room checks the grant itself, in the transaction that acts, and raises before anything is written. So
no edge has to remember a check, and a second edge cannot forget one. What the agent may not see and what does not exist
answer alike (NotFound); what they see but may not do is Forbidden; an entry that cannot be used is InvalidInput.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from zrm.casestore.agent import Permission
from zrm.casework.reply_routes import SendingAccount
from zrm.errors import InputRefused
from zrm.security.grants import Grants, Units, covers


@dataclass(frozen=True, slots=True)
class ActingAgent:
    """An agent and their grants."""

    agent_id: UUID
    grants: Grants

    @property
    def visible(self) -> Units:
        """The units whose cases the agent sees."""
        return self.grants.units(Permission.VIEW_CASES)

    def sees(self, unit_id: UUID) -> bool:
        """Whether the agent sees the unit's cases."""
        return covers(self.visible, unit_id)

    def may(self, permission: Permission, unit_id: UUID) -> bool:
        """Whether the agent may do this in the unit; where they may not see the cases, nothing is allowed."""
        return self.sees(unit_id) and self.grants.has(permission, unit_id)

    def require(self, permission: Permission, unit_id: UUID) -> None:
        """Errors: NotFound for a unit the agent does not see, Forbidden for what they may not do there."""
        self.grants.require(permission, unit_id, to_see=Permission.VIEW_CASES)


@dataclass(frozen=True, slots=True)
class SendingSetup:
    """How answers leave this installation.

    `senders` are our accounts that can send and `own_addresses` ours on every channel, to which nothing is sent.
    `mail_domain` is the right-hand side of a new Message-ID. An answer leaves `hold` seconds after it was written;
    until then it can be undone.
    """

    senders: tuple[SendingAccount, ...] = ()
    own_addresses: frozenset[str] = frozenset()
    mail_domain: str = ""
    hold: float = 0


@dataclass(frozen=True, slots=True)
class ActionContext:
    """The agent, the case they act on, and the version of it they saw (None: they saw none)."""

    actor: ActingAgent
    case_id: UUID
    version: int | None
    sending: SendingSetup = field(default_factory=SendingSetup)

    @property
    def agent_id(self) -> UUID:
        """The agent who acts."""
        return self.actor.agent_id


class InputFlaw(StrEnum):
    """Why an agent's entry cannot be used. The edge words it in the agent's language."""

    EMPTY = "empty"
    TOO_LONG = "too_long"  # values: most (characters)
    UNKNOWN_CHOICE = "unknown_choice"  # it is not in the list (any more)
    ROUTE_BARRED = "route_barred"  # the citizen asked us not to write there
    ROUTE_WITHOUT_FILES = "route_without_files"
    TOO_LONG_FOR_ROUTE = "too_long_for_route"  # values: most (characters)
    NOT_ANSWERED = "not_answered"  # closing without an answer needs a reason that the citizen is told
    UNKNOWN_PLACEHOLDERS = "unknown_placeholders"  # values: braces (as written)
    CODE_MISSING = "code_missing"  # an acknowledgement must tell the tracking code
    NOT_A_NUMBER = "not_a_number"
    DOUBTFUL_NUMBER = "doubtful_number"  # values: found (a `zrm.kit.phones` flaw), digits (as typed)
    NOT_AN_EMAIL = "not_an_email"


@dataclass(frozen=True, slots=True)
class InputProblem:
    """One entry that cannot be used: its name, why, and what the sentence about it needs."""

    name: str
    flaw: InputFlaw
    values: Mapping[str, object] = field(default_factory=dict)


class InvalidInput(InputRefused):
    """Nothing was done; `problems` say what to correct, the first one first."""

    def __init__(self, *problems: InputProblem) -> None:
        super().__init__(", ".join(f"{problem.name}: {problem.flaw}" for problem in problems))
        self.problems = problems


def invalid(name: str, flaw: InputFlaw, **values: object) -> InvalidInput:
    """The error about one entry."""
    return InvalidInput(InputProblem(name, flaw, values))


def checked_text(name: str, text: str, longest: int) -> str:
    """The text without space around it. Errors: InvalidInput if it is empty or longer than `longest` characters."""
    text = text.strip()
    if not text:
        raise invalid(name, InputFlaw.EMPTY)
    if len(text) > longest:
        raise invalid(name, InputFlaw.TOO_LONG, most=longest)
    return text
