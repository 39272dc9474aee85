"""An agent's own password is changed by whoever knows it, and by no form in particular."""

from __future__ import annotations

import pytest

from tests.casework.installation import agent
from zrm.casestore import agent as agents
from zrm.casework.context import ActingAgent
from zrm.casework.password_change import PasswordEntry, PasswordFlaw, PasswordRefused, change_password
from zrm.config import Settings
from zrm.errors import TooManyTries
from zrm.kit.db import Database
from zrm.security import passwords
from zrm.security.grants import Grants
from zrm.security.passwords import Weakness

OLD, NEW = "the old lamp of 1403", "a new lamp for 1405"


def test_only_a_strong_new_password_of_who_knows_the_present_one(database: Database, settings: Settings) -> None:
    with database.cursor() as cursor:
        me = agent(cursor, "maryam")
        agents.set_password_hash(cursor, me, passwords.hash_password(OLD))

    def change(now: str, new: str, repeated: str) -> None:
        change_password(
            database, ActingAgent(me, Grants()), "this", PasswordEntry(now, new, repeated), settings, own=["maryam"]
        )

    def is_password(password: str) -> bool:
        with database.cursor() as cursor:
            account = agents.of_id(cursor, me)
        return account is not None and passwords.matches(password, account.password_hash)

    for entry, problem in (
        (("x", NEW, NEW), ("now", PasswordFlaw.NOT_PRESENT)),
        ((OLD, "short", "short"), ("new", Weakness.SHORT)),
        ((OLD, NEW, f"{NEW}!"), ("repeated", PasswordFlaw.NOT_REPEATED)),
    ):
        with pytest.raises(PasswordRefused) as refused:
            change(*entry)
        assert refused.value.problems == (problem,)
        assert is_password(OLD)
    change(OLD, NEW, NEW)
    assert is_password(NEW)
    for _ in range(settings.rates.sign_in_tries):
        with pytest.raises(PasswordRefused):
            change("x", NEW, NEW)
    with pytest.raises(TooManyTries):
        change(NEW, OLD, OLD)
