"""From the recordings folder to the installation: a message is kept, received, and only then deleted."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from threading import Event

from zrm.channels.voice_ivr.contact import KIND, raw_contact
from zrm.channels.voice_ivr.spool import Take, VoiceMessage, VoiceSpool
from zrm.contract.files import StoredFile
from zrm.contract.inbound import Receipt
from zrm.contract.ports import FilesPort, ReceptionPort
from zrm.errors import StoreUnavailable
from zrm.kit import log
from zrm.kit.ids import new_trace

_log = log.get(__name__)


def deliver(
    reception: ReceptionPort, files: FilesPort, message: VoiceMessage, *, default_account: str
) -> Receipt | None:
    """Deliver a message and delete it from the folder; None if it has no sound (then nothing is deleted).

    A file that Asterisk continued meanwhile stays, to be received as a further part. Errors: StoreUnavailable,
    StoreFull, OSError; then the message stays in the folder.
    """
    takes = message.takes()
    if not takes:
        return None
    before = [_state(take.path) for take in takes]
    kept = [_keep(files, take) for take in takes]
    trace = str(message.facts.get("trace") or new_trace())
    account = str(message.facts.get("account") or default_account)
    receipt = reception.receive(raw_contact(message.stem, message.facts, takes, kept, account=account, trace=trace))
    _log.info("received", channel=KIND, contact=str(receipt.contact_id), trace=trace, repeated=receipt.repeated)
    if before == [_state(take.path) for take in takes]:
        message.remove()
    else:
        message.facts["part"] = f"{message.facts.get('part', '')}+"
        message.write_note()
    return receipt


def sweep(reception: ReceptionPort, files: FilesPort, spool: VoiceSpool, *, default_account: str) -> int:
    """Receive messages left in the folder: their process was killed, or the store was away. How many. Errors:
    OSError.
    """
    received = 0
    with closing(spool.orphans()) as orphans:
        for message in orphans:
            message.facts.setdefault("ended_by", "lost")
            try:
                if deliver(reception, files, message, default_account=default_account) is not None:
                    received += 1
                    continue
                _log.info("empty recording", channel=KIND, trace=str(message.facts.get("trace", "")))
                message.remove()
            except StoreUnavailable as error:
                _log.warning("store unavailable, recordings wait", channel=KIND, reason=str(error))
                break
            except OSError as error:
                # One unreadable recording must not block those after it.
                _log.error("recording cannot be taken in", channel=KIND, reason=error.strerror or "input/output error")
    return received


def sweep_until(
    stop: Event, reception: ReceptionPort, files: FilesPort, spool: VoiceSpool, *, default_account: str, every: float
) -> None:
    """Sweep at once and then every `every` seconds until `stop` is set; a failure is logged and tried again."""
    while True:
        try:
            sweep(reception, files, spool, default_account=default_account)
        except OSError as error:
            _log.error("recordings folder cannot be read", channel=KIND, reason=error.strerror or "input/output error")
        except Exception:  # noqa: BLE001  # the sweep is the last net; a fault in one round must not end it
            _log.exception("sweep failed", channel=KIND)
        if stop.wait(every):
            return


def _keep(files: FilesPort, take: Take) -> StoredFile:
    with take.path.open("rb") as file:
        return files.store(file, name=f"message-{take.number}.wav", media_type="audio/wav", role="recording")


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
