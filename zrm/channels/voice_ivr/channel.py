"""The channel `voice_ivr`: citizens speak to us by telephone; Asterisk carries the call, this door runs the
dialogue.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar, Final

from asterisk.agi import AGIException

from zrm.channels.channel import Installation
from zrm.channels.voice_ivr import contact, prompts
from zrm.channels.voice_ivr.agi import CallEnded, CommandFailed, FastAGI, PeerConfused
from zrm.channels.voice_ivr.config import VoiceConfig
from zrm.channels.voice_ivr.dialogue import Dialogue
from zrm.channels.voice_ivr.intake import sweep_until
from zrm.channels.voice_ivr.line import Line
from zrm.channels.voice_ivr.server import FastAgiServer
from zrm.channels.voice_ivr.spool import VoiceSpool
from zrm.contract.addresses import PHONE
from zrm.contract.capabilities import Capabilities
from zrm.contract.errors import ReplyInvalid
from zrm.contract.inbound import Parsed, RawContact
from zrm.contract.outbound import Reply, Sent
from zrm.contract.ports import FilesPort, FrontDesk, ReceptionPort
from zrm.contract.reasons import declare
from zrm.contract.refusals import UNKNOWN_PEER
from zrm.kit import clock, log
from zrm.kit.ids import new_trace
from zrm.languages import Language

_log = log.get(__name__)

_NO_ANSWERS: Final = declare(
    "voice.no_answers", "The telephone channel cannot carry a written answer; choose another way to reach the citizen."
)
_SWEEP_SECONDS: Final = 5.0
_NAMED_MISSING: Final = 5


class VoiceChannel:
    """The telephone door. Answers by voice are not built yet: `send` refuses."""

    kind: ClassVar[str] = contact.KIND
    Config: ClassVar[type[VoiceConfig]] = VoiceConfig
    can: ClassVar[Capabilities] = Capabilities(
        names={"fa": "تماس تلفنی", "en": "Phone call"},
        in_sentence={"fa": "با تماس تلفنی", "en": "by telephone"},
        icon="phone",
        address_kind=PHONE,
        tells_code=True,
    )

    def __init__(self, config: VoiceConfig, installation: Installation) -> None:
        self.config = config
        self.installation = installation
        self._language: Language = installation.language
        data = Path(installation.data_dir).absolute()
        self.recordings = Path(config.recordings).absolute() if config.recordings else data / "recordings"
        self.spoken = data / "prompts"
        own = [Path(config.prompts)] if config.prompts else []
        self.prompts = prompts.PromptFolders([*own, self.spoken])
        self.spool = VoiceSpool(self.recordings, config.settle_seconds, config.max_recording_seconds)

    def parse(self, raw: RawContact) -> list[Parsed]:
        """One voice message. Errors: Unparseable."""
        return [contact.parse(raw)]

    def send(self, reply: Reply) -> Sent:
        """Always ReplyInvalid: the system does not call citizens back."""
        raise ReplyInvalid(_NO_ANSWERS)

    def accounts(self) -> list[str]:
        """None: this channel cannot answer."""
        return []

    def redact(self) -> list[str]:
        """AGI has no secrets."""
        return []

    def check(self) -> list[str]:
        """What would prevent callers from being heard."""
        return [*self._check_recordings(), *self._check_prompts(), *self._check_port()]

    def listen(self, desk: FrontDesk, stop: Event) -> None:
        """Answer calls and receive stray recordings until `stop`; running calls may finish. Errors: OSError at the
        start.
        """
        self.spool.prepare()
        self._speak_prompts()
        config = self.config
        server = FastAgiServer(config.host, config.port, max_calls=config.max_calls, allows=config.allows)
        sweep_stop = Event()
        sweeper = Thread(target=self._sweep, args=(desk.reception, desk.files, sweep_stop), name="sweep")
        sweeper.start()
        _log.info("listening", channel=self.kind, host=config.host, port=server.port)
        try:
            server.serve(
                lambda connection: self._call(desk, connection),
                stop,
                refused=lambda peer: self._refused(desk.reception, peer),
                finish_seconds=config.finish_seconds,
            )
        finally:
            sweep_stop.set()
            sweeper.join()

    def _sweep(self, reception: ReceptionPort, files: FilesPort, stop: Event) -> None:
        every = min(_SWEEP_SECONDS, self.config.settle_seconds)
        sweep_until(stop, reception, files, self.spool, default_account=self._default_account(), every=every)

    def _default_account(self) -> str:
        return self.config.accounts[0] if self.config.accounts else "unknown"

    def _speak_prompts(self) -> None:
        from zrm.channels.voice_ivr.speech import SpeechFailed  # the engine and numpy, which only this process needs

        try:
            built = prompts.build(self.spoken)
        except (OSError, SpeechFailed) as error:
            # Earlier ones, and the operator's own, may be enough; `check` names those that are missing.
            _log.error("prompts cannot be spoken", channel=self.kind, reason=str(error))
        else:
            _log.info("prompts ready", channel=self.kind, spoken=built.spoken, kept=built.kept)

    def _refused(self, reception: ReceptionPort, peer: str) -> None:
        _log.warning("refused a machine that is not in allowed_peers", channel=self.kind)
        reception.refuse(self.kind, self._default_account(), UNKNOWN_PEER, peer)

    def _call(self, desk: FrontDesk, connection: socket.socket) -> None:
        """One call, from its first line to its last; no error in it reaches the server."""
        began, trace = time.monotonic(), new_trace()
        ending = "finished"
        try:
            self._converse(desk, FastAGI(connection), trace)
        except CallEnded:
            ending = "hung up"
        except PeerConfused as error:
            ending = f"not AGI: {error}"
        except AGIException as error:
            ending = f"failed: {type(error).__name__}"
        except Exception:  # noqa: BLE001  # a fault in one call must not become a lost neighbour
            ending = "failed"
            _log.exception("call failed", channel=self.kind, trace=trace)
        _log.info(
            "call over", channel=self.kind, trace=trace, ending=ending, seconds=round(time.monotonic() - began, 1)
        )

    def _converse(self, desk: FrontDesk, agi: FastAGI, trace: str) -> None:
        account = contact.account_of(agi.env)
        if self.config.accounts and account not in self.config.accounts:
            _log.warning("a number that is not in accounts was dialled; call sent back", channel=self.kind, trace=trace)
            return
        facts = contact.facts_of(
            agi.env, system=_system_name(agi), language=self._language, started=clock.now(), trace=trace
        )
        dialogue = Dialogue(
            Line(agi, self.prompts, self._language, self.config.key_seconds),
            desk.reception,
            desk.files,
            desk.tracking,
            self.spool,
            self.config,
            facts=facts,
            # Callers without a number are counted by call, or one of them could lock out all the others.
            peer=str(facts["caller"] or f"call {facts['uniqueid']}"),
            timezone=self.installation.timezone,
            default_language=self._language,
        )
        dialogue.run()

    def _check_recordings(self) -> list[str]:
        folder = self.recordings
        standing = next(path for path in (folder, *folder.parents) if path.exists())
        if not standing.is_dir() or not os.access(standing, os.W_OK | os.X_OK):
            return [f"The recordings folder {folder} cannot be written by ZRM."]
        strangers = self.spool.strangers() if standing == folder else 0
        if strangers:
            return [
                f"{strangers} sound files in {folder} were not made by this door; it leaves them alone. Give it a folder of its own."
            ]
        return []

    def _check_prompts(self) -> list[str]:
        missing = self.prompts.missing(self.config.languages)
        if not missing:
            return []
        named = ", ".join(missing[:_NAMED_MISSING]) + (" …" if len(missing) > _NAMED_MISSING else "")
        return [
            f"{len(missing)} telephone prompts are missing ({named}); run python -m zrm.channels.voice_ivr.prompts --out {self.spoken}."
        ]

    def _check_port(self) -> list[str]:
        config = self.config
        try:
            FastAgiServer(config.host, config.port, max_calls=1, allows=config.allows).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return []  # most likely our own process; a door that finds its port in use reports it at its start
            return [f"The telephone door cannot listen on {config.host}:{config.port}: {error.strerror or error}."]
        return []


def _system_name(agi: FastAGI) -> str:
    """The name of this Asterisk in its asterisk.conf, "" if it has none."""
    try:
        return agi.get_variable("SYSTEMNAME")
    except CommandFailed:
        return ""
