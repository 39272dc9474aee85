"""An agent changes their own password: they know the present one, the new one is strong, and every other session ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from zrm.casestore import agent as agents
from zrm.casework.context import ActingAgent
from zrm.config import Settings
from zrm.errors import InputRefused
from zrm.kit import throttle
from zrm.kit.db import Database
from zrm.security import passwords, sessions
from zrm.security.passwords import Weakness


class PasswordFlaw(StrEnum):
    """What is wrong with the entries, beside the new password's `Weakness`."""

    NOT_PRESENT = "not_present"  # the agent's present password is another one
    NOT_REPEATED = "not_repeated"


@dataclass(frozen=True, slots=True)
class PasswordEntry:
    """What the agent entered: the present password, the new one, and the new one again."""

    now: str
    new: str
    repeated: str


class PasswordRefused(InputRefused):
    """Nothing was changed; `problems` are pairs of the entry's name and what is wrong with it."""

    def __init__(self, problems: Iterable[tuple[Literal["now", "new", "repeated"], PasswordFlaw | Weakness]]) -> None:
        self.problems = tuple(problems)
        super().__init__(", ".join(f"{name}: {flaw}" for name, flaw in self.problems))


def change_password(
    database: Database,
    actor: ActingAgent,
    session_hash: str,
    entry: PasswordEntry,
    settings: Settings,
    *,
    own: Iterable[str],
) -> Collection[str]:
    """Change it and end every session of the agent but this one; returns the hashes of those that ended.

    `own` are words of the agent's that no password may be made of. Errors: PasswordRefused; TooManyTries.
    """
    key, rates = f"password:{actor.agent_id}", settings.rates
    throttle.count_try(database, key, tries=rates.sign_in_tries, window=rates.sign_in_window)
    with database.cursor() as cursor:
        account = agents.of_id(cursor, actor.agent_id)
    present = account.password_hash if account else None
    problems: list[tuple[Literal["now", "new", "repeated"], PasswordFlaw | Weakness]] = []
    if not passwords.matches(entry.now, present):
        problems.append(("now", PasswordFlaw.NOT_PRESENT))
    organisation = settings.organisation
    words = (*own, *organisation.name.names.values())
    weakness = passwords.weakness(entry.new, own=words, region=organisation.region, present=present)
    if weakness is not None:
        problems.append(("new", weakness))
    elif entry.new != entry.repeated:
        problems.append(("repeated", PasswordFlaw.NOT_REPEATED))
    if problems:
        raise PasswordRefused(problems)
    fresh = passwords.hash_password(entry.new)
    with database.cursor() as cursor:
        agents.set_password_hash(cursor, actor.agent_id, fresh)
        ended = sessions.end_others(cursor, actor.agent_id, session_hash)
    throttle.forgive(database, key)
    return ended
