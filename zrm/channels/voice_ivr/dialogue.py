"""The dialogue with one caller, from the greeting to the goodbye."""

from __future__ import annotations

from typing import Any, Final

from stdnum import damm

from zrm.channels.voice_ivr import number_prompts
from zrm.channels.voice_ivr.agi import CallEnded, CommandFailed
from zrm.channels.voice_ivr.config import VoiceConfig
from zrm.channels.voice_ivr.contact import KIND
from zrm.channels.voice_ivr.intake import deliver
from zrm.channels.voice_ivr.line import ALL_KEYS, Line
from zrm.channels.voice_ivr.spool import MAX_TAKES, Take, VoiceMessage, VoiceSpool
from zrm.contract.inbound import Receipt
from zrm.contract.ports import FilesPort, ReceptionPort, TrackingPort
from zrm.contract.tracking import Tracking
from zrm.errors import NotFound, StoreUnavailable, TooManyTries
from zrm.kit import log
from zrm.languages import Language

_log = log.get(__name__)

CODE_LENGTH: Final = 12
MISSES_ALLOWED: Final = 3
LANGUAGE_ASKED: Final = 2
MENUS_ALLOWED: Final = 50


class Dialogue:
    """One call. `facts` are what is known of it (`contact.facts_of`); `peer` is the peer for which the desk counts
    tries.
    """

    def __init__(
        self,
        line: Line,
        reception: ReceptionPort,
        files: FilesPort,
        tracking: TrackingPort,
        spool: VoiceSpool,
        config: VoiceConfig,
        *,
        facts: dict[str, Any],
        peer: str,
        timezone: str,
        default_language: Language,
    ) -> None:
        self._line = line
        self._reception = reception
        self._files = files
        self._tracking = tracking
        self._spool = spool
        self._config = config
        self._facts = facts
        self._peer = peer
        self._timezone = timezone
        self._default_language = default_language if default_language in config.languages else config.languages[0]

    def run(self) -> None:
        """Run the dialogue until the caller is done. Errors: CallEnded when they hang up, PeerConfused."""
        self._line.agi.answer()
        # Callers who know the menu need not wait for the greeting's end.
        self._choose_language(self._line.say("welcome", keys=ALL_KEYS, language=self._config.languages[0]))
        self._menu()
        self._line.say("goodbye")
        self._line.agi.hangup()

    # ------------------------------------------------------------ language and menu

    def _choose_language(self, key: str = "") -> None:
        languages = self._config.languages
        chosen: Language | None = languages[0] if len(languages) == 1 else None
        for _ in range(LANGUAGE_ASKED):
            if chosen is None:
                chosen = self._ask_language(key)
                key = ""
        self._line.language = chosen or self._default_language

    def _ask_language(self, key: str) -> Language | None:
        languages = self._config.languages
        for number, language in enumerate(languages, start=1):
            key = key or self._line.say(f"choose-{language}-{number}", keys=ALL_KEYS, language=language)
        key = key or self._line.wait_for_key()
        if key.isdecimal() and 1 <= int(key) <= len(languages):
            return languages[int(key) - 1]
        if key:
            self._line.say("wrong-key", language=languages[0])
        return None

    def _menu(self) -> None:
        misses = 0
        for _ in range(MENUS_ALLOWED):
            key = self._line.ask("menu")
            stay = True
            if key == "1":
                stay = self._leave_message()
            elif key == "2":
                self._hear_state()
            elif key == "9":
                self._choose_language()
            elif key != "0":
                misses += 1
                self._line.say("wrong-key" if key else "no-key")
            if key in {"1", "2", "9", "0"}:
                misses = 0
            if not stay or misses >= MISSES_ALLOWED:
                return

    def _offer(self, prompt: str, choices: str) -> str:
        """Offer choices until one is taken; "" after silence or too many wrong keys."""
        for _ in range(MISSES_ALLOWED):
            key = self._line.ask(prompt)
            if key == "" or key in choices:
                return key
            self._line.say("wrong-key")
        return ""

    # ------------------------------------------------------------ 1: leave a message

    def _leave_message(self) -> bool:
        """Record, register and read the code out. False when the call may end with it."""
        facts = {**self._facts, "language": self._line.language}
        try:
            message = self._spool.begin(str(facts.get("uniqueid", "")), facts)
        except OSError as error:
            _log.error("recordings folder cannot be written", channel=KIND, reason=error.strerror)
            self._line.say("recording-failed")
            return True
        try:
            if not self._record(message):
                message.remove()
                return True
            return self._register(message)
        finally:
            # Files left in the folder from now on belong to the sweep.
            message.release()

    def _record(self, message: VoiceMessage) -> bool:
        """Record until the caller agrees; hanging up counts as agreement. False when there is nothing to register."""
        state = _Recording(message)
        try:
            agreed = self._takes(state)
        except CallEnded as ended:
            if state.under_way and not ended.socket_open:
                # Asterisk may still be writing: the sweep waits until it has finished.
                _log.warning("cut off while recording", channel=KIND, trace=message.facts.get("trace"))
                raise
            self._register_without_caller(message)
            raise
        if agreed:
            message.facts["ended_by"] = agreed
        return bool(agreed)

    def _takes(self, state: _Recording) -> str:
        """Record takes until one is confirmed: "confirmed" or "silence"; "" when nothing could be recorded."""
        for number in range(1, MAX_TAKES + 1):
            self._line.say("record", keys="#")
            if not self._one_take(state, number) and not state.message.takes():
                return ""
            takes = state.message.takes()
            if not takes:
                self._line.say("nothing-recorded")
                if number >= MISSES_ALLOWED:
                    return ""
                continue
            current = takes[-1]
            if current.number == number:
                for earlier in takes[:-1]:
                    state.message.drop_take(earlier.number)
            else:
                self._line.say("nothing-recorded", "earlier-kept")
            agreed = self._review(current)
            if agreed:
                return agreed
        return "confirmed"

    def _one_take(self, state: _Recording, number: int) -> bool:
        """One recording; False when Asterisk could not record. Errors: CallEnded, also when the caller hung up
        meanwhile.
        """
        config = self._config
        state.under_way = True
        try:
            recorded = self._line.record(
                state.message.take_base(number), longest=config.max_recording_seconds, silence=config.silence_seconds
            )
        except CommandFailed:
            state.under_way = False
            _log.error("Asterisk cannot record into the recordings folder", channel=KIND)
            self._line.say("recording-failed")
            return False
        state.under_way = False
        if recorded.ended_by == "hangup":
            raise CallEnded("the caller hung up while recording", socket_open=True)
        return True

    def _review(self, take: Take) -> str:
        """How the caller agreed, "confirmed" or by "silence"; "" for another take."""
        while True:
            key = self._offer("review", "123")
            if key == "2":
                self._line.play(take.path.with_suffix(""), keys="123#*", seconds=take.seconds)
                continue
            return {"1": "confirmed", "3": ""}.get(key, "silence")

    def _register_without_caller(self, message: VoiceMessage) -> None:
        message.facts["ended_by"] = "hangup"
        if not message.takes():
            _log.info("hung up without a message", channel=KIND, trace=message.facts.get("trace"))
            message.remove()
            return
        self._delivered(message)

    def _register(self, message: VoiceMessage) -> bool:
        receipt = self._delivered(message)
        if receipt is None:
            self._line.say("not-registered")
            return False
        self._line.say("registered", number_prompts.PAUSE)
        self._line.say(
            *number_prompts.code(receipt.code),
            number_prompts.PAUSE,
            "code-again",
            number_prompts.PAUSE,
            *number_prompts.code(receipt.code),
        )
        while True:
            key = self._offer("code-offer", "10")
            if key != "1":
                return key == "0"
            self._line.say(*number_prompts.code(receipt.code), number_prompts.PAUSE)

    def _delivered(self, message: VoiceMessage) -> Receipt | None:
        """The receipt, or None when the installation cannot take it now; then the recording stays for the sweep."""
        try:
            message.write_note()
            return deliver(self._reception, self._files, message, default_account="unknown")
        except StoreUnavailable as error:
            _log.warning("store unavailable, the recording waits", channel=KIND, reason=str(error))
        except OSError as error:
            _log.error("recording cannot be taken in", channel=KIND, reason=error.strerror)
        except Exception:  # noqa: BLE001  # whatever broke behind the desk, the caller is owed an honest word
            _log.exception("desk failed, the recording waits", channel=KIND)
        return None

    # ------------------------------------------------------------ 2: the state of a case

    def _hear_state(self) -> None:
        tries = 0
        while tries < MISSES_ALLOWED:
            keys = self._line.digits("enter-code", CODE_LENGTH).keys
            tracking = self._look_up(keys)
            if isinstance(tracking, str):
                self._line.say(tracking)
                if tracking in {"too-many-tries", "not-available"}:
                    return
                tries += 1
                continue
            if not self._tell(tracking):
                return
            tries = 0
        self._line.say("code-given-up")

    def _look_up(self, keys: str) -> Tracking | str:
        """The case of the entered code, or the prompt that says why there is none."""
        if not keys:
            return "no-key"
        if len(keys) != CODE_LENGTH:
            return "code-short"
        if not keys.isdecimal() or keys[0] == "0" or not damm.is_valid(keys):
            return "code-mistyped"
        try:
            return self._tracking.track(keys, self._peer)
        except NotFound:
            return "code-unknown"
        except TooManyTries:
            return "too-many-tries"
        except StoreUnavailable as error:
            _log.warning("store unavailable", channel=KIND, reason=str(error))
            return "not-available"
        except Exception:  # noqa: BLE001  # as above: an apology, not a dead line
            _log.exception("desk failed", channel=KIND)
            return "not-available"

    def _tell(self, tracking: Tracking) -> bool:
        """Say the state until the caller has heard enough; True when they have another code."""
        names = [f"state-{tracking.state}", number_prompts.PAUSE]
        names += [
            "opened-on",
            *number_prompts.date(tracking.opened_at, self._line.language, self._timezone),
            number_prompts.PAUSE,
        ]
        if tracking.state != "received":
            names += [
                "changed-on",
                *number_prompts.date(tracking.changed_at, self._line.language, self._timezone),
                number_prompts.PAUSE,
            ]
        while True:
            self._line.say(*names)
            key = self._offer("state-offer", "120")
            if key != "1":
                return key == "2"


class _Recording:
    """A message and whether Asterisk may be writing into one of its files at this moment."""

    def __init__(self, message: VoiceMessage) -> None:
        self.message = message
        self.under_way = False
