"""The installation the mail tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.channels.email.installation import MailInstallation
from zrm.config import Settings
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database


@pytest.fixture
def mail_installation(
    database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings, tmp_path: Path
) -> MailInstallation:
    """An installation that takes mail."""
    return MailInstallation(database, inbox, blobs, settings, tmp_path)
