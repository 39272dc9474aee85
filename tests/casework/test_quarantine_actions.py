"""Filing a quarantined contact again: it stays listed, with the clock it began with."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from tests.casework.installation import EVERYTHING, agent, one, quarantine_one
from tests.reasons import why
from zrm.casework import quarantine_actions
from zrm.casework.context import ActingAgent
from zrm.errors import Conflict
from zrm.inbox import quarantine
from zrm.inbox.reading import Held
from zrm.kit.clock import now
from zrm.kit.db import Database


@pytest.fixture
def daniel(database: Database) -> ActingAgent:
    with database.cursor() as cursor:
        return ActingAgent(agent(cursor, "daniel"), EVERYTHING)


def held(database: Database, actor: ActingAgent) -> Held:
    with database.cursor() as cursor:
        (row,) = quarantine_actions.listing(cursor, actor)
        return row


def fail_again(database: Database, contact_id: UUID) -> None:
    """What the filer does with a contact that it could not file, as many hours later as it has in quarantine."""
    with database.cursor() as cursor:
        quarantine.enter(cursor, contact_id, reason=why("still broken"), due_at=now() + timedelta(hours=4))


def test_filing_it_again_does_not_put_off_its_due_time(database: Database, daniel: ActingAgent) -> None:
    contact_id = quarantine_one(database, why("broken"))
    first = held(database, daniel)
    assert (first.refiling_at, first.tries) == (None, 1)
    with database.cursor() as cursor:
        quarantine_actions.replay(cursor, daniel, contact_id)
    with database.cursor() as cursor, pytest.raises(Conflict):
        quarantine_actions.replay(cursor, daniel, contact_id)
    assert held(database, daniel).refiling_at, "listed while it is being filed"
    fail_again(database, contact_id)
    again = held(database, daniel)
    assert (again.due_at, again.entered_at) == (first.due_at, first.entered_at)
    assert (again.refiling_at, again.tries, again.reason) == (None, 2, why("still broken"))
    assert again.tried_at > first.tried_at
    with database.cursor() as cursor:
        quarantine_actions.replay(cursor, daniel, contact_id)
        assert one(cursor, "SELECT count(*) FROM outbox WHERE topic = 'file' AND ref = %s", contact_id) >= 1


def test_a_slow_filer_that_ended_it_and_failed_keeps_the_clock_too(database: Database, daniel: ActingAgent) -> None:
    contact_id = quarantine_one(database, why("broken"))
    due_at = held(database, daniel).due_at
    with database.cursor() as cursor:
        assert quarantine.end(cursor, contact_id, "replayed")
    fail_again(database, contact_id)
    assert held(database, daniel).due_at == due_at
