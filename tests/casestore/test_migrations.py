"""The migrations are one line of history, with names Alembic can store."""

from __future__ import annotations

from alembic.script import ScriptDirectory

from zrm.casestore.schema import alembic_config


def test_one_head_and_short_names() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    assert len(scripts.get_heads()) == 1
    for script in scripts.walk_revisions():
        assert len(script.revision) <= 32, "alembic_version.version_num is varchar(32)"
        assert script.revision.startswith("20"), "named by date and sentence"
