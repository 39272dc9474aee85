"""The house the mail tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.channels.email.house import MailHouse
from zrm.config import Settings
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database


@pytest.fixture
def mail_house(database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings, tmp_path: Path) -> MailHouse:
    """A house that takes mail."""
    return MailHouse(database, inbox, blobs, settings, tmp_path)
