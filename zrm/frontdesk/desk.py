"""The front desk of a process: its five ports, put together. Each is implemented in a file of its own beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zrm.casework.reply_routes import SendingAccount
from zrm.config import Settings
from zrm.contract.ports import OpenDoor
from zrm.frontdesk.checkpoint_desk import CheckpointDesk
from zrm.frontdesk.doors_book import DoorsBook
from zrm.frontdesk.file_desk import FileDesk
from zrm.frontdesk.quotas import QuotaCounter
from zrm.frontdesk.reception_desk import ReceptionDesk
from zrm.frontdesk.self_service_desk import SelfServiceDesk
from zrm.frontdesk.store import DeskStore
from zrm.frontdesk.tracking_desk import TrackingDesk
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database


@dataclass(frozen=True, slots=True)
class CitizensDesk:
    """The installation's `FrontDesk`."""

    reception: ReceptionDesk
    files: FileDesk
    tracking: TrackingDesk
    self_service: SelfServiceDesk
    checkpoints: CheckpointDesk


def front_desk(
    database: Database,
    blobs: BlobStore,
    inbox: Inbox,
    settings: Settings,
    secret: bytes,
    senders: Sequence[SendingAccount],
    book: DoorsBook | None = None,
    doors: Sequence[OpenDoor] = (),
    quotas: QuotaCounter | None = None,
) -> CitizensDesk:
    """Assemble a front desk, one per process. `senders` are all accounts of ours that can send, `doors` the open
    channels; `book` and `quotas` as in `ReceptionDesk`.
    """
    store = DeskStore(database, secret)
    tracking = TrackingDesk(store, blobs, settings, senders)
    return CitizensDesk(
        reception=ReceptionDesk(store, inbox, book, quotas),
        files=FileDesk(store, blobs),
        tracking=tracking,
        self_service=SelfServiceDesk(store, settings, senders, doors, tracking),
        checkpoints=CheckpointDesk(store),
    )
