"""A telephone network on loopback: the hub's Asterisk, and a far Asterisk from which citizens call and fax."""

import itertools
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.lab.ami import Message
from tests.lab.asterisk import Asterisk
from tests.lab.process import PeerError, free_port, tail, wait_until
from tests.lab.sound import write_telephone_sound

ALLOWED_DIGITS = frozenset("0123456789*#")
DEFAULT_CALLER = "09121234567"
NO_HOOK = ("true",)


@dataclass(frozen=True)
class Pause:
    """The citizen waits, in seconds."""

    seconds: float


@dataclass(frozen=True)
class Press:
    """The citizen presses keys, one after the other."""

    digits: str


@dataclass(frozen=True)
class Say:
    """The citizen speaks: a sound file in any rate and width of PCM WAV."""

    sound: Path


Step = Pause | Press | Say


class Telephony:
    """The hub's and the far Asterisk, started together (about two seconds) and stopped together.

    `agi_port`: where the product's FastAGI server listens. `recordings`: the folder it lets Asterisk record into.
    `fax_hook`: the command that receives a fax; it is called with the path of the TIFF, the caller's
    number, the called number, Asterisk's unique id, FAXOPT's status, error and pages.
    """

    def __init__(
        self,
        *,
        agi_port: int | None = None,
        recordings: Path | None = None,
        agi_path: str = "ivr",
        fax_hook: Sequence[str] = NO_HOOK,
        fax_number: str = "150",
    ) -> None:
        self.fax_number = fax_number
        self._folder = tempfile.TemporaryDirectory(prefix="zrm-calls-")
        self._numbers = itertools.count(1)
        if recordings is not None:
            recordings.mkdir(parents=True, exist_ok=True)
        command = shlex.join(fax_hook)
        if any(character in command for character in ",;\n${}"):
            raise ValueError("the fax hook's command holds a character that the dialplan reads: , ; $ { }")
        hub_settings = {
            "AGI_PORT": str(agi_port or free_port()),
            "AGI_PATH": agi_path,
            "RECORDINGS": str(recordings or Path(self._folder.name)),
            "FAX_HOOK": command,
            "FAX_NUMBER": fax_number,
        }
        self.far = Asterisk("far", {})
        self.hub = Asterisk("hub", hub_settings | {"PEER_SIP_PORT": str(self.far.sip_port)})
        self.far.add_settings({"PEER_SIP_PORT": str(self.hub.sip_port)})

    def __enter__(self) -> "Telephony":
        try:
            self.hub.start()
            self.far.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End both and remove their files (not the recordings folder)."""
        self.far.ask_to_end()
        self.hub.ask_to_end()
        self.far.stop()
        self.hub.stop()
        self._folder.cleanup()

    def call(
        self,
        number: str,
        *,
        dtmf: Sequence[tuple[float, str]] = (),
        say: Path | None = None,
        script: Sequence[Step] = (),
        caller: str = DEFAULT_CALLER,
        stay: float = 60.0,
    ) -> "Call":
        """Call the hub and return once it answered.

        The citizen does `script`, or (the short form) waits and presses each of `dtmf` and then says `say`; after that
        the citizen listens, for at most `stay` seconds. Raises PeerError when the hub does not answer.
        """
        steps = list(script)
        for seconds, digits in dtmf:
            steps += [Pause(seconds), Press(digits)]
        if say is not None:
            steps.append(Say(say))
        folder = Path(self._folder.name) / f"call-{next(self._numbers)}"
        folder.mkdir()
        call = Call(self.far, folder, f"PJSIP/{_dialable(number)}@hub", stay)
        call.begin(steps, caller)
        return call

    def fax(
        self, tiff: Path, *, caller: str = DEFAULT_CALLER, t38: bool = True, number: str | None = None
    ) -> "FaxCall":
        """Start sending a fax to the hub, over T.38 or as sound; returns at once."""
        endpoint = "hub" if t38 else "hub-audio"
        channel = f"PJSIP/{_dialable(number or self.fax_number)}@{endpoint}"
        fax = FaxCall(self, f"lab-fax-{next(self._numbers)}-{self.far.sip_port}")
        variables = {"FAX_FILE": str(tiff), "FAX_OPTIONS": "zf" if t38 else "f"}
        originate(self.far, channel, fax.uniqueid, "fax", "send", caller, variables)
        return fax


class Call:
    """One call of a citizen, at the citizen's telephone."""

    def __init__(self, far: Asterisk, folder: Path, channel: str, stay: float) -> None:
        self._far = far
        self._folder = folder
        self._dialled = channel
        self._stay = stay
        self._channel = ""
        self._sayings = itertools.count(1)
        self.uniqueid = f"lab-{folder.name}-{far.sip_port}"

    def begin(self, steps: Sequence[Step], caller: str) -> None:
        """Dial, and wait for the answer."""
        variables = {
            "MIXED": str(self._folder / "mixed.wav"),
            "HEARD": str(self._folder / "heard.wav"),
            "DONE": str(self._folder / "done"),
            "STAY": f"{self._stay:.2f}",
        }
        for number, step in enumerate(steps, start=1):
            variables[f"STEP{number}"] = self._written(step)
        answer = originate(self._far, self._dialled, self.uniqueid, "caller", "s", caller, variables, wait=True)
        self._channel = answer["Channel"]

    def press(self, digits: str) -> None:
        """Press keys now, during the call."""
        for digit in _checked_digits(digits):
            self._far.ami.act("PlayDTMF", [("Channel", self._channel), ("Digit", digit), ("Duration", "120")])
            # Without a gap two keys are recognised as one.
            self._far.ami.event(lambda event: False, 0.3)

    def say(self, sound: Path) -> None:
        """Speak now (ends the script if it still runs), and return when it is said or the call is over."""
        number = next(self._sayings)
        prepared = self._prepared(sound)
        self._far.ami.act(
            "Setvar", [("Channel", self._channel), ("Variable", "SAYING"), ("Value", str(prepared.with_suffix("")))]
        )
        where = [("Context", "caller"), ("Exten", "saying"), ("Priority", "1")]
        self._far.ami.act("Redirect", [("Channel", self._channel), *where])
        said: list[Message] = []

        def over(event: Message) -> bool:
            if event.get("Uniqueid") != self.uniqueid:
                return False
            if event.get("UserEvent") == "Said" and event not in said:
                said.append(event)
            return len(said) >= number or event["Event"] == "Hangup"

        if self._far.ami.event(over, 600) is None:
            raise PeerError("the citizen never finished speaking")

    def hangup(self) -> None:
        """Hang up now, at any point of the call, and wait until the line is free."""
        self._far.ami.act("Hangup", [("Channel", self._channel), ("Cause", "16")])
        self.wait()

    def wait(self, seconds: float = 120.0) -> None:
        """Wait until the call is over and its recording is written."""

        def ended(event: Message) -> bool:
            return event["Event"] == "Hangup" and event.get("Uniqueid") == self.uniqueid

        if self._far.ami.event(ended, seconds) is None:
            raise PeerError(f"the call was not over after {seconds:.0f} s\n{tail(self._far.log)}")
        wait_until((self._folder / "done").exists, "the sound of the call to be written")

    @property
    def heard(self) -> Path:
        """What the citizen heard: WAV, 8 kHz, 16 bits, one channel. Complete after `wait` or `hangup`."""
        return self._folder / "heard.wav"

    def _written(self, step: Step) -> str:
        match step:
            case Pause(seconds):
                return f"pause:{seconds:.2f}"
            case Press(digits):
                return f"press:{_checked_digits(digits)}"
            case Say(sound):
                return f"say:{self._prepared(sound).with_suffix('')}"

    def _prepared(self, sound: Path) -> Path:
        prepared = self._folder / f"say-{len(list(self._folder.iterdir()))}.wav"
        write_telephone_sound(sound, prepared)
        return prepared


class FaxCall:
    """One fax on its way from a citizen to the hub."""

    def __init__(self, telephony: Telephony, uniqueid: str) -> None:
        self._telephony = telephony
        self.uniqueid = uniqueid

    def wait(self, seconds: float = 120.0) -> Message:
        """Wait for the sender's result: Status ("SUCCESS" or "FAILED"), Error, Pages, Mode ("T38" or "audio")."""

        def sent(event: Message) -> bool:
            return event.get("UserEvent") == "FaxSent" and event.get("Uniqueid") == self.uniqueid

        result = self._telephony.far.ami.event(sent, seconds)
        if result is None:
            raise PeerError(f"the fax was not sent after {seconds:.0f} s\n{tail(self._telephony.far.log)}")
        return result

    def hangup(self) -> None:
        """Break the connection during the transmission; the call must have been answered."""
        far = self._telephony.far

        def begun(event: Message) -> bool:
            return event["Event"] == "FAXStatus" and event.get("Uniqueid") == self.uniqueid

        status = far.ami.event(begun, 30)
        if status is None:
            raise PeerError("the fax was never answered")
        far.ami.act("Hangup", [("Channel", status["Channel"]), ("Cause", "16")])


def originate(
    asterisk: Asterisk,
    channel: str,
    uniqueid: str,
    context: str,
    exten: str,
    caller: str,
    variables: Mapping[str, str],
    *,
    wait: bool = False,
) -> Message:
    """Start a call; with `wait` returns Asterisk's report of the answer, PeerError if there was no answer."""
    fields = [
        ("Channel", channel),
        ("ChannelId", uniqueid),
        ("Context", context),
        ("Exten", exten),
        ("Priority", "1"),
        ("CallerID", f'"" <{caller}>'),
        ("Timeout", "20000"),
        ("Async", "true"),
        *(("Variable", f"{name}={value}") for name, value in variables.items()),
    ]
    answer = asterisk.ami.act("Originate", fields)
    if not wait:
        return answer

    def answered(event: Message) -> bool:
        return event["Event"] == "OriginateResponse" and event.get("Uniqueid") == uniqueid

    report = asterisk.ami.event(answered, 30)
    if report is None or report.get("Response") != "Success":
        raise PeerError(f"nobody answered {channel}: {report}\n{tail(asterisk.log)}")
    return report


def _checked_digits(digits: str) -> str:
    if not digits or not ALLOWED_DIGITS.issuperset(digits):
        raise ValueError(f"a telephone has no such keys: {digits!r}")
    return digits


def _dialable(number: str) -> str:
    if not number.removeprefix("+").isascii() or not number.removeprefix("+").isdigit():
        raise ValueError(f"not a number one can dial: {number!r}")
    return number
